// What a SelfSubjectAccessReview asks.
#pragma once

#include <string>
#include <string_view>

#include "api/request/refusal.h"
#include "auth/policy.h"

namespace tidemill::api {

// The body as the access that is asked about: JSON or YAML, or Kubernetes' protobuf, which
// kubectl's `auth can-i` sends. Errors: 400, 415.
Answered<auth::Access> parse_access_question(const std::string& content_type,
                                             std::string_view body);

}  // namespace tidemill::api
