// How one revision scales: its annotations over the platform's configuration.
#pragma once

#include <cstdint>
#include <optional>
#include <string>

#include "base/time.h"
#include "model/object/json_fields.h"
#include "model/object/problem.h"
#include "model/serving/serving.h"
#include "model/settings/config.h"

namespace tidemill::model {

enum class ScalingMetric : std::uint8_t { concurrency, requests_per_second };
enum class AggregationAlgorithm : std::uint8_t { linear, weighted_exponential };

// The autoscaling.knative.dev/* annotations of one template or revision, each as it was given.
struct AutoscalingSettings {
    std::optional<std::string> class_name = {};
    std::optional<std::string> metric = {};
    std::optional<double> target = {};                         // of the metric, per instance
    std::optional<double> target_utilization_percentage = {};  // 1 to 100
    std::optional<double> target_burst_capacity = {};          // requests; -1 is unlimited
    std::optional<std::int32_t> min_scale = {};
    std::optional<std::int32_t> max_scale = {};  // 0 is no limit
    std::optional<std::int32_t> initial_scale = {};
    std::optional<std::int32_t> activation_scale = {};
    std::optional<base::Duration> window = {};
    std::optional<double> panic_window_percentage = {};
    std::optional<double> panic_threshold_percentage = {};
    std::optional<base::Duration> scale_down_delay = {};
    std::optional<base::Duration> scale_to_zero_pod_retention_period = {};
    std::optional<AggregationAlgorithm> aggregation = {};

    friend bool operator==(const AutoscalingSettings&, const AutoscalingSettings&) = default;
};

// Reads and checks all of them against their ranges and each other. Values with a problem are left
// out of the settings. `path` is that of the annotations ("spec.template.metadata.annotations").
// Source: knative/serving pkg/apis/autoscaling/annotation_validation.go.
struct AutoscalingAnnotations {
    AutoscalingSettings settings;
    Problems problems;
};
AutoscalingAnnotations read_autoscaling_annotations(const TextMap& annotations,
                                                    const AutoscalerConfig& config,
                                                    const std::string& path);

// What the autoscaler works with, nothing left open. Numbers are those of config-autoscaler where
// the revision says nothing.
struct ScalingPolicy {
    ScalingMetric metric = ScalingMetric::concurrency;
    AggregationAlgorithm aggregation = AggregationAlgorithm::linear;
    double total_value = 0;   // of the metric that one instance can take; requests or requests/s
    double target_value = 0;  // what it should take: total times utilisation, at least 0.01
    double target_burst_capacity = 0;
    double activator_capacity = 0;
    double max_scale_up_rate = 0;
    double max_scale_down_rate = 0;
    std::int32_t min_scale = 0;
    std::int32_t max_scale = 0;  // 0 is no limit
    std::int32_t initial_scale = 0;
    std::int32_t activation_scale = 0;
    base::Duration stable_window{};
    base::Duration panic_window{};  // whole seconds, at least 1 s
    double panic_threshold = 0;     // a factor: 2 is 200 %
    base::Duration scale_down_delay{};
    base::Duration scale_to_zero_grace_period{};
    base::Duration scale_to_zero_pod_retention_period{};
    bool scale_to_zero = true;

    friend bool operator==(const ScalingPolicy&, const ScalingPolicy&) = default;
};

// `container_concurrency` as in the revision's spec; 0 is no limit. Source: knative/serving
// pkg/reconciler/autoscaling/resources/target.go, resources/metric.go and kpa/resources/decider.go.
ScalingPolicy scaling_policy(const AutoscalingSettings& settings, const AutoscalerConfig& config,
                             std::int64_t container_concurrency);

}  // namespace tidemill::model
