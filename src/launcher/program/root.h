// The file system that an instance sees.
#pragma once

#include "launcher/program/plan.h"
#include "launcher/program/system.h"

namespace tidemill::launcher {

// A mount namespace with nothing in it but an empty directory "/stage": where instances begin, so
// that none of them has to copy the host's mounts and to throw them away again. Throwing away waits
// for every processor of the machine (synchronize_rcu), which is milliseconds when they are busy.
// Made at `stage` (an empty directory of the host) by a short-lived child; not open() when it
// cannot be made, as without root.
Fd make_empty_namespace(const char* stage);

// Whether an image can get a writable root: tried at `stage` by a child, because a kernel may know
// overlayfs and still refuse it (in a user namespace, on this file system).
bool overlay_works(const char* stage);

// Before anything else in an instance's init: takes hold of everything of the host that the plan
// names, and leaves the host's file system for an empty one. Paths of the plan are resolved only
// after that, so that no link inside can lead out. With `empty` from make_empty_namespace() the
// caller is still in the host's mount namespace; with -1 it is in a copy, of which `stage` becomes
// the root and the rest is thrown away.
Failure build_root(const Plan& plan, int empty, const char* stage);

}  // namespace tidemill::launcher
