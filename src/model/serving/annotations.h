// Names of the labels and annotations that carry meaning. Source: knative/serving
// pkg/apis/serving/register.go and pkg/apis/autoscaling/register.go.
#pragma once

#include <cstdint>
#include <optional>
#include <span>
#include <string_view>

#include "model/object/json_fields.h"
#include "model/serving/fields.h"

namespace tidemill::model {

inline constexpr std::string_view serving_prefix = "serving.knative.dev/";

inline constexpr std::string_view label_service = "serving.knative.dev/service";
inline constexpr std::string_view label_service_uid = "serving.knative.dev/serviceUID";
inline constexpr std::string_view label_configuration = "serving.knative.dev/configuration";
inline constexpr std::string_view label_configuration_uid = "serving.knative.dev/configurationUID";
inline constexpr std::string_view label_configuration_generation =
    "serving.knative.dev/configurationGeneration";
inline constexpr std::string_view label_revision = "serving.knative.dev/revision";
inline constexpr std::string_view label_revision_uid = "serving.knative.dev/revisionUID";
inline constexpr std::string_view label_route = "serving.knative.dev/route";
inline constexpr std::string_view label_routing_state = "serving.knative.dev/routingState";
inline constexpr std::string_view label_visibility = "networking.knative.dev/visibility";

inline constexpr std::string_view annotation_creator = "serving.knative.dev/creator";
inline constexpr std::string_view annotation_last_modifier = "serving.knative.dev/lastModifier";
inline constexpr std::string_view annotation_routes = "serving.knative.dev/routes";
inline constexpr std::string_view annotation_routing_state_modified =
    "serving.knative.dev/routingStateModified";
inline constexpr std::string_view annotation_no_gc = "serving.knative.dev/no-gc";
inline constexpr std::string_view annotation_last_applied =
    "kubectl.kubernetes.io/last-applied-configuration";

// An annotation under its present name, and the camel-case name it had before; empty if it had
// none.
struct AnnotationName {
    std::string_view name;
    std::string_view old_name = {};
};

inline constexpr AnnotationName rollout_duration = {"serving.knative.dev/rollout-duration",
                                                    "serving.knative.dev/rolloutDuration"};
inline constexpr AnnotationName progress_deadline = {"serving.knative.dev/progress-deadline"};

// How long an idle instance is kept frozen before it ends, e.g. "10m"; "0s": not at all.
inline constexpr AnnotationName keep_frozen = {"tidemill.dev/keep-frozen"};

// Groups whose annotations are checked.
inline constexpr std::string_view autoscaling_group = "autoscaling.knative.dev";
inline constexpr std::string_view networking_group = "networking.knative.dev";
inline constexpr std::string_view queue_sidecar_prefix = "queue.sidecar.serving.knative.dev/";

namespace autoscaling {
inline constexpr AnnotationName class_name = {"autoscaling.knative.dev/class"};
inline constexpr AnnotationName metric = {"autoscaling.knative.dev/metric"};
inline constexpr AnnotationName target = {"autoscaling.knative.dev/target"};
inline constexpr AnnotationName target_utilization_percentage = {
    "autoscaling.knative.dev/target-utilization-percentage",
    "autoscaling.knative.dev/targetUtilizationPercentage"};
inline constexpr AnnotationName target_burst_capacity = {
    "autoscaling.knative.dev/target-burst-capacity", "autoscaling.knative.dev/targetBurstCapacity"};
inline constexpr AnnotationName min_scale = {"autoscaling.knative.dev/min-scale",
                                             "autoscaling.knative.dev/minScale"};
inline constexpr AnnotationName max_scale = {"autoscaling.knative.dev/max-scale",
                                             "autoscaling.knative.dev/maxScale"};
inline constexpr AnnotationName initial_scale = {"autoscaling.knative.dev/initial-scale",
                                                 "autoscaling.knative.dev/initialScale"};
inline constexpr AnnotationName activation_scale = {"autoscaling.knative.dev/activation-scale"};
inline constexpr AnnotationName window = {"autoscaling.knative.dev/window"};
inline constexpr AnnotationName panic_window_percentage = {
    "autoscaling.knative.dev/panic-window-percentage",
    "autoscaling.knative.dev/panicWindowPercentage"};
inline constexpr AnnotationName panic_threshold_percentage = {
    "autoscaling.knative.dev/panic-threshold-percentage",
    "autoscaling.knative.dev/panicThresholdPercentage"};
inline constexpr AnnotationName scale_down_delay = {"autoscaling.knative.dev/scale-down-delay",
                                                    "autoscaling.knative.dev/scaleDownDelay"};
inline constexpr AnnotationName scale_to_zero_pod_retention_period = {
    "autoscaling.knative.dev/scale-to-zero-pod-retention-period",
    "autoscaling.knative.dev/scaleToZeroPodRetentionPeriod"};
inline constexpr AnnotationName metric_aggregation_algorithm = {
    "autoscaling.knative.dev/metric-aggregation-algorithm",
    "autoscaling.knative.dev/metricAggregationAlgorithm"};

inline constexpr std::string_view class_kpa = "kpa.autoscaling.knative.dev";
inline constexpr std::string_view class_hpa = "hpa.autoscaling.knative.dev";
}  // namespace autoscaling

// An annotation as it was found: under which of its names, with which value.
struct FoundAnnotation {
    std::string_view key;
    std::string_view value;
};
// The present name wins over the old one. The views live as long as `annotations`.
std::optional<FoundAnnotation> find_annotation(const TextMap& annotations,
                                               const AnnotationName& name);

// Every annotation of Knative's groups, and what this version does with it. A test walks this table
// too.
struct AnnotationRule {
    std::string_view name;
    std::string_view old_name;
    Treatment treatment;
    std::string_view reason;  // why it is warned of; empty otherwise
};
std::span<const AnnotationRule> annotation_rules();
bool is_known_annotation(std::string_view key);

}  // namespace tidemill::model
