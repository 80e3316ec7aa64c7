// The trace of a machine, told while a seed is replayed.
#pragma once

#include <fmt/format.h>

#include "host_sim/sim_host.h"
#include "seeds.h"

namespace tidemill::sim {

// Tells what the machine's devices do from now on; bytes on connections are left out, they are too
// many to read. `machine` is not moved afterwards.
inline void tell_trace(host_sim::SimHost& machine) {
    if (!is_replay()) {
        return;
    }
    machine.trace.on_event = [&machine, begin = machine.loop.now()](
                                 std::string_view what, std::uint64_t a, std::uint64_t b) {
        if (!what.starts_with("net ")) {
            tell(machine.loop.now() - begin, fmt::format("{} {:x} {:x}", what, a, b));
        }
    };
}

}  // namespace tidemill::sim
