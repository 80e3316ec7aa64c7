// Control on the real store, with an agent and a proxy that are simulated down to the wire.
#pragma once

#include <cstdint>

#include "seeds.h"

namespace tidemill::sim {

// One run: users deploy, update, pin, label and delete; control is killed and comes back; peers are
// cut off and connections break. Holds, whatever happens: a proxy is never told of a revision that
// was never ready; latestReady never goes back; nothing is asked to run above max-scale; a revision
// that serves load is never asked to stop; and after calm what runs is what was asked for, every
// Service says so, and of what was deleted nothing is left.
SimReport run_control_world(std::uint64_t seed);

}  // namespace tidemill::sim
