// What a Configuration calls its revisions.
#pragma once

#include <string>

#include "model/object/object.h"

namespace tidemill::control {

// The name of the revision for the Configuration's current generation: what the template says, else
// the Configuration's name and five digits of its generation.
std::string revision_name(const model::Object& configuration);

// True when a revision that bears the name which the template gives may stand for this
// Configuration: it is its own, and was made for this generation or from an equal template.
bool may_use_named_revision(const model::Object& revision, const model::Object& configuration);

}  // namespace tidemill::control
