// What time it is on the wall. Monotonic time is async::Loop::now().
#pragma once

#include <cstddef>
#include <cstdint>
#include <span>
#include <string>

#include "base/time.h"

namespace tidemill::host {

class Clock {
public:
    virtual ~Clock() = default;
    virtual base::WallTime wall_now() const = 0;
    // The monotonic time right now, not that at the beginning of the turn: for measuring within
    // one.
    virtual base::Instant monotonic_now() const = 0;
};

// Unpredictable bytes; in simulation they come from the seed.
class Random {
public:
    virtual ~Random() = default;
    virtual void fill(std::span<std::byte> bytes) = 0;
    std::uint64_t next_u64();
};

// A random UUID, version 4 (RFC 9562).
std::string make_uuid(Random& random);

}  // namespace tidemill::host
