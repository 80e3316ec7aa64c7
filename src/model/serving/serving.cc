#include "model/serving/serving.h"

#include <fmt/format.h>

#include <algorithm>

#include "model/serving/fields.h"
#include "model/serving/schema.h"

namespace tidemill::model {
namespace {

constexpr std::int64_t default_port = 8080;

// The readers below trust the types that check_types has checked, and take a missing member for the
// zero value as Go does.
std::string text_of(const JsonObject& from, std::string_view key) {
    return std::string(text_at(from, {key}));
}

bool flag_of(const JsonObject& from, std::string_view key) {
    const auto* value = find_member(from, {key});
    return value != nullptr && value->is_bool() && value->get_bool();
}

std::optional<std::int64_t> optional_integer(const JsonObject& from, std::string_view key) {
    const auto* value = find_member(from, {key});
    return value == nullptr ? std::nullopt : integer_of(*value);
}

std::int64_t integer_or_zero(const JsonObject& from, std::string_view key) {
    return optional_integer(from, key).value_or(0);
}

const JsonObject* object_of(const JsonObject& from, std::string_view key) {
    const auto* value = find_member(from, {key});
    return value == nullptr ? nullptr : value->if_object();
}

// Reads each object of a list; nothing for an absent list.
template <typename Read>
auto list_of(const JsonObject& from, std::string_view key, Read read) {
    std::vector<decltype(read(from))> out;
    const auto* value = find_member(from, {key});
    if (const auto* array = value == nullptr ? nullptr : value->if_array()) {
        for (const auto& element : *array) {
            if (const auto* object = element.if_object()) {
                out.push_back(read(*object));
            }
        }
    }
    return out;
}

template <typename Read>
auto optional_of(const JsonObject& from, std::string_view key, Read read) {
    const auto* object = object_of(from, key);
    return object == nullptr ? std::nullopt : std::optional(read(*object));
}

std::vector<std::string> texts_of(const JsonObject& from, std::string_view key) {
    std::vector<std::string> out;
    const auto* value = find_member(from, {key});
    if (const auto* array = value == nullptr ? nullptr : value->if_array()) {
        for (const auto& element : *array) {
            if (const auto* text = element.if_string()) {
                out.emplace_back(as_view(*text));
            }
        }
    }
    return out;
}

TextMap map_of(const JsonObject& from, std::string_view key) {
    TextMap out;
    if (const auto* object = object_of(from, key)) {
        for (const auto& member : *object) {
            if (const auto* text = member.value().if_string()) {
                out.emplace(std::string_view(member.key()), as_view(*text));
            }
        }
    }
    return out;
}

PortReference port_of(const JsonObject& from) {
    PortReference out;
    if (const auto* value = find_member(from, {"port"})) {
        if (const auto* text = value->if_string()) {
            out.name = as_view(*text);
        } else {
            out.number = integer_of(*value).value_or(0);
        }
    }
    return out;
}

KeySelector read_key_selector(const JsonObject& from) {
    return {.name = text_of(from, "name"),
            .key = text_of(from, "key"),
            .optional = flag_of(from, "optional")};
}

EnvironmentVariable read_variable(const JsonObject& from) {
    EnvironmentVariable out{.name = text_of(from, "name"),
                            .value = text_of(from, "value"),
                            .config_map_key = {},
                            .secret_key = {}};
    if (const auto* source = object_of(from, "valueFrom")) {
        out.config_map_key = optional_of(*source, "configMapKeyRef", read_key_selector);
        out.secret_key = optional_of(*source, "secretKeyRef", read_key_selector);
    }
    return out;
}

EnvironmentSource read_environment_source(const JsonObject& from) {
    const auto reference = [](const JsonObject& named) {
        return EnvironmentSource::Reference{.name = text_of(named, "name"),
                                            .optional = flag_of(named, "optional")};
    };
    return {.prefix = text_of(from, "prefix"),
            .config_map = optional_of(from, "configMapRef", reference),
            .secret = optional_of(from, "secretRef", reference)};
}

HttpHeader read_header(const JsonObject& from) {
    return {.name = text_of(from, "name"), .value = text_of(from, "value")};
}

HttpProbe read_http_probe(const JsonObject& from) {
    return {.path = text_of(from, "path"),
            .port = port_of(from),
            .host = text_of(from, "host"),
            .scheme = text_of(from, "scheme"),
            .headers = list_of(from, "httpHeaders", read_header)};
}

TcpProbe read_tcp_probe(const JsonObject& from) {
    return {.port = port_of(from), .host = text_of(from, "host")};
}

ExecProbe read_exec_probe(const JsonObject& from) {
    return {.command = texts_of(from, "command")};
}

GrpcProbe read_grpc_probe(const JsonObject& from) {
    return {.port = integer_or_zero(from, "port"), .service = text_of(from, "service")};
}

Probe read_probe(const JsonObject& from) {
    return {.http_get = optional_of(from, "httpGet", read_http_probe),
            .tcp_socket = optional_of(from, "tcpSocket", read_tcp_probe),
            .exec = optional_of(from, "exec", read_exec_probe),
            .grpc = optional_of(from, "grpc", read_grpc_probe),
            .initial_delay_seconds = integer_or_zero(from, "initialDelaySeconds"),
            .timeout_seconds = integer_or_zero(from, "timeoutSeconds"),
            .period_seconds = integer_or_zero(from, "periodSeconds"),
            .success_threshold = integer_or_zero(from, "successThreshold"),
            .failure_threshold = integer_or_zero(from, "failureThreshold")};
}

ResourceList read_resource_list(const JsonObject& from, std::string_view key) {
    ResourceList out;
    if (const auto* object = object_of(from, key)) {
        for (const auto& member : *object) {
            if (const auto amount = Quantity::from_json(member.value())) {
                out.emplace(std::string_view(member.key()), *amount);
            }
        }
    }
    return out;
}

ContainerPort read_container_port(const JsonObject& from) {
    return {.container_port = integer_or_zero(from, "containerPort"),
            .name = text_of(from, "name"),
            .protocol = text_of(from, "protocol")};
}

SecurityContext read_security_context(const JsonObject& from) {
    SecurityContext out{.run_as_user = optional_integer(from, "runAsUser"),
                        .run_as_group = optional_integer(from, "runAsGroup"),
                        .run_as_non_root = {},
                        .read_only_root_filesystem = flag_of(from, "readOnlyRootFilesystem"),
                        .dropped_capabilities = {}};
    if (find_member(from, {"runAsNonRoot"}) != nullptr) {
        out.run_as_non_root = flag_of(from, "runAsNonRoot");
    }
    if (const auto* capabilities = object_of(from, "capabilities")) {
        out.dropped_capabilities = texts_of(*capabilities, "drop");
    }
    return out;
}

VolumeMount read_volume_mount(const JsonObject& from) {
    return {.name = text_of(from, "name"),
            .mount_path = text_of(from, "mountPath"),
            .sub_path = text_of(from, "subPath"),
            .mount_propagation = text_of(from, "mountPropagation"),
            .read_only = flag_of(from, "readOnly")};
}

Container read_container(const JsonObject& from) {
    Container out{.name = text_of(from, "name"),
                  .image = text_of(from, "image"),
                  .command = texts_of(from, "command"),
                  .args = texts_of(from, "args"),
                  .working_dir = text_of(from, "workingDir"),
                  .environment = list_of(from, "env", read_variable),
                  .environment_from = list_of(from, "envFrom", read_environment_source),
                  .ports = list_of(from, "ports", read_container_port),
                  .resources = {},
                  .readiness_probe = optional_of(from, "readinessProbe", read_probe),
                  .liveness_probe = optional_of(from, "livenessProbe", read_probe),
                  .startup_probe = optional_of(from, "startupProbe", read_probe),
                  .security_context = optional_of(from, "securityContext", read_security_context),
                  .termination_message_policy = text_of(from, "terminationMessagePolicy"),
                  .volume_mounts = list_of(from, "volumeMounts", read_volume_mount)};
    if (const auto* resources = object_of(from, "resources")) {
        out.resources = {.limits = read_resource_list(*resources, "limits"),
                         .requests = read_resource_list(*resources, "requests")};
    }
    return out;
}

KeyToPath read_key_to_path(const JsonObject& from) {
    return {.key = text_of(from, "key"),
            .path = text_of(from, "path"),
            .mode = optional_integer(from, "mode")};
}

VolumeFiles read_files(const JsonObject& from) {
    auto name = text_of(from, "secretName");
    return {.name = name.empty() ? text_of(from, "name") : std::move(name),
            .items = list_of(from, "items", read_key_to_path),
            .default_mode = optional_integer(from, "defaultMode"),
            .optional = flag_of(from, "optional")};
}

std::vector<std::string> members_but_name(const JsonObject& from) {
    std::vector<std::string> out;
    for (const auto& member : from) {
        if (member.key() != "name" && !member.value().is_null()) {
            out.emplace_back(std::string_view(member.key()));
        }
    }
    return out;
}

Projection read_projection(const JsonObject& from) {
    Projection out{.given = members_but_name(from),
                   .config_map = optional_of(from, "configMap", read_files),
                   .secret = optional_of(from, "secret", read_files),
                   .token_path = {}};
    if (const auto* token = object_of(from, "serviceAccountToken")) {
        out.token_path = text_of(*token, "path");
    }
    return out;
}

Volume read_volume(const JsonObject& from) {
    Volume out{.name = text_of(from, "name"),
               .given = members_but_name(from),
               .secret = optional_of(from, "secret", read_files),
               .config_map = optional_of(from, "configMap", read_files),
               .projected = {},
               .empty_directory = {}};
    if (const auto* projected = object_of(from, "projected")) {
        out.projected = list_of(*projected, "sources", read_projection);
    }
    if (const auto* empty = object_of(from, "emptyDir")) {
        out.empty_directory = EmptyDirectory{.medium = text_of(*empty, "medium"), .size_limit = {}};
        if (const auto* size = find_member(*empty, {"sizeLimit"})) {
            if (const auto limit = Quantity::from_json(*size)) {
                out.empty_directory->size_limit = *limit;
            }
        }
    }
    return out;
}

RevisionSpec read_revision(const JsonObject& from) {
    return {.containers = list_of(from, "containers", read_container),
            .volumes = list_of(from, "volumes", read_volume),
            .service_account_name = text_of(from, "serviceAccountName"),
            .container_concurrency = optional_integer(from, "containerConcurrency"),
            .timeout_seconds = optional_integer(from, "timeoutSeconds"),
            .response_start_timeout_seconds = optional_integer(from, "responseStartTimeoutSeconds"),
            .idle_timeout_seconds = optional_integer(from, "idleTimeoutSeconds")};
}

RevisionTemplate read_template(const JsonObject& from) {
    RevisionTemplate out;
    if (const auto* metadata = object_of(from, "metadata")) {
        out.name = text_of(*metadata, "name");
        out.generate_name = text_of(*metadata, "generateName");
        out.labels = map_of(*metadata, "labels");
        out.annotations = map_of(*metadata, "annotations");
    }
    if (const auto* spec = object_of(from, "spec")) {
        out.spec = read_revision(*spec);
    }
    return out;
}

TrafficTarget read_target(const JsonObject& from) {
    TrafficTarget out{.tag = text_of(from, "tag"),
                      .revision_name = text_of(from, "revisionName"),
                      .configuration_name = text_of(from, "configurationName"),
                      .latest_revision = {},
                      .percent = optional_integer(from, "percent"),
                      .url = text_of(from, "url")};
    if (find_member(from, {"latestRevision"}) != nullptr) {
        out.latest_revision = flag_of(from, "latestRevision");
    }
    return out;
}

base::Status check_spec(const Object& object) {
    const Field spec_only[] = {[&] {
        for (const auto& field : fields_of(object.kind)) {
            if (field.name == "spec") {
                return field;
            }
        }
        return Field{.name = "spec", .type = FieldType::object};
    }()};
    JsonObject document;
    if (const auto* spec = find_member(object.body, {"spec"})) {
        document["spec"] = *spec;
    }
    const auto problems = check_types(spec_only, document, "");
    if (problems.empty()) {
        return base::ok;
    }
    return base::fail(base::Code::invalid, "{}: {}: {}", describe(object.key()),
                      problems.front().paths.front(), problems.front().message);
}

}  // namespace

std::string PortReference::text() const {
    return name.empty() ? fmt::to_string(number) : name;
}

bool Volume::writable() const {
    const auto is_writable = [](const std::string& source) {
        return source == "emptyDir" || source == "persistentVolumeClaim" || source == "ephemeral";
    };
    return std::ranges::any_of(given, is_writable);
}

const Container* RevisionSpec::serving_container() const {
    const auto found = std::ranges::find_if(
        containers, [](const Container& container) { return !container.ports.empty(); });
    if (found != containers.end()) {
        return &*found;
    }
    return containers.size() == 1 ? &containers.front() : nullptr;
}

std::int64_t RevisionSpec::serving_port() const {
    const auto* container = serving_container();
    if (container == nullptr || container->ports.empty() ||
        container->ports.front().container_port == 0) {
        return default_port;
    }
    return container->ports.front().container_port;
}

base::Result<ServiceSpec> read_service_spec(const Object& object) {
    CHECK_OK(check_spec(object));
    ServiceSpec out;
    if (const auto* from = object_of(object.spec(), "template")) {
        out.configuration.revision_template = read_template(*from);
    }
    out.route.traffic = list_of(object.spec(), "traffic", read_target);
    return out;
}

base::Result<ConfigurationSpec> read_configuration_spec(const Object& object) {
    CHECK_OK(check_spec(object));
    ConfigurationSpec out;
    if (const auto* from = object_of(object.spec(), "template")) {
        out.revision_template = read_template(*from);
    }
    return out;
}

base::Result<RevisionSpec> read_revision_spec(const Object& object) {
    CHECK_OK(check_spec(object));
    return read_revision(object.spec());
}

base::Result<RouteSpec> read_route_spec(const Object& object) {
    CHECK_OK(check_spec(object));
    return RouteSpec{.traffic = list_of(object.spec(), "traffic", read_target)};
}

std::vector<TrafficTarget> read_traffic(const JsonArray& traffic) {
    std::vector<TrafficTarget> out;
    for (const auto& element : traffic) {
        if (const auto* object = element.if_object()) {
            out.push_back(read_target(*object));
        }
    }
    return out;
}

JsonArray to_json(const std::vector<TrafficTarget>& traffic) {
    JsonArray out;
    for (const auto& target : traffic) {
        JsonObject entry;
        const auto put = [&](std::string_view key, const std::string& text) {
            if (!text.empty()) {
                entry[as_json(key)] = text;
            }
        };
        put("tag", target.tag);
        put("revisionName", target.revision_name);
        put("configurationName", target.configuration_name);
        if (target.latest_revision) {
            entry["latestRevision"] = *target.latest_revision;
        }
        if (target.percent) {
            entry["percent"] = *target.percent;
        }
        put("url", target.url);
        out.push_back(std::move(entry));
    }
    return out;
}

}  // namespace tidemill::model
