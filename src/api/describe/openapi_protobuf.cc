#include "api/describe/openapi_protobuf.h"

#include <string_view>
#include <utility>

#include "wire/json.h"

namespace tidemill::api {
namespace {

using model::Json;
using model::JsonObject;

void append_varint(std::string& out, std::size_t value) {
    while (value >= 0x80) {
        out += static_cast<char>((value & 0x7f) | 0x80);
        value >>= 7;
    }
    out += static_cast<char>(value);
}

// A message under construction: fields by their numbers.
class Message {
public:
    // A message within this one, or a text. Present even when empty.
    void bytes(unsigned number, std::string_view value) {
        append_varint(out_, number << 3 | 2);
        append_varint(out_, value.size());
        out_.append(value);
    }
    void message(unsigned number, const Message& value) { bytes(number, value.out_); }
    void flag(unsigned number) {
        append_varint(out_, number << 3);
        out_ += '\1';
    }

    const std::string& text() const { return out_; }

private:
    std::string out_;
};

// NamedAny, NamedSchema, NamedPathItem and the like: a name and what it stands for.
Message named(std::string_view name, const Message& value) {
    Message out;
    out.bytes(1, name);
    out.message(2, value);
    return out;
}

void add_text(Message& out, unsigned number, const JsonObject& from, std::string_view key) {
    if (const auto text = model::text_at(from, {key}); !text.empty()) {
        out.bytes(number, text);
    }
}

void add_flag(Message& out, unsigned number, const JsonObject& from, std::string_view key) {
    const auto* value = from.if_contains(key);
    if (value != nullptr && value->is_bool() && value->get_bool()) {
        out.flag(number);
    }
}

// Vendor extensions are Any messages whose text is YAML, as which JSON is read.
void add_extensions(Message& out, unsigned number, const JsonObject& from) {
    for (const auto& member : from) {
        const std::string_view key(member.key());
        if (key.starts_with("x-")) {
            Message any;
            any.bytes(2, wire::write_json(member.value()) + "\n");
            out.message(number, named(key, any));
        }
    }
}

// Calls `visit(key, value)` for each member of the object under `key`.
template <typename Visit>
void for_members(const JsonObject& from, std::string_view key, Visit visit) {
    if (const auto* value = from.if_contains(key); value != nullptr && value->is_object()) {
        for (const auto& member : value->get_object()) {
            if (member.value().is_object()) {
                visit(std::string_view(member.key()), member.value().get_object());
            }
        }
    }
}

Message schema(const JsonObject& from) {
    Message out;
    add_text(out, 1, from, "$ref");
    add_text(out, 2, from, "format");
    add_text(out, 4, from, "description");
    if (const auto* required = from.if_contains("required");
        required != nullptr && required->is_array()) {
        for (const auto& name : required->get_array()) {
            out.bytes(19, model::as_view(name.as_string()));
        }
    }
    if (const auto* more = from.if_contains("additionalProperties");
        more != nullptr && more->is_object()) {
        Message item;
        item.message(1, schema(more->get_object()));
        out.message(21, item);
    }
    if (const auto type = model::text_at(from, {"type"}); !type.empty()) {
        Message item;
        item.bytes(1, type);
        out.message(22, item);
    }
    if (const auto* items = from.if_contains("items"); items != nullptr && items->is_object()) {
        Message item;
        item.message(1, schema(items->get_object()));
        out.message(23, item);
    }
    if (from.contains("properties")) {
        Message properties;
        for_members(from, "properties", [&](std::string_view name, const JsonObject& value) {
            properties.message(1, named(name, schema(value)));
        });
        out.message(25, properties);
    }
    add_extensions(out, 31, from);
    return out;
}

// ParametersItem { Parameter { NonBodyParameter { query = 3 or path = 4 } } }
Message parameter(const JsonObject& from) {
    const bool in_query = model::text_at(from, {"in"}) == "query";
    Message inner;
    add_flag(inner, 1, from, "required");
    add_text(inner, 2, from, "in");
    add_text(inner, 3, from, "description");
    add_text(inner, 4, from, "name");
    add_text(inner, in_query ? 6 : 5, from, "type");
    add_flag(inner, in_query ? 20 : 19, from, "uniqueItems");
    Message non_body;
    non_body.message(in_query ? 3 : 4, inner);
    Message wrapped;
    wrapped.message(2, non_body);
    Message out;
    out.message(1, wrapped);
    return out;
}

void add_parameters(Message& out, unsigned number, const JsonObject& from) {
    if (const auto* list = from.if_contains("parameters"); list != nullptr && list->is_array()) {
        for (const auto& each : list->get_array()) {
            out.message(number, parameter(each.as_object()));
        }
    }
}

Message operation(const JsonObject& from) {
    Message out;
    add_parameters(out, 8, from);
    Message responses;
    for_members(from, "responses", [&](std::string_view code, const JsonObject& value) {
        Message response;
        add_text(response, 1, value, "description");
        Message either;
        either.message(1, response);
        responses.message(1, named(code, either));
    });
    out.message(9, responses);
    add_extensions(out, 13, from);
    return out;
}

Message path_item(const JsonObject& from) {
    constexpr std::pair<std::string_view, unsigned> methods[] = {
        {"get", 2}, {"put", 3}, {"post", 4}, {"delete", 5}, {"patch", 8}};
    Message out;
    for (const auto& [method, number] : methods) {
        if (const auto* value = from.if_contains(method); value != nullptr && value->is_object()) {
            out.message(number, operation(value->get_object()));
        }
    }
    add_parameters(out, 9, from);
    return out;
}

}  // namespace

std::string openapi_protobuf(const JsonObject& document) {
    Message out;
    add_text(out, 1, document, "swagger");
    if (const auto* info = document.if_contains("info"); info != nullptr && info->is_object()) {
        Message message;
        add_text(message, 1, info->get_object(), "title");
        add_text(message, 2, info->get_object(), "version");
        out.message(2, message);
    }
    Message paths;
    for_members(document, "paths", [&](std::string_view path, const JsonObject& value) {
        paths.message(2, named(path, path_item(value)));
    });
    out.message(8, paths);
    Message definitions;
    for_members(document, "definitions", [&](std::string_view name, const JsonObject& value) {
        definitions.message(1, named(name, schema(value)));
    });
    out.message(9, definitions);
    return out.text();
}

}  // namespace tidemill::api
