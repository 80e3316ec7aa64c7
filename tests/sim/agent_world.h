// The agent on a machine that outlives it, with control, proxies, programs and a nemesis.
#pragma once

#include <cstdint>

#include "seeds.h"

namespace tidemill::sim {

// One run: control wants numbers, requests come to proxies, programs crash, hang and never listen;
// signals stop them, other processes take their ports; the agent is killed and comes back, its
// launcher dies or cannot freeze, links break, the disk fills up. Holds,
// whatever happens:
// - nothing is started twice, and no more of a revision than are wanted or woken for;
// - nothing that should run is ended; what is left from a former agent is kept or ended;
// - no SIGTERM while a connected proxy has a request on it, or before the drain's bound;
// - no SIGKILL before the grace is over, unless the program is sick;
// - what a wake started is kept for its lease;
// - an endpoint is offered only after its program answered, and withdrawn when it ends;
// - an end is reported once in an agent's life, with its true reason, before it is forgotten;
// - a start waits for its back-off, and for nothing else for longer than a second;
// - frozen is only what was drained, is ready, and is wanted to be kept; it is no endpoint; a wake
//   thaws it and starts nothing beside it; it ends after keep_frozen, when it is not wanted, or
//   when all of them need too much memory, and hears SIGTERM then;
// - one that a signal stopped, that another process answers for, or whose readiness probe fails, is
//   not offered, and the last of these comes back;
// - a control that was away is told of the ends that explain why nobody serves;
// - the logs of those that ended last are kept; no two that live share a port;
// - and after calm exactly what is wanted runs, and everybody has heard of it.
SimReport run_agent_world(std::uint64_t seed);

}  // namespace tidemill::sim
