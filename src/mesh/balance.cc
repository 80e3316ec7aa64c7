#include "mesh/balance.h"

#include <algorithm>

namespace tidemill::mesh {

bool may_serve(const Load& load, std::uint32_t container_concurrency, base::Instant now) {
    return load.state == EndpointState::ready && load.ejected_until <= now &&
           (container_concurrency == 0 || load.in_flight < container_concurrency);
}

std::optional<std::size_t> pick(std::span<const Load* const> loads,
                                std::uint32_t container_concurrency, base::Instant now,
                                std::uint64_t random, std::uint32_t turn) {
    // Knative: pkg/activator/net/throttler.go chooses first-available up to this concurrency.
    constexpr std::uint32_t first_available_max = 3;
    const std::size_t count = loads.size();
    if (count == 0) {
        return std::nullopt;
    }
    const auto free = [&](std::size_t at) {
        return may_serve(*loads[at], container_concurrency, now);
    };
    if (count == 1) {
        return free(0) ? std::optional<std::size_t>(0) : std::nullopt;
    }
    std::size_t start = 0;
    if (container_concurrency == 0) {
        const std::size_t a = (random & UINT32_MAX) % count;
        const std::size_t b = (a + 1 + (random >> 32U) % (count - 1)) % count;
        const bool a_free = free(a);
        if (free(b)) {
            return a_free && loads[a]->in_flight <= loads[b]->in_flight ? a : b;
        }
        if (a_free) {
            return a;
        }
        start = a;  // both out: whoever comes next after a random place
    } else if (container_concurrency > first_available_max) {
        std::optional<std::size_t> least;
        for (std::size_t i = 0; i < count; ++i) {
            const std::size_t at = (turn + i) % count;
            if (free(at) && (!least || loads[at]->in_flight < loads[*least]->in_flight)) {
                least = at;
            }
        }
        return least;
    }
    for (std::size_t i = 0; i < count; ++i) {
        const std::size_t at = (start + i) % count;
        if (free(at)) {
            return at;
        }
    }
    return std::nullopt;
}

void eject(Load& load, base::Instant now) {
    using namespace std::chrono_literals;
    const auto shift = std::min<std::uint32_t>(load.refusals, 7);
    load.refusals += 1;
    load.ejected_until = now + std::min<base::Duration>(100ms * (1 << shift), 10s);
}

}  // namespace tidemill::mesh
