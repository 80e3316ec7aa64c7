#include "model/serving/fields.h"

#include <fmt/format.h>

#include <optional>

#include "model/object/core_fields.h"
#include "model/serving/field_rows.h"

namespace tidemill::model {
namespace {

using namespace rows;

// Which members exist is Kubernetes' core/v1 and Knative's custom resource definitions
// (config/core/300-resources in knative/serving); which of them Knative refuses is its fieldmask.go
// with the features that config-features leaves off.

// Reasons that several rows share.
constexpr std::string_view no_volumes = "this version mounts no volumes into instances";
constexpr std::string_view no_token = "instances get no service account token";
constexpr std::string_view one_machine = "all instances run on this machine";
constexpr std::string_view no_host = "instances never share namespaces with the host";
constexpr std::string_view no_terminal = "instances have no terminal and read an empty input";
constexpr std::string_view own_identity = "an instance's name is the platform's";
constexpr std::string_view other_security =
    "the sandbox fixes this: no new privileges, a private namespace set and the platform's own "
    "system call filter";

constexpr Field key_reference[] = {needed("key", text), works("name", text),
                                   works("optional", flag)};
constexpr Field name_reference[] = {works("name", text), works("optional", flag)};
constexpr Field value_source[] = {
    works("configMapKeyRef", object, key_reference), works("secretKeyRef", object, key_reference),
    never("fieldRef", any, "instances are not pods, so they have no pod fields"),
    never("resourceFieldRef", any, "instances are not pods, so they have no pod fields"),
    never("fileKeyRef", any, "instances have no files of other containers")};
constexpr Field environment[] = {
    needed("name", text).means("The name of the variable."),
    works("value", text).means("Its value; $(NAME) of an earlier one is put in."),
    works("valueFrom", object, value_source)
        .means("A key of a ConfigMap or Secret that holds the value.")};
constexpr Field environment_source[] = {works("prefix", text),
                                        works("configMapRef", object, name_reference),
                                        works("secretRef", object, name_reference)};

constexpr Field header[] = {needed("name", text), needed("value", text)};
constexpr std::string_view probe_host = "a probe goes to the instance itself";
constexpr Field http_probe[] = {
    works("path", text), works("port", int_or_text), keyed("httpHeaders", header, ""),
    refused("host", text, probe_host),
    refused("scheme", text, "an instance is probed in plain HTTP", {}, "HTTP")};
constexpr Field tcp_probe[] = {works("port", int_or_text), refused("host", text, probe_host)};
constexpr Field exec_probe[] = {works("command", text_list)};
constexpr Field grpc_probe[] = {works("port", int32), works("service", text)};
constexpr Field probe[] = {
    works("httpGet", object, http_probe).means("A GET that is answered with 200 to 399."),
    works("tcpSocket", object, tcp_probe).means("A connection that is taken."),
    refused("exec", object, "instances are probed from outside: use httpGet or tcpSocket",
            exec_probe),
    refused("grpc", object, "instances are spoken to in HTTP/1.1: use httpGet or tcpSocket",
            grpc_probe),
    works("initialDelaySeconds", int32).means("How long after the start the first question comes."),
    works("timeoutSeconds", int32).means("How long an answer may take."),
    works("periodSeconds", int32)
        .means("The time between two questions; 0 asks as fast as makes sense."),
    works("successThreshold", int32).means("How many good answers in a row count as success."),
    works("failureThreshold", int32).means("How many bad answers in a row count as failure."),
    refused("terminationGracePeriodSeconds", int64,
            "an instance that fails its probe is given the grace of its revision")};

constexpr Field resource_amounts[] = {
    works("cpu", quantity), works("memory", quantity),
    warned("ephemeral-storage", quantity, "the size of an instance's files is not limited"),
    refused("*", quantity, "an instance has cpu and memory only")};
constexpr Field resources[] = {
    works("limits", object, resource_amounts).means("What an instance never exceeds."),
    works("requests", object, resource_amounts).means("What an instance is promised."),
    never("claims", any, "there are no resource claims")};

constexpr Field capabilities[] = {works("drop", text_list),
                                  never("add", text_list, "instances run without capabilities")};
constexpr Field seccomp[] = {
    {.name = "type",
     .type = text,
     .treatment = Treatment::refused,
     .reason = "instances always run under the platform's own filter",
     .harmless = "RuntimeDefault",
     .required = true},
    refused("localhostProfile", text, "instances always run under the platform's own filter")};
constexpr Field security[] = {
    refused("allowPrivilegeEscalation", flag, "instances never gain privileges"),
    works("capabilities", object, capabilities),
    never("privileged", flag, "instances are never privileged"),
    works("readOnlyRootFilesystem", flag)
        .means("Whether the files of the image cannot be written."),
    refused("runAsGroup", int64, "an instance runs in the group of its user"),
    works("runAsNonRoot", flag).means("Whether an image that wants to run as root is refused."),
    works("runAsUser", int64).means("The number of the user that it runs as."),
    works("seccompProfile", object, seccomp),
    never("appArmorProfile", any, other_security),
    never("procMount", text, other_security, "Default"),
    never("seLinuxOptions", any, other_security),
    never("windowsOptions", any, other_security)};

constexpr Field port[] = {
    works("containerPort", int32).means("The port that the program listens on, which is $PORT."),
    works("name", text).means("h2c for HTTP/2 without TLS, http1 or nothing for HTTP/1.1."),
    works("protocol", text).means("TCP."),
    never("hostPort", int32, "callers come through the proxy, never to a port of the host"),
    never("hostIP", text, "callers come through the proxy, never to a port of the host")};
constexpr Field volume_mount[] = {works("mountPath", text),
                                  works("name", text),
                                  works("readOnly", flag),
                                  works("subPath", text),
                                  never("mountPropagation", text, no_volumes),
                                  never("recursiveReadOnly", text, no_volumes),
                                  never("subPathExpr", text, no_volumes)};

constexpr Field container[] = {
    works("args", text_list).means("Arguments behind the command, in place of those of the image."),
    works("command", text_list)
        .means("The program and its first arguments, in place of those of the image."),
    keyed("env", environment, "name").means("Variables of the environment."),
    works("envFrom", object_list, environment_source)
        .means("Variables from every key of ConfigMaps and Secrets."),
    works("image", text).means("The image, as `tidemill deploy` or a registry names it."),
    warned("imagePullPolicy", text, "images are named by their content and never pulled twice", {},
           "IfNotPresent"),
    never("lifecycle", any, "hooks are not run: use the init hook of a function, and SIGTERM"),
    works("livenessProbe", object, probe)
        .means(
            "How the platform asks whether an instance still works; one that fails is replaced."),
    works("name", text).means("The name of the container; user-container by default."),
    merged("ports", port, "containerPort|protocol=TCP")
        .means("The one port that requests come to."),
    works("readinessProbe", object, probe)
        .means("How the platform asks whether an instance can take requests; by default whether "
               "its port is open."),
    never("resizePolicy", any, "instances are not resized while they run"),
    works("resources", object, resources)
        .means("Memory and processor time that an instance may use."),
    never("restartPolicy", text, "instances are always replaced", "Always"),
    never("restartPolicyRules", any, "instances are always replaced"),
    works("securityContext", object, security)
        .means("Which user it runs as, and what it may not do."),
    refused("startupProbe", object, "readinessProbe already holds requests until the first success",
            probe),
    never("stdin", flag, no_terminal),
    never("stdinOnce", flag, no_terminal),
    warned("terminationMessagePath", text, "the reason of an exit is read from what was printed",
           {}, "/dev/termination-log"),
    warned("terminationMessagePolicy", text, "the reason of an exit is read from what was printed",
           {}, "FallbackToLogsOnError|File"),
    never("tty", flag, no_terminal),
    never("volumeDevices", any, no_volumes),
    {.name = "volumeMounts",
     .type = object_list,
     .treatment = Treatment::refused,
     .reason = no_volumes,
     .fields = volume_mount,
     .list_key = "mountPath",
     .merge_keys = "mountPath"},
    works("workingDir", text).means("The folder that the program starts in.")};

constexpr Field key_to_path[] = {needed("key", text), works("mode", int32), needed("path", text)};
constexpr Field config_map_volume[] = {works("defaultMode", int32),
                                       works("items", object_list, key_to_path),
                                       works("name", text), works("optional", flag)};
constexpr Field secret_volume[] = {works("defaultMode", int32),
                                   works("items", object_list, key_to_path),
                                   works("optional", flag), works("secretName", text)};
constexpr Field projection_of_names[] = {works("items", object_list, key_to_path),
                                         works("name", text), works("optional", flag)};
constexpr Field pod_field[] = {works("apiVersion", text), needed("fieldPath", text)};
constexpr Field pod_resource[] = {works("containerName", text), works("divisor", quantity),
                                  needed("resource", text)};
constexpr Field downward_file[] = {works("fieldRef", object, pod_field), works("mode", int32),
                                   needed("path", text),
                                   works("resourceFieldRef", object, pod_resource)};
constexpr Field downward[] = {works("items", object_list, downward_file)};
constexpr Field token[] = {works("audience", text), works("expirationSeconds", int64),
                           needed("path", text)};
constexpr Field projection[] = {works("configMap", object, projection_of_names),
                                works("secret", object, projection_of_names),
                                refused("downwardAPI", object, "instances are not pods", downward),
                                refused("serviceAccountToken", object, no_token, token)};
constexpr Field projected_volume[] = {works("defaultMode", int32),
                                      works("sources", object_list, projection)};
constexpr Field empty_volume[] = {works("medium", text), works("sizeLimit", quantity)};
constexpr Field claim_volume[] = {works("claimName", text), works("readOnly", flag)};
constexpr Field volume[] = {needed("name", text),
                            works("configMap", object, config_map_volume),
                            works("emptyDir", object, empty_volume),
                            works("projected", object, projected_volume),
                            works("secret", object, secret_volume),
                            never("csi", any, no_volumes),
                            never("ephemeral", any, no_volumes),
                            never("hostPath", any, "instances never see files of the host"),
                            never("image", any, no_volumes),
                            {.name = "persistentVolumeClaim",
                             .type = object,
                             .treatment = Treatment::refused,
                             .reason = no_volumes,
                             .fields = claim_volume,
                             .refused_by_knative = true},
                            never("*", any, no_volumes)};

constexpr Field pull_secret[] = {works("name", text)};

// The members of a pod beside its containers, then Knative's own.
constexpr Field revision_spec[] = {
    works("containerConcurrency", int64)
        .means("How many requests one instance handles at a time; 0 is no limit."),
    works("idleTimeoutSeconds", int64)
        .means("How long a request may go without a byte of its answer."),
    works("responseStartTimeoutSeconds", int64)
        .means("How long a request may wait for the first byte of its answer."),
    works("timeoutSeconds", int64).means("How long a request may take as a whole; 300 by default."),
    {.name = "containers",
     .type = object_list,
     .fields = container,
     .required = true,
     .merge_keys = "name=user-container"},
    {.name = "volumes",
     .type = object_list,
     .treatment = Treatment::refused,
     .reason = no_volumes,
     .fields = volume,
     .merge_keys = "name"},
    warned("serviceAccountName", text, no_token, {}, "default"),
    {.name = "imagePullSecrets", .type = object_list, .fields = pull_secret, .merge_keys = "name"},
    warned("enableServiceLinks", flag, "there are no service links to put into the environment"),
    never("automountServiceAccountToken", flag, no_token),
    never("activeDeadlineSeconds", int64, "instances run until they are idle"),
    never("affinity", any, one_machine),
    never("dnsConfig", any, "instances use the host's resolver"),
    never("dnsPolicy", text, "instances use the host's resolver", "ClusterFirst|Default"),
    never("ephemeralContainers", any, "an instance has one container"),
    never("hostAliases", any, "instances use the host's resolver"),
    never("hostIPC", flag, no_host),
    never("hostNetwork", flag, no_host),
    never("hostPID", flag, no_host),
    never("hostUsers", flag, no_host),
    never("hostname", text, own_identity),
    never("hostnameOverride", text, own_identity),
    never("initContainers", any, "an instance has one container: use the init hook of a function"),
    never("nodeName", text, one_machine),
    never("nodeSelector", any, one_machine),
    never("os", any, one_machine),
    never("overhead", any, one_machine),
    never("preemptionPolicy", text, "instances do not displace each other"),
    never("priority", int32, "instances do not displace each other"),
    never("priorityClassName", text, "instances do not displace each other"),
    never("readinessGates", any, "an instance is ready when its probe says so"),
    never("resourceClaims", any, "there are no resource claims"),
    never("resources", any, "resources are those of the container"),
    never("restartPolicy", text, "instances are always replaced", "Always"),
    never("runtimeClassName", text, "the platform chooses the sandbox"),
    never("schedulerName", text, one_machine, "default-scheduler"),
    never("schedulingGates", any, one_machine),
    never("securityContext", any, "set it at the container"),
    never("serviceAccount", text, no_token, "default"),
    never("setHostnameAsFQDN", flag, own_identity),
    never("shareProcessNamespace", flag, "an instance has one container"),
    never("subdomain", text, own_identity),
    never("terminationGracePeriodSeconds", int64, "the grace is the revision's timeoutSeconds"),
    never("tolerations", any, one_machine),
    never("topologySpreadConstraints", any, one_machine)};

constexpr std::string_view template_names = "a revision is named and placed by its configuration";
constexpr Field template_metadata[] = {
    works("annotations", text_map),
    works("labels", text_map),
    works("name", text),
    warned("generateName", text, template_names),
    warned("namespace", text, template_names),
    warned("finalizers", text_list, "finalizers are set on objects, not on templates"),
    reported("creationTimestamp", text),
    reported("uid", text),
    reported("resourceVersion", text),
    reported("generation", int64),
    reported("managedFields", any),
    reported("ownerReferences", any),
    reported("selfLink", text)};
constexpr Field revision_template[] = {
    works("metadata", object, template_metadata)
        .means("Name, labels and annotations of the Revision; annotations say how it scales."),
    works("spec", object, revision_spec).means("What runs, and how requests are given to it.")};

constexpr Field service_traffic[] = {
    works("latestRevision", flag)
        .means("Whether the latest ready Revision is meant, whichever it is."),
    works("percent", int64).means("How many of a hundred requests go there."),
    works("revisionName", text).means("The Revision that is meant."),
    works("tag", text).means("A name of its own for this target, which also has its own address."),
    never("configurationName", text, "a Service routes to its own revisions"),
    never("url", text, "the platform makes it and reports it in the status")};
constexpr Field route_traffic[] = {
    works("configurationName", text)
        .means("The Configuration whose latest ready Revision is meant."),
    works("latestRevision", flag)
        .means("Whether the latest ready Revision is meant, whichever it is."),
    works("percent", int64).means("How many of a hundred requests go there."),
    works("revisionName", text).means("The Revision that is meant."),
    works("tag", text).means("A name of its own for this target, which also has its own address."),
    never("url", text, "the platform makes it and reports it in the status")};

constexpr Field service_spec[] = {
    works("template", object, revision_template).means("What the next Revision is made from."),
    works("traffic", object_list, service_traffic)
        .means("Which revisions get which part of the requests; all go to the latest ready one by "
               "default.")};
constexpr Field configuration_spec[] = {
    works("template", object, revision_template).means("What the next Revision is made from.")};
constexpr Field route_spec[] = {works("traffic", object_list, route_traffic)
                                    .means("Which revisions get which part of the requests.")};

constexpr Field condition[] = {
    reported("lastTransitionTime", text).means("When the status last changed."),
    reported("message", text).means("What is the case, for a person."),
    reported("reason", text).means("Why, in one word for programs."),
    reported("severity", text).means("Info, if Ready does not depend on it."),
    reported("status", text).means("True, False or Unknown."),
    reported("type", text).means("What the condition is about.")};
constexpr Field address[] = {reported("CACerts", text), reported("audience", text),
                             reported("name", text), reported("url", text)};
constexpr Field status_traffic[] = {reported("configurationName", text),
                                    reported("latestRevision", flag),
                                    reported("percent", int64),
                                    reported("revisionName", text),
                                    reported("tag", text),
                                    reported("url", text)};
constexpr Field container_status[] = {reported("imageDigest", text), reported("name", text)};

constexpr Field service_status[] = {
    reported("address", object, address).means("The address within the cluster."),
    reported("annotations", text_map),
    reported("conditions", object_list, condition)
        .means("Whether it is as it should be, and if not why."),
    reported("latestCreatedRevisionName", text).means("The Revision that was made last."),
    reported("latestReadyRevisionName", text).means("The last one that became ready."),
    reported("observedGeneration", int64)
        .means("The generation of the spec that the status speaks of."),
    reported("traffic", object_list, status_traffic).means("How requests are split now."),
    reported("url", text).means("The address that is called from outside.")};
constexpr Field configuration_status[] = {
    reported("annotations", text_map),
    reported("conditions", object_list, condition)
        .means("Whether it is as it should be, and if not why."),
    reported("latestCreatedRevisionName", text).means("The Revision that was made last."),
    reported("latestReadyRevisionName", text).means("The last one that became ready."),
    reported("observedGeneration", int64)
        .means("The generation of the spec that the status speaks of.")};
constexpr Field revision_status[] = {
    reported("actualReplicas", int32).means("How many instances run."),
    reported("annotations", text_map),
    reported("conditions", object_list, condition)
        .means("Whether it is as it should be, and if not why."),
    reported("containerStatuses", object_list, container_status)
        .means("The images by their digests."),
    reported("desiredReplicas", int32).means("How many instances should run."),
    reported("initContainerStatuses", object_list, container_status),
    reported("logUrl", text),
    reported("observedGeneration", int64)
        .means("The generation of the spec that the status speaks of.")};
constexpr Field route_status[] = {
    reported("address", object, address).means("The address within the cluster."),
    reported("annotations", text_map),
    reported("conditions", object_list, condition)
        .means("Whether it is as it should be, and if not why."),
    reported("observedGeneration", int64)
        .means("The generation of the spec that the status speaks of."),
    reported("traffic", object_list, status_traffic).means("How requests are split now."),
    reported("url", text).means("The address that is called from outside.")};

constexpr Field service_document[] = {works("apiVersion", text), works("kind", text),
                                      works("metadata", object, metadata_fields),
                                      works("spec", object, service_spec).means("What is wanted."),
                                      reported("status", object, service_status).means("What is.")};
constexpr Field configuration_document[] = {
    works("apiVersion", text), works("kind", text), works("metadata", object, metadata_fields),
    works("spec", object, configuration_spec).means("What is wanted."),
    reported("status", object, configuration_status).means("What is.")};
constexpr Field revision_document[] = {
    works("apiVersion", text), works("kind", text), works("metadata", object, metadata_fields),
    works("spec", object, revision_spec).means("What is wanted."),
    reported("status", object, revision_status).means("What is.")};
constexpr Field route_document[] = {works("apiVersion", text), works("kind", text),
                                    works("metadata", object, metadata_fields),
                                    works("spec", object, route_spec).means("What is wanted."),
                                    reported("status", object, route_status).means("What is.")};

using Visitor = std::function<void(std::string_view, const ResolvedField&)>;

void walk(std::span<const Field> fields, const std::string& at,
          const std::optional<std::pair<Treatment, std::string_view>>& inherited,
          const Visitor& visit) {
    for (const auto& field : fields) {
        const auto treatment = inherited ? inherited->first : field.treatment;
        const auto reason = inherited ? inherited->second : field.reason;
        const auto path =
            at.empty() ? std::string(field.name) : fmt::format("{}.{}", at, field.name);
        visit(path, {field, treatment, reason});
        auto below = inherited;
        if (!below && treatment != Treatment::effect) {
            below = {treatment, reason};
        }
        walk(field.fields, field.type == object_list ? path + "[]" : path, below, visit);
    }
}

}  // namespace

std::span<const Field> fields_of(KindId kind) {
    switch (kind) {
        case KindId::service:
            return service_document;
        case KindId::configuration:
            return configuration_document;
        case KindId::revision:
            return revision_document;
        case KindId::route:
            return route_document;
        default:
            return core_fields_of(kind);
    }
}

void for_each_field(KindId kind, const Visitor& visit) {
    walk(fields_of(kind), "", std::nullopt, visit);
}

std::string_view treatment_name(Treatment treatment) {
    switch (treatment) {
        case Treatment::effect:
            return "effect";
        case Treatment::refused:
            return "refused";
        case Treatment::warned:
            return "warned";
        case Treatment::reported:
            break;
    }
    return "reported";
}

}  // namespace tidemill::model
