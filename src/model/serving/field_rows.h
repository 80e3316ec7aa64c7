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
    works("annotations", text_map).means("Notes for programs, by key."),
    {.name = "finalizers", .type = text_list, .merge_keys = "*"},
    works("generateName", text)
        .means("What the name begins with, when the platform shall find one."),
    works("labels", text_map).means("Marks to select objects by."),
    works("name", text).means("The name, of which there is one in its namespace."),
    works("namespace", text).means("The namespace that it is in."),
    merged("ownerReferences", owner_reference, "uid"),
    works("resourceVersion", text)
        .means("The version that was read; a write with an older one is refused."),
    works("uid", text).means("What tells it from others that had its name."),
    reported("creationTimestamp", text),
    reported("deletionGracePeriodSeconds", int64),
    reported("deletionTimestamp", text),
    reported("generation", int64).means("Counts the changes of the spec."),
    reported("managedFields", any),
    reported("selfLink", text)};

}  // namespace tidemill::model::rows
