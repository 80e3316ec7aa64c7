// What this host can give, found by doing it.
#pragma once

#include "launcher/program/cgroup.h"
#include "launcher/protocol.h"

namespace tidemill::launcher {

// Forks a few short-lived children.
Capabilities probe(const CgroupHome& home, const char* stage);

}  // namespace tidemill::launcher
