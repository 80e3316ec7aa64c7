#include "control/autoscaler/autoscaler.h"

#include <utility>

namespace tidemill::control {

RevisionAutoscaler::RevisionAutoscaler(RevisionScaling scaling, std::optional<Past> past,
                                       base::Instant now)
    : scaling_(std::move(scaling)),
      activity_(past ? past->activity : ActivityStep{{Activity::activating, now, false}, false}),
      stable_concurrency_(scaling_.decider.stable_window, scaling_.aggregation),
      panic_concurrency_(scaling_.decider.panic_window, scaling_.aggregation),
      stable_requests_(scaling_.decider.stable_window, scaling_.aggregation),
      panic_requests_(scaling_.decider.panic_window, scaling_.aggregation),
      panic_(initial_panic(past ? past->ready : 0, now)),
      excess_burst_capacity_(initial_burst_capacity(scaling_.decider)),
      buffered_since_(now) {
    if (scaling_.decider.scale_down_delay > base::Duration(0)) {
        delay_.emplace(scaling_.decider.scale_down_delay, tick);
    }
}

void RevisionAutoscaler::update(const RevisionScaling& scaling, base::Instant now) {
    if (scaling == scaling_) {
        return;
    }
    const auto& decider = scaling.decider;
    for (auto* window : {&stable_concurrency_, &stable_requests_}) {
        window->resize(decider.stable_window, now);
    }
    for (auto* window : {&panic_concurrency_, &panic_requests_}) {
        window->resize(decider.panic_window, now);
    }
    if (decider.scale_down_delay != scaling_.decider.scale_down_delay) {
        delay_.reset();
        if (decider.scale_down_delay > base::Duration(0)) {
            delay_.emplace(decider.scale_down_delay, tick);
        }
    }
    scaling_ = scaling;
}

void RevisionAutoscaler::record(base::Instant at, double concurrency, double requests) {
    stable_concurrency_.record(at, concurrency);
    panic_concurrency_.record(at, concurrency);
    stable_requests_.record(at, requests);
    panic_requests_.record(at, requests);
}

bool RevisionAutoscaler::poked_by(double concurrency) const {
    return desired_ <= 0 && concurrency != 0;
}

std::optional<ScaleDecision> RevisionAutoscaler::decide_load(const Observation& observation) {
    const bool by_concurrency = scaling_.decider.metric == ScalingMetric::concurrency;
    const auto& stable = by_concurrency ? stable_concurrency_ : stable_requests_;
    const auto& panic = by_concurrency ? panic_concurrency_ : panic_requests_;
    if (stable.empty(observation.now) && observation.silence == Observation::Silence::unknown) {
        return std::nullopt;
    }
    ScaleInputs inputs;
    inputs.now = observation.now;
    inputs.spec = scaling_.decider;
    inputs.ready = observation.ready;
    inputs.stable_value = stable.average(observation.now);
    inputs.panic_value = panic.average(observation.now);
    inputs.panic = panic_;
    if (delay_ && scaling_.decider.reachable) {
        inputs.delayed_max = delay_->current(observation.now);
    }
    auto decision = decide_scale(inputs);
    panic_ = decision.panic;
    if (delay_ && scaling_.decider.reachable) {
        delay_->record(observation.now, decision.before_delay);
    }
    desired_ = decision.desired;
    excess_burst_capacity_ = decision.excess_burst_capacity;
    return decision;
}

AutoscalerDecision RevisionAutoscaler::decide(const Observation& observation) {
    AutoscalerDecision decision;
    decision.ready = observation.ready;
    decision.scale = decide_load(observation);

    ScalerInputs inputs;
    inputs.now = observation.now;
    inputs.spec = scaling_.scaler;
    inputs.reachability = observation.reachability;
    inputs.desired = desired_;
    inputs.activity = activity_.state;
    inputs.initialized = activity_.initialized;
    inputs.buffered_since = buffered_since_;
    decision.scaler = decide_wanted(inputs);

    if (serves_directly(decision.scaler.wanted, excess_burst_capacity_)) {
        buffered_since_.reset();
    } else if (!buffered_since_) {
        buffered_since_ = observation.now;
    }
    decision.before = activity_;
    activity_ = next_activity(
        activity_, scaling_.scaler,
        {decision.scaler.wanted, observation.ready, observation.reachability, observation.now});
    decision.after = activity_;
    return decision;
}

}  // namespace tidemill::control
