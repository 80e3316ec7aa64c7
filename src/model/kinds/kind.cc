#include "model/kinds/kind.h"

#include <array>
#include <utility>
#include <vector>

#include "base/check.h"
#include "model/kinds/columns.h"

namespace tidemill::model {
namespace {

constexpr std::string_view serving_group = "serving.knative.dev";
constexpr std::string_view write_verbs[] = {"create", "delete", "deletecollection", "get",
                                            "list",   "patch",  "update",           "watch"};
constexpr std::string_view view_verbs[] = {"get", "list", "watch"};
constexpr std::string_view serving_categories[] = {"all", "knative", "serving"};
constexpr std::string_view all_category[] = {"all"};

constexpr std::string_view service_names[] = {"kservice", "ksvc"};
constexpr std::string_view configuration_names[] = {"config", "cfg"};
constexpr std::string_view revision_names[] = {"rev"};
constexpr std::string_view route_names[] = {"rt"};
constexpr std::string_view namespace_names[] = {"ns"};
constexpr std::string_view config_map_names[] = {"cm"};
constexpr std::string_view service_account_names[] = {"sa"};
constexpr std::string_view core_service_names[] = {"svc"};
constexpr std::string_view event_names[] = {"ev"};
constexpr std::string_view pod_names[] = {"po"};
constexpr std::string_view deployment_names[] = {"deploy"};

// Source: kubernetes pkg/registry/core/*/strategy.go, SelectableFields and field label conversions.
constexpr std::string_view namespace_fields[] = {"status.phase"};
constexpr std::string_view secret_fields[] = {"type"};
constexpr std::string_view event_fields[] = {"involvedObject.kind",
                                             "involvedObject.namespace",
                                             "involvedObject.name",
                                             "involvedObject.uid",
                                             "involvedObject.apiVersion",
                                             "involvedObject.resourceVersion",
                                             "involvedObject.fieldPath",
                                             "reason",
                                             "reportingComponent",
                                             "source",
                                             "type"};
constexpr std::string_view core_service_fields[] = {"spec.clusterIP", "spec.type"};
constexpr std::string_view pod_fields[] = {
    "spec.nodeName", "spec.restartPolicy", "spec.schedulerName",      "spec.serviceAccountName",
    "status.phase",  "status.podIP",       "status.nominatedNodeName"};

constexpr Column name_column = {
    .name = "Name", .type = "string", .format = "name", .path = ".metadata.name"};
constexpr Column age_column = {.name = "Age", .type = "date", .compute = cell_age};
constexpr Column ready_column = {
    .name = "Ready", .type = "string", .path = ".status.conditions[?(@.type=='Ready')].status"};
constexpr Column reason_column = {
    .name = "Reason", .type = "string", .path = ".status.conditions[?(@.type=='Ready')].reason"};
constexpr Column url_column = {.name = "URL", .type = "string", .path = ".status.url"};
constexpr Column latest_created_column = {
    .name = "LatestCreated", .type = "string", .path = ".status.latestCreatedRevisionName"};
constexpr Column latest_ready_column = {
    .name = "LatestReady", .type = "string", .path = ".status.latestReadyRevisionName"};

// Knative's tables have no age: its definitions list their own columns, which replaces the default
// (config/core/300-resources in knative/serving).
constexpr Column service_columns[] = {name_column,         url_column,   latest_created_column,
                                      latest_ready_column, ready_column, reason_column};
constexpr Column configuration_columns[] = {name_column, latest_created_column, latest_ready_column,
                                            ready_column, reason_column};
constexpr Column revision_columns[] = {
    name_column,
    {.name = "Config Name",
     .type = "string",
     .path = ".metadata.labels['serving.knative.dev/configuration']"},
    {.name = "Generation",
     .type = "string",
     .path = ".metadata.labels['serving.knative.dev/configurationGeneration']"},
    ready_column,
    reason_column,
    {.name = "Actual Replicas", .type = "integer", .path = ".status.actualReplicas"},
    {.name = "Desired Replicas", .type = "integer", .path = ".status.desiredReplicas"}};
constexpr Column route_columns[] = {name_column, url_column, ready_column, reason_column};

// As kubectl shows the core kinds. Source: kubernetes pkg/printers/internalversion/printers.go.
constexpr Column namespace_columns[] = {
    name_column, {.name = "Status", .type = "string", .path = ".status.phase"}, age_column};
constexpr Column config_map_columns[] = {
    name_column, {.name = "Data", .type = "string", .compute = cell_data_count}, age_column};
constexpr Column secret_columns[] = {name_column,
                                     {.name = "Type", .type = "string", .path = ".type"},
                                     {.name = "Data", .type = "string", .compute = cell_data_count},
                                     age_column};
constexpr Column service_account_columns[] = {
    name_column, {.name = "Secrets", .type = "string", .compute = cell_secret_count}, age_column};
constexpr Column core_service_columns[] = {
    name_column,
    {.name = "Type", .type = "string", .compute = cell_service_type},
    {.name = "Cluster-IP", .type = "string", .compute = cell_cluster_ip},
    {.name = "External-IP", .type = "string", .compute = cell_external_ip},
    {.name = "Port(s)", .type = "string", .compute = cell_ports},
    age_column,
    {.name = "Selector", .type = "string", .priority = 1, .compute = cell_selector}};
constexpr Column event_columns[] = {
    {.name = "Last Seen", .type = "string", .compute = cell_last_seen},
    {.name = "Type", .type = "string", .path = ".type"},
    {.name = "Reason", .type = "string", .path = ".reason"},
    {.name = "Object", .type = "string", .compute = cell_involved_object},
    {.name = "Subobject", .type = "string", .priority = 1, .path = ".involvedObject.fieldPath"},
    {.name = "Source", .type = "string", .priority = 1, .compute = cell_event_source},
    {.name = "Message", .type = "string", .path = ".message"},
    {.name = "First Seen", .type = "string", .priority = 1, .compute = cell_first_seen},
    {.name = "Count", .type = "string", .priority = 1, .compute = cell_event_count},
    {.name = "Name", .type = "string", .format = "name", .priority = 1, .path = ".metadata.name"}};
constexpr Column pod_columns[] = {
    name_column,
    {.name = "Ready", .type = "string", .compute = cell_pod_ready},
    {.name = "Status", .type = "string", .compute = cell_pod_status},
    {.name = "Restarts", .type = "string", .compute = cell_pod_restarts},
    age_column,
    {.name = "IP", .type = "string", .priority = 1, .path = ".status.podIP"},
    {.name = "Node", .type = "string", .priority = 1, .path = ".spec.nodeName"}};
constexpr Column deployment_columns[] = {
    name_column,
    {.name = "Ready", .type = "string", .compute = cell_deployment_ready},
    {.name = "Up-to-date", .type = "integer", .compute = cell_deployment_updated},
    {.name = "Available", .type = "integer", .compute = cell_deployment_available},
    age_column,
    {.name = "Containers", .type = "string", .priority = 1, .compute = cell_container_names},
    {.name = "Images", .type = "string", .priority = 1, .compute = cell_container_images},
    {.name = "Selector", .type = "string", .priority = 1, .compute = cell_match_labels}};

constexpr Kind kinds[] = {
    {.id = KindId::service,
     .group = serving_group,
     .version = "v1",
     .kind = "Service",
     .plural = "services",
     .singular = "service",
     .short_names = service_names,
     .categories = serving_categories,
     .has_status = true,
     .has_generation = true,
     .verbs = write_verbs,
     .columns = service_columns,
     .meaning = "An app or function: the template of its revisions, and how requests are split "
                "between them."},
    {.id = KindId::configuration,
     .group = serving_group,
     .version = "v1",
     .kind = "Configuration",
     .plural = "configurations",
     .singular = "configuration",
     .short_names = configuration_names,
     .categories = serving_categories,
     .has_status = true,
     .has_generation = true,
     .verbs = write_verbs,
     .columns = configuration_columns,
     .meaning = "The wanted state of a service: each change of its template makes a Revision."},
    {.id = KindId::revision,
     .group = serving_group,
     .version = "v1",
     .kind = "Revision",
     .plural = "revisions",
     .singular = "revision",
     .short_names = revision_names,
     .categories = serving_categories,
     .has_status = true,
     .has_generation = true,
     .verbs = write_verbs,
     .columns = revision_columns,
     .meaning =
         "One version of the code and its settings, which never changes and scales on its own."},
    {.id = KindId::route,
     .group = serving_group,
     .version = "v1",
     .kind = "Route",
     .plural = "routes",
     .singular = "route",
     .short_names = route_names,
     .categories = serving_categories,
     .has_status = true,
     .has_generation = true,
     .verbs = write_verbs,
     .columns = route_columns,
     .meaning = "Gives revisions their addresses, and splits requests between them."},
    {.id = KindId::core_namespace,
     .group = "",
     .version = "v1",
     .kind = "Namespace",
     .plural = "namespaces",
     .singular = "namespace",
     .short_names = namespace_names,
     .namespaced = false,
     .has_status = true,
     .verbs = write_verbs,
     .columns = namespace_columns,
     .selectable_fields = namespace_fields,
     .meaning = "A space of names: what is in different ones may have the same name."},
    {.id = KindId::config_map,
     .group = "",
     .version = "v1",
     .kind = "ConfigMap",
     .plural = "configmaps",
     .singular = "configmap",
     .short_names = config_map_names,
     .verbs = write_verbs,
     .columns = config_map_columns,
     .meaning = "Settings that are no secrets, by key."},
    {.id = KindId::secret,
     .group = "",
     .version = "v1",
     .kind = "Secret",
     .plural = "secrets",
     .singular = "secret",
     .verbs = write_verbs,
     .columns = secret_columns,
     .selectable_fields = secret_fields,
     .meaning = "Passwords, keys and tokens, by key; encrypted where it is stored."},
    {.id = KindId::service_account,
     .group = "",
     .version = "v1",
     .kind = "ServiceAccount",
     .plural = "serviceaccounts",
     .singular = "serviceaccount",
     .short_names = service_account_names,
     .verbs = write_verbs,
     .columns = service_account_columns,
     .meaning = "Who a program is when it asks the API."},
    {.id = KindId::core_service,
     .group = "",
     .version = "v1",
     .kind = "Service",
     .plural = "services",
     .singular = "service",
     .short_names = core_service_names,
     .categories = all_category,
     .has_status = true,
     .verbs = write_verbs,
     .columns = core_service_columns,
     .selectable_fields = core_service_fields,
     .meaning = "A name in the cluster for an address; routes make their own."},
    {.id = KindId::event,
     .group = "",
     .version = "v1",
     .kind = "Event",
     .plural = "events",
     .singular = "event",
     .short_names = event_names,
     .verbs = write_verbs,
     .columns = event_columns,
     .selectable_fields = event_fields,
     .meaning = "Something that happened to an object."},
    {.id = KindId::pod,
     .group = "",
     .version = "v1",
     .kind = "Pod",
     .plural = "pods",
     .singular = "pod",
     .short_names = pod_names,
     .categories = all_category,
     .has_status = true,
     .origin = Origin::view,
     .verbs = view_verbs,
     .columns = pod_columns,
     .selectable_fields = pod_fields,
     .meaning = "An instance of a revision as it runs, to be read only."},
    {.id = KindId::deployment,
     .group = "apps",
     .version = "v1",
     .kind = "Deployment",
     .plural = "deployments",
     .singular = "deployment",
     .short_names = deployment_names,
     .categories = all_category,
     .has_status = true,
     .has_generation = true,
     .origin = Origin::view,
     .verbs = view_verbs,
     .columns = deployment_columns,
     .meaning = "The instances of a revision taken together, to be read only."},
};

constexpr bool in_order() {
    for (std::size_t i = 0; i < std::size(kinds); ++i) {
        if (static_cast<std::size_t>(kinds[i].id) != i) {
            return false;
        }
    }
    return true;
}
static_assert(in_order(), "kind_of() finds a kind by its number");

}  // namespace

std::string Kind::api_version() const {
    return group.empty() ? std::string(version) : fmt::format("{}/{}", group, version);
}

std::string Kind::group_resource() const {
    return group.empty() ? std::string(plural) : fmt::format("{}.{}", plural, group);
}

std::span<const Kind> all_kinds() {
    return kinds;
}

const Kind& kind_of(KindId id) {
    const auto index = static_cast<std::size_t>(id);
    CHECK(index < std::size(kinds));
    return kinds[index];
}

base::Result<KindId> find_kind(std::string_view api_version, std::string_view kind) {
    std::vector<std::string> versions;
    for (const auto& candidate : kinds) {
        if (candidate.kind == kind) {
            versions.push_back(candidate.api_version());
            if (versions.back() == api_version) {
                return candidate.id;
            }
        }
    }
    if (versions.empty()) {
        return base::fail(base::Code::invalid, "no matches for kind \"{}\" in version \"{}\"", kind,
                          api_version);
    }
    return base::fail(base::Code::invalid,
                      "no matches for kind \"{}\" in version \"{}\" (known in {})", kind,
                      api_version, fmt::join(versions, ", "));
}

base::Result<KindId> find_resource(std::string_view group, std::string_view version,
                                   std::string_view plural) {
    for (const auto& candidate : kinds) {
        if (candidate.group == group && candidate.version == version &&
            candidate.plural == plural) {
            return candidate.id;
        }
    }
    return base::fail(base::Code::not_found, "the server could not find the requested resource");
}

}  // namespace tidemill::model
