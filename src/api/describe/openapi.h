// OpenAPI: what may be asked of each kind, and which fields it has.
#pragma once

#include <string_view>

#include "api/request/refusal.h"
#include "model/object/json_fields.h"

namespace tidemill::api {

// The version 2 document, of all kinds at once: older kubectl reads from it whether a PATCH knows
// dryRun, checks documents by its definitions, and explains them.
model::JsonObject openapi_v2(std::string_view build);

// The index of version 3, and the document of one group and version, which newer kubectl reads for
// the same. `path` is what stands behind /openapi/v3/. Errors: 404.
model::Json openapi_v3_index();
Answered<model::Json> openapi_v3(std::string_view path, std::string_view build);

}  // namespace tidemill::api
