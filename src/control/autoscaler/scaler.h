// From the number that load calls for to the number that runs: bounds, and the way to zero and
// back. Pure. Source: knative/serving pkg/reconciler/autoscaling/kpa/{scaler,kpa}.go, at 98e5ef90.
#pragma once

#include <cstdint>
#include <optional>
#include <string_view>

#include "base/time.h"
#include "control/autoscaler/decider.h"

namespace tidemill::control {

// The Active condition of a revision: False, Unknown or True.
enum class Activity : std::uint8_t { inactive, activating, active };

struct ActivityState {
    Activity activity = Activity::activating;
    base::Instant since;
    bool timed_out = false;  // inactive because it never became active

    friend bool operator==(const ActivityState&, const ActivityState&) = default;
};

// Bounds and times of one revision (settings.h).
struct ScalerSpec {
    std::int32_t scale_min = 0;
    std::int32_t scale_max = 0;  // 0: no limit
    std::int32_t initial_scale = 1;
    bool scale_to_zero = true;
    base::Duration stable_window = std::chrono::seconds(60);
    base::Duration grace_period = std::chrono::seconds(30);
    base::Duration retention_period{};
    base::Duration progress_deadline = std::chrono::seconds(600);
    double burst_capacity = 211;

    friend bool operator==(const ScalerSpec&, const ScalerSpec&) = default;
};

struct ScalerInputs {
    base::Instant now;
    ScalerSpec spec;
    Reachability reachability = Reachability::unknown;
    std::int32_t desired = -1;  // the decider's; -1: it has not decided yet
    ActivityState activity;
    bool initialized = false;  // the initial scale was once reached
    // Whether requests are known to wait in a buffer when nobody serves them. Always so where a
    // proxy stands in front; a platform that routes past it must prove it first.
    bool buffer_in_path = true;
    // Since when no request goes past the buffer; nothing: some do.
    std::optional<base::Instant> buffered_since;

    friend bool operator==(const ScalerInputs&, const ScalerInputs&) = default;
};

// Why the number is what it is; a name for people stands in reason_text.
enum class ScalerReason : std::uint8_t {
    no_data,             // nothing decided: what runs stays
    load,                // what the decider asked for, within bounds
    scale_to_zero_off,   // zero was asked for, but the platform never goes there
    activating,          // starting up: not before the activation deadline
    activation_timeout,  // never came up: given up
    cooling_down,        // idle, but active for less than the stable window
    deactivate,          // idle for a window: requests are buffered from now on, instances stay
    buffer_unproven,     // inactive, but requests might still go past the buffer
    retention,           // inactive, but the last instance is kept a while
    grace,               // inactive, but not for the grace period
    zero,                // inactive for long enough
};
std::string_view reason_text(ScalerReason reason);

struct ScalerDecision {
    ScalerInputs inputs;
    std::int32_t bounded = -1;  // desired within [min, max]
    std::int32_t wanted = -1;   // what shall be; -1: unknown
    bool apply = false;         // instances are set to `wanted`; else they stay as they are
    ScalerReason reason = ScalerReason::no_data;
    // When to decide again, should nothing happen before.
    std::optional<base::Duration> again_after;

    friend bool operator==(const ScalerDecision&, const ScalerDecision&) = default;
};

ScalerDecision decide_wanted(const ScalerInputs& inputs);

// True when requests may go to instances without being counted against a buffer: Knative's SKS
// mode Serve.
bool serves_directly(std::int32_t wanted, std::int32_t excess_burst_capacity);

// How many must be ready for the revision to count as active.
std::int32_t active_threshold(const ScalerSpec& spec, Reachability reachability, bool initialized);

// The activity after a decision: `wanted` as decided, `ready` as observed. Keeps `since` when
// nothing changes. `initialized` is set once the threshold is reached and never cleared. That a
// revision timed out is remembered until it becomes active (upstream forgets at its next look).
struct ActivityStep {
    ActivityState state;
    bool initialized = false;

    friend bool operator==(const ActivityStep&, const ActivityStep&) = default;
};
struct Observed {
    std::int32_t wanted = -1;
    std::int32_t ready = 0;
    Reachability reachability = Reachability::unknown;
    base::Instant now;
};
ActivityStep next_activity(const ActivityStep& before, const ScalerSpec& spec,
                           const Observed& observed);

}  // namespace tidemill::control
