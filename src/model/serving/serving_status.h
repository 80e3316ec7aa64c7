// What the four Serving kinds report, and the sentences they report it with. Reasons and messages
// are Knative's (knative/serving pkg/apis/serving/v1/*_lifecycle.go), because clients and tests
// compare them. `now` is the time of the change; see conditions.h for when it is used.
#pragma once

#include <cstdint>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "base/time.h"
#include "model/object/object.h"
#include "model/serving/conditions.h"
#include "model/serving/serving.h"

namespace tidemill::model {

// Condition types.
inline constexpr std::string_view condition_ready = "Ready";
inline constexpr std::string_view condition_configurations_ready = "ConfigurationsReady";
inline constexpr std::string_view condition_routes_ready = "RoutesReady";
inline constexpr std::string_view condition_resources_available = "ResourcesAvailable";
inline constexpr std::string_view condition_container_healthy = "ContainerHealthy";
inline constexpr std::string_view condition_active = "Active";
inline constexpr std::string_view condition_all_traffic_assigned = "AllTrafficAssigned";
inline constexpr std::string_view condition_ingress_ready = "IngressReady";
inline constexpr std::string_view condition_certificate_provisioned = "CertificateProvisioned";

struct ServiceStatus {
    std::int64_t observed_generation = 0;
    Conditions conditions = {};
    TextMap annotations = {};
    std::string latest_created_revision_name = {};
    std::string latest_ready_revision_name = {};
    std::string url = {};
    std::string address_url = {};  // inside the platform
    std::vector<TrafficTarget> traffic = {};

    friend bool operator==(const ServiceStatus&, const ServiceStatus&) = default;
};

struct ConfigurationStatus {
    std::int64_t observed_generation = 0;
    Conditions conditions = {};
    TextMap annotations = {};
    std::string latest_created_revision_name = {};
    std::string latest_ready_revision_name = {};

    friend bool operator==(const ConfigurationStatus&, const ConfigurationStatus&) = default;
};

struct ContainerState {
    std::string name = {};
    std::string image_digest = {};

    friend bool operator==(const ContainerState&, const ContainerState&) = default;
};

struct RevisionStatus {
    std::int64_t observed_generation = 0;
    Conditions conditions = {};
    TextMap annotations = {};
    std::string log_url = {};
    std::vector<ContainerState> container_statuses = {};
    std::optional<std::int64_t> actual_replicas = {};
    std::optional<std::int64_t> desired_replicas = {};

    friend bool operator==(const RevisionStatus&, const RevisionStatus&) = default;
};

struct RouteStatus {
    std::int64_t observed_generation = 0;
    Conditions conditions = {};
    TextMap annotations = {};
    std::string url = {};
    std::string address_url = {};
    std::vector<TrafficTarget> traffic = {};

