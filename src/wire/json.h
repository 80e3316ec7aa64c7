// JSON: text in, values out. Strict by default, because what the API stores must mean one thing.
#pragma once

#include <boost/json/value.hpp>
#include <cstddef>
#include <cstdint>
#include <initializer_list>
#include <limits>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include "base/result.h"

namespace tidemill::wire {

// A JSON value: null, bool, int64, uint64, double, string, array or object. Numbers without a point
// or an exponent are int64, or uint64 above its range, so no digit of an integer is ever lost.
// Objects keep the order of their keys. Copying copies deeply.
using Json = boost::json::value;
using JsonObject = boost::json::object;
using JsonArray = boost::json::array;

// What one document may cost. The defaults are for bodies of API requests.
struct JsonLimits {
    std::size_t bytes_max = std::size_t{3} * 1024 * 1024;  // as kube-apiserver limits a body
    std::size_t depth_max = 100;                           // arrays and objects inside each other
    std::size_t nodes_max = 300'000;                       // values, each element and member
};

// Reads one RFC 8259 value with nothing but white space around it. Refused: a key that stands twice
// in one object (named with its path), an integer outside of int64 and uint64, a number beyond
// double, ill-formed UTF-8 or escapes, and what JSON does not have (comments, NaN, trailing
// commas). Errors: invalid ("line 3, column 7: …"), exhausted (a limit).
base::Result<Json> parse_json(std::string_view text, const JsonLimits& limits = {});

enum class JsonStyle : std::uint8_t {
    compact,  // no white space, keys in the order of the object
    pretty,   // four spaces an indent and sorted keys, as kubectl prints
};
// Well formed as long as the strings are UTF-8. A double keeps a point or an exponent, so that
// reading gives the same kind again; one that JSON cannot express is written as null.
std::string write_json(const Json& value, JsonStyle style = JsonStyle::compact);

// "bool", "integer", "number", "string", "array", "object" or "null".
std::string_view kind_name(const Json& value);

// Paths as Kubernetes writes them: `spec.containers[0].env`, `metadata.annotations[a.b/c]`.
std::string join_path(std::string_view path, std::string_view key);
std::string join_path(std::string_view path, std::size_t index);

// Reads typed fields and says where it was when one is wrong:
// "spec.template.spec.timeoutSeconds: expected integer, got string". A null field counts as absent,
// as in Kubernetes. Refers to the value it was made from, which must outlive it; copies are cheap
// but for the path. All reading functions report `invalid`.
class JsonReader {
public:
    explicit JsonReader(const Json& root, std::string path = {});

    // The member or element, which need not be there. When this value is neither absent nor an
    // object (or array), every read of the result says so.
    JsonReader at(std::string_view key) const;
    JsonReader at(std::size_t index) const;
    // at() for each key of a path with dots between its keys: "spec.template.metadata".
    JsonReader at_path(std::string_view path) const;

    bool is_present() const { return value_ != nullptr; }
    // Null when absent.
    const Json* value() const { return value_; }
    const std::string& path() const { return path_; }

    // The value; an error when it is absent ("…: required") or of another kind.
    base::Result<std::string_view> string() const;
    base::Result<bool> boolean() const;
    base::Result<std::int64_t> integer(
        std::int64_t min = std::numeric_limits<std::int64_t>::min(),
        std::int64_t max = std::numeric_limits<std::int64_t>::max()) const;
    base::Result<double> number() const;
    base::Result<const JsonObject*> object() const;
    base::Result<const JsonArray*> array() const;

    // The same, with another value when absent.
    base::Result<std::string_view> string_or(std::string_view absent) const;
    base::Result<bool> boolean_or(bool absent) const;
    base::Result<std::int64_t> integer_or(
        std::int64_t absent, std::int64_t min = std::numeric_limits<std::int64_t>::min(),
        std::int64_t max = std::numeric_limits<std::int64_t>::max()) const;

    // Elements of an array, members of an object; none when absent.
    base::Result<std::vector<JsonReader>> elements() const;
    base::Result<std::vector<std::pair<std::string_view, JsonReader>>> members() const;

    // An error that names the first member which is not among `known`, and the nearest that is.
    base::Status only(std::initializer_list<std::string_view> known) const;

    // An error about this field: "path: " and the message.
    std::unexpected<base::Error> fail(std::string_view message) const;

private:
    JsonReader(const Json* value, std::string path, std::string mismatch);
    base::Status expect(bool right_kind, std::string_view wanted) const;

    const Json* value_;
    std::string path_;
    // Set when a parent was of the wrong kind.
    std::string mismatch_;
};

}  // namespace tidemill::wire
