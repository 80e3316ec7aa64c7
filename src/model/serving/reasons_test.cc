#include "model/serving/reasons.h"

#include <gtest/gtest.h>

namespace tidemill::model {
namespace {

// As written in knative/serving at 98e5ef90, whose conformance tests compare some of them.
TEST(Reasons, are_those_that_clients_of_knative_know) {
    struct Case {
        Reason got;
        const char* reason;
        const char* message;
    };
    const Case cases[] = {
        {reason_not_owned("Route", "shop"), "NotOwned",
         "There is an existing Route \"shop\" that we do not own."},
        {reason_deploying(), "Deploying", ""},
        {reason_resolving_digests(), "ResolvingDigests", ""},
        {reason_image_missing("shop:1", "no such tag"), "ContainerMissing",
         "Unable to fetch image \"shop:1\": no such tag"},
        {reason_exited(5, "bad"), "ExitCode5", "Container failed with: bad"},
        {reason_never_scaled(), "ProgressDeadlineExceeded", "Initial scale was never achieved"},
        {reason_no_traffic(), "NoTraffic", "The target is not receiving traffic."},
        {reason_not_activated(), "TimedOut", "The target could not be activated."},
        {reason_queued(), "Queued",
         "Requests to the target are being buffered as resources are provisioned."},
        {reason_revision_failed("shop-1", "it ended"), "RevisionFailed",
         "Revision \"shop-1\" failed with message: it ended."},
        {reason_revision_not_created("taken"), "RevisionFailed",
         "Revision creation failed with message: taken."},
        {reason_target_missing("Configuration", "shop"), "ConfigurationMissing",
         "Configuration \"shop\" referenced in traffic not found."},
        {reason_configuration_waits("shop"), "RevisionMissing",
         "Configuration \"shop\" is waiting for a Revision to become ready."},
        {reason_configuration_never_ready("shop"), "RevisionMissing",
         "Configuration \"shop\" does not have any ready Revision."},
        {reason_revision_waits("shop-1"), "RevisionMissing",
         "Revision \"shop-1\" is not yet ready."},
        {reason_revision_never_ready("shop-1"), "RevisionMissing",
         "Revision \"shop-1\" failed to become ready."},
        {reason_revision_not_owned("shop-1", "shop", ""), "RevisionNotOwned",
         "Revision \"shop-1\" does not belong to Service \"shop\"."},
        {reason_revision_not_owned("shop-1", "shop", "bar"), "RevisionNotOwned",
         "Revision \"shop-1\" belongs to Service \"bar\", not Service \"shop\"."},
        {reason_ingress_not_configured(), "IngressNotConfigured",
         "Ingress has not yet been reconciled."},
        {reason_tls_not_enabled(), "TLSNotEnabled", "external-domain-tls is not enabled"},
        {reason_out_of_date("Route"), "OutOfDate",
         "The Route is still working to reflect the latest desired specification."},
        {reason_traffic_not_migrated(), "TrafficNotMigrated",
         "Traffic is not yet migrated to the latest revision."},
        {reason_revision_name_taken("shop-1"), "RevisionNameTaken",
         "The revision name \"shop-1\" is taken by a conflicting Revision, so traffic will not be "
         "migrated"},
    };
    for (const auto& c : cases) {
        EXPECT_EQ(c.got.reason, c.reason) << c.message;
        EXPECT_EQ(c.got.message, c.message) << c.reason;
    }
}

}  // namespace
}  // namespace tidemill::model
