// From a source folder that somebody sends to an image that can run.
#pragma once

#include <optional>
#include <string>
#include <utility>
#include <vector>

#include "async/task.h"
#include "base/result.h"
#include "model/object/json_fields.h"

namespace tidemill::api {

// What is sent, and what is told meanwhile.
class UploadExchange {
public:
    UploadExchange() = default;
    UploadExchange(const UploadExchange&) = delete;
    UploadExchange& operator=(const UploadExchange&) = delete;
    virtual ~UploadExchange() = default;
    // The next piece of the body, at most 64 KiB; nothing at its end. Errors: exhausted (more than
    // the limit), invalid, unavailable.
    virtual async::Task<base::Result<std::optional<std::string>>> next() = 0;
    // Shows the user one line. Errors: unavailable (they went away: stop).
    virtual async::Task<base::Status> log(std::string line) = 0;
};

struct UploadRequest {
    std::string namespace_name;
    std::string name;
    std::string user;
    std::string content_type;  // "application/x-tar", "application/gzip", …
    std::vector<std::pair<std::string, std::string>> parameters;  // of the query, for the builder
};

class Uploads {
public:
    Uploads() = default;
    Uploads(const Uploads&) = delete;
    Uploads& operator=(const Uploads&) = delete;
    virtual ~Uploads() = default;
    // Reads the body, builds, and gives {"image": "dev.local/NS/NAME@sha256:…", "plan": {…}}.
    // `exchange` outlives the task; dropping the task ends the build. Errors: any; the message is
    // for the user.
    virtual async::Task<base::Result<model::JsonObject>> upload(UploadRequest request,
                                                                UploadExchange& exchange) = 0;
};

}  // namespace tidemill::api
