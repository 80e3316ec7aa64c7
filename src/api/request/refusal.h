// How the API says no: an HTTP status with a metav1.Status, in Kubernetes' words.
#pragma once

#include <expected>
#include <string>
#include <string_view>
#include <vector>

#include "base/result.h"
#include "model/kinds/kind.h"
#include "model/object/json_fields.h"
#include "model/object/problem.h"

namespace tidemill::api {

// The body of every answer that is not a success. `reason` is for programs, `message` for people;
// where the platform speaks for itself the message ends with its stable code in brackets,
// "(TM-301)", which has a page under docs/errors.
struct Refusal {
    int status = 500;
    std::string reason = "InternalError";
    std::string message;
    model::JsonObject details = {};

    model::JsonObject to_json() const;
};

template <typename T>
using Answered = std::expected<T, Refusal>;

// A refusal as a function's result: `return refuse(bad_request("…"));`
inline std::unexpected<Refusal> refuse(Refusal refusal) {
    return std::unexpected<Refusal>(std::move(refusal));
}

Refusal bad_request(std::string message);
Refusal unauthorized(std::string message);
Refusal forbidden(std::string message);
// A path that nothing is served at.
Refusal no_such_path();
Refusal not_found(const model::Kind& kind, std::string_view name);
Refusal already_exists(const model::Kind& kind, std::string_view name);
Refusal conflict(const model::Kind& kind, std::string_view name, std::string_view why);
Refusal expired(std::string message);
Refusal method_not_allowed(std::string message);
Refusal not_acceptable();
Refusal unsupported_media_type(std::string_view got, std::string_view accepted);
Refusal too_large(std::size_t bytes_max);
Refusal unavailable(std::string message);
Refusal exhausted(std::string message);
// 422 with one cause: a query parameter or a field outside any table.
Refusal invalid_field(const model::Kind& kind, std::string_view name, std::string_view field,
                      std::string_view problem);

// What admission found, as 422 (shape) or 400 (rules). Precondition: has_errors(problems).
Refusal not_admitted(const model::Kind& kind, std::string_view name,
                     const model::Problems& problems);
// A failure of the store about the object of that name. `creating` tells a name that is taken from
// a version that is stale.
enum class Writing : std::uint8_t { create, change };
Refusal from_store(const base::Error& error, const model::Kind& kind, std::string_view name,
                   Writing writing);
// Any other failure, by its code.
Refusal from_error(const base::Error& error);

}  // namespace tidemill::api
