// Why a service is as it is.
#pragma once

#include <string>

#include "async/task.h"
#include "base/result.h"
#include "model/object/json_fields.h"

namespace tidemill::api {

class Explain {
public:
    Explain() = default;
    Explain(const Explain&) = delete;
    Explain& operator=(const Explain&) = delete;
    virtual ~Explain() = default;
    // The decisions about one Service with their inputs: instances, revision, cold starts. Errors:
    // not_found.
    virtual async::Task<base::Result<model::JsonObject>> explain(std::string namespace_name,
                                                                 std::string name) = 0;
};

}  // namespace tidemill::api
