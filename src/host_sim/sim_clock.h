// Time and chance of a simulated machine.
#pragma once

#include <cstring>

#include "async/loop.h"
#include "host/clock.h"
#include "host_sim/dice.h"

namespace tidemill::host_sim {

// Wall time is the loop's virtual time since a base, plus a skew that a test may set: wall time
// jumps, and nothing but timestamps may care.
class SimClock final : public host::Clock {
public:
    SimClock(const async::Loop& loop, base::WallTime wall_base)
        : loop_(loop), base_(wall_base), start_(loop.now()) {}

    base::WallTime wall_now() const override { return base_ + (loop_.now() - start_) + skew_; }
    base::Instant monotonic_now() const override { return loop_.now(); }
    // May be negative: the clock then went back.
    void set_skew(base::Duration skew) { skew_ = skew; }

private:
    const async::Loop& loop_;
    base::WallTime base_;
    base::Instant start_;
    base::Duration skew_{0};
};

class SimRandom final : public host::Random {
public:
    explicit SimRandom(std::uint64_t seed) : dice_(seed, "random") {}

    void fill(std::span<std::byte> bytes) override {
        while (!bytes.empty()) {
            const auto word = dice_.next();
            const auto size = bytes.size() < sizeof word ? bytes.size() : sizeof word;
            std::memcpy(bytes.data(), &word, size);
            bytes = bytes.subspan(size);
        }
    }

private:
    Dice dice_;
};

}  // namespace tidemill::host_sim
