#include "api/describe/openapi.h"

#include <fmt/format.h>

#include "base/check.h"
#include "model/kinds/kind.h"

namespace tidemill::api {
namespace {

using model::as_json;
using model::JsonArray;
using model::JsonObject;

constexpr std::string_view title = "Tidemill";

// A length-delimited field of a protobuf message, of at most 127 bytes.
std::string short_field(char number, std::string_view bytes) {
    CHECK(bytes.size() < 128);
    std::string out{static_cast<char>(number << 3 | 2), static_cast<char>(bytes.size())};
    return out.append(bytes);
}

// Where a group and version's resources are: "api/v1", "apis/apps/v1".
std::string home_of(const model::Kind& kind) {
    return kind.group.empty() ? fmt::format("api/{}", kind.version)
                              : fmt::format("apis/{}/{}", kind.group, kind.version);
}

JsonObject parameter(std::string_view name, std::string_view type) {
    return {{"name", as_json(name)},
            {"in", "query"},
            {"schema", JsonObject{{"type", as_json(type)}, {"uniqueItems", true}}}};
}

JsonObject operation(const model::Kind& kind, std::string_view action, JsonArray parameters) {
    return {{"x-kubernetes-action", as_json(action)},
            {"x-kubernetes-group-version-kind", JsonObject{{"group", as_json(kind.group)},
                                                           {"version", as_json(kind.version)},
                                                           {"kind", as_json(kind.kind)}}},
            {"parameters", std::move(parameters)},
            {"responses", JsonObject{{"200", JsonObject{{"description", "OK"}}}}}};
}

}  // namespace

std::string openapi_v2_protobuf(std::string_view build) {
    return short_field(1, "2.0") +
           short_field(2, short_field(1, title) + short_field(2, build.substr(0, 60)));
}

model::Json openapi_v2(std::string_view build) {
    return JsonObject{{"swagger", "2.0"},
                      {"info", JsonObject{{"title", as_json(title)}, {"version", as_json(build)}}},
                      {"paths", JsonObject()}};
}

model::Json openapi_v3_index() {
    JsonObject paths;
    for (const auto& kind : model::all_kinds()) {
        const auto home = home_of(kind);
        paths[home] = JsonObject{{"serverRelativeURL", as_json("/openapi/v3/" + home)}};
    }
    return JsonObject{{"paths", std::move(paths)}};
}

Answered<model::Json> openapi_v3(std::string_view path, std::string_view build) {
    JsonObject paths;
    for (const auto& kind : model::all_kinds()) {
        if (home_of(kind) != path) {
            continue;
        }
        const auto all = fmt::format("/{}/{}{}", path,
                                     kind.namespaced ? "namespaces/{namespace}/" : "", kind.plural);
        JsonObject one{{"get", operation(kind, "get", {})}};
        JsonObject many{{"get", operation(kind, "list",
                                          {parameter("labelSelector", "string"),
                                           parameter("fieldSelector", "string")})}};
        if (kind.origin == model::Origin::stored) {
            const JsonArray writing{parameter("dryRun", "string"),
                                    parameter("fieldManager", "string"),
                                    parameter("fieldValidation", "string")};
            JsonArray patching = writing;
            patching.push_back(parameter("force", "boolean"));
            one["put"] = operation(kind, "put", writing);
            one["patch"] = operation(kind, "patch", std::move(patching));
            one["delete"] = operation(kind, "delete", {parameter("dryRun", "string")});
            many["post"] = operation(kind, "post", writing);
        }
        paths[all] = std::move(many);
        paths[all + "/{name}"] = std::move(one);
    }
    if (paths.empty()) {
        return refuse(no_such_path());
    }
    return JsonObject{{"openapi", "3.0.0"},
                      {"info", JsonObject{{"title", as_json(title)}, {"version", as_json(build)}}},
                      {"paths", std::move(paths)},
                      {"components", JsonObject{{"schemas", JsonObject()}}}};
}

}  // namespace tidemill::api
