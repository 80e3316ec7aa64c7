// A Configuration makes a Revision of each generation of its template, and knows the latest that
// was made and the latest that is ready.
// Source of rules and sentences: knative/serving pkg/reconciler/configuration, at 98e5ef90.
#pragma once

#include <vector>

#include "base/time.h"
#include "control/change.h"

namespace tidemill::control {

struct ConfigurationWorld {
    ObjectPtr configuration;
    // Its revisions, by label, in any order.
    std::vector<ObjectPtr> revisions;
    // The object that has the name of the revision it wants, whoever it belongs to; or null.
    ObjectPtr named_revision;
};

// latestReadyRevisionName moves to a newer generation only (or away from one that was deleted).
Plan plan_configuration(const ConfigurationWorld& world, base::WallTime now);

}  // namespace tidemill::control
