// Patches of JSON documents.
#pragma once

#include <string_view>

#include "base/result.h"
#include "wire/json.h"

namespace tidemill::wire {

// RFC 7386: members of `patch` replace those of `target`, null removes, everything else is the new
// value.
Json merge_patch(Json target, const Json& patch);

// RFC 6902: add, remove, replace, move, copy, test, in order; all or nothing.
// limits: bound the target and all that is added to it together, since copies of copies grow fast.
// Errors: invalid (the patch is not one, or does not fit the target: "operation 2 (remove /a/b):
// …"), conflict (a test failed), exhausted (more than 10,000 operations, or a limit).
base::Result<Json> json_patch(Json target, const Json& patch, const JsonLimits& limits = {});

// RFC 6901: the value at a pointer such as "/spec/containers/0", or null when there is none.
const Json* find_pointer(const Json& root, std::string_view pointer);

}  // namespace tidemill::wire
