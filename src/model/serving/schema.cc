#include "model/serving/schema.h"

#include <fmt/format.h>

#include <algorithm>
#include <limits>
#include <set>

#include "base/text.h"
#include "model/object/quantity.h"

namespace tidemill::model {
namespace {

constexpr std::string_view quantity_pattern =
    R"(^(\+|-)?(([0-9]+(\.[0-9]*)?)|(\.[0-9]+))(([KMGTPE]i)|[numkMGTPE]|([eE](\+|-)?(([0-9]+(\.[0-9]*)?)|(\.[0-9]+))))?$)";

std::string member_path(const std::string& at, std::string_view name) {
    return at.empty() ? std::string(name) : fmt::format("{}.{}", at, name);
}

const Field* find_field(std::span<const Field> fields, std::string_view name) {
    const Field* any_other = nullptr;
    for (const auto& field : fields) {
        if (field.name == name) {
            return &field;
        }
        if (field.name == "*") {
            any_other = &field;
        }
    }
    return any_other;
}

// The names of OpenAPI, which Kubernetes' sentences use.
std::string_view type_name(FieldType type) {
    switch (type) {
        case FieldType::object:
        case FieldType::text_map:
            return "object";
        case FieldType::object_list:
        case FieldType::text_list:
            return "array";
        case FieldType::text:
            return "string";
        case FieldType::flag:
            return "boolean";
        case FieldType::int32:
        case FieldType::int64:
            return "integer";
        case FieldType::int_or_text:
        case FieldType::quantity:
            return "integer,string";
        case FieldType::any:
            break;
    }
    return "any";
}

std::string_view type_name(const Json& value) {
    switch (value.kind()) {
        case boost::json::kind::null:
            return "null";
        case boost::json::kind::bool_:
            return "boolean";
        case boost::json::kind::int64:
        case boost::json::kind::uint64:
            return "integer";
        case boost::json::kind::double_:
            return "number";
        case boost::json::kind::string:
            return "string";
        case boost::json::kind::array:
            return "array";
        case boost::json::kind::object:
            break;
    }
    return "object";
}

class Shape {
public:
    explicit Shape(ShapeReport& report) : report_(report) {}

    // Checks, and collects the unknown members. Changes nothing.
    void object(std::span<const Field> fields, const JsonObject& document, const std::string& at) {
        for (const auto& member : document) {
            const std::string_view name(member.key().data(), member.key().size());
            if (member.value().is_null()) {
                continue;
            }
            const auto path = member_path(at, name);
            if (const auto* field = find_field(fields, name)) {
                value(*field, member.value(), path);
            } else if (report_.unknown_fields.size() < problems_max) {
                report_.unknown_fields.push_back(path);
            }
        }
        for (const auto& field : fields) {
            const auto* found = field.required ? find_member(document, {field.name}) : nullptr;
            if (field.required && (found == nullptr || found->is_null())) {
                add(ProblemKind::value_required, member_path(at, field.name), "Required value");
            }
        }
    }

private:
    void add(ProblemKind kind, const std::string& path, std::string message) {
        if (report_.problems.size() < problems_max) {
            report_.problems.push_back({.kind = kind,
                                        .severity = Severity::error,
                                        .message = std::move(message),
                                        .paths = {path},
                                        .details = {}});
        }
    }

    void add_wrong_type(FieldType wanted, const Json& value, const std::string& path) {
        add(ProblemKind::type_invalid, path,
            fmt::format("Invalid value: \"{0}\": {1} in body must be of type {2}: \"{0}\"",
                        type_name(value), path, type_name(wanted)));
    }

    void value(const Field& field, const Json& value, const std::string& path) {
        switch (field.type) {
            case FieldType::any:
                return;
            case FieldType::object:
                return value.is_object() ? object(field.fields, value.get_object(), path)
                                         : add_wrong_type(field.type, value, path);
            case FieldType::object_list:
                return value.is_array() ? list(field, value.get_array(), path)
                                        : add_wrong_type(field.type, value, path);
            case FieldType::text:
                return value.is_string() ? void() : add_wrong_type(field.type, value, path);
            case FieldType::flag:
                return value.is_bool() ? void() : add_wrong_type(field.type, value, path);
            case FieldType::int32:
            case FieldType::int64:
                return integer(field.type, value, path);
            case FieldType::int_or_text:
                return value.is_string() || integer_of(value)
                           ? void()
                           : add_wrong_type(field.type, value, path);
            case FieldType::quantity:
                return quantity(value, path);
            case FieldType::text_list:
                return texts(value, path);
            case FieldType::text_map:
                return text_members(value, path);
        }
    }

    void integer(FieldType type, const Json& value, const std::string& path) {
        const auto number = integer_of(value);
        if (!number) {
            return add_wrong_type(type, value, path);
        }
        if (type == FieldType::int32 && (*number < std::numeric_limits<std::int32_t>::min() ||
                                         *number > std::numeric_limits<std::int32_t>::max())) {
            add(ProblemKind::value_invalid, path,
                fmt::format("Invalid value: {}: {} in body must fit into 32 bits", *number, path));
        }
    }

