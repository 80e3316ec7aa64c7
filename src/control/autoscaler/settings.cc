#include "control/autoscaler/settings.h"

#include "model/settings/autoscaler_settings.h"

namespace tidemill::control {

RevisionScaling resolve_scaling(const model::TextMap& annotations,
                                std::int64_t container_concurrency, Reachability reachability,
                                const model::PlatformConfig& platform) {
    const auto settings =
        model::read_autoscaling_annotations(annotations, platform.autoscaler, "").settings;
    const auto policy = model::scaling_policy(settings, platform.autoscaler, container_concurrency);
    RevisionScaling result;
    auto& decider = result.decider;
    decider.metric = policy.metric == model::ScalingMetric::concurrency
                         ? ScalingMetric::concurrency
                         : ScalingMetric::requests_per_second;
    decider.target_value = policy.target_value;
    decider.total_value = policy.total_value;
    decider.burst_capacity = policy.target_burst_capacity;
    decider.panic_threshold = policy.panic_threshold;
    decider.scale_up_rate_max = policy.max_scale_up_rate;
    decider.scale_down_rate_max = policy.max_scale_down_rate;
    decider.stable_window = policy.stable_window;
    decider.panic_window = policy.panic_window;
    decider.scale_down_delay = policy.scale_down_delay;
    decider.initial_scale = policy.initial_scale;
    decider.activation_scale = policy.activation_scale;
    decider.reachable = reachability != Reachability::unreachable;

    auto& scaler = result.scaler;
    scaler.scale_min = policy.min_scale;
    scaler.scale_max = policy.max_scale;
    scaler.initial_scale = policy.initial_scale;
    scaler.scale_to_zero = policy.scale_to_zero;
    scaler.stable_window = policy.stable_window;
    scaler.grace_period = policy.scale_to_zero_grace_period;
    scaler.retention_period = policy.scale_to_zero_pod_retention_period;
    scaler.burst_capacity = policy.target_burst_capacity;
    scaler.progress_deadline = platform.deployment.progress_deadline;
    if (const auto found = annotations.find("serving.knative.dev/progress-deadline");
        found != annotations.end()) {
        scaler.progress_deadline =
            base::parse_duration(found->second).value_or(scaler.progress_deadline);
    }
    result.aggregation = policy.aggregation == model::AggregationAlgorithm::linear
                             ? Aggregation::linear
                             : Aggregation::weighted_exponential;
    return result;
}

}  // namespace tidemill::control
