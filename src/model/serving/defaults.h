// What a document that leaves things open is stored as. Source: knative/serving
// pkg/apis/serving/v1/*_defaults.go.
#pragma once

#include "model/object/object.h"
#include "model/serving/admission.h"

namespace tidemill::model {

// Sets what Knative sets, in place; applying it again changes nothing. A template whose own name
// did not change is left as it is, so that new defaults never look like a change of a revision.
// Precondition: the shape of `object` was checked; it is of a Serving kind.
void apply_defaults(Object& object, const AdmissionContext& context);

}  // namespace tidemill::model
