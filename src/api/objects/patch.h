// Documents changed by patches.
#pragma once

#include <string_view>

#include "api/request/refusal.h"
#include "model/kinds/kind.h"

namespace tidemill::api {

enum class PatchType : std::uint8_t { json, merge, strategic, apply };

// By media type. Strategic merge knows core kinds only, as in Kubernetes, where other kinds have no
// Go types. Errors: 415.
Answered<PatchType> patch_type(const model::Kind& kind, std::string_view media_type);

// The document after the patch; not for PatchType::apply. Errors: 400 (no such patch), 422 (a JSON
// patch that does not fit the document).
Answered<model::Json> patched(PatchType type, const model::Kind& kind, std::string_view name,
                              model::Json document, const model::Json& patch);

// Maps are merged, null removes; lists are replaced, but for those that have a merge key, whose
// elements are merged by it. The directives $patch, $retainKeys, $deleteFromPrimitiveList and
// $setElementOrder are understood (the last one orders nothing). Source of the keys: patchMergeKey
// in k8s.io/api. Errors: 400.
Answered<model::Json> strategic_merge(model::Json document, const model::Json& patch);

}  // namespace tidemill::api
