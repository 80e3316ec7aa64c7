// The body of a request as a document.
#pragma once

#include <cstddef>
#include <optional>
#include <string>
#include <string_view>

#include "api/request/refusal.h"
#include "async/task.h"
#include "http/server.h"
#include "model/object/json_fields.h"

namespace tidemill::api {

// As kube-apiserver limits a body (3 MiB).
inline constexpr std::size_t body_bytes_max = std::size_t{3} << 20;

// The media type of a Content-Type field, lower case, without parameters.
std::string media_type(std::string_view content_type);

// Reads the whole body. Errors: 413, 400 (cut short, badly framed).
async::Task<Answered<std::string>> read_body(http::Request& request);

// JSON, YAML or Kubernetes' protobuf, by Content-Type; without one it is JSON. Duplicate keys,
// bombs and depth are refused whole. Errors: 400, 413, 415.
Answered<model::Json> parse_document(const std::string& content_type, std::string_view body);
// The same, where there need not be a body. Errors: as above.
Answered<std::optional<model::Json>> parse_optional_document(const std::string& content_type,
                                                             std::string_view body);

}  // namespace tidemill::api
