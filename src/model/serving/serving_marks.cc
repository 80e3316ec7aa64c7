// The sentences of serving_status.h.
#include <fmt/format.h>

#include <array>

#include "model/serving/serving_status.h"

namespace tidemill::model {
namespace {

constexpr std::array revision_dependents = {condition_resources_available,
                                            condition_container_healthy};
constexpr std::array route_dependents = {condition_all_traffic_assigned, condition_ingress_ready,
                                         condition_certificate_provisioned};
constexpr std::array service_dependents = {condition_configurations_ready, condition_routes_ready};

ConditionManager manage(RevisionStatus& status, base::WallTime now) {
    return {status.conditions, revision_dependents, now};
}
ConditionManager manage(ConfigurationStatus& status, base::WallTime now) {
    return {status.conditions, {}, now};
}
ConditionManager manage(RouteStatus& status, base::WallTime now) {
    return {status.conditions, route_dependents, now};
}
ConditionManager manage(ServiceStatus& status, base::WallTime now) {
    return {status.conditions, service_dependents, now};
}

// Says of `type` what a child says of itself.
void propagate(ConditionManager manager, std::string_view type, const Condition* child) {
    if (child == nullptr) {
        return;
    }
    switch (child->status) {
        case ConditionStatus::yes:
            return manager.mark_true(type);
        case ConditionStatus::no:
            return manager.mark_false(type, {child->reason, child->message});
        case ConditionStatus::unknown:
            return manager.mark_unknown(type, {child->reason, child->message});
    }
}

}  // namespace

void initialize(RevisionStatus& status, base::WallTime now) {
    manage(status, now).initialize();
}

void mark_active(RevisionStatus& status, base::WallTime now) {
    manage(status, now).mark_true(condition_active);
}

void mark_inactive(RevisionStatus& status, Reason reason, base::WallTime now) {
    manage(status, now).mark_false(condition_active, std::move(reason));
}

void mark_activity_unknown(RevisionStatus& status, Reason reason, base::WallTime now) {
    manage(status, now).mark_unknown(condition_active, std::move(reason));
}

void mark_container_healthy(RevisionStatus& status, base::WallTime now) {
    manage(status, now).mark_true(condition_container_healthy);
}

void mark_container_unhealthy(RevisionStatus& status, Reason reason, base::WallTime now) {
    manage(status, now).mark_false(condition_container_healthy, std::move(reason));
}

void mark_container_health_unknown(RevisionStatus& status, Reason reason, base::WallTime now) {
    manage(status, now).mark_unknown(condition_container_healthy, std::move(reason));
}

void mark_resources_available(RevisionStatus& status, base::WallTime now) {
    manage(status, now).mark_true(condition_resources_available);
}

void mark_resources_unavailable(RevisionStatus& status, Reason reason, base::WallTime now) {
    manage(status, now).mark_false(condition_resources_available, std::move(reason));
}

void mark_resources_unknown(RevisionStatus& status, Reason reason, base::WallTime now) {
    manage(status, now).mark_unknown(condition_resources_available, std::move(reason));
}

Reason reason_deploying() {
    return {"Deploying", ""};
}

Reason reason_resolving_digests() {
    return {"ResolvingDigests", ""};
}

Reason reason_image_missing(std::string_view image, std::string_view why) {
    return {"ContainerMissing", fmt::format("Unable to fetch image \"{}\": {}", image, why)};
}

Reason reason_exited(std::int64_t code, std::string_view message) {
    return {fmt::format("ExitCode{}", code), fmt::format("Container failed with: {}", message)};
}

Reason reason_never_scaled() {
    return {"ProgressDeadlineExceeded", "Initial scale was never achieved"};
}

Reason reason_no_traffic() {
    return {"NoTraffic", "The target is not receiving traffic."};
}

Reason reason_queued() {
    return {"Queued", "Requests to the target are being buffered as resources are provisioned."};
}

Reason reason_not_owned(std::string_view kind, std::string_view name) {
    return {"NotOwned",
            fmt::format("There is an existing {} \"{}\" that we do not own.", kind, name)};
}

void propagate_scale(RevisionStatus& status, const ScaleReport& scale, base::WallTime now) {
    const bool unavailable = is_false(status.conditions, condition_resources_available) ||
                             is_false(status.conditions, condition_container_healthy);
    const auto at_least_zero = [](std::optional<std::int64_t> replicas) {
        return replicas.value_or(-1) < 0 ? std::nullopt : replicas;
    };
    status.actual_replicas = at_least_zero(scale.actual_scale);
    status.desired_replicas = at_least_zero(scale.desired_scale);
    if (!scale.activity) {
        mark_activity_unknown(status, reason_deploying(), now);
        if (!unavailable) {
            mark_resources_unknown(status, reason_deploying(), now);
        }
        return;
    }
    if (scale.initialized && !unavailable) {
        mark_resources_available(status, now);
        mark_container_healthy(status, now);
    }
    // An initial scale of zero is reached before anything can be asked.
    if (is_true(status.conditions, condition_resources_available) &&
        (!scale.reachable_by_name || !scale.initialized)) {
        mark_resources_unknown(status, reason_deploying(), now);
    }
    const Reason why{scale.activity->reason, scale.activity->message};
    switch (scale.activity->status) {
        case ConditionStatus::unknown:
            return mark_activity_unknown(status, why, now);
        case ConditionStatus::no:
            // Scaled to zero without ever having reached the initial scale: it never came up.
            if (!scale.initialized && !unavailable && scale.reachable_by_name) {
                mark_resources_unavailable(status, reason_never_scaled(), now);
            }
            return mark_inactive(status, why, now);
        case ConditionStatus::yes:
            return mark_active(status, now);
    }
}

void initialize(ConfigurationStatus& status, base::WallTime now) {
    manage(status, now).initialize();
}

void set_latest_created(ConfigurationStatus& status, std::string name, base::WallTime now) {
    status.latest_created_revision_name = std::move(name);
    if (status.latest_ready_revision_name != status.latest_created_revision_name) {
        manage(status, now).mark_unknown(condition_ready, {});
    }
}

void set_latest_ready(ConfigurationStatus& status, std::string name, base::WallTime now) {
    status.latest_ready_revision_name = std::move(name);
    if (status.latest_ready_revision_name == status.latest_created_revision_name) {
        manage(status, now).mark_true(condition_ready);
    }
}

void mark_latest_created_failed(ConfigurationStatus& status, std::string_view name,
                                std::string_view message, base::WallTime now) {
    manage(status, now)
        .mark_false(condition_ready,
                    {"RevisionFailed",
                     fmt::format("Revision \"{}\" failed with message: {}.", name, message)});
}

void mark_revision_creation_failed(ConfigurationStatus& status, std::string_view message,
                                   base::WallTime now) {
    manage(status, now)
        .mark_false(
            condition_ready,
            {"RevisionFailed", fmt::format("Revision creation failed with message: {}.", message)});
}

void mark_latest_ready_deleted(ConfigurationStatus& status, base::WallTime now) {
    manage(status, now)
        .mark_false(condition_ready,
                    {"RevisionDeleted", fmt::format("Revision \"{}\" was deleted.",
                                                    status.latest_ready_revision_name)});
}

void initialize(RouteStatus& status, base::WallTime now) {
    manage(status, now).initialize();
}

void mark_traffic_assigned(RouteStatus& status, base::WallTime now) {
    manage(status, now).mark_true(condition_all_traffic_assigned);
}

void mark_traffic_unknown(RouteStatus& status, std::string_view message, base::WallTime now) {
    manage(status, now)
        .mark_unknown(condition_all_traffic_assigned, {"Unknown", std::string(message)});
}

void mark_configuration_not_ready(RouteStatus& status, std::string_view name, base::WallTime now) {
    manage(status, now)
        .mark_unknown(
            condition_all_traffic_assigned,
            {"RevisionMissing",
             fmt::format("Configuration \"{}\" is waiting for a Revision to become ready.", name)});
}

void mark_configuration_failed(RouteStatus& status, std::string_view name, base::WallTime now) {
    manage(status, now)
        .mark_false(condition_all_traffic_assigned,
                    {"RevisionMissing",
                     fmt::format("Configuration \"{}\" does not have any ready Revision.", name)});
}

void mark_revision_not_ready(RouteStatus& status, std::string_view name, base::WallTime now) {
    manage(status, now)
        .mark_unknown(condition_all_traffic_assigned,
                      {"RevisionMissing", fmt::format("Revision \"{}\" is not yet ready.", name)});
}

void mark_revision_failed(RouteStatus& status, std::string_view name, base::WallTime now) {
    manage(status, now)
        .mark_false(
            condition_all_traffic_assigned,
            {"RevisionMissing", fmt::format("Revision \"{}\" failed to become ready.", name)});
}

void mark_revision_not_owned(RouteStatus& status, std::string_view revision,
                             std::string_view expected_service, std::string_view actual_service,
                             base::WallTime now) {
    auto message =
        actual_service.empty()
            ? fmt::format("Revision \"{}\" does not belong to Service \"{}\".", revision,
                          expected_service)
            : fmt::format("Revision \"{}\" belongs to Service \"{}\", not Service \"{}\".",
                          revision, actual_service, expected_service);
    manage(status, now)
        .mark_false(condition_all_traffic_assigned, {"RevisionNotOwned", std::move(message)});
}

void mark_missing_target(RouteStatus& status, std::string_view kind, std::string_view name,
                         base::WallTime now) {
    manage(status, now)
        .mark_false(condition_all_traffic_assigned,
                    {fmt::format("{}Missing", kind),
                     fmt::format("{} \"{}\" referenced in traffic not found.", kind, name)});
}

void mark_ingress_ready(RouteStatus& status, base::WallTime now) {
    manage(status, now).mark_true(condition_ingress_ready);
}

void mark_ingress_failed(RouteStatus& status, Reason reason, base::WallTime now) {
    manage(status, now).mark_false(condition_ingress_ready, std::move(reason));
}

void mark_ingress_unknown(RouteStatus& status, Reason reason, base::WallTime now) {
    manage(status, now).mark_unknown(condition_ingress_ready, std::move(reason));
}

void mark_ingress_not_configured(RouteStatus& status, base::WallTime now) {
    mark_ingress_unknown(status, {"IngressNotConfigured", "Ingress has not yet been reconciled."},
                         now);
}

void mark_rollout_in_progress(RouteStatus& status, base::WallTime now) {
    mark_ingress_unknown(
        status,
        {"RolloutInProgress", "A gradual rollout of the latest revision(s) is in progress."}, now);
}

void mark_placeholder_not_owned(RouteStatus& status, std::string_view name, base::WallTime now) {
    mark_ingress_failed(status, reason_not_owned("placeholder Service", name), now);
}

void mark_tls_not_enabled(RouteStatus& status, base::WallTime now) {
    manage(status, now)
        .mark_true(condition_certificate_provisioned,
                   {"TLSNotEnabled", "external-domain-tls is not enabled"});
}

void mark_tls_not_enabled_for_cluster_local(RouteStatus& status, base::WallTime now) {
    manage(status, now)
        .mark_true(condition_certificate_provisioned,
                   {"TLSNotEnabled", "TLS is not enabled for cluster-local"});
}

void mark_certificate_ready(RouteStatus& status, base::WallTime now) {
    manage(status, now).mark_true(condition_certificate_provisioned);
}

void mark_certificate_not_ready(RouteStatus& status, std::string_view certificate,
                                std::string_view why, base::WallTime now) {
    manage(status, now)
        .mark_unknown(condition_certificate_provisioned,
                      {"CertificateNotReady",
                       fmt::format("Certificate {} is not ready: {}", certificate, why)});
}

void mark_certificate_failed(RouteStatus& status, std::string_view certificate,
                             std::string_view why, base::WallTime now) {
    manage(status, now)
        .mark_false(condition_certificate_provisioned,
                    {"CertificateProvisionFailed",
                     fmt::format("Certificate {} fails to be provisioned: {}", certificate, why)});
}

void mark_certificate_not_owned(RouteStatus& status, std::string_view certificate,
                                base::WallTime now) {
    manage(status, now)
        .mark_false(
            condition_certificate_provisioned,
            {"CertificateNotOwned",
             fmt::format("There is an existing certificate {} that we don't own.", certificate)});
}

void mark_http_downgrade(RouteStatus& status, std::string_view certificate, base::WallTime now) {
    manage(status, now)
        .mark_true(condition_certificate_provisioned,
                   {"HTTPDowngrade",
                    fmt::format("Certificate {} is not ready downgrade HTTP.", certificate)});
}

void initialize(ServiceStatus& status, base::WallTime now) {
    manage(status, now).initialize();
}

void mark_configuration_not_owned(ServiceStatus& status, std::string_view name,
                                  base::WallTime now) {
    manage(status, now)
        .mark_false(condition_configurations_ready, reason_not_owned("Configuration", name));
}

void mark_route_not_owned(ServiceStatus& status, std::string_view name, base::WallTime now) {
    manage(status, now).mark_false(condition_routes_ready, reason_not_owned("Route", name));
}

void mark_configuration_not_reconciled(ServiceStatus& status, base::WallTime now) {
    manage(status, now)
        .mark_unknown(
            condition_configurations_ready,
            {"OutOfDate",
             "The Configuration is still working to reflect the latest desired specification."});
}

void mark_route_not_reconciled(ServiceStatus& status, base::WallTime now) {
    manage(status, now)
        .mark_unknown(condition_routes_ready,
                      {"OutOfDate",
                       "The Route is still working to reflect the latest desired specification."});
}

void mark_route_not_yet_ready(ServiceStatus& status, base::WallTime now) {
    manage(status, now)
        .mark_unknown(
            condition_routes_ready,
            {"TrafficNotMigrated", "Traffic is not yet migrated to the latest revision."});
}

void mark_revision_name_taken(ServiceStatus& status, std::string_view name, base::WallTime now) {
    manage(status, now)
        .mark_false(condition_routes_ready,
                    {"RevisionNameTaken",
                     fmt::format("The revision name \"{}\" is taken by a conflicting Revision, so "
                                 "traffic will not be migrated",
                                 name)});
}

void propagate_configuration(ServiceStatus& status, const ConfigurationStatus& configuration,
                             base::WallTime now) {
    status.latest_created_revision_name = configuration.latest_created_revision_name;
    status.latest_ready_revision_name = configuration.latest_ready_revision_name;
    propagate(manage(status, now), condition_configurations_ready,
              find_condition(configuration.conditions, condition_ready));
}

void propagate_route(ServiceStatus& status, const RouteStatus& route, base::WallTime now) {
    status.url = route.url;
    status.address_url = route.address_url;
    status.traffic = route.traffic;
    propagate(manage(status, now), condition_routes_ready,
              find_condition(route.conditions, condition_ready));
}

}  // namespace tidemill::model
