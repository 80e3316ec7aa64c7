// As much of OpenAPI as clients need before they dare to write.
#pragma once

#include <string>
#include <string_view>

#include "api/request/refusal.h"
#include "model/object/json_fields.h"

namespace tidemill::api {

// A version 2 document without definitions: kubectl then leaves validation to the server. In
// protobuf (gnostic's openapi.v2.Document) and as JSON.
std::string openapi_v2_protobuf(std::string_view build);
model::Json openapi_v2(std::string_view build);

// The index of version 3, and the document of one group and version, which says that PATCH takes
// fieldValidation: newer kubectl looks for that to validate on the server. `path` is what stands
// behind /openapi/v3/. Errors: 404.
model::Json openapi_v3_index();
Answered<model::Json> openapi_v3(std::string_view path, std::string_view build);

}  // namespace tidemill::api
