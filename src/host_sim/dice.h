// Choices drawn from a seed.
#pragma once

#include <cstdint>
#include <string_view>

#include "base/bytes.h"
#include "base/time.h"

namespace tidemill::host_sim {

// A small generator of its own for each device, so that one more draw in one does not change what
// another sees. SplitMix64 (Steele, Lea, Flood 2014): eight bytes of state, cheap to seed, because
// a simulation makes ten thousand of them.
class Dice {
public:
    explicit Dice(std::uint64_t seed) : state_(seed) {}
    // The generator of `device` in a run of `seed`.
    Dice(std::uint64_t seed, std::string_view device) : state_(seed ^ base::fnv1a(device)) {
        next();
    }

    std::uint64_t next() {
        state_ += 0x9e3779b97f4a7c15U;
        std::uint64_t z = state_;
        z = (z ^ (z >> 30)) * 0xbf58476d1ce4e5b9U;
        z = (z ^ (z >> 27)) * 0x94d049bb133111ebU;
        return z ^ (z >> 31);
    }
    // 0 to limit - 1; limit > 0.
    std::uint64_t below(std::uint64_t limit) { return next() % limit; }
    bool one_in(std::uint64_t n) { return below(n) == 0; }
    // True in `per_million` of a million cases.
    bool chance(std::uint32_t per_million) {
        return per_million != 0 && below(1'000'000) < per_million;
    }
    // From `least` to `most`, both included.
    base::Duration between(base::Duration least, base::Duration most) {
        return least + base::Duration(static_cast<std::int64_t>(
                           below(static_cast<std::uint64_t>((most - least).count()) + 1)));
    }

private:
    std::uint64_t state_;
};

}  // namespace tidemill::host_sim
