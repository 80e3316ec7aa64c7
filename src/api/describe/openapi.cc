#include "api/describe/openapi.h"

#include <fmt/format.h>

#include "api/describe/schemas.h"
#include "model/kinds/kind.h"

namespace tidemill::api {
namespace {

using model::as_json;
using model::JsonArray;
using model::JsonObject;

constexpr std::string_view title = "Tidemill";

// Where a group and version's resources are: "api/v1", "apis/apps/v1".
std::string home_of(const model::Kind& kind) {
    return kind.group.empty() ? fmt::format("api/{}", kind.version)
                              : fmt::format("apis/{}/{}", kind.group, kind.version);
}

JsonObject typed(JsonObject parameter, std::string_view type, OpenApi version) {
    if (version == OpenApi::v2) {
        parameter["type"] = as_json(type);
        parameter["uniqueItems"] = true;
    } else {
        parameter["schema"] = JsonObject{{"type", as_json(type)}, {"uniqueItems", true}};
    }
    return parameter;
}

JsonObject in_query(std::string_view name, std::string_view type, OpenApi version) {
    return typed({{"name", as_json(name)}, {"in", "query"}}, type, version);
}

JsonArray in_path(std::initializer_list<std::string_view> names, OpenApi version) {
    JsonArray out;
    for (const auto name : names) {
        if (!name.empty()) {
            out.push_back(typed({{"name", as_json(name)}, {"in", "path"}, {"required", true}},
                                "string", version));
        }
    }
    return out;
}

JsonObject operation(const model::Kind& kind, std::string_view action, JsonArray parameters) {
    return {{"x-kubernetes-action", as_json(action)},
            {"x-kubernetes-group-version-kind", JsonObject{{"group", as_json(kind.group)},
                                                           {"version", as_json(kind.version)},
                                                           {"kind", as_json(kind.kind)}}},
            {"parameters", std::move(parameters)},
            {"responses", JsonObject{{"200", JsonObject{{"description", "OK"}}}}}};
}

void add_paths(const model::Kind& kind, OpenApi version, JsonObject& paths) {
    const std::string_view space = kind.namespaced ? "namespace" : "";
    const auto all = fmt::format("/{}/{}{}", home_of(kind),
                                 kind.namespaced ? "namespaces/{namespace}/" : "", kind.plural);
    JsonObject many{{"parameters", in_path({space}, version)},
                    {"get", operation(kind, "list",
                                      {in_query("labelSelector", "string", version),
                                       in_query("fieldSelector", "string", version)})}};
    JsonObject one{{"parameters", in_path({"name", space}, version)},
                   {"get", operation(kind, "get", {})}};
    if (kind.origin == model::Origin::stored) {
        const JsonArray writing{in_query("dryRun", "string", version),
                                in_query("fieldManager", "string", version),
                                in_query("fieldValidation", "string", version)};
        JsonArray patching = writing;
        patching.push_back(in_query("force", "boolean", version));
        one["put"] = operation(kind, "put", writing);
        one["patch"] = operation(kind, "patch", std::move(patching));
        one["delete"] = operation(kind, "delete", {in_query("dryRun", "string", version)});
        many["post"] = operation(kind, "post", writing);
    }
    paths[all] = std::move(many);
    paths[all + "/{name}"] = std::move(one);
}

void add_schema(const model::Kind& kind, OpenApi version, JsonObject& schemas) {
    if (has_schema(kind)) {
        schemas[schema_name(kind)] = schema_of(kind, version);
        schemas[as_json(metadata_schema_name)] = metadata_schema(version);
    }
}

JsonObject info(std::string_view build) {
    return {{"title", as_json(title)}, {"version", as_json(build)}};
}

}  // namespace

JsonObject openapi_v2(std::string_view build) {
    JsonObject paths;
    JsonObject definitions;
    for (const auto& kind : model::all_kinds()) {
        add_paths(kind, OpenApi::v2, paths);
        add_schema(kind, OpenApi::v2, definitions);
    }
    return {{"swagger", "2.0"},
            {"info", info(build)},
            {"paths", std::move(paths)},
            {"definitions", std::move(definitions)}};
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
    JsonObject schemas;
    for (const auto& kind : model::all_kinds()) {
        if (home_of(kind) == path) {
            add_paths(kind, OpenApi::v3, paths);
            add_schema(kind, OpenApi::v3, schemas);
        }
    }
    if (paths.empty()) {
        return refuse(no_such_path());
    }
    return JsonObject{{"openapi", "3.0.0"},
                      {"info", info(build)},
                      {"paths", std::move(paths)},
                      {"components", JsonObject{{"schemas", std::move(schemas)}}}};
}

}  // namespace tidemill::api
