// OpenAPI version 2 in protobuf, the only form in which older kubectl asks for it.
#pragma once

#include <string>

#include "model/object/json_fields.h"

namespace tidemill::api {

// A version 2 document as gnostic's openapi.v2.Document. Members that openapi_v2() never writes are
// left out. Source: openapiv2/OpenAPIv2.proto of github.com/google/gnostic-models.
std::string openapi_protobuf(const model::JsonObject& document);

}  // namespace tidemill::api
