#include "model/serving/serving_status.h"

#include <gtest/gtest.h>

#include <functional>

namespace tidemill::model {
namespace {

constexpr base::WallTime now{1'000'000'000};

template <typename Status>
struct Case {
    const char* name;
    std::function<void(Status&)> mark;
    std::string_view type;
    ConditionStatus status;
    const char* reason;
    const char* message;
};

// Each mark says its sentence, and Ready follows: it fails with a False and does not succeed alone.
template <typename Status>
void check(const std::vector<Case<Status>>& cases) {
    for (const auto& c : cases) {
        Status status;
        initialize(status, now);
        c.mark(status);
        const auto* condition = find_condition(status.conditions, c.type);
        ASSERT_NE(condition, nullptr) << c.name;
        EXPECT_EQ(condition->status, c.status) << c.name;
        EXPECT_EQ(condition->reason, c.reason) << c.name;
        EXPECT_EQ(condition->message, c.message) << c.name;
        const bool decides = condition->severity == ConditionSeverity::error;
        if (c.status == ConditionStatus::no) {
            EXPECT_EQ(is_false(status.conditions, "Ready"), decides) << c.name;
        }
    }
}

using enum ConditionStatus;

TEST(Marks, OfRevisions) {
    check<RevisionStatus>({
        {"resources are there", [](auto& s) { mark_resources_available(s, now); },
         "ResourcesAvailable", yes, "", ""},
        {"deploying", [](auto& s) { mark_resources_unknown(s, reason_deploying(), now); },
         "ResourcesAvailable", unknown, "Deploying", ""},
        {"it never came up",
         [](auto& s) { mark_resources_unavailable(s, reason_never_scaled(), now); },
         "ResourcesAvailable", no, "ProgressDeadlineExceeded", "Initial scale was never achieved"},
        {"healthy", [](auto& s) { mark_container_healthy(s, now); }, "ContainerHealthy", yes, "",
         ""},
        {"the image is missing",
         [](auto& s) { mark_container_unhealthy(s, reason_image_missing("a/b", "gone"), now); },
         "ContainerHealthy", no, "ContainerMissing", "Unable to fetch image \"a/b\": gone"},
        {"it exited", [](auto& s) { mark_container_unhealthy(s, reason_exited(5, "boom"), now); },
         "ContainerHealthy", no, "ExitCode5", "Container failed with: boom"},
        {"digests are sought",
         [](auto& s) { mark_container_health_unknown(s, reason_resolving_digests(), now); },
         "ContainerHealthy", unknown, "ResolvingDigests", ""},
        {"something of the name is there already",
         [](auto& s) { mark_resources_unavailable(s, reason_not_owned("Deployment", "x"), now); },
         "ResourcesAvailable", no, "NotOwned",
         "There is an existing Deployment \"x\" that we do not own."},
        {"active", [](auto& s) { mark_active(s, now); }, "Active", yes, "", ""},
        {"idle", [](auto& s) { mark_inactive(s, reason_no_traffic(), now); }, "Active", no,
         "NoTraffic", "The target is not receiving traffic."},
        {"waking", [](auto& s) { mark_activity_unknown(s, reason_queued(), now); }, "Active",
         unknown, "Queued",
         "Requests to the target are being buffered as resources are provisioned."},
    });
}

TEST(Marks, OfConfigurations) {
    check<ConfigurationStatus>({
        {"a revision failed", [](auto& s) { mark_latest_created_failed(s, "s-1", "boom", now); },
         "Ready", no, "RevisionFailed", "Revision \"s-1\" failed with message: boom."},
        {"a revision could not be made",
         [](auto& s) { mark_revision_creation_failed(s, "boom", now); }, "Ready", no,
         "RevisionFailed", "Revision creation failed with message: boom."},
        {"the ready revision was deleted",
         [](auto& s) {
             s.latest_ready_revision_name = "s-1";
             mark_latest_ready_deleted(s, now);
         },
         "Ready", no, "RevisionDeleted", "Revision \"s-1\" was deleted."},
        {"a revision was made", [](auto& s) { set_latest_created(s, "s-1", now); }, "Ready",
         unknown, "", ""},
        {"it became ready",
         [](auto& s) {
             set_latest_created(s, "s-1", now);
             set_latest_ready(s, "s-1", now);
         },
         "Ready", yes, "", ""},
        {"an older one became ready",
         [](auto& s) {
             set_latest_created(s, "s-2", now);
             set_latest_ready(s, "s-1", now);
         },
         "Ready", unknown, "", ""},
    });
}

TEST(Marks, OfRoutes) {
    constexpr std::string_view traffic = "AllTrafficAssigned";
    constexpr std::string_view ingress = "IngressReady";
    constexpr std::string_view certificate = "CertificateProvisioned";
    check<RouteStatus>({
        {"assigned", [](auto& s) { mark_traffic_assigned(s, now); }, traffic, yes, "", ""},
        {"cannot say", [](auto& s) { mark_traffic_unknown(s, "why", now); }, traffic, unknown,
         "Unknown", "why"},
        {"a configuration waits", [](auto& s) { mark_configuration_not_ready(s, "c", now); },
         traffic, unknown, "RevisionMissing",
         "Configuration \"c\" is waiting for a Revision to become ready."},
        {"a configuration failed", [](auto& s) { mark_configuration_failed(s, "c", now); }, traffic,
         no, "RevisionMissing", "Configuration \"c\" does not have any ready Revision."},
        {"a revision waits", [](auto& s) { mark_revision_not_ready(s, "r", now); }, traffic,
         unknown, "RevisionMissing", "Revision \"r\" is not yet ready."},
        {"a revision failed", [](auto& s) { mark_revision_failed(s, "r", now); }, traffic, no,
         "RevisionMissing", "Revision \"r\" failed to become ready."},
        {"a revision of nobody", [](auto& s) { mark_revision_not_owned(s, "r", "a", "", now); },
         traffic, no, "RevisionNotOwned", "Revision \"r\" does not belong to Service \"a\"."},
        {"a revision of another", [](auto& s) { mark_revision_not_owned(s, "r", "a", "b", now); },
         traffic, no, "RevisionNotOwned",
         "Revision \"r\" belongs to Service \"b\", not Service \"a\"."},
        {"a target is missing", [](auto& s) { mark_missing_target(s, "Revision", "r", now); },
         traffic, no, "RevisionMissing", "Revision \"r\" referenced in traffic not found."},
        {"another kind is missing",
         [](auto& s) { mark_missing_target(s, "Configuration", "c", now); }, traffic, no,
         "ConfigurationMissing", "Configuration \"c\" referenced in traffic not found."},
        {"routed", [](auto& s) { mark_ingress_ready(s, now); }, ingress, yes, "", ""},
        {"not yet routed", [](auto& s) { mark_ingress_not_configured(s, now); }, ingress, unknown,
         "IngressNotConfigured", "Ingress has not yet been reconciled."},
        {"rolling out", [](auto& s) { mark_rollout_in_progress(s, now); }, ingress, unknown,
         "RolloutInProgress", "A gradual rollout of the latest revision(s) is in progress."},
        {"the placeholder is another's", [](auto& s) { mark_placeholder_not_owned(s, "x", now); },
         ingress, no, "NotOwned",
         "There is an existing placeholder Service \"x\" that we do not own."},
        {"no certificates", [](auto& s) { mark_tls_not_enabled(s, now); }, certificate, yes,
         "TLSNotEnabled", "external-domain-tls is not enabled"},
        {"no certificates inside", [](auto& s) { mark_tls_not_enabled_for_cluster_local(s, now); },
         certificate, yes, "TLSNotEnabled", "TLS is not enabled for cluster-local"},
        {"certified", [](auto& s) { mark_certificate_ready(s, now); }, certificate, yes, "", ""},
        {"not yet certified", [](auto& s) { mark_certificate_not_ready(s, "c", "slow", now); },
         certificate, unknown, "CertificateNotReady", "Certificate c is not ready: slow"},
        {"not certified", [](auto& s) { mark_certificate_failed(s, "c", "bad", now); }, certificate,
         no, "CertificateProvisionFailed", "Certificate c fails to be provisioned: bad"},
        {"certified by another", [](auto& s) { mark_certificate_not_owned(s, "c", now); },
         certificate, no, "CertificateNotOwned",
         "There is an existing certificate c that we don't own."},
        {"plain HTTP instead", [](auto& s) { mark_http_downgrade(s, "c", now); }, certificate, yes,
         "HTTPDowngrade", "Certificate c is not ready downgrade HTTP."},
    });
}

TEST(Marks, OfServices) {
    constexpr std::string_view configurations = "ConfigurationsReady";
    constexpr std::string_view routes = "RoutesReady";
    check<ServiceStatus>({
        {"the configuration is another's",
         [](auto& s) { mark_configuration_not_owned(s, "x", now); }, configurations, no, "NotOwned",
         "There is an existing Configuration \"x\" that we do not own."},
        {"the route is another's", [](auto& s) { mark_route_not_owned(s, "x", now); }, routes, no,
         "NotOwned", "There is an existing Route \"x\" that we do not own."},
        {"the configuration is behind", [](auto& s) { mark_configuration_not_reconciled(s, now); },
         configurations, unknown, "OutOfDate",
         "The Configuration is still working to reflect the latest desired specification."},
        {"the route is behind", [](auto& s) { mark_route_not_reconciled(s, now); }, routes, unknown,
         "OutOfDate", "The Route is still working to reflect the latest desired specification."},
        {"traffic is behind", [](auto& s) { mark_route_not_yet_ready(s, now); }, routes, unknown,
         "TrafficNotMigrated", "Traffic is not yet migrated to the latest revision."},
        {"the name of a revision is taken",
         [](auto& s) { mark_revision_name_taken(s, "s-x", now); }, routes, no, "RevisionNameTaken",
         "The revision name \"s-x\" is taken by a conflicting Revision, so traffic will not be "
         "migrated"},
    });
}

TEST(Propagation, AServiceIsReadyWhenItsChildrenAre) {
    ConfigurationStatus configuration;
    initialize(configuration, now);
    set_latest_created(configuration, "s-1", now);
    set_latest_ready(configuration, "s-1", now);
    RouteStatus route;
    initialize(route, now);
    mark_traffic_assigned(route, now);
    mark_ingress_ready(route, now);
    mark_tls_not_enabled(route, now);
    route.url = "http://s.default.localhost";
    route.traffic = {{.revision_name = "s-1", .latest_revision = true, .percent = 100}};
    EXPECT_TRUE(is_true(route.conditions, "Ready"));

    ServiceStatus service;
    initialize(service, now);
    propagate_configuration(service, configuration, now);
    EXPECT_FALSE(is_true(service.conditions, "Ready"));
    propagate_route(service, route, now);
    EXPECT_TRUE(is_true(service.conditions, "Ready"));
    EXPECT_EQ(service.latest_ready_revision_name, "s-1");
    EXPECT_EQ(service.url, "http://s.default.localhost");
    EXPECT_EQ(service.traffic, route.traffic);

    mark_latest_created_failed(configuration, "s-2", "boom", now);
    propagate_configuration(service, configuration, now);
    const auto* ready = find_condition(service.conditions, "Ready");
    EXPECT_EQ(ready->status, ConditionStatus::no);
    EXPECT_EQ(ready->message, "Revision \"s-2\" failed with message: boom.");
}

TEST(Propagation, WhatTheAutoscalerKnowsOfARevision) {
    const Condition active{.type = "Ready", .status = yes};
    const Condition idle{.type = "Ready", .status = no, .reason = "NoTraffic"};
    const Condition waking{.type = "Ready", .status = unknown, .reason = "Queued"};
    struct Row {
        const char* name;
        ScaleReport scale;
        ConditionStatus ready;
        ConditionStatus is_active;
        const char* active_reason;
    };
    const Row rows[] = {
        {"not looked at yet", {}, unknown, unknown, "Deploying"},
        {"it is up",
         {.actual_scale = 1,
          .desired_scale = 1,
          .initialized = true,
          .reachable_by_name = true,
          .activity = active},
         yes,
         yes,
         ""},
        {"it was up and rests",
         {.actual_scale = 0,
          .desired_scale = 0,
          .initialized = true,
          .reachable_by_name = true,
          .activity = idle},
         yes,
         no,
         "NoTraffic"},
        {"it never came up",
         {.actual_scale = 0,
          .desired_scale = 0,
          .initialized = false,
          .reachable_by_name = true,
          .activity = idle},
         no,
         no,
         "NoTraffic"},
        {"it starts",
         {.actual_scale = 0,
          .desired_scale = 1,
          .initialized = false,
          .reachable_by_name = true,
          .activity = waking},
         unknown,
         unknown,
         "Queued"},
        {"it has no name yet",
         {.actual_scale = 1,
          .desired_scale = -1,
          .initialized = true,
          .reachable_by_name = false,
          .activity = active},
         unknown,
         yes,
         ""},
    };
    for (const auto& row : rows) {
        RevisionStatus status;
        initialize(status, now);
        propagate_scale(status, row.scale, now);
        EXPECT_EQ(find_condition(status.conditions, "Ready")->status, row.ready) << row.name;
        const auto* activity = find_condition(status.conditions, "Active");
        EXPECT_EQ(activity->status, row.is_active) << row.name;
        EXPECT_EQ(activity->reason, row.active_reason) << row.name;
        EXPECT_EQ(status.desired_replicas.has_value(), row.scale.desired_scale.value_or(-1) >= 0)
            << row.name;
    }
    RevisionStatus broken;
    initialize(broken, now);
    mark_container_unhealthy(broken, reason_exited(1, "x"), now);
    propagate_scale(broken, {.initialized = true, .reachable_by_name = true, .activity = active},
                    now);
    EXPECT_TRUE(is_false(broken.conditions, "Ready")) << "a failure is not overwritten by scale";
}

TEST(Statuses, SurviveTheirDocuments) {
    Object object{.kind = KindId::revision, .metadata = {}, .body = {}};
    object.metadata.generation = 1;
    RevisionStatus revision{.observed_generation = 1,
                            .log_url = "http://logs",
                            .container_statuses = {{"user-container", "dev.local/a@sha256:0"}},
                            .actual_replicas = 0,
                            .desired_replicas = 2};
    initialize(revision, now);
    object.body["status"] = to_json(revision);
    EXPECT_EQ(read_revision_status(object), revision);
    EXPECT_FALSE(is_ready(object));
    mark_resources_available(revision, now);
    mark_container_healthy(revision, now);
    object.body["status"] = to_json(revision);
    EXPECT_TRUE(is_ready(object));
    object.metadata.generation = 2;
    EXPECT_FALSE(is_ready(object)) << "it speaks of an older spec";

    object.kind = KindId::service;
    ServiceStatus service{.observed_generation = 2,
                          .annotations = {{"a", "b"}},
                          .latest_created_revision_name = "s-2",
                          .latest_ready_revision_name = "s-1",
                          .url = "http://s",
                          .address_url = "http://s.svc",
                          .traffic = {{.tag = "v1",
                                       .revision_name = "s-1",
                                       .latest_revision = false,
                                       .percent = 0,
                                       .url = "http://v1-s"}}};
    initialize(service, now);
    object.body["status"] = to_json(service);
    EXPECT_EQ(read_service_status(object), service);

    object.kind = KindId::route;
    RouteStatus route{.url = "http://s", .address_url = "http://s.svc"};
    initialize(route, now);
    object.body["status"] = to_json(route);
    EXPECT_EQ(read_route_status(object), route);

    object.kind = KindId::configuration;
    ConfigurationStatus configuration{.latest_created_revision_name = "s-1"};
    mark_latest_created_failed(configuration, "s-1", "boom", now);
    configuration.observed_generation = 2;
    object.body["status"] = to_json(configuration);
    EXPECT_EQ(read_configuration_status(object), configuration);
    EXPECT_TRUE(is_failed(object));
}

}  // namespace
}  // namespace tidemill::model
