// Reading what the API answers: lenient where a field is missing, since another version of the
// server may have written it.
#pragma once

#include <cstdint>
#include <string>
#include <string_view>
#include <vector>

#include "base/time.h"
#include "wire/json.h"

namespace tidemill::cli {

// The member at a path of keys with dots between; null when absent.
const wire::Json* member(const wire::Json& document, std::string_view path);
// The text there; empty when absent or no text.
std::string text_at(const wire::Json& document, std::string_view path);
std::int64_t number_at(const wire::Json& document, std::string_view path, std::int64_t absent = 0);
// The array there; empty when absent.
const wire::JsonArray& list_at(const wire::Json& document, std::string_view path);
// A label or annotation, whose key may hold dots. `map` is "metadata.labels" or the like.
std::string entry(const wire::Json& document, std::string_view map, std::string_view key);

// Without metadata.managedFields, of the object and of a list's items: what server-side apply notes
// there is for programs, and longer than the object.
wire::Json without_managed_fields(wire::Json document);

std::string name_of(const wire::Json& object);
std::string space_of(const wire::Json& object);
// "3h" since creation; empty when unknown.
std::string age_of(const wire::Json& object, base::WallTime now);

struct Condition {
    std::string type;
    std::string status;  // "True", "False", "Unknown"; empty when there is none
    std::string reason;
    std::string message;
};
Condition condition_of(const wire::Json& object, std::string_view type);

// Where something stands that was asked for: whether the platform has seen the newest wish, and
// what came of it.
enum class Verdict : std::uint8_t { waiting, ready, failing };
Verdict judge(const wire::Json& object);

// "shop.default.localhost" of "http://shop.default.localhost:8080/x".
std::string host_of_url(std::string_view url);

// What a scalar looks like in a table: text without quotes, null as empty.
std::string cell_text(const wire::Json& value);

}  // namespace tidemill::cli