    friend bool operator==(const RouteStatus&, const RouteStatus&) = default;
};

// The status of an object of that kind. Members of wrong types count as absent: the platform wrote
// them.
ServiceStatus read_service_status(const Object& object);
ConfigurationStatus read_configuration_status(const Object& object);
RevisionStatus read_revision_status(const Object& object);
RouteStatus read_route_status(const Object& object);

// What goes into Object::body["status"].
JsonObject to_json(const ServiceStatus& status);
JsonObject to_json(const ConfigurationStatus& status);
JsonObject to_json(const RevisionStatus& status);
JsonObject to_json(const RouteStatus& status);

// Ready for what its spec says now, rather than for what it said before.
bool is_ready(const Object& object);
bool is_failed(const Object& object);

// Revision. Ready depends on ResourcesAvailable and ContainerHealthy; Active is for information.
void initialize(RevisionStatus& status, base::WallTime now);
void mark_active(RevisionStatus& status, base::WallTime now);
void mark_inactive(RevisionStatus& status, Reason reason, base::WallTime now);
void mark_activity_unknown(RevisionStatus& status, Reason reason, base::WallTime now);
void mark_container_healthy(RevisionStatus& status, base::WallTime now);
void mark_container_unhealthy(RevisionStatus& status, Reason reason, base::WallTime now);
void mark_container_health_unknown(RevisionStatus& status, Reason reason, base::WallTime now);
void mark_resources_available(RevisionStatus& status, base::WallTime now);
void mark_resources_unavailable(RevisionStatus& status, Reason reason, base::WallTime now);
void mark_resources_unknown(RevisionStatus& status, Reason reason, base::WallTime now);

// Its reasons.
Reason reason_deploying();
Reason reason_resolving_digests();
Reason reason_image_missing(std::string_view image, std::string_view why);  // ContainerMissing
Reason reason_exited(std::int64_t code, std::string_view message);          // ExitCode5
Reason reason_never_scaled();  // ProgressDeadlineExceeded, "Initial scale was never achieved"
Reason reason_no_traffic();    // Active: nobody asks
Reason reason_queued();        // Active: requests wait for instances
Reason reason_not_owned(std::string_view kind, std::string_view name);

// What the autoscaler knows of a revision. Source: RevisionStatus.PropagateAutoscalerStatus.
struct ScaleReport {
    std::optional<std::int64_t> actual_scale = {};
    std::optional<std::int64_t> desired_scale = {};
    bool initialized = false;                // the initial scale was reached once
    bool reachable_by_name = false;          // requests can be sent to it
    std::optional<Condition> activity = {};  // nothing: the autoscaler has not looked at it yet
};
void propagate_scale(RevisionStatus& status, const ScaleReport& scale, base::WallTime now);

// Configuration. Ready depends on nothing else.
void initialize(ConfigurationStatus& status, base::WallTime now);
// Ready becomes Unknown unless this revision is the ready one already.
void set_latest_created(ConfigurationStatus& status, std::string name, base::WallTime now);
// Ready becomes True when this revision is also the latest created.
void set_latest_ready(ConfigurationStatus& status, std::string name, base::WallTime now);
void mark_latest_created_failed(ConfigurationStatus& status, std::string_view name,
                                std::string_view message, base::WallTime now);
void mark_revision_creation_failed(ConfigurationStatus& status, std::string_view message,
                                   base::WallTime now);
void mark_latest_ready_deleted(ConfigurationStatus& status, base::WallTime now);

// Route. Ready depends on AllTrafficAssigned, IngressReady and CertificateProvisioned.
void initialize(RouteStatus& status, base::WallTime now);
void mark_traffic_assigned(RouteStatus& status, base::WallTime now);
void mark_traffic_unknown(RouteStatus& status, std::string_view message, base::WallTime now);
void mark_configuration_not_ready(RouteStatus& status, std::string_view name, base::WallTime now);
void mark_configuration_failed(RouteStatus& status, std::string_view name, base::WallTime now);
void mark_revision_not_ready(RouteStatus& status, std::string_view name, base::WallTime now);
void mark_revision_failed(RouteStatus& status, std::string_view name, base::WallTime now);
// `actual_service` is empty when the revision belongs to no Service.
void mark_revision_not_owned(RouteStatus& status, std::string_view revision,
                             std::string_view expected_service, std::string_view actual_service,
                             base::WallTime now);
// `kind` is "Revision" or "Configuration".
void mark_missing_target(RouteStatus& status, std::string_view kind, std::string_view name,
                         base::WallTime now);
void mark_ingress_ready(RouteStatus& status, base::WallTime now);
void mark_ingress_failed(RouteStatus& status, Reason reason, base::WallTime now);
void mark_ingress_unknown(RouteStatus& status, Reason reason, base::WallTime now);
void mark_ingress_not_configured(RouteStatus& status, base::WallTime now);
void mark_rollout_in_progress(RouteStatus& status, base::WallTime now);
void mark_placeholder_not_owned(RouteStatus& status, std::string_view name, base::WallTime now);
void mark_tls_not_enabled(RouteStatus& status, base::WallTime now);
void mark_tls_not_enabled_for_cluster_local(RouteStatus& status, base::WallTime now);
void mark_certificate_ready(RouteStatus& status, base::WallTime now);
void mark_certificate_not_ready(RouteStatus& status, std::string_view certificate,
                                std::string_view why, base::WallTime now);
void mark_certificate_failed(RouteStatus& status, std::string_view certificate,
                             std::string_view why, base::WallTime now);
void mark_certificate_not_owned(RouteStatus& status, std::string_view certificate,
                                base::WallTime now);
void mark_http_downgrade(RouteStatus& status, std::string_view certificate, base::WallTime now);

// Service. Ready depends on ConfigurationsReady and RoutesReady.
void initialize(ServiceStatus& status, base::WallTime now);
void mark_configuration_not_owned(ServiceStatus& status, std::string_view name, base::WallTime now);
void mark_route_not_owned(ServiceStatus& status, std::string_view name, base::WallTime now);
void mark_configuration_not_reconciled(ServiceStatus& status, base::WallTime now);
void mark_route_not_reconciled(ServiceStatus& status, base::WallTime now);
void mark_route_not_yet_ready(ServiceStatus& status, base::WallTime now);
void mark_revision_name_taken(ServiceStatus& status, std::string_view name, base::WallTime now);
// Take over the children's names, addresses and readiness.
void propagate_configuration(ServiceStatus& status, const ConfigurationStatus& configuration,
                             base::WallTime now);
void propagate_route(ServiceStatus& status, const RouteStatus& route, base::WallTime now);

}  // namespace tidemill::model
