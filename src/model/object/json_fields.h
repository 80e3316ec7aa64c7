// Reading and comparing documents: questions that every file of this room asks of JSON.
#pragma once

#include <boost/json.hpp>
#include <cstdint>
#include <initializer_list>
#include <map>
#include <optional>
#include <string>
#include <string_view>

namespace tidemill::model {

using Json = boost::json::value;
using JsonObject = boost::json::object;
using JsonArray = boost::json::array;

// Text by text, sorted: labels, annotations, data of a ConfigMap.
using TextMap = std::map<std::string, std::string, std::less<>>;

inline std::string_view as_view(const boost::json::string& text) {
    return {text.data(), text.size()};
}
// For building documents: the copy that a JSON value keeps.
inline boost::json::string_view as_json(std::string_view text) {
    return {text.data(), text.size()};
}

// The member at a path of keys, or nullptr where a step is missing or is not an object.
const Json* find_member(const Json& from, std::initializer_list<std::string_view> keys);
const Json* find_member(const JsonObject& from, std::initializer_list<std::string_view> keys);
// The member as text; empty when it is absent or no string.
std::string_view text_at(const JsonObject& from, std::initializer_list<std::string_view> keys);
std::string_view text_at(const Json& from, std::initializer_list<std::string_view> keys);

// The value as a whole number, whichever of JSON's number forms holds it; nothing for other values
// and for numbers beyond 64 signed bits.
std::optional<std::int64_t> integer_of(const Json& value);

// The value under `key`, made an empty object if it was absent or null. Precondition: absent, null
// or an object.
JsonObject& object_at(JsonObject& in, std::string_view key);

// True for what a Go struct would not tell from an absent field: null, false, 0, "", [] and {}.
bool is_unset(const Json& value);

// True when two documents say the same thing once absent and unset members count as equal, which is
// how Kubernetes compares typed objects (equality.Semantic in apimachinery).
bool same_meaning(const Json& a, const Json& b);

// A readable account of where two documents differ, one "path: old -> new" line per leaf, at most
// `lines_max` lines; empty when they mean the same.
std::string describe_difference(const Json& before, const Json& after, std::size_t lines_max);

JsonObject to_json(const TextMap& map);

}  // namespace tidemill::model
