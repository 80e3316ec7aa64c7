// What an operator sets for the whole platform: Knative's ConfigMaps as types, with Knative's
// defaults. A ConfigMap with a wrong value is refused whole, so that the last good one stays in
// force.
#pragma once

#include <cstdint>
#include <optional>
#include <set>
#include <string>

#include "base/result.h"
#include "base/time.h"
#include "model/object/json_fields.h"
#include "model/object/quantity.h"

namespace tidemill::model {

// config-autoscaler. Source: knative/serving pkg/autoscaler/config/config.go.
struct AutoscalerConfig {
    std::string pod_autoscaler_class = "kpa.autoscaling.knative.dev";
    bool enable_scale_to_zero = true;
    bool allow_zero_initial_scale = false;
    double max_scale_up_rate = 1000;
    double max_scale_down_rate = 2;
    double container_concurrency_target_fraction = 0.7;  // of 1; written as a percentage
    double container_concurrency_target_default = 100;   // requests at a time per instance
    double requests_per_second_target_default = 200;
    double target_burst_capacity = 211;  // requests; -1 is unlimited
    double panic_window_percentage = 10;
    double panic_threshold_percentage = 200;
    double activator_capacity = 100;  // requests
    std::int32_t initial_scale = 1;
    std::int32_t min_scale = 0;
    std::int32_t max_scale = 0;        // 0 is no limit
    std::int32_t max_scale_limit = 0;  // 0 is no limit on what users may ask for
    base::Duration stable_window = std::chrono::seconds(60);
    base::Duration scale_down_delay{};
    base::Duration scale_to_zero_grace_period = std::chrono::seconds(30);
    base::Duration scale_to_zero_pod_retention_period{};

    // Errors: invalid, naming key and value.
    static base::Result<AutoscalerConfig> parse(const TextMap& data);
    friend bool operator==(const AutoscalerConfig&, const AutoscalerConfig&) = default;
};

// config-defaults. Source: knative/serving pkg/apis/config/defaults.go.
struct DefaultsConfig {
    std::int64_t revision_timeout_seconds = 300;
    std::int64_t max_revision_timeout_seconds = 600;
    std::int64_t revision_response_start_timeout_seconds = 300;
    std::int64_t revision_idle_timeout_seconds = 0;  // 0 is none
    std::int64_t container_concurrency = 0;          // 0 is no limit
    std::int64_t container_concurrency_max_limit = 1000;
    bool allow_container_concurrency_zero = true;
    // Text with {{.Name}} and {{.Namespace}} of the parent, the only actions that are understood.
    std::string container_name_template = "user-container";
    std::string init_container_name_template = "init-container";
    // Nothing leaves the field of a new revision unset ("default").
    std::optional<bool> enable_service_links = false;
    std::optional<Quantity> revision_cpu_request;
    std::optional<Quantity> revision_cpu_limit;
    std::optional<Quantity> revision_memory_request;
    std::optional<Quantity> revision_memory_limit;
    std::optional<Quantity> revision_ephemeral_storage_request;
    std::optional<Quantity> revision_ephemeral_storage_limit;

    static base::Result<DefaultsConfig> parse(const TextMap& data);
    friend bool operator==(const DefaultsConfig&, const DefaultsConfig&) = default;
};

enum class HttpProtocol : std::uint8_t { enabled, disabled, redirected };

// config-network, and the domain of config-domain. Source: knative/networking pkg/config/config.go.
struct NetworkConfig {
    std::string domain_template = "{{.Name}}.{{.Namespace}}.{{.Domain}}";
    std::string tag_template = "{{.Tag}}-{{.Name}}";
    std::string ingress_class = "tidemill.ingress.networking.knative.dev";
    std::string certificate_class = "cert-manager.certificate.networking.knative.dev";
    std::string default_external_scheme = "http";
    HttpProtocol http_protocol = HttpProtocol::enabled;
    base::Duration rollout_duration{};  // whole seconds
    bool external_domain_tls = false;
    bool cluster_local_domain_tls = false;
    bool system_internal_tls = false;
    bool autocreate_cluster_domain_claims = false;

    static base::Result<NetworkConfig> parse(const TextMap& data);

    // The host of a route, of one of its tags when `tag` is not empty: by default
    // shop.default.localhost and canary-shop.default.localhost.
    std::string host(std::string_view name, std::string_view namespace_name,
                     std::string_view domain, std::string_view tag) const;
    friend bool operator==(const NetworkConfig&, const NetworkConfig&) = default;
};

// config-gc. Source: knative/serving pkg/gc/config.go.
struct GcConfig {
    // Nothing: such revisions are kept for ever.
    std::optional<base::Duration> retain_since_create_time = std::chrono::hours(48);
    std::optional<base::Duration> retain_since_last_active_time = std::chrono::hours(15);
    std::int64_t min_non_active_revisions = 20;
    std::optional<std::int64_t> max_non_active_revisions = 1000;  // nothing: no maximum

    static base::Result<GcConfig> parse(const TextMap& data);
    friend bool operator==(const GcConfig&, const GcConfig&) = default;
};

// config-deployment, as far as there is something here to configure (no queue-proxy, no affinity).
// Source: knative/serving pkg/deployment/config.go.
struct DeploymentConfig {
    base::Duration progress_deadline = std::chrono::seconds(600);  // whole seconds
    base::Duration digest_resolution_timeout = std::chrono::seconds(10);
    std::set<std::string, std::less<>> registries_skipping_tag_resolving = {
        "dev.local", "kind.local", "ko.local"};

    static base::Result<DeploymentConfig> parse(const TextMap& data);
    friend bool operator==(const DeploymentConfig&, const DeploymentConfig&) = default;
};

// What this version can do of Knative's optional features; no ConfigMap turns on what is not built.
struct Features {
    bool multi_container = false;
    friend bool operator==(const Features&, const Features&) = default;
};

struct PlatformConfig {
    AutoscalerConfig autoscaler;
    DefaultsConfig defaults;
    NetworkConfig network;
    GcConfig gc;
    DeploymentConfig deployment;
    Features features;

    friend bool operator==(const PlatformConfig&, const PlatformConfig&) = default;
};

// Replaces, in `into`, the part that the ConfigMap of this name configures; other names change
// nothing. Errors: invalid, and `into` is as it was.
base::Status apply_config_map(PlatformConfig& into, std::string_view name, const TextMap& data);

}  // namespace tidemill::model
