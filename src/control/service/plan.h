// A Service becomes a Configuration and a Route of its own name, and says how they are.
// Source of rules and sentences: knative/serving pkg/reconciler/service, at 98e5ef90.
#pragma once

#include "base/time.h"
#include "control/change.h"
#include "model/object/object.h"

namespace tidemill::control {

struct ServiceWorld {
    ObjectPtr service;
    ObjectPtr configuration;   // of the Service's name, or null
    ObjectPtr route;           // of the Service's name, or null
    ObjectPtr named_revision;  // the one that the template names, or null
};

// Drift of spec, labels and annotations is overwritten; what is not ours is left alone and said so.
// Idempotent. `now` moves conditions' times only.
Plan plan_service(const ServiceWorld& world, base::WallTime now);

}  // namespace tidemill::control
