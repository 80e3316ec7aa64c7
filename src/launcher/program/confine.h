// The last steps before the user's program: everything is given up that it must not have.
#pragma once

#include <signal.h>

#include "launcher/program/plan.h"
#include "launcher/program/system.h"

namespace tidemill::launcher {

// By the launcher and every init; the program finds none ignored.
inline constexpr int ignored_signals[] = {SIGPIPE, SIGINT, SIGHUP};

struct Descriptors {
    int in;
    int out;
    int err;
    int listener;  // -1: none
};

// Becomes the program; returns only what stood in the way. Runs in a vfork child: touches no memory
// that its parent minds, allocates nothing.
Failure become(const Plan& plan, const Descriptors& descriptors);

// No exec below this process gains a capability again.
Failure give_up_bounding_set();
// Init's own rest: CAP_KILL, no new privileges, not dumpable.
void keep_only_kill();

// True when the kernel takes our filter. Forks.
bool seccomp_works();

}  // namespace tidemill::launcher
