// The condition types of the four Serving kinds, and the reasons and sentences that they are marked
// with: Knative's (knative/serving pkg/apis/serving/v1/*_lifecycle.go, pkg/reconciler), because
// clients and tests compare them. Each stands here and nowhere else.
#pragma once

#include <cstdint>
#include <string_view>

#include "model/serving/conditions.h"

namespace tidemill::model {

inline constexpr std::string_view condition_ready = "Ready";
inline constexpr std::string_view condition_configurations_ready = "ConfigurationsReady";
inline constexpr std::string_view condition_routes_ready = "RoutesReady";
inline constexpr std::string_view condition_resources_available = "ResourcesAvailable";
inline constexpr std::string_view condition_container_healthy = "ContainerHealthy";
inline constexpr std::string_view condition_active = "Active";
inline constexpr std::string_view condition_all_traffic_assigned = "AllTrafficAssigned";
inline constexpr std::string_view condition_ingress_ready = "IngressReady";
inline constexpr std::string_view condition_certificate_provisioned = "CertificateProvisioned";

// Of any kind. kind: "Route", "placeholder Service".
Reason reason_not_owned(std::string_view kind, std::string_view name);

// Revision.
Reason reason_deploying();
Reason reason_resolving_digests();
Reason reason_image_missing(std::string_view image, std::string_view why);
Reason reason_exited(std::int64_t code, std::string_view message);
Reason reason_never_scaled();  // the initial scale was not reached in time
Reason reason_no_traffic();
Reason reason_not_activated();
Reason reason_queued();

// Configuration.
Reason reason_revision_failed(std::string_view revision, std::string_view message);
Reason reason_revision_not_created(std::string_view message);

// Route. kind: "Revision" or "Configuration".
Reason reason_target_missing(std::string_view kind, std::string_view name);
Reason reason_configuration_waits(std::string_view name);
Reason reason_configuration_never_ready(std::string_view name);
Reason reason_revision_waits(std::string_view name);
Reason reason_revision_never_ready(std::string_view name);
// actual_service: empty when the revision belongs to none.
Reason reason_revision_not_owned(std::string_view revision, std::string_view expected_service,
                                 std::string_view actual_service);
Reason reason_ingress_not_configured();
Reason reason_tls_not_enabled();

// Service. kind: "Route" or "Configuration".
Reason reason_out_of_date(std::string_view kind);
Reason reason_traffic_not_migrated();
Reason reason_revision_name_taken(std::string_view revision);

}  // namespace tidemill::model
