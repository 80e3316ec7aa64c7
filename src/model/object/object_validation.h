// What Kubernetes asks of every object, whatever its kind, and of the core kinds' own members.
// Problems are those of shape, answered 422. Source: kubernetes/apimachinery
// pkg/api/validation/objectmeta.go and kubernetes pkg/apis/core/validation/validation.go.
#pragma once

#include "model/object/object.h"
#include "model/object/problem.h"

namespace tidemill::model {

// Names, labels, annotations, owners and finalizers; `previous` is what is stored, or nullptr for a
// new object. An object that still waits for its generated name may have none.
Problems check_object_metadata(const Object& object, const Object* previous);

// Sets what Kubernetes sets in core kinds, in place: a Secret's type and its stringData, a
// Namespace's phase. Members of wrong types are left for check_core.
void apply_core_defaults(Object& object);

// Keys, encodings and sizes of ConfigMap and Secret data; nothing for other kinds.
Problems check_core(const Object& object, const Object* previous);

}  // namespace tidemill::model
