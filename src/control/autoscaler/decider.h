// How many instances the load calls for. The heart of the autoscaler, and pure: a decision is a
// function of its record of inputs, so that anyone can compute it again later.
// Source of every rule: knative/serving pkg/autoscaler/scaling/autoscaler.go (Scale), at 98e5ef90.
#pragma once

#include <cstdint>
#include <optional>
#include <string>

#include "base/time.h"

namespace tidemill::control {

enum class ScalingMetric : std::uint8_t { concurrency, requests_per_second };

// Whether a route leads to the revision. `unknown` is that of a revision nobody decided on yet.
enum class Reachability : std::uint8_t { unknown, reachable, unreachable };

// What a revision's annotations and the platform's configuration resolve to (settings.h).
struct DeciderSpec {
    ScalingMetric metric = ScalingMetric::concurrency;
    double target_value = 70;     // load one instance should carry
    double total_value = 100;     // load one instance can carry
    double burst_capacity = 211;  // to be held free; 0: none, -1: without limit
    double panic_threshold = 2;   // load in the panic window over capacity at which panic begins
    double scale_up_rate_max = 1000;
    double scale_down_rate_max = 2;
    base::Duration stable_window = std::chrono::seconds(60);
    base::Duration panic_window = std::chrono::seconds(6);
    base::Duration scale_down_delay{};
    std::int32_t initial_scale = 1;
    std::int32_t activation_scale = 0;  // above 1: the least a start from zero starts
    bool reachable = true;

    friend bool operator==(const DeciderSpec&, const DeciderSpec&) = default;
};

// What one decision hands to the next.
struct PanicState {
    std::optional<base::Instant> since;  // last moment over the threshold while panicking
    std::int32_t instances_max = 0;      // most wanted since panic began: panic never scales down

    friend bool operator==(const PanicState&, const PanicState&) = default;
};

// The state of a decider that has decided nothing yet. More than one ready instance means that an
// autoscaler before us wanted them: panic holds them until this one has seen a whole window.
PanicState initial_panic(std::int32_t ready, base::Instant now);

// Everything a decision is made of.
struct ScaleInputs {
    base::Instant now;
    DeciderSpec spec;
    std::int32_t ready = 0;
    double stable_value = 0;  // load over the stable window
    double panic_value = 0;   // load over the panic window
    PanicState panic;
    // The most wanted within the scale-down delay before now; nothing without such a delay.
    std::optional<std::int32_t> delayed_max;

    friend bool operator==(const ScaleInputs&, const ScaleInputs&) = default;
};

// A decision with all that led to it.
struct ScaleDecision {
    ScaleInputs inputs;

    // On the way, in the order computed.
    double scale_up_limit = 0;
    double scale_down_limit = 0;
    double stable_wanted = 0;  // before limits
    double panic_wanted = 0;   // before limits
    std::int32_t stable_instances = 0;
    std::int32_t panic_instances = 0;
    bool over_panic_threshold = false;
    PanicState panic;  // handed to the next decision
    std::int32_t before_delay = 0;

    std::int32_t desired = 0;
    std::int32_t excess_burst_capacity = 0;  // negative: the instances cannot take the burst

    friend bool operator==(const ScaleDecision&, const ScaleDecision&) = default;
};

ScaleDecision decide_scale(const ScaleInputs& inputs);

// What stands for the excess burst capacity before the first decision.
std::int32_t initial_burst_capacity(const DeciderSpec& spec);

}  // namespace tidemill::control
