// Builds one Json value from a stream of events, within limits and without duplicate keys.
#pragma once

#include <cstddef>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "base/result.h"
#include "wire/json.h"

namespace tidemill::wire {

// What a value costs: values in it with itself, bytes of its strings and keys, and levels of arrays
// and objects inside each other.
struct JsonSize {
    std::size_t nodes = 1;
    std::size_t bytes = 0;
    std::size_t depth = 0;
};
JsonSize measure(const Json& value);

// The caller sends balanced events; each answers false once a limit or a rule is broken, after
// which only error() may be called. The caller puts the position before the error's message.
class JsonBuilder {
public:
    explicit JsonBuilder(const JsonLimits& limits) : limits_(limits) {}

    bool begin_object() { return begin(Json(JsonObject())); }
    bool begin_array() { return begin(Json(JsonArray())); }
    // Ends the innermost object or array.
    bool end();
    // The key of the next value. `merged` keys (YAML's <<) may be replaced and may replace.
    enum class KeyOrigin : std::uint8_t { written, merged };
    bool key(std::string_view key, KeyOrigin origin = KeyOrigin::written);
    // `nodes`: how many values are in it (JsonSize).
    bool value(Json value, std::size_t nodes = 1);
    // The value that was completed last; valid until the next event.
    const Json& last() const { return *last_; }

    // Refuses with a message of the caller's, with the path before it.
    bool refuse(base::Code code, std::string_view message);
    const base::Error& error() const { return *error_; }
    bool failed() const { return error_.has_value(); }

    // The finished value; call once, when the outermost value is there.
    Json take() { return std::move(root_); }
    std::size_t depth() const { return frames_.size(); }
    // Where the next value goes.
    std::string path() const;

private:
    struct Frame {
        Json container;
        std::string key;
        std::vector<std::string> merged;
    };

    bool begin(Json container);
    bool count(std::size_t nodes);

    JsonLimits limits_;
    std::vector<Frame> frames_;
    Json root_;
    const Json* last_ = nullptr;
    std::size_t nodes_ = 0;
    std::optional<base::Error> error_;
};

}  // namespace tidemill::wire
