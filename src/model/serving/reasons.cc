#include "model/serving/reasons.h"

#include <fmt/format.h>

namespace tidemill::model {

Reason reason_not_owned(std::string_view kind, std::string_view name) {
    return {"NotOwned",
            fmt::format("There is an existing {} \"{}\" that we do not own.", kind, name)};
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

Reason reason_not_activated() {
    return {"TimedOut", "The target could not be activated."};
}

Reason reason_queued() {
    return {"Queued", "Requests to the target are being buffered as resources are provisioned."};
}

Reason reason_revision_failed(std::string_view revision, std::string_view message) {
    return {"RevisionFailed",
            fmt::format("Revision \"{}\" failed with message: {}.", revision, message)};
}

Reason reason_revision_not_created(std::string_view message) {
    return {"RevisionFailed", fmt::format("Revision creation failed with message: {}.", message)};
}

Reason reason_target_missing(std::string_view kind, std::string_view name) {
    return {fmt::format("{}Missing", kind),
            fmt::format("{} \"{}\" referenced in traffic not found.", kind, name)};
}

Reason reason_configuration_waits(std::string_view name) {
    return {"RevisionMissing",
            fmt::format("Configuration \"{}\" is waiting for a Revision to become ready.", name)};
}

Reason reason_configuration_never_ready(std::string_view name) {
    return {"RevisionMissing",
            fmt::format("Configuration \"{}\" does not have any ready Revision.", name)};
}

Reason reason_revision_waits(std::string_view name) {
    return {"RevisionMissing", fmt::format("Revision \"{}\" is not yet ready.", name)};
}

Reason reason_revision_never_ready(std::string_view name) {
    return {"RevisionMissing", fmt::format("Revision \"{}\" failed to become ready.", name)};
}

Reason reason_revision_not_owned(std::string_view revision, std::string_view expected_service,
                                 std::string_view actual_service) {
    if (actual_service.empty()) {
        return {"RevisionNotOwned",
                fmt::format("Revision \"{}\" does not belong to Service \"{}\".", revision,
                            expected_service)};
    }
    return {"RevisionNotOwned",
            fmt::format("Revision \"{}\" belongs to Service \"{}\", not Service \"{}\".", revision,
                        actual_service, expected_service)};
}

Reason reason_ingress_not_configured() {
    return {"IngressNotConfigured", "Ingress has not yet been reconciled."};
}

Reason reason_tls_not_enabled() {
    return {"TLSNotEnabled", "external-domain-tls is not enabled"};
}

Reason reason_out_of_date(std::string_view kind) {
    return {
        "OutOfDate",
        fmt::format("The {} is still working to reflect the latest desired specification.", kind)};
}

Reason reason_traffic_not_migrated() {
    return {"TrafficNotMigrated", "Traffic is not yet migrated to the latest revision."};
}

Reason reason_revision_name_taken(std::string_view revision) {
    return {"RevisionNameTaken",
            fmt::format("The revision name \"{}\" is taken by a conflicting Revision, so traffic "
                        "will not be migrated",
                        revision)};
}

}  // namespace tidemill::model
