#include "model/settings/config.h"

#include <fmt/format.h>

#include <limits>

#include "base/text.h"
#include "model/object/name_template.h"
#include "model/object/names.h"
#include "model/settings/config_reader.h"

namespace tidemill::model {
namespace {

using namespace std::chrono_literals;

// Source: knative/serving pkg/apis/autoscaling/register.go.
constexpr double target_min = 0.01;
constexpr auto window_min = 6s;
constexpr auto window_max = 1h;

bool whole_seconds(base::Duration span) {
    return span % 1s == base::Duration::zero();
}

base::Result<bool> read_enabled(ConfigReader& reader, std::string_view key, bool otherwise) {
    const auto* value = reader.find(key);
    if (value == nullptr || value->empty()) {
        return otherwise;
    }
    if (base::equals_ignoring_case(*value, "enabled")) {
        return true;
    }
    if (base::equals_ignoring_case(*value, "disabled")) {
        return false;
    }
    return base::fail(base::Code::invalid,
                      "{} with value: \"{}\" in config-network ConfigMap is not supported", key,
                      *value);
}

}  // namespace

base::Result<AutoscalerConfig> AutoscalerConfig::parse(const TextMap& data) {
    AutoscalerConfig out;
    ConfigReader reader(data);
    reader.read("pod-autoscaler-class", out.pod_autoscaler_class);
    reader.read("enable-scale-to-zero", out.enable_scale_to_zero);
    reader.read("allow-zero-initial-scale", out.allow_zero_initial_scale);
    reader.read("max-scale-up-rate", out.max_scale_up_rate);
    reader.read("max-scale-down-rate", out.max_scale_down_rate);
    reader.read("container-concurrency-target-percentage",
                out.container_concurrency_target_fraction);
    reader.read("container-concurrency-target-default", out.container_concurrency_target_default);
    reader.read("requests-per-second-target-default", out.requests_per_second_target_default);
    reader.read("target-burst-capacity", out.target_burst_capacity);
    reader.read("panic-window-percentage", out.panic_window_percentage);
    reader.read("panic-threshold-percentage", out.panic_threshold_percentage);
    reader.read("activator-capacity", out.activator_capacity);
    reader.read("initial-scale", out.initial_scale);
    reader.read("min-scale", out.min_scale);
    reader.read("max-scale", out.max_scale);
    reader.read("max-scale-limit", out.max_scale_limit);
    reader.read("stable-window", out.stable_window);
    reader.read("scale-down-delay", out.scale_down_delay);
    reader.read("scale-to-zero-grace-period", out.scale_to_zero_grace_period);
    reader.read("scale-to-zero-pod-retention-period", out.scale_to_zero_pod_retention_period);
    // Values up to 1 are fractions already, as they were before percentages came.
    if (out.container_concurrency_target_fraction > 1) {
        out.container_concurrency_target_fraction /= 100;
    }

    reader.require(out.scale_to_zero_grace_period > 0s,
                   "scale-to-zero-grace-period must be positive, was: {}",
                   format_go_duration(out.scale_to_zero_grace_period));
    reader.require(out.scale_down_delay >= 0s, "scale-down-delay cannot be negative, was: {}",
                   format_go_duration(out.scale_down_delay));
    reader.require(whole_seconds(out.scale_down_delay),
                   "scale-down-delay = {}, must be specified with at most second precision",
                   format_go_duration(out.scale_down_delay));
    reader.require(out.scale_to_zero_pod_retention_period >= 0s,
                   "scale-to-zero-pod-retention-period cannot be negative, was: {}",
                   format_go_duration(out.scale_to_zero_pod_retention_period));
    reader.require(out.target_burst_capacity >= 0 || out.target_burst_capacity == -1,
                   "target-burst-capacity must be either non-negative or -1 (for unlimited), was: "
                   "{:f}",
                   out.target_burst_capacity);
    const auto fraction = out.container_concurrency_target_fraction;
    reader.require(fraction > 0 && fraction <= 1,
                   "container-concurrency-target-percentage = {:f} is outside of valid range of "
                   "(0, 100]",
                   fraction);
    const auto target = fraction * out.container_concurrency_target_default;
    reader.require(target >= target_min,
                   "container-concurrency-target-percentage and "
                   "container-concurrency-target-default yield target concurrency of {}, can't be "
                   "less than {}",
                   target, target_min);
    reader.require(out.requests_per_second_target_default >= target_min,
                   "requests-per-second-target-default must be at least {}, was: {}", target_min,
                   out.requests_per_second_target_default);
    reader.require(out.activator_capacity >= 1, "activator-capacity = {}, must be at least 1",
                   out.activator_capacity);
    reader.require(out.max_scale_up_rate > 1, "max-scale-up-rate = {}, must be greater than 1.0",
                   out.max_scale_up_rate);
    reader.require(out.max_scale_down_rate > 1,
                   "max-scale-down-rate = {}, must be greater than 1.0", out.max_scale_down_rate);
    reader.require(out.stable_window >= window_min && out.stable_window <= window_max,
                   "stable-window = {}, must be in [6s; 1h0m0s] range",
                   format_go_duration(out.stable_window));
    reader.require(whole_seconds(out.stable_window),
                   "stable-window = {}, must be specified with at most second precision",
                   format_go_duration(out.stable_window));
    reader.require(out.panic_window_percentage >= 1 && out.panic_window_percentage <= 100,
                   "panic-window-percentage = {}, must be in [1, 100] interval",
                   out.panic_window_percentage);
    reader.require(
        out.initial_scale > 0 || (out.initial_scale == 0 && out.allow_zero_initial_scale),
        "initial-scale = {}, must be at least 0 (or at least 1 when allow-zero-initial-scale is "
        "false)",
        out.initial_scale);
    reader.require(out.min_scale >= 0, "min-scale = {}, must be at least 0", out.min_scale);
    // A limit on what may be asked for needs a default within it.
    const std::int32_t lowest_max = out.max_scale_limit > 0 ? 1 : 0;
    reader.require(out.max_scale >= lowest_max &&
                       (out.max_scale_limit <= 0 || out.max_scale <= out.max_scale_limit),
                   "max-scale = {}, must be in [{}, max-scale-limit({})] range", out.max_scale,
                   lowest_max, out.max_scale_limit);
    reader.require(out.max_scale_limit >= 0, "max-scale-limit = {}, must be at least 0",
                   out.max_scale_limit);
    reader.require(out.max_scale <= 0 || out.min_scale <= out.max_scale,
                   "min-scale ({}) must be less than max-scale ({})", out.min_scale, out.max_scale);
    CHECK_OK(base::Status(reader.status()));
    return out;
}

base::Result<DefaultsConfig> DefaultsConfig::parse(const TextMap& data) {
    DefaultsConfig out;
    ConfigReader reader(data);
    reader.read("container-name-template", out.container_name_template);
    reader.read("init-container-name-template", out.init_container_name_template);
    reader.read("allow-container-concurrency-zero", out.allow_container_concurrency_zero);
    if (const auto* links = reader.find("enable-service-links")) {
        out.enable_service_links = std::nullopt;
        if (base::equals_ignoring_case(*links, "true")) {
            out.enable_service_links = true;
        } else if (base::equals_ignoring_case(*links, "false")) {
            out.enable_service_links = false;
        }
    }
    reader.read("revision-timeout-seconds", out.revision_timeout_seconds);
    reader.read("max-revision-timeout-seconds", out.max_revision_timeout_seconds);
    reader.read("revision-idle-timeout-seconds", out.revision_idle_timeout_seconds);
    out.revision_response_start_timeout_seconds = out.revision_timeout_seconds;
    reader.read("revision-response-start-timeout-seconds",
                out.revision_response_start_timeout_seconds);
    reader.read("container-concurrency", out.container_concurrency);
    reader.read("container-concurrency-max-limit", out.container_concurrency_max_limit);
    reader.read("revision-cpu-request", out.revision_cpu_request);
    reader.read("revision-cpu-limit", out.revision_cpu_limit);
    reader.read("revision-memory-request", out.revision_memory_request);
    reader.read("revision-memory-limit", out.revision_memory_limit);
    reader.read("revision-ephemeral-storage-request", out.revision_ephemeral_storage_request);
    reader.read("revision-ephemeral-storage-limit", out.revision_ephemeral_storage_limit);

    const auto timeout = out.revision_timeout_seconds;
    reader.require(timeout <= out.max_revision_timeout_seconds,
                   "revision-timeout-seconds ({}) cannot be greater than "
                   "max-revision-timeout-seconds ({})",
                   timeout, out.max_revision_timeout_seconds);
    reader.require(out.revision_response_start_timeout_seconds <= 0 ||
                       out.revision_response_start_timeout_seconds <= timeout,
                   "revision-response-start-timeout-seconds ({}) cannot be greater than "
                   "revision-timeout-seconds ({})",
                   out.revision_response_start_timeout_seconds, timeout);
    reader.require(
        out.revision_idle_timeout_seconds <= 0 || out.revision_idle_timeout_seconds <= timeout,
        "revision-idle-timeout-seconds ({}) cannot be greater than revision-timeout-seconds ({})",
        out.revision_idle_timeout_seconds, timeout);
    reader.require(out.container_concurrency_max_limit >= 1,
                   "expected 1 <= {} <= {}: container-concurrency-max-limit",
                   out.container_concurrency_max_limit, std::numeric_limits<std::int32_t>::max());
    reader.require(out.container_concurrency >= 0 &&
                       out.container_concurrency <= out.container_concurrency_max_limit,
                   "expected 0 <= {} <= {}: container-concurrency", out.container_concurrency,
                   out.container_concurrency_max_limit);
    CHECK_OK(base::Status(reader.status()));
    for (const auto* text : {&out.container_name_template, &out.init_container_name_template}) {
        CHECK_OK(expand_template(*text, {{"Name", "name"}, {"Namespace", "namespace"}}));
    }
    return out;
}

base::Result<NetworkConfig> NetworkConfig::parse(const TextMap& data) {
    NetworkConfig out;
    ConfigReader reader(data);
    reader.read("domain-template", out.domain_template);
    reader.read("tag-template", out.tag_template);
    reader.read("ingress-class", out.ingress_class);
    reader.read("certificate-class", out.certificate_class);
    reader.read("default-external-scheme", out.default_external_scheme);
    reader.read("autocreate-cluster-domain-claims", out.autocreate_cluster_domain_claims);
    std::int64_t rollout_seconds = 0;
    reader.read("rollout-duration", rollout_seconds);
    // A day is longer than any rollout; the bound keeps the sum of durations far from overflow.
    constexpr std::int64_t rollout_seconds_max = 86'400;
    reader.require(rollout_seconds >= 0, "rollout-duration must be a positive integer, but was {}",
                   rollout_seconds);
    reader.require(rollout_seconds <= rollout_seconds_max,
                   "rollout-duration must be at most {} seconds, but was {}", rollout_seconds_max,
                   rollout_seconds);
    CHECK_OK(base::Status(reader.status()));
    out.rollout_duration = std::chrono::seconds(rollout_seconds);

    if (const auto* protocol = reader.find("http-protocol")) {
        const auto lower = base::lower(*protocol);
        if (lower == "disabled") {
            out.http_protocol = HttpProtocol::disabled;
        } else if (lower == "redirected") {
            out.http_protocol = HttpProtocol::redirected;
        } else if (lower != "enabled" && !lower.empty()) {
            return base::fail(base::Code::invalid,
                              "httpProtocol {} in config-network ConfigMap is not supported",
                              *protocol);
        }
    }
    if (const auto* tls = reader.find("external-domain-tls")) {
        out.external_domain_tls = base::equals_ignoring_case(*tls, "enabled");
    }
    TRY(out.cluster_local_domain_tls,
        read_enabled(reader, "cluster-local-domain-tls", out.cluster_local_domain_tls));
    TRY(out.system_internal_tls,
        read_enabled(reader, "system-internal-tls", out.system_internal_tls));

    TRY(const auto tagged, expand_template(out.tag_template, {{"Name", "foo"}, {"Tag", "v1"}}));
    if (const auto reasons = check_dns1123_label(tagged); !reasons.empty()) {
        return base::fail(base::Code::invalid, "tag-template \"{}\": {}", out.tag_template,
                          in_brackets(reasons));
    }
    TRY(const auto host,
        expand_template(out.domain_template,
                        {{"Name", "foo"}, {"Namespace", "bar"}, {"Domain", "baz.com"}}));
    if (const auto reasons = check_dns1123_subdomain(host); !reasons.empty()) {
        return base::fail(base::Code::invalid, "domain-template \"{}\": {}", out.domain_template,
                          in_brackets(reasons));
    }
    return out;
}

std::string NetworkConfig::host(std::string_view name, std::string_view namespace_name,
                                std::string_view domain, std::string_view tag) const {
    std::string label(name);
    if (!tag.empty()) {
        label = expand_template(tag_template, {{"Name", name}, {"Tag", tag}}).value_or(label);
    }
    return expand_template(domain_template,
                           {{"Name", label}, {"Namespace", namespace_name}, {"Domain", domain}})
        .value_or(label);
}

namespace {

// "disabled" is nothing; an empty text keeps what is there.
base::Status read_span_or_disabled(const ConfigReader& reader, std::string_view key,
                                   std::optional<base::Duration>& into) {
    const auto* value = reader.find(key);
    if (value == nullptr || value->empty()) {
        return base::ok;
    }
    if (base::equals_ignoring_case(*value, "disabled")) {
        into.reset();
        return base::ok;
    }
    const auto span = base::parse_duration(*value);
    if (!span) {
        return base::fail(base::Code::invalid, "failed to parse {}: {}", key, span.error().message);
    }
    if (*span < 0s) {
        return base::fail(base::Code::invalid, "failed to parse {}: must be non-negative", key);
    }
    into = *span;
    return base::ok;
}

}  // namespace

base::Result<GcConfig> GcConfig::parse(const TextMap& data) {
    GcConfig out;
    ConfigReader reader(data);
    reader.read("min-non-active-revisions", out.min_non_active_revisions);
    CHECK_OK(base::Status(reader.status()));
    CHECK_OK(
        read_span_or_disabled(reader, "retain-since-create-time", out.retain_since_create_time));
    CHECK_OK(read_span_or_disabled(reader, "retain-since-last-active-time",
                                   out.retain_since_last_active_time));
    if (const auto* max = reader.find("max-non-active-revisions");
        max != nullptr && !max->empty()) {
        out.max_non_active_revisions = base::parse_number<std::int64_t>(*max);
        if (!base::equals_ignoring_case(*max, "disabled") &&
            out.max_non_active_revisions.value_or(-1) < 0) {
            return base::fail(base::Code::invalid,
                              "failed to parse max-non-active-revisions: \"{}\"", *max);
        }
    }
    reader.require(out.min_non_active_revisions >= 0,
                   "min-non-active-revisions must be non-negative, was: {}",
                   out.min_non_active_revisions);
    reader.require(!out.max_non_active_revisions ||
                       out.min_non_active_revisions <= *out.max_non_active_revisions,
                   "min-non-active-revisions({}) must be <= max-non-active-revisions({})",
                   out.min_non_active_revisions, out.max_non_active_revisions.value_or(0));
    CHECK_OK(base::Status(reader.status()));
    return out;
}

base::Result<DeploymentConfig> DeploymentConfig::parse(const TextMap& data) {
    DeploymentConfig out;
    ConfigReader reader(data);
    reader.read("progress-deadline", out.progress_deadline);
    reader.read("digest-resolution-timeout", out.digest_resolution_timeout);
    if (const auto* registries = reader.find("registries-skipping-tag-resolving")) {
        out.registries_skipping_tag_resolving.clear();
        for (const auto part : base::split(*registries, ',')) {
            if (const auto name = base::trim(part); !name.empty()) {
                out.registries_skipping_tag_resolving.emplace(name);
            }
        }
    }
    reader.require(out.progress_deadline > 0s,
                   "progress-deadline cannot be a non-positive duration, was {}",
                   format_go_duration(out.progress_deadline));
    reader.require(whole_seconds(out.progress_deadline),
                   "progress-deadline must be rounded to a whole second, was: {}",
                   format_go_duration(out.progress_deadline));
    reader.require(out.digest_resolution_timeout > 0s,
                   "digest-resolution-timeout cannot be a non-positive duration, was {}",
                   format_go_duration(out.digest_resolution_timeout));
    CHECK_OK(base::Status(reader.status()));
    return out;
}

base::Status apply_config_map(PlatformConfig& into, std::string_view name, const TextMap& data) {
    if (name == "config-autoscaler") {
        TRY(into.autoscaler, AutoscalerConfig::parse(data));
    } else if (name == "config-defaults") {
        TRY(into.defaults, DefaultsConfig::parse(data));
    } else if (name == "config-network") {
        TRY(into.network, NetworkConfig::parse(data));
    } else if (name == "config-gc") {
        TRY(into.gc, GcConfig::parse(data));
    } else if (name == "config-deployment") {
        TRY(into.deployment, DeploymentConfig::parse(data));
    }
    return base::ok;
}

}  // namespace tidemill::model
