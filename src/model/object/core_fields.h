// Every field of the core kinds that users write, as Kubernetes' core/v1 has them: what is not in
// these tables is an unknown field.
#pragma once

#include <span>

#include "model/kinds/kind.h"

namespace tidemill::model {

struct Field;

// The fields of a whole document of a core kind; empty for kinds that are views and for Serving's.
std::span<const Field> core_fields_of(KindId kind);

}  // namespace tidemill::model
