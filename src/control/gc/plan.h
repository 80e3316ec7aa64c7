// Which revisions nobody needs any more, and which objects nobody owns any more.
// Source of the first: knative/serving pkg/reconciler/gc and config-gc, at 98e5ef90.
#pragma once

#include <functional>
#include <vector>

#include "base/time.h"
#include "control/change.h"
#include "model/settings/config.h"

namespace tidemill::control {

// Revisions of one Configuration to remove, oldest use first. Never the latest ready one, one that
// a route leads to, one nobody decided on yet, or one annotated serving.knative.dev/no-gc.
Plan plan_revision_gc(const model::Object& configuration, std::vector<ObjectPtr> revisions,
                      const model::GcConfig& config, base::WallTime now);

// Objects whose controller is gone: what a crash between an owner's deletion and its children's
// left behind. `exists` answers for the uid of an owner.
Plan plan_orphan_sweep(const std::vector<ObjectPtr>& objects,
                       const std::function<bool(const model::OwnerReference&)>& exists);

}  // namespace tidemill::control
