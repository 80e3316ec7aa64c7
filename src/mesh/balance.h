// Whom to ask: picks one of a revision's endpoints.
#pragma once

#include <cstdint>
#include <optional>
#include <span>

#include "base/time.h"

namespace tidemill::mesh {

enum class EndpointState : std::uint8_t {
    starting,  // not ready yet
    ready,     // may be given requests
    draining,  // no new requests; what runs may end
    gone,
};

// What choosing needs to know of one endpoint.
struct Load {
    EndpointState state = EndpointState::starting;
    std::uint32_t in_flight = 0;
    // After it refused a connection it gets nothing until then, or until it is announced anew.
    base::Instant ejected_until{};
    std::uint32_t refusals = 0;  // in a row
};

// True when `load` may be given one more request. container_concurrency 0 means unlimited.
bool may_serve(const Load& load, std::uint32_t container_concurrency, base::Instant now);

// The place of the endpoint that should get the next request, or nothing when none may. As
// Knative's activator: two random choices when unlimited, the first that is free up to 3, and above
// that the least busy, beginning one further each time (`turn`, which the caller keeps and gives
// `turn + 1` next).
std::optional<std::size_t> pick(std::span<const Load* const> loads,
                                std::uint32_t container_concurrency, base::Instant now,
                                std::uint64_t random, std::uint32_t turn);

// It refused a connection: out for 100 ms, doubling to 10 s, so that a listener with a full backlog
// comes back by itself and a dead one costs little.
void eject(Load& load, base::Instant now);
// It answered.
inline void readmit(Load& load) {
    load.refusals = 0;
    load.ejected_until = {};
}

}  // namespace tidemill::mesh
