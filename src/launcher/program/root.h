// The file system that an instance sees.
#pragma once

#include "launcher/program/plan.h"
#include "launcher/program/system.h"

namespace tidemill::launcher {

// In the new mount namespace, before anything else there: takes hold of everything of the host that
// the plan names, makes an empty root at `stage` (an empty directory of the host), and leaves the
// host's file system for good. Paths of the plan are resolved only after that, so that no link
// inside can lead out.
Failure build_root(const Plan& plan, const char* stage);

}  // namespace tidemill::launcher
