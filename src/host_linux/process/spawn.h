// Starting one process.
#pragma once

#include <sys/types.h>

#include <array>
#include <string>
#include <vector>

#include "base/result.h"
#include "host/process.h"
#include "host_linux/unique_fd.h"

namespace tidemill::host_linux {

// What the child gets, in terms of our own descriptors.
struct SpawnFiles {
    std::array<int, 3> standard{-1, -1, -1};  // -1: /dev/null
    std::vector<int> from_three;              // become 3, 4, …
};

struct Spawned {
    pid_t pid = 0;
    UniqueFd pidfd;
};

// The child leads a process group of its own, so that Ctrl-C at our terminal reaches us alone and
// the order of ending is ours. It has default signal dispositions, no signal blocked, and no
// descriptor but those in `files`. Returns once it runs the program. Errors: not_found, denied,
// invalid (argv or directory), exhausted; the message names what failed.
//
// clone(CLONE_VM | CLONE_VFORK): no page table is copied, however large this process is. Rejected:
// posix_spawn, which can neither bind the child's life to ours nor give a pidfd.
base::Result<Spawned> spawn_program(const host::SpawnOptions& options, const SpawnFiles& files,
                                    const std::vector<std::string>& environment);

}  // namespace tidemill::host_linux
