#include "api/request/representation.h"

#include <fmt/format.h>

#include "base/text.h"
#include "model/kinds/columns.h"
#include "wire/json.h"
#include "wire/yaml.h"

namespace tidemill::api {
namespace {

using model::as_json;
using model::Json;
using model::JsonArray;
using model::JsonObject;

JsonObject partial(const model::Object& object, const std::string& group_version) {
    return {{"kind", "PartialObjectMetadata"},
            {"apiVersion", as_json(group_version)},
            {"metadata", model::to_json(object.metadata)}};
}

JsonArray column_definitions(const model::Kind& kind) {
    JsonArray out;
    for (const auto& column : kind.columns) {
        out.push_back(JsonObject{{"name", as_json(column.name)},
                                 {"type", as_json(column.type)},
                                 {"format", as_json(column.format)},
                                 {"description", ""},
                                 {"priority", column.priority}});
    }
    return out;
}

JsonObject row(const model::Object& object, const Representation& as, base::WallTime now) {
    JsonArray cells;
    for (const auto& column : model::kind_of(object.kind).columns) {
        cells.push_back(model::print_cell(column, object, now));
    }
    JsonObject out{{"cells", std::move(cells)}};
    switch (as.row_object) {
        case Representation::RowObject::none:
            break;
        case Representation::RowObject::metadata:
            out["object"] = partial(object, as.group_version);
            break;
        case Representation::RowObject::whole:
            out["object"] = model::to_json(object);
            break;
    }
    return out;
}

JsonObject table(const std::string& group_version, JsonObject metadata, JsonArray columns,
                 JsonArray rows) {
    return {{"kind", "Table"},
            {"apiVersion", as_json(group_version)},
            {"metadata", std::move(metadata)},
            {"columnDefinitions", std::move(columns)},
            {"rows", std::move(rows)}};
}

}  // namespace

std::vector<MediaRange> media_ranges(std::string_view accept) {
    std::vector<MediaRange> out;
    for (const auto range : base::split(accept, ',')) {
        MediaRange media;
        bool first = true;
        for (const auto part : base::split(range, ';')) {
            const auto text = base::trim(part);
            if (first) {
                media.type = text;
                first = false;
            } else if (text.starts_with("as=")) {
                media.as = text.substr(3);
            } else if (text.starts_with("g=")) {
                media.group = text.substr(2);
            } else if (text.starts_with("v=")) {
                media.version = text.substr(2);
            }
        }
        if (!media.type.empty()) {
            out.push_back(media);
        }
    }
    return out;
}

Answered<Representation> Representation::parse(std::string_view accept,
                                               std::string_view include_object) {
    Representation out;
    if (include_object == "None") {
        out.row_object = RowObject::none;
    } else if (include_object == "Object") {
        out.row_object = RowObject::whole;
    } else if (!include_object.empty() && include_object != "Metadata") {
        return refuse(
            bad_request(fmt::format("query: includeObject: \"{}\" is none of None, "
                                    "Metadata, Object",
                                    include_object)));
    }
    const auto ranges = media_ranges(accept);
    if (ranges.empty()) {
        return out;
    }
    for (const auto& range : ranges) {
        const bool any = range.type == "*/*" || range.type == "application/*";
        const bool yaml = range.type == "application/yaml";
        if (!any && !yaml && range.type != "application/json") {
            continue;
        }
        out.format = yaml ? Format::yaml : Format::json;
        if (range.as.empty()) {
            return out;
        }
        if (range.group != "meta.k8s.io" || (range.version != "v1" && range.version != "v1beta1")) {
            continue;
        }
        out.group_version = fmt::format("{}/{}", range.group, range.version);
        if (range.as == "Table") {
            out.shape = Shape::table;
            return out;
        }
        if (range.as == "PartialObjectMetadata" || range.as == "PartialObjectMetadataList") {
            out.shape = Shape::partial;
            return out;
        }
    }
    return refuse(not_acceptable());
}

std::string_view Representation::content_type() const {
    return format == Format::yaml ? "application/yaml" : "application/json";
}

Json render(const model::Object& object, const Representation& as, base::WallTime now,
            Header header) {
    switch (as.shape) {
        case Representation::Shape::object:
            return model::to_json(object);
        case Representation::Shape::partial:
            return partial(object, as.group_version);
        case Representation::Shape::table:
            break;
    }
    return table(as.group_version,
                 {{"resourceVersion", std::to_string(object.metadata.resource_version)}},
                 header == Header::with_columns ? column_definitions(model::kind_of(object.kind))
                                                : JsonArray(),
                 {row(object, as, now)});
}

Json render_list(const model::Kind& kind, const store::ListPage& page, const Representation& as,
                 base::WallTime now) {
    JsonObject metadata{{"resourceVersion", std::to_string(page.revision)}};
    if (!page.continue_token.empty()) {
        metadata["continue"] = as_json(page.continue_token);
    }
    JsonArray items;
    items.reserve(page.items.size());
    for (const auto& object : page.items) {
        switch (as.shape) {
            case Representation::Shape::object:
                items.push_back(model::to_json(*object));
                break;
            case Representation::Shape::partial:
                items.push_back(partial(*object, as.group_version));
                break;
            case Representation::Shape::table:
                items.push_back(row(*object, as, now));
                break;
        }
    }
    if (as.shape == Representation::Shape::table) {
        return table(as.group_version, std::move(metadata), column_definitions(kind),
                     std::move(items));
    }
    const bool whole = as.shape == Representation::Shape::object;
    return JsonObject{
        {"kind", as_json(whole ? fmt::format("{}List", kind.kind) : "PartialObjectMetadataList")},
        {"apiVersion", as_json(whole ? kind.api_version() : as.group_version)},
        {"metadata", std::move(metadata)},
        {"items", std::move(items)}};
}

Json render_bookmark(const model::Kind& kind, std::uint64_t revision, Bookmark what,
                     const Representation& as) {
    JsonObject metadata{{"resourceVersion", std::to_string(revision)}};
    if (what == Bookmark::initial_end) {
        metadata["annotations"] = JsonObject{{"k8s.io/initial-events-end", "true"}};
    }
    switch (as.shape) {
        case Representation::Shape::table:
            return table(as.group_version, std::move(metadata), {}, {});
        case Representation::Shape::partial:
            return JsonObject{{"kind", "PartialObjectMetadata"},
                              {"apiVersion", as_json(as.group_version)},
                              {"metadata", std::move(metadata)}};
        case Representation::Shape::object:
            break;
    }
    return JsonObject{{"kind", as_json(kind.kind)},
                      {"apiVersion", as_json(kind.api_version())},
                      {"metadata", std::move(metadata)}};
}

std::string write_document(const model::Json& document, Representation::Format format) {
    return format == Representation::Format::yaml ? wire::write_yaml(document)
                                                  : wire::write_json(document) + "\n";
}

}  // namespace tidemill::api
