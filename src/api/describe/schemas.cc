#include "api/describe/schemas.h"

#include <fmt/format.h>

#include <algorithm>

#include "base/text.h"
#include "model/serving/field_rows.h"
#include "model/serving/fields.h"

namespace tidemill::api {
namespace {

using model::as_json;
using model::Field;
using model::FieldType;
using model::JsonArray;
using model::JsonObject;
using model::Treatment;

// The description of a field: what it means, and what this version does with it.
std::string description_of(const Field& field) {
    std::string out(field.meaning);
    const auto add = [&](std::string sentence) { out += (out.empty() ? "" : " ") + sentence; };
    switch (field.treatment) {
        case Treatment::effect:
            break;
        case Treatment::refused:
            add(fmt::format("Refused: {}.", field.reason));
            break;
        case Treatment::warned:
            add(fmt::format("Has no effect: {}.", field.reason));
            break;
        case Treatment::reported:
            add("Written by the platform.");
            break;
    }
    return out;
}

// A list's elements are told apart as the table says, which `kubectl apply` merges by.
void add_list_rules(const Field& field, JsonObject& schema) {
    if (field.merge_keys.empty()) {
        schema["x-kubernetes-list-type"] = "atomic";
        return;
    }
    schema["x-kubernetes-patch-strategy"] = "merge";
    if (field.merge_keys == "*") {
        schema["x-kubernetes-list-type"] = "set";
        return;
    }
    JsonArray keys;
    for (const auto key : base::split(field.merge_keys, '|')) {
        keys.push_back(as_json(key.substr(0, key.find('='))));
    }
    schema["x-kubernetes-patch-merge-key"] = keys.front();
    schema["x-kubernetes-list-type"] = "map";
    schema["x-kubernetes-list-map-keys"] = std::move(keys);
}

JsonObject value_schema(FieldType type, std::span<const Field> fields, OpenApi version);

JsonObject schema_of_field(const Field& field, OpenApi version) {
    JsonObject out;
    if (field.name == "metadata" && field.fields.data() == model::rows::metadata_fields) {
        const auto target =
            fmt::format("#/{}/{}", version == OpenApi::v2 ? "definitions" : "components/schemas",
                        metadata_schema_name);
        JsonObject reference{{"$ref", as_json(target)}};
        // Beside a reference nothing else may stand.
        if (version == OpenApi::v2) {
            return reference;
        }
        out["allOf"] = JsonArray{std::move(reference)};
    } else {
        out = value_schema(field.type, field.fields, version);
    }
    if (auto text = description_of(field); !text.empty()) {
        out["description"] = as_json(text);
    }
    if (field.type == FieldType::object_list || field.type == FieldType::text_list) {
        add_list_rules(field, out);
    }
    return out;
}

JsonObject object_schema(std::span<const Field> fields, OpenApi version) {
    JsonObject out{{"type", "object"}};
    const auto any_other = std::ranges::find(fields, "*", &Field::name);
    if (any_other != fields.end() &&
        std::ranges::all_of(fields, [&](const Field& f) { return f.type == any_other->type; })) {
        out["additionalProperties"] = value_schema(any_other->type, any_other->fields, version);
        return out;
    }
    JsonObject properties;
    JsonArray required;
    for (const auto& field : fields) {
        if (field.name == "*") {
            out["x-kubernetes-preserve-unknown-fields"] = true;
            continue;
        }
        properties[as_json(field.name)] = schema_of_field(field, version);
        if (field.required) {
            required.push_back(as_json(field.name));
        }
    }
    out["properties"] = std::move(properties);
    if (!required.empty()) {
        out["required"] = std::move(required);
    }
    return out;
}

JsonObject integer_or_text(std::string_view format, OpenApi version) {
    if (version == OpenApi::v2) {
        return {{"type", "string"}, {"format", as_json(format)}};
    }
    JsonObject out{
        {"oneOf", JsonArray{JsonObject{{"type", "string"}}, JsonObject{{"type", "integer"}}}}};
    out["x-kubernetes-int-or-string"] = true;
    return out;
}

JsonObject value_schema(FieldType type, std::span<const Field> fields, OpenApi version) {
    switch (type) {
        case FieldType::object:
            return object_schema(fields, version);
        case FieldType::object_list:
            return {{"type", "array"}, {"items", object_schema(fields, version)}};
        case FieldType::text:
            return {{"type", "string"}};
        case FieldType::text_list:
            return {{"type", "array"}, {"items", JsonObject{{"type", "string"}}}};
        case FieldType::text_map:
            return {{"type", "object"}, {"additionalProperties", JsonObject{{"type", "string"}}}};
        case FieldType::flag:
            return {{"type", "boolean"}};
        case FieldType::int32:
            return {{"type", "integer"}, {"format", "int32"}};
        case FieldType::int64:
            return {{"type", "integer"}, {"format", "int64"}};
        case FieldType::int_or_text:
            return integer_or_text("int-or-string", version);
        case FieldType::quantity:
            return integer_or_text("quantity", version);
        case FieldType::any:
            break;
    }
    return {{"x-kubernetes-preserve-unknown-fields", true}};
}

}  // namespace

bool has_schema(const model::Kind& kind) {
    return !model::fields_of(kind.id).empty();
}

std::string schema_name(const model::Kind& kind) {
    if (kind.group.empty()) {
        return fmt::format("io.k8s.api.core.{}.{}", kind.version, kind.kind);
    }
    auto parts = base::split(kind.group, '.');
    std::ranges::reverse(parts);
    std::string out;
    for (const auto part : parts) {
        out.append(part).append(".");
    }
    return fmt::format("{}{}.{}", out, kind.version, kind.kind);
}

JsonObject schema_of(const model::Kind& kind, OpenApi version) {
    auto out = object_schema(model::fields_of(kind.id), version);
    out["description"] = as_json(kind.meaning);
    out["x-kubernetes-group-version-kind"] =
        JsonArray{JsonObject{{"group", as_json(kind.group)},
                             {"kind", as_json(kind.kind)},
                             {"version", as_json(kind.version)}}};
    return out;
}

JsonObject metadata_schema(OpenApi version) {
    auto out = object_schema(model::rows::metadata_fields, version);
    out["description"] = "What every object has: its name, its labels, its versions.";
    return out;
}

}  // namespace tidemill::api
