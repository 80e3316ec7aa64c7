// How much of something a peer may do: so many at once, so many a second after that.
#pragma once

#include <algorithm>
#include <cstdint>

#include "base/time.h"

namespace tidemill::wire {

// A token bucket; full at first. One thread.
class Allowance {
public:
    Allowance(std::uint32_t burst, std::uint32_t per_second)
        : full_(std::int64_t{burst} * scale), per_second_(per_second), left_(full_) {}

    // False when it is used up.
    bool take(base::Instant now) {
        if (now > refilled_) {
            constexpr std::int64_t whole_refill_ns = 3'600'000'000'000;  // keeps the product small
            const auto span_ns = std::min((now - refilled_).count(), whole_refill_ns);
            left_ = std::min(full_, left_ + span_ns / 1000 * per_second_);
            refilled_ = now;
        }
        if (left_ < scale) {
            return false;
        }
        left_ -= scale;
        return true;
    }
    // Useful work earns back what its housekeeping costs.
    void earn(std::uint32_t tokens) {
        left_ = std::min(full_, left_ + std::int64_t{tokens} * scale);
    }

private:
    static constexpr std::int64_t scale = 1'000'000;
    std::int64_t full_;
    std::int64_t per_second_;
    std::int64_t left_;
    base::Instant refilled_;
};

}  // namespace tidemill::wire