    void quantity(const Json& value, const std::string& path) {
        if (!value.is_string() && !value.is_number()) {
            return add_wrong_type(FieldType::quantity, value, path);
        }
        if (!Quantity::from_json(value)) {
            add(ProblemKind::value_invalid, path,
                fmt::format("Invalid value: {}: {} in body should match '{}'",
                            boost::json::serialize(value), path, quantity_pattern));
        }
    }

    void texts(const Json& value, const std::string& path) {
        if (!value.is_array()) {
            return add_wrong_type(FieldType::text_list, value, path);
        }
        const auto& array = value.get_array();
        for (std::size_t i = 0; i < array.size(); ++i) {
            if (!array[i].is_string()) {
                add_wrong_type(FieldType::text, array[i], fmt::format("{}[{}]", path, i));
            }
        }
    }

    void text_members(const Json& value, const std::string& path) {
        if (!value.is_object()) {
            return add_wrong_type(FieldType::text_map, value, path);
        }
        for (const auto& member : value.get_object()) {
            if (!member.value().is_string() && !member.value().is_null()) {
                add_wrong_type(FieldType::text, member.value(),
                               member_path(path, std::string_view(member.key())));
            }
        }
    }

    void list(const Field& field, const JsonArray& array, const std::string& path) {
        std::set<std::string_view> keys;
        for (std::size_t i = 0; i < array.size(); ++i) {
            const auto element_path = fmt::format("{}[{}]", path, i);
            const auto* element = array[i].if_object();
            if (element == nullptr) {
                add_wrong_type(FieldType::object, array[i], element_path);
                continue;
            }
            object(field.fields, *element, element_path);
            if (field.list_key.empty()) {
                continue;
            }
            const auto key = text_at(*element, {field.list_key});
            if (!key.empty() && !keys.insert(key).second) {
                add(ProblemKind::value_duplicate, element_path,
                    fmt::format("Duplicate value: {{\"{}\":{}}}", field.list_key,
                                boost::json::serialize(as_json(key))));
            }
        }
    }

    ShapeReport& report_;
};

// Takes out what Shape skipped or listed.
void prune(std::span<const Field> fields, JsonObject& document) {
    for (auto member = document.begin(); member != document.end();) {
        const auto* field =
            find_field(fields, std::string_view(member->key().data(), member->key().size()));
        auto& value = member->value();
        if (field == nullptr || value.is_null()) {
            member = document.stable_erase(member);
            continue;
        }
        if (field->type == FieldType::object && value.is_object()) {
            prune(field->fields, value.get_object());
        } else if (field->type == FieldType::object_list && value.is_array()) {
            for (auto& element : value.get_array()) {
                if (element.is_object()) {
                    prune(field->fields, element.get_object());
                }
            }
        } else if (field->type == FieldType::text_map && value.is_object()) {
            auto& map = value.get_object();
            for (auto entry = map.begin(); entry != map.end();) {
                entry = entry->value().is_null() ? map.stable_erase(entry) : entry + 1;
            }
        }
        ++member;
    }
}

bool is_harmless(const Field& field, const Json& value) {
    if (is_unset(value)) {
        return true;
    }
    if (field.harmless.empty()) {
        return false;
    }
    const auto text = value.is_string() ? std::string(as_view(value.get_string()))
                                        : boost::json::serialize(value);
    const auto fine = base::split(field.harmless, '|');
    return std::ranges::find(fine, text) != fine.end();
}

void treat(std::span<const Field> fields, const JsonObject& document, const std::string& at,
           Problems& out) {
    for (const auto& member : document) {
        const std::string_view name(member.key().data(), member.key().size());
        const auto* field = find_field(fields, name);
        const auto& value = member.value();
        if (field == nullptr || out.size() >= problems_max) {
            continue;
        }
        const auto path = member_path(at, name);
        if (field->treatment == Treatment::refused) {
            if (!is_harmless(*field, value)) {
                out.push_back(disallowed_field(
                    path, field->refused_by_knative ? std::string() : std::string(field->reason)));
            }
            continue;
        }
        if (field->treatment == Treatment::warned) {
            if (!is_harmless(*field, value)) {
                auto warning = plain_problem("has no effect", {path}, std::string(field->reason));
                warning.severity = Severity::warning;
                out.push_back(std::move(warning));
            }
            continue;
        }
        if (field->treatment == Treatment::reported) {
            continue;
        }
        if (field->type == FieldType::object && value.is_object()) {
            treat(field->fields, value.get_object(), path, out);
        } else if (field->type == FieldType::object_list && value.is_array()) {
            const auto& array = value.get_array();
            for (std::size_t i = 0; i < array.size(); ++i) {
                if (const auto* element = array[i].if_object()) {
                    treat(field->fields, *element, fmt::format("{}[{}]", path, i), out);
                }
            }
        }
    }
}

}  // namespace

ShapeReport check_shape(std::span<const Field> fields, JsonObject& document) {
    ShapeReport report;
    Shape(report).object(fields, document, "");
    prune(fields, document);
    return report;
}

Problems check_types(std::span<const Field> fields, const JsonObject& document, std::string at) {
    ShapeReport report;
    Shape(report).object(fields, document, at);
    return std::move(report.problems);
}

Problems check_treatment(std::span<const Field> fields, const JsonObject& document) {
    Problems out;
    treat(fields, document, "", out);
    return out;
}

}  // namespace tidemill::model
