// What follows from who owns whom. Source of the rules: Kubernetes' garbage collector
// (pkg/controller/garbagecollector), whose documentation of cascading deletion users know.
#pragma once

#include "base/result.h"
#include "model/object/object.h"
#include "store/draft.h"

namespace tidemill::store {

// Brings one object in line with its owners and, if it is being deleted, with what it owns:
// an object all of whose owners are gone goes; references to owners that are gone leave an object
// that has others; an object that waits for its dependents (foreground) goes when none blocks it;
// one that leaves orphans is forgotten by them first. Idempotent. What follows for others becomes
// a suspect in the draft. Errors: those of Draft::put.
base::Status collect(Draft& draft, const model::ObjectKey& key);

// True if collect() would do something to it: for finding what a crash left undone.
bool is_suspect(const Draft& draft, const model::Object& object);

}  // namespace tidemill::store
