#include "control/autoscaler/decider.h"

#include <algorithm>
#include <cmath>
#include <limits>

namespace tidemill::control {

namespace {

// As Go converts where the value fits; where it does not, the nearest that does.
std::int32_t to_int32(double value) {
    constexpr double lowest = std::numeric_limits<std::int32_t>::min();
    constexpr double highest = std::numeric_limits<std::int32_t>::max();
    return static_cast<std::int32_t>(std::clamp(value, lowest, highest));
}

std::int32_t with_activation(const DeciderSpec& spec, double wanted, std::int32_t instances) {
    const bool starts = spec.activation_scale > 1 && wanted > 0;
    return starts ? std::max(instances, spec.activation_scale) : instances;
}

PanicState next_panic(const ScaleInputs& inputs, bool over_threshold) {
    PanicState next = inputs.panic;
    if (over_threshold) {
        next.since = inputs.now;
    } else if (next.since && *next.since + inputs.spec.stable_window < inputs.now) {
        // The surge has made its way into the stable window by now.
        next = {};
    }
    return next;
}

double burst_left(const ScaleInputs& inputs) {
    const auto& spec = inputs.spec;
    if (spec.burst_capacity == 0) {
        return 0;
    }
    if (spec.burst_capacity < 0) {
        return -1;
    }
    // From the panic value: whether the buffer may leave the path is decided on what is now.
    const double capacity = static_cast<double>(inputs.ready) * spec.total_value;
    return std::floor(capacity - spec.burst_capacity - inputs.panic_value);
}

}  // namespace

PanicState initial_panic(std::int32_t ready, base::Instant now) {
    PanicState state;
    state.instances_max = ready;
    if (ready > 1) {
        state.since = now;
    }
    return state;
}

ScaleDecision decide_scale(const ScaleInputs& inputs) {
    const auto& spec = inputs.spec;
    ScaleDecision result;
    result.inputs = inputs;

    const double ready = std::max(1.0, static_cast<double>(inputs.ready));
    // Rounded outwards, so that a rate near 1 still lets the count move by one.
    result.scale_up_limit = std::ceil(spec.scale_up_rate_max * ready);
    result.scale_down_limit = spec.reachable ? std::floor(ready / spec.scale_down_rate_max) : 0;

    result.stable_wanted = std::ceil(inputs.stable_value / spec.target_value);
    result.panic_wanted = std::ceil(inputs.panic_value / spec.target_value);
    const auto limited = [&](double wanted) {
        const double instances =
            std::min(std::max(wanted, result.scale_down_limit), result.scale_up_limit);
        return with_activation(spec, wanted, to_int32(instances));
    };
    result.stable_instances = limited(result.stable_wanted);
    result.panic_instances = limited(result.panic_wanted);

    result.over_panic_threshold = result.panic_wanted / ready >= spec.panic_threshold;
    result.panic = next_panic(inputs, result.over_panic_threshold);

    result.desired = result.stable_instances;
    if (result.panic.since) {
        // The stable value may be the larger when a surge ends.
        const auto wanted = std::max(result.stable_instances, result.panic_instances);
        result.panic.instances_max = std::max(result.panic.instances_max, wanted);
        result.desired = result.panic.instances_max;
    }

    result.before_delay = result.desired;
    if (spec.reachable && spec.scale_down_delay > base::Duration(0) && inputs.delayed_max) {
        result.desired = std::max(result.desired, *inputs.delayed_max);
    }
    result.excess_burst_capacity = to_int32(burst_left(inputs));
    return result;
}

std::int32_t initial_burst_capacity(const DeciderSpec& spec) {
    if (spec.burst_capacity == 0 || spec.burst_capacity == -1) {
        return static_cast<std::int32_t>(spec.burst_capacity);
    }
    return to_int32(static_cast<double>(spec.initial_scale) * spec.total_value -
                    spec.burst_capacity);
}

}  // namespace tidemill::control
