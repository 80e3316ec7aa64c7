// Words to write the tables of fields in, and the rows that all kinds share.
#pragma once

#include "model/serving/fields.h"

namespace tidemill::model::rows {

using enum FieldType;

constexpr Field works(std::string_view name, FieldType type, std::span<const Field> fields = {}) {
    return {.name = name, .type = type, .fields = fields};
}
constexpr Field needed(std::string_view name, FieldType type, std::span<const Field> fields = {}) {
    return {.name = name, .type = type, .fields = fields, .required = true};
}
constexpr Field keyed(std::string_view name, std::span<const Field> fields, std::string_view key) {
    return {
        .name = name, .type = object_list, .fields = fields, .list_key = key, .merge_keys = key};
}
constexpr Field merged(std::string_view name, std::span<const Field> fields,
                       std::string_view keys) {
    return {.name = name, .type = object_list, .fields = fields, .merge_keys = keys};
}
constexpr Field refused(std::string_view name, FieldType type, std::string_view reason,
                        std::span<const Field> fields = {}, std::string_view harmless = {}) {
    return {.name = name,
            .type = type,
            .treatment = Treatment::refused,
            .reason = reason,
            .harmless = harmless,
            .fields = fields};
}
constexpr Field never(std::string_view name, FieldType type, std::string_view reason,
                      std::string_view harmless = {}) {
    return {.name = name,
            .type = type,
            .treatment = Treatment::refused,
            .reason = reason,
            .harmless = harmless,
            .refused_by_knative = true};
}
constexpr Field warned(std::string_view name, FieldType type, std::string_view reason,
                       std::span<const Field> fields = {}, std::string_view harmless = {}) {
    return {.name = name,
            .type = type,
            .treatment = Treatment::warned,
            .reason = reason,
            .harmless = harmless,
            .fields = fields};
}
constexpr Field reported(std::string_view name, FieldType type,
                         std::span<const Field> fields = {}) {
    return {.name = name, .type = type, .treatment = Treatment::reported, .fields = fields};
}

inline constexpr Field owner_reference[] = {
    works("apiVersion", text), works("kind", text),       works("name", text),
    works("uid", text),        works("controller", flag), works("blockOwnerDeletion", flag)};
inline constexpr Field metadata_fields[] = {
    works("annotations", text_map),
    {.name = "finalizers", .type = text_list, .merge_keys = "*"},
    works("generateName", text),
    works("labels", text_map),
    works("name", text),
    works("namespace", text),
    merged("ownerReferences", owner_reference, "uid"),
    works("resourceVersion", text),
    works("uid", text),
    reported("creationTimestamp", text),
    reported("deletionGracePeriodSeconds", int64),
    reported("deletionTimestamp", text),
    reported("generation", int64),
    reported("managedFields", any),
    reported("selfLink", text)};

}  // namespace tidemill::model::rows
