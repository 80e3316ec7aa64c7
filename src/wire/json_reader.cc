#include <algorithm>

#include "base/text.h"
#include "wire/json.h"

namespace tidemill::wire {

using base::Code;
using base::Result;
using base::Status;

std::string join_path(std::string_view path, std::string_view key) {
    const bool plain = !key.empty() && std::all_of(key.begin(), key.end(), [](char c) {
        const char low = base::to_lower(c);
        return (low >= 'a' && low <= 'z') || (c >= '0' && c <= '9') || c == '_' || c == '-' ||
               c == '$';
    });
    if (!plain) {
        return fmt::format("{}[{}]", path, key);
    }
    return path.empty() ? std::string(key) : fmt::format("{}.{}", path, key);
}

std::string join_path(std::string_view path, std::size_t index) {
    return fmt::format("{}[{}]", path, index);
}

JsonReader::JsonReader(const Json& root, std::string path)
    : JsonReader(root.is_null() ? nullptr : &root, std::move(path), {}) {}

JsonReader::JsonReader(const Json* value, std::string path, std::string mismatch)
    : value_(value), path_(std::move(path)), mismatch_(std::move(mismatch)) {}

JsonReader JsonReader::at(std::string_view key) const {
    std::string path = join_path(path_, key);
    if (value_ == nullptr) {
        return {nullptr, std::move(path), mismatch_};
    }
    const auto* object = value_->if_object();
    if (object == nullptr) {
        return {nullptr, std::move(path), expect(false, "object").error().message};
    }
    const Json* member = object->if_contains(key);
    return {member == nullptr || member->is_null() ? nullptr : member, std::move(path), {}};
}

JsonReader JsonReader::at(std::size_t index) const {
    std::string path = join_path(path_, index);
    if (value_ == nullptr) {
        return {nullptr, std::move(path), mismatch_};
    }
    const auto* array = value_->if_array();
    if (array == nullptr) {
        return {nullptr, std::move(path), expect(false, "array").error().message};
    }
    const Json* element = array->if_contains(index);
    return {element == nullptr || element->is_null() ? nullptr : element, std::move(path), {}};
}

JsonReader JsonReader::at_path(std::string_view path) const {
    JsonReader reader = *this;
    for (const std::string_view key : base::split(path, '.')) {
        reader = reader.at(key);
    }
    return reader;
}

std::unexpected<base::Error> JsonReader::fail(std::string_view message) const {
    return path_.empty() ? base::fail(Code::invalid, "{}", message)
                         : base::fail(Code::invalid, "{}: {}", path_, message);
}

Status JsonReader::expect(bool right_kind, std::string_view wanted) const {
    if (!mismatch_.empty()) {
        return base::fail(Code::invalid, "{}", mismatch_);
    }
    if (value_ == nullptr) {
        return fail("required");
    }
    if (!right_kind) {
        return fail(fmt::format("expected {}, got {}", wanted, kind_name(*value_)));
    }
    return base::ok;
}

Result<std::string_view> JsonReader::string() const {
    CHECK_OK(expect(value_ != nullptr && value_->is_string(), "string"));
    return std::string_view(value_->get_string());
}

Result<bool> JsonReader::boolean() const {
    CHECK_OK(expect(value_ != nullptr && value_->is_bool(), "bool"));
    return value_->get_bool();
}

Result<std::int64_t> JsonReader::integer(std::int64_t min, std::int64_t max) const {
    CHECK_OK(expect(value_ != nullptr && (value_->is_int64() || value_->is_uint64()), "integer"));
    const bool fits = value_->is_int64() || value_->get_uint64() <= INT64_MAX;
    const std::int64_t integer = value_->is_int64() ? value_->get_int64()
                                 : fits ? static_cast<std::int64_t>(value_->get_uint64())
                                        : INT64_MAX;
    if (!fits || integer < min || integer > max) {
        return fail(fmt::format("expected {} to {}, got {}", min, max, write_json(*value_)));
    }
    return integer;
}

Result<double> JsonReader::number() const {
    CHECK_OK(expect(value_ != nullptr && value_->is_number(), "number"));
    return value_->to_number<double>();
}

Result<const JsonObject*> JsonReader::object() const {
    CHECK_OK(expect(value_ != nullptr && value_->is_object(), "object"));
    return &value_->get_object();
}

Result<const JsonArray*> JsonReader::array() const {
    CHECK_OK(expect(value_ != nullptr && value_->is_array(), "array"));
    return &value_->get_array();
}

Result<std::string_view> JsonReader::string_or(std::string_view absent) const {
    return value_ == nullptr && mismatch_.empty() ? absent : string();
}

Result<bool> JsonReader::boolean_or(bool absent) const {
    return value_ == nullptr && mismatch_.empty() ? absent : boolean();
}

Result<std::int64_t> JsonReader::integer_or(std::int64_t absent, std::int64_t min,
                                            std::int64_t max) const {
    return value_ == nullptr && mismatch_.empty() ? absent : integer(min, max);
}

Result<std::vector<JsonReader>> JsonReader::elements() const {
    std::vector<JsonReader> out;
    if (value_ == nullptr && mismatch_.empty()) {
        return out;
    }
    TRY(const JsonArray* values, array());
    for (std::size_t i = 0; i < values->size(); ++i) {
        out.push_back(at(i));
    }
    return out;
}

Result<std::vector<std::pair<std::string_view, JsonReader>>> JsonReader::members() const {
    std::vector<std::pair<std::string_view, JsonReader>> out;
    if (value_ == nullptr && mismatch_.empty()) {
        return out;
    }
    TRY(const JsonObject* values, object());
    for (const auto& member : *values) {
        out.emplace_back(member.key(), at(member.key()));
    }
    return out;
}

Status JsonReader::only(std::initializer_list<std::string_view> known) const {
    TRY(const auto found, members());
    for (const auto& [key, reader] : found) {
        if (std::find(known.begin(), known.end(), key) != known.end()) {
            continue;
        }
        std::string_view nearest;
        // Two edits of a longer word are a slip of the finger; more is another word.
        std::size_t distance = std::min<std::size_t>(3, key.size());
        for (const std::string_view name : known) {
            if (const std::size_t edits = base::edit_distance(key, name); edits < distance) {
                distance = edits;
                nearest = name;
            }
        }
        return reader.fail(nearest.empty()
                               ? std::string("unknown field")
                               : fmt::format("unknown field, did you mean {}", nearest));
    }
    return base::ok;
}

}  // namespace tidemill::wire
