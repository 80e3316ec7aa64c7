#include "builder/project_files.h"

#include <algorithm>
#include <array>

#include "base/text.h"
#include "wire/json.h"
#include "wire/yaml.h"

namespace tidemill::builder {
namespace {

using base::Code;
using base::fail;

bool is_word(char c) {
    return (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') || (c >= '0' && c <= '9') || c == '_' ||
           c == '$';
}

bool has_word(std::string_view text, std::string_view word) {
    for (auto at = text.find(word); at != std::string_view::npos; at = text.find(word, at + 1)) {
        const auto end = at + word.size();
        if ((at == 0 || !is_word(text[at - 1])) && (end == text.size() || !is_word(text[end]))) {
            return true;
        }
    }
    return false;
}

constexpr std::size_t functions_max = 200;

}  // namespace

base::Result<image::NamedTexts> read_functions(std::string_view yaml) {
    TRY(const auto documents, wire::parse_yaml(yaml));
    if (documents.size() != 1) {
        return fail(Code::invalid, "must be one YAML document with `functions:`");
    }
    const wire::JsonReader reader(documents.front());
    CHECK_OK(reader.only({"functions"}));
    TRY(const auto members, reader.at("functions").members());
    if (members.empty() || members.size() > functions_max) {
        return reader.at("functions")
            .fail(fmt::format("must name 1 to {} functions, path prefix: handler", functions_max));
    }
    image::NamedTexts functions;
    for (const auto& [prefix, value] : members) {
        TRY(const auto handler, value.string());
        if (!prefix.starts_with('/')) {
            return value.fail("the path prefix must begin with /");
        }
        functions.emplace_back(prefix, handler);
    }
    return functions;
}

base::Result<std::string> read_procfile(std::string_view text) {
    for (const auto line : base::split(text, '\n')) {
        if (line.starts_with("web:")) {
            auto command = base::trim(line.substr(4));
            if (command.ends_with('\r')) {
                command = base::trim(command.substr(0, command.size() - 1));
            }
            if (command.empty()) {
                return fail(Code::invalid, "the line `web:` names no command");
            }
            return std::string(command);
        }
    }
    return fail(Code::invalid, "has no line `web: COMMAND`");
}

base::Result<PackageJson> read_package_json(std::string_view text) {
    TRY(const auto document, wire::parse_json(text));
    const wire::JsonReader reader(document);
    PackageJson found;
    TRY(const auto start, reader.at("scripts").at("start").string_or(""));
    found.start = base::trim(start);
    TRY(found.main, reader.at("main").string_or(""));
    if (found.main.starts_with("./")) {
        found.main.erase(0, 2);
    }
    for (const auto* group : {"dependencies", "optionalDependencies"}) {
        TRY(const auto members, reader.at(group).members());
        for (const auto& [name, value] : members) {
            found.has_dependencies = true;
            TRY(const auto version, value.string());
            if (version.starts_with("file:") || version.starts_with("link:") ||
                version.starts_with('.') || version.starts_with('/')) {
                found.needs_source = true;
            }
        }
    }
    if (reader.at("workspaces").is_present()) {
        found.has_dependencies = found.needs_source = true;
    }
    for (const auto* script : {"preinstall", "install", "postinstall", "prepare", "prepublish"}) {
        if (reader.at("scripts").at(script).is_present()) {
            found.needs_source = true;
        }
    }
    return found;
}

Requirements read_requirements(std::string_view text) {
    Requirements found;
    bool continues = false;
    for (auto line : base::split(text, '\n')) {
        const bool continued = continues;
        if (line.ends_with('\r')) {
            line.remove_suffix(1);
        }
        line = base::trim(line);
        continues = line.ends_with('\\');
        if (continued || line.empty() || line.starts_with('#')) {
            continue;
        }
        if (line.starts_with('-')) {
            const auto names = [&](std::string_view option) { return line.starts_with(option); };
            if (names("-r") || names("-c") || names("-e") || names("--requirement") ||
                names("--constraint") || names("--editable") || names("-f") ||
                names("--find-links")) {
                found.has_any = found.needs_source = true;
                found.all_pinned = false;
            }
            continue;
        }
        found.has_any = true;
        if (line.starts_with('.') || line.starts_with('/') || has_word(line, "file") ||
            line.find(".whl") != std::string_view::npos) {
            found.needs_source = true;
        }
        if (line.find("==") == std::string_view::npos) {
            found.all_pinned = false;
        }
    }
    return found;
}

bool python_defines_handle(std::string_view text) {
    return std::ranges::any_of(base::split(text, '\n'), [](std::string_view line) {
        return line.starts_with("def handle(") || line.starts_with("async def handle(") ||
               line.starts_with("handle =") || line.starts_with("handle=") ||
               (line.starts_with("from ") && has_word(line, "handle"));
    });
}

bool javascript_exports_handle(std::string_view text) {
    bool exports_object = false;
    for (const auto line : base::split(text, '\n')) {
        if (base::trim(line).starts_with("//")) {
            continue;
        }
        const bool exports = has_word(line, "export") || has_word(line, "exports");
        if (exports && has_word(line, "handle")) {
            return true;
        }
        // An object or a list of names may go over many lines.
        exports_object = exports_object || (exports && line.find('{') != std::string_view::npos);
        if (exports_object && base::trim(line).starts_with("handle")) {
            return true;
        }
    }
    return false;
}

std::vector<std::string> shell_command(std::string_view line) {
    constexpr std::array keywords{"cd",  "export", "exec", "if",     "for",  "while",
                                  "set", ".",      "eval", "ulimit", "umask"};
    const auto first = base::split(line, ' ').front();
    const bool is_simple = line.find_first_of(";|&()<>{}`\n") == std::string_view::npos &&
                           first.find('=') == std::string_view::npos &&
                           std::ranges::find(keywords, first) == keywords.end();
    return {"/bin/sh", "-c", (is_simple ? "exec " : "") + std::string(line)};
}

}  // namespace tidemill::builder
