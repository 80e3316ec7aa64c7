#include "api/describe/definitions.h"

#include <fmt/format.h>

#include "api/describe/schemas.h"
#include "model/object/selector.h"

namespace tidemill::api {
namespace {

using model::as_json;
using model::Json;
using model::JsonArray;
using model::JsonObject;

bool is_defined(const model::Kind& kind) {
    return has_schema(kind) && !kind.group.empty();
}

JsonArray texts(std::span<const std::string_view> list) {
    JsonArray out;
    for (const auto text : list) {
        out.push_back(as_json(text));
    }
    return out;
}

JsonObject condition(std::string_view type, std::string_view reason) {
    return {{"type", as_json(type)}, {"status", "True"}, {"reason", as_json(reason)}};
}

JsonArray columns_of(const model::Kind& kind) {
    JsonArray out;
    for (const auto& column : kind.columns) {
        // The name is every table's first column and is not listed.
        if (!column.path.empty() && column.format != "name") {
            out.push_back(JsonObject{{"name", as_json(column.name)},
                                     {"type", as_json(column.type)},
                                     {"jsonPath", as_json(column.path)}});
        }
    }
    return out;
}

JsonObject document_of(const model::Kind& kind) {
    auto schema = schema_of(kind, OpenApi::v3);
    schema.stable_erase("x-kubernetes-group-version-kind");
    schema["properties"].get_object()["metadata"] = JsonObject{{"type", "object"}};
    JsonObject names{{"kind", as_json(kind.kind)},
                     {"listKind", as_json(fmt::format("{}List", kind.kind))},
                     {"plural", as_json(kind.plural)},
                     {"singular", as_json(kind.singular)},
                     {"shortNames", texts(kind.short_names)},
                     {"categories", texts(kind.categories)}};
    JsonObject version{{"name", as_json(kind.version)},
                       {"served", true},
                       {"storage", true},
                       {"additionalPrinterColumns", columns_of(kind)},
                       {"schema", JsonObject{{"openAPIV3Schema", std::move(schema)}}}};
    if (kind.has_status) {
        version["subresources"] = JsonObject{{"status", JsonObject()}};
    }
    return {{"apiVersion", "apiextensions.k8s.io/v1"},
            {"kind", "CustomResourceDefinition"},
            {"metadata",
             JsonObject{{"name", as_json(kind.group_resource())}, {"creationTimestamp", nullptr}}},
            {"spec", JsonObject{{"group", as_json(kind.group)},
                                {"names", names},
                                {"scope", kind.namespaced ? "Namespaced" : "Cluster"},
                                {"versions", JsonArray{std::move(version)}},
                                {"conversion", JsonObject{{"strategy", "None"}}}}},
            {"status",
             JsonObject{{"acceptedNames", names},
                        {"conditions", JsonArray{condition("NamesAccepted", "NoConflicts"),
                                                 condition("Established", "InitialNamesAccepted")}},
                        {"storedVersions", JsonArray{as_json(kind.version)}}}}};
}

}  // namespace

Answered<Json> definition_list(const Parameters& parameters) {
    const auto selector = model::LabelSelector::parse(parameters.text("labelSelector"));
    if (!selector) {
        return refuse(bad_request(selector.error().message));
    }
    JsonArray items;
    for (const auto& kind : model::all_kinds()) {
        // None has labels: no kind here is a source or a channel.
        if (is_defined(kind) && selector->matches({})) {
            items.push_back(document_of(kind));
        }
    }
    return JsonObject{{"kind", "CustomResourceDefinitionList"},
                      {"apiVersion", "apiextensions.k8s.io/v1"},
                      {"metadata", JsonObject{{"resourceVersion", "1"}}},
                      {"items", std::move(items)}};
}

Answered<Json> definition(std::string_view name) {
    for (const auto& kind : model::all_kinds()) {
        if (is_defined(kind) && kind.group_resource() == name) {
            return document_of(kind);
        }
    }
    return refuse(Refusal{
        404, "NotFound",
        fmt::format("customresourcedefinitions.apiextensions.k8s.io \"{}\" not found", name)});
}

}  // namespace tidemill::api
