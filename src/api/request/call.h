// One request on its way through the API.
#pragma once

#include <string>
#include <vector>

#include "api/request/parameters.h"
#include "api/request/refusal.h"
#include "api/request/representation.h"
#include "api/request/request_path.h"
#include "auth/policy.h"
#include "http/server.h"

namespace tidemill::api {

// What is known of a request once it has been authenticated and authorised. Lives until its answer
// is complete.
struct Call {
    http::Request& request;
    http::Answer& answer;
    RequestPath path;
    Parameters parameters;
    Representation wanted;
    auth::Subject subject;
    auth::Access access;
    std::string decision;               // why it was allowed
    std::string from;                   // the peer, for the audit record
    std::vector<std::string> warnings;  // become Warning fields of the answer

    const ResourcePath& resource() const { return *path.resource; }
    std::string content_type() const { return std::string(request.headers.get("Content-Type")); }
};

// A whole answer; `streamed` when the handler sent it itself, piece by piece.
struct Reply {
    int status = 200;
    std::string content_type = "application/json";
    std::string body;
    bool streamed = false;

    static Reply sent() { return {.streamed = true}; }
    static Reply document(const model::Json& document, Representation::Format format,
                          int status = 200) {
        return {.status = status,
                .content_type = format == Representation::Format::yaml ? "application/yaml"
                                                                       : "application/json",
                .body = write_document(document, format)};
    }
};

}  // namespace tidemill::api
