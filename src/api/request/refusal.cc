#include "api/request/refusal.h"

#include <fmt/format.h>

namespace tidemill::api {
namespace {

using model::as_json;

model::JsonObject about(const model::Kind& kind, std::string_view name) {
    model::JsonObject details;
    if (!name.empty()) {
        details["name"] = as_json(name);
    }
    if (!kind.group.empty()) {
        details["group"] = as_json(kind.group);
    }
    details["kind"] = as_json(kind.plural);
    return details;
}

model::JsonObject retry_after(int seconds) {
    return {{"retryAfterSeconds", seconds}};
}

}  // namespace

model::JsonObject Refusal::to_json() const {
    model::JsonObject out{
        {"kind", "Status"},    {"apiVersion", "v1"},          {"metadata", model::JsonObject()},
        {"status", "Failure"}, {"message", as_json(message)}, {"reason", as_json(reason)}};
    if (!details.empty()) {
        out["details"] = details;
    }
    out["code"] = status;
    return out;
}

Refusal bad_request(std::string message) {
    return {400, "BadRequest", std::move(message)};
}

Refusal unauthorized(std::string message) {
    return {401, "Unauthorized", std::move(message)};
}

Refusal forbidden(std::string message) {
    return {403, "Forbidden", std::move(message)};
}

Refusal no_such_path() {
    return {404, "NotFound", "the server could not find the requested resource"};
}

Refusal not_found(const model::Kind& kind, std::string_view name) {
    return {404, "NotFound", fmt::format("{} \"{}\" not found", kind.group_resource(), name),
            about(kind, name)};
}

Refusal already_exists(const model::Kind& kind, std::string_view name) {
    return {409, "AlreadyExists",
            fmt::format("{} \"{}\" already exists", kind.group_resource(), name),
            about(kind, name)};
}

Refusal conflict(const model::Kind& kind, std::string_view name, std::string_view why) {
    return {409, "Conflict",
            fmt::format("Operation cannot be fulfilled on {} \"{}\": {}", kind.group_resource(),
                        name, why),
            about(kind, name)};
}

Refusal expired(std::string message) {
    return {410, "Expired", std::move(message)};
}

Refusal method_not_allowed(std::string message) {
    return {405, "MethodNotAllowed", std::move(message)};
}

Refusal not_acceptable() {
    return {406, "NotAcceptable",
            "only the following media types are accepted: application/json, application/yaml"};
}

Refusal unsupported_media_type(std::string_view got, std::string_view accepted) {
    return {415, "UnsupportedMediaType",
            fmt::format("the body of the request was in an unknown format ({}) - accepted media "
                        "types include: {}",
                        got.empty() ? "no Content-Type" : got, accepted)};
}

Refusal too_large(std::size_t bytes_max) {
    return {413, "RequestEntityTooLarge",
            fmt::format("Request entity too large: limit is {} (TM-305)", bytes_max)};
}

Refusal unavailable(std::string message) {
    return {503, "ServiceUnavailable", std::move(message), retry_after(1)};
}

Refusal exhausted(std::string message) {
    return {429, "TooManyRequests", std::move(message), retry_after(1)};
}

Refusal invalid_field(const model::Kind& kind, std::string_view name, std::string_view field,
                      std::string_view problem) {
    model::Problems problems;
    problems.push_back({.kind = model::ProblemKind::value_invalid,
                        .message = std::string(problem),
                        .paths = {std::string(field)}});
    return not_admitted(kind, name, problems);
}

Refusal not_admitted(const model::Kind& kind, std::string_view name,
                     const model::Problems& problems) {
    if (!model::has_shape_errors(problems)) {
        return bad_request(model::admission_denied(problems));
    }
    Refusal out{422, "Invalid", model::shape_denied(kind, name, problems), about(kind, name)};
    // A refusal that is not about a list of things names the kind itself, as Kubernetes does.
    out.details["kind"] = as_json(kind.kind);
    model::JsonArray causes;
    for (const auto& cause : model::shape_causes(problems)) {
        causes.push_back(model::JsonObject{{"reason", as_json(cause.reason)},
                                           {"message", as_json(cause.message)},
                                           {"field", as_json(cause.field)}});
    }
    out.details["causes"] = std::move(causes);
    return out;
}

Refusal from_store(const base::Error& error, const model::Kind& kind, std::string_view name,
                   Writing writing) {
    switch (error.code) {
        case base::Code::not_found:
            return not_found(kind, name);
        case base::Code::conflict:
            if (writing == Writing::create) {
                return already_exists(kind, name);
            }
            return conflict(kind, name,
                            fmt::format("the object has been modified; please apply your changes "
                                        "to the latest version and try again ({})",
                                        error.message));
        default:
            return from_error(error);
    }
}

Refusal from_error(const base::Error& error) {
    switch (error.code) {
        case base::Code::not_found:
            return {404, "NotFound", error.message};
        case base::Code::conflict:
            return {409, "Conflict", error.message};
        case base::Code::invalid:
            return bad_request(error.message);
        case base::Code::exhausted:
            return exhausted(error.message);
        case base::Code::unavailable:
        case base::Code::cancelled:
            return unavailable(error.message);
        case base::Code::deadline:
            return {504, "Timeout", error.message};
        case base::Code::denied:
            return forbidden(error.message);
        case base::Code::expired:
            return expired(error.message);
    }
    return {500, "InternalError", error.message};
}

}  // namespace tidemill::api
