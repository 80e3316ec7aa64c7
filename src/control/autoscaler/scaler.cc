#include "control/autoscaler/scaler.h"

#include <algorithm>

#include "base/mutant.h"

namespace tidemill::control {

namespace {

// A revision that cannot start is given this much longer than its progress deadline before it is
// scaled to zero, so that the reason of the failure is seen first. Source: kpa/scaler.go.
constexpr base::Duration activation_slack = std::chrono::seconds(30);

// How soon to look again after deactivation when nothing else will make us. Source: kpa/scaler.go.
constexpr base::Duration deactivated_recheck = std::chrono::seconds(3);

std::int32_t bounded(const ScalerInputs& inputs) {
    const auto& spec = inputs.spec;
    const bool unreachable = inputs.reachability == Reachability::unreachable;
    std::int32_t low = unreachable ? 0 : spec.scale_min;
    if (spec.initial_scale > 1 && !inputs.initialized && !unreachable) {
        low = std::max(low, spec.initial_scale);
    }
    if (inputs.desired < low) {
        return low;
    }
    const bool limited = spec.scale_max != 0 && !TIDEMILL_MUTANT("control.max_scale_ignored");
    return limited ? std::min(inputs.desired, spec.scale_max) : inputs.desired;
}

struct Zero {
    std::int32_t wanted;
    bool apply;
    ScalerReason reason;
    std::optional<base::Duration> again_after = std::nullopt;
};

Zero leave_active(const ScalerInputs& inputs, base::Duration active_for) {
    const auto window = inputs.spec.stable_window;
    if (active_for < window) {
        return {1, true, ScalerReason::cooling_down, window - active_for};
    }
    const bool buffered = inputs.buffered_since.has_value();
    return {0, false, ScalerReason::deactivate,
            buffered ? std::optional(deactivated_recheck) : std::nullopt};
}

Zero leave_inactive(const ScalerInputs& inputs, base::Duration inactive_for) {
    const auto& spec = inputs.spec;
    if (spec.burst_capacity != -1 && !inputs.buffer_in_path) {
        return {0, false, ScalerReason::buffer_unproven};
    }
    const bool unreachable = inputs.reachability == Reachability::unreachable;
    const auto retention = unreachable ? base::Duration(0) : spec.retention_period;
    if (inactive_for >= std::max(spec.grace_period, retention)) {
        return {0, true, ScalerReason::zero};
    }
    if (retention > base::Duration(0) && inactive_for < retention) {
        return {0, false, ScalerReason::retention, retention - inactive_for};
    }
    const auto buffered_for =
        inputs.buffered_since ? inputs.now - *inputs.buffered_since : base::Duration(0);
    const auto left = spec.grace_period - buffered_for;
    if (left <= base::Duration(0)) {
        return {0, true, ScalerReason::zero};
    }
    return {0, false, ScalerReason::grace, left};
}

Zero towards_zero(const ScalerInputs& inputs) {
    if (!inputs.spec.scale_to_zero) {
        return {1, true, ScalerReason::scale_to_zero_off};
    }
    const auto spent = inputs.now - inputs.activity.since;
    switch (inputs.activity.activity) {
        case Activity::activating: {
            const auto deadline = inputs.spec.progress_deadline + activation_slack;
            if (spent > deadline && !TIDEMILL_MUTANT("control.never_gives_up")) {
                return {0, true, ScalerReason::activation_timeout};
            }
            return {-1, false, ScalerReason::activating, deadline};
        }
        case Activity::active:
            return leave_active(inputs, spent);
        case Activity::inactive:
            return leave_inactive(inputs, spent);
    }
    return {-1, false, ScalerReason::no_data};
}

}  // namespace

std::string_view reason_text(ScalerReason reason) {
    switch (reason) {
        case ScalerReason::no_data:
            return "no load has been measured yet, so nothing is changed";
        case ScalerReason::load:
            return "the load, within the revision's bounds";
        case ScalerReason::scale_to_zero_off:
            return "idle, but scale to zero is switched off";
        case ScalerReason::activating:
            return "idle, but still starting: it is given until its activation deadline";
        case ScalerReason::activation_timeout:
            return "it did not become ready before its activation deadline";
        case ScalerReason::cooling_down:
            return "idle, but it has been active for less than the stable window";
        case ScalerReason::deactivate:
            return "idle for the stable window: marked inactive, instances stay for now";
        case ScalerReason::buffer_unproven:
            return "inactive, but requests may still go past the buffer";
        case ScalerReason::retention:
            return "inactive, but the last instance is kept for the retention period";
        case ScalerReason::grace:
            return "inactive, but for less than the grace period";
        case ScalerReason::zero:
            return "inactive for long enough";
    }
    return "";
}

ScalerDecision decide_wanted(const ScalerInputs& inputs) {
    ScalerDecision result;
    result.inputs = inputs;
    if (inputs.desired < 0 && inputs.activity.activity != Activity::activating) {
        result.wanted = result.bounded = inputs.desired;
        return result;
    }
    result.bounded = bounded(inputs);
    if (result.bounded == 0) {
        const auto zero = towards_zero(inputs);
        result.wanted = zero.wanted;
        result.apply = zero.apply;
        result.reason = zero.reason;
        result.again_after = zero.again_after;
        return result;
    }
    result.wanted = result.bounded;
    // A negative number that no bound lifted is no number of instances.
    result.apply = result.wanted >= 0;
    result.reason = result.apply ? ScalerReason::load : ScalerReason::no_data;
    return result;
}

bool serves_directly(std::int32_t wanted, std::int32_t excess_burst_capacity) {
    return wanted > 0 && excess_burst_capacity >= 0;
}

std::int32_t active_threshold(const ScalerSpec& spec, Reachability reachability, bool initialized) {
    const auto low = reachability == Reachability::unreachable ? 0 : spec.scale_min;
    return std::max(low, initialized ? 1 : spec.initial_scale);
}

ActivityStep next_activity(const ActivityStep& before, const ScalerSpec& spec,
                           const Observed& observed) {
    const auto threshold = active_threshold(spec, observed.reachability, before.initialized);
    ActivityStep step = before;
    step.initialized = before.initialized || observed.ready >= threshold;
    const auto change = [&](Activity activity, bool timed_out) {
        if (before.state.activity != activity) {
            step.state.since = observed.now;
        }
        step.state.activity = activity;
        step.state.timed_out = timed_out;
    };
    const bool inactive = before.state.activity == Activity::inactive;
    if (observed.wanted == 0 || threshold == 0) {
        const bool gave_up = before.state.activity == Activity::activating && threshold > 0;
        change(Activity::inactive, gave_up || (inactive && before.state.timed_out));
    } else if (observed.wanted > 0 || !inactive) {
        change(observed.ready < threshold ? Activity::activating : Activity::active, false);
    }
    return step;
}

}  // namespace tidemill::control
