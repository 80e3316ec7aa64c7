#include "model/serving/annotations.h"

#include <fmt/format.h>

#include <algorithm>

#include "base/text.h"
#include "model/serving/validation.h"

namespace tidemill::model {
namespace {

constexpr AnnotationRule works(const AnnotationName& name) {
    return {name.name, name.old_name, Treatment::effect, {}};
}
constexpr AnnotationRule works(std::string_view name) {
    return {name, {}, Treatment::effect, {}};
}
constexpr AnnotationRule warned(std::string_view name, std::string_view old_name,
                                std::string_view reason) {
    return {name, old_name, Treatment::warned, reason};
}

constexpr std::string_view no_sidecar =
    "instances have no queue-proxy that could be given resources";
constexpr std::string_view one_ingress = "the platform's proxy is the only ingress";
constexpr std::string_view no_certificates = "certificates are not issued per service";

constexpr AnnotationRule rules[] = {
    works(autoscaling::class_name),
    works(autoscaling::metric),
    works(autoscaling::target),
    works(autoscaling::target_utilization_percentage),
    works(autoscaling::target_burst_capacity),
    works(autoscaling::min_scale),
    works(autoscaling::max_scale),
    works(autoscaling::initial_scale),
    works(autoscaling::activation_scale),
    works(autoscaling::window),
    works(autoscaling::panic_window_percentage),
    works(autoscaling::panic_threshold_percentage),
    works(autoscaling::scale_down_delay),
    works(autoscaling::scale_to_zero_pod_retention_period),
    works(autoscaling::metric_aggregation_algorithm),
    works(rollout_duration),
    works(progress_deadline),
    works(keep_frozen),
    works(annotation_no_gc),
    works(annotation_creator),
    works(annotation_last_modifier),
    works(annotation_routes),
    works(annotation_routing_state_modified),
    warned("serving.knative.dev/lastPinned", {}, "old revisions are found by routing state"),
    warned("networking.knative.dev/ingress-class", "networking.knative.dev/ingress.class",
           one_ingress),
    warned("networking.knative.dev/certificate-class", "networking.knative.dev/certificate.class",
           no_certificates),
    warned("networking.knative.dev/disable-auto-tls", "networking.knative.dev/disableAutoTLS",
           no_certificates),
    warned("networking.knative.dev/disable-external-domain-tls", {}, no_certificates),
    warned("networking.knative.dev/http-protocol", "networking.knative.dev/httpOption",
           "HTTP and HTTPS are chosen by the platform's listeners"),
    warned("queue.sidecar.serving.knative.dev/resource-percentage",
           "queue.sidecar.serving.knative.dev/resourcePercentage", no_sidecar),
    warned("queue.sidecar.serving.knative.dev/cpu-resource-request", {}, no_sidecar),
    warned("queue.sidecar.serving.knative.dev/cpu-resource-limit", {}, no_sidecar),
    warned("queue.sidecar.serving.knative.dev/memory-resource-request", {}, no_sidecar),
    warned("queue.sidecar.serving.knative.dev/memory-resource-limit", {}, no_sidecar),
    warned("queue.sidecar.serving.knative.dev/ephemeral-storage-resource-request", {}, no_sidecar),
    warned("queue.sidecar.serving.knative.dev/ephemeral-storage-resource-limit", {}, no_sidecar),
    warned("features.knative.dev/queueproxy-podinfo", {}, no_sidecar),
    warned("features.knative.dev/http-full-duplex", {},
           "requests and responses always stream at the same time"),
};

constexpr std::string_view checked_groups[] = {"autoscaling.knative.dev/", "serving.knative.dev/",
                                               "networking.knative.dev/", queue_sidecar_prefix,
                                               "features.knative.dev/"};

const AnnotationRule* find_rule(std::string_view key) {
    const auto* found = std::ranges::find_if(rules, [&](const AnnotationRule& rule) {
        return rule.name == key || (!rule.old_name.empty() && rule.old_name == key);
    });
    return found == std::end(rules) ? nullptr : found;
}

// The known name that the key was probably meant to be; empty when none is near.
std::string_view nearest_name(std::string_view key) {
    constexpr std::size_t distance_max = 3;
    std::string_view nearest;
    std::size_t best = distance_max + 1;
    for (const auto& rule : rules) {
        const auto distance = base::edit_distance(key, rule.name);
        if (distance < best) {
            best = distance;
            nearest = rule.name;
        }
    }
    return nearest;
}

}  // namespace

std::optional<FoundAnnotation> find_annotation(const TextMap& annotations,
                                               const AnnotationName& name) {
    for (const auto key : {name.name, name.old_name}) {
        if (const auto found = annotations.find(key); found != annotations.end()) {
            return FoundAnnotation{.key = found->first, .value = found->second};
        }
    }
    return std::nullopt;
}

std::span<const AnnotationRule> annotation_rules() {
    return rules;
}

bool is_known_annotation(std::string_view key) {
    return find_rule(key) != nullptr;
}

Problems check_annotation_treatment(const TextMap& annotations, const std::string& path) {
    Problems out;
    const auto warn = [&](std::string message, std::string_view key, std::string details) {
        auto warning = plain_problem(std::move(message), {fmt::format("{}.{}", path, key)},
                                     std::move(details));
        warning.severity = Severity::warning;
        out.push_back(std::move(warning));
    };
    for (const auto& [key, value] : annotations) {
        const bool checked = std::ranges::any_of(
            checked_groups, [&](std::string_view group) { return key.starts_with(group); });
        if (!checked) {
            continue;
        }
        const auto* rule = find_rule(key);
        if (rule == nullptr) {
            const auto nearest = nearest_name(key);
            warn("unknown annotation", key,
                 nearest.empty() ? std::string() : fmt::format("did you mean {}?", nearest));
        } else if (rule->treatment == Treatment::warned) {
            warn("has no effect", key, std::string(rule->reason));
        }
    }
    return out;
}

}  // namespace tidemill::model
