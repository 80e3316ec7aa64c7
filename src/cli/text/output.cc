#include "cli/text/output.h"

#include "cli/text/json_path.h"
#include "wire/yaml.h"

namespace tidemill::cli {

Flag output_flag() {
    return {.name = "--output",
            .letter = "-o",
            .value = "FORMAT",
            .help = "table, wide, json, jsonl, yaml, name or jsonpath=TEMPLATE"};
}

base::Result<Format> parse_format(const Invocation& given) {
    const auto text = given.text("--output", "table");
    constexpr std::pair<std::string_view, Format::Kind> names[] = {
        {"table", Format::Kind::table}, {"wide", Format::Kind::wide}, {"json", Format::Kind::json},
        {"jsonl", Format::Kind::jsonl}, {"yaml", Format::Kind::yaml}, {"name", Format::Kind::name}};
    for (const auto& [name, kind] : names) {
        if (text == name) {
            return Format{.kind = kind};
        }
    }
    constexpr std::string_view jsonpath = "jsonpath=";
    if (text.starts_with(jsonpath)) {
        return Format{.kind = Format::Kind::jsonpath, .path = text.substr(jsonpath.size())};
    }
    return base::fail(base::Code::invalid,
                      "-o {}: there is table, wide, json, jsonl, yaml, name and jsonpath=TEMPLATE",
                      text);
}

base::Result<std::string> show(const wire::Json& document, const Format& format) {
    switch (format.kind) {
        case Format::Kind::yaml:
            return wire::write_yaml(document);
        case Format::Kind::jsonl:
            return wire::write_json(document) + "\n";
        case Format::Kind::jsonpath:
            return apply_json_path(format.path, document);
        default:
            return wire::write_json(document, wire::JsonStyle::pretty) + "\n";
    }
}

}  // namespace tidemill::cli
