// The four Serving kinds as types: what controllers, autoscaler and agent read.
#pragma once

#include <cstdint>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "base/result.h"
#include "model/object/json_fields.h"
#include "model/object/object.h"
#include "model/object/quantity.h"

namespace tidemill::model {

// A key of a ConfigMap or Secret of the same namespace.
struct KeySelector {
    std::string name = {};
    std::string key = {};
    bool optional = false;  // the variable is left out when the key is missing

    friend bool operator==(const KeySelector&, const KeySelector&) = default;
};

struct EnvironmentVariable {
    std::string name = {};
    std::string value = {};
    std::optional<KeySelector> config_map_key = {};
    std::optional<KeySelector> secret_key = {};

    friend bool operator==(const EnvironmentVariable&, const EnvironmentVariable&) = default;
};

// All keys of a ConfigMap or Secret as variables.
struct EnvironmentSource {
    struct Reference {
        std::string name;
        bool optional = false;

        friend bool operator==(const Reference&, const Reference&) = default;
    };
    std::string prefix = {};
    std::optional<Reference> config_map = {};
    std::optional<Reference> secret = {};

    friend bool operator==(const EnvironmentSource&, const EnvironmentSource&) = default;
};

// A port by number, or by the name that the container gives it; 0 and "" mean the port that is
// served.
struct PortReference {
    std::int64_t number = 0;
    std::string name = {};

    std::string text() const;
    friend bool operator==(const PortReference&, const PortReference&) = default;
};

struct HttpHeader {
    std::string name = {};
    std::string value = {};

    friend bool operator==(const HttpHeader&, const HttpHeader&) = default;
};

struct HttpProbe {
    std::string path = {};
    PortReference port = {};
    std::string host = {};
    std::string scheme = {};
    std::vector<HttpHeader> headers = {};

    friend bool operator==(const HttpProbe&, const HttpProbe&) = default;
};

struct TcpProbe {
    PortReference port = {};
    std::string host = {};

    friend bool operator==(const TcpProbe&, const TcpProbe&) = default;
};

struct ExecProbe {
    std::vector<std::string> command = {};

    friend bool operator==(const ExecProbe&, const ExecProbe&) = default;
};

struct GrpcProbe {
    std::int64_t port = 0;
    std::string service = {};

    friend bool operator==(const GrpcProbe&, const GrpcProbe&) = default;
};

struct Probe {
    std::optional<HttpProbe> http_get = {};
    std::optional<TcpProbe> tcp_socket = {};
    std::optional<ExecProbe> exec = {};
    std::optional<GrpcProbe> grpc = {};
    std::int64_t initial_delay_seconds = 0;
    std::int64_t timeout_seconds = 0;
    // 0 in a readiness probe: ask again as soon as the last answer came (Knative asks every 50 ms).
    std::int64_t period_seconds = 0;
    std::int64_t success_threshold = 0;
    std::int64_t failure_threshold = 0;

    friend bool operator==(const Probe&, const Probe&) = default;
};

// By resource name: "cpu" in CPUs, "memory" in bytes.
using ResourceList = std::map<std::string, Quantity, std::less<>>;

struct Resources {
    ResourceList limits = {};
    ResourceList requests = {};

    friend bool operator==(const Resources&, const Resources&) = default;
};

struct ContainerPort {
    std::int64_t container_port = 0;  // 0 means not given
    std::string name = {};            // "", "http1" or "h2c"
    std::string protocol = {};

    friend bool operator==(const ContainerPort&, const ContainerPort&) = default;
};

struct SecurityContext {
    std::optional<std::int64_t> run_as_user = {};
    std::optional<std::int64_t> run_as_group = {};
    std::optional<bool> run_as_non_root = {};
    bool read_only_root_filesystem = false;
    std::vector<std::string> dropped_capabilities = {};

    friend bool operator==(const SecurityContext&, const SecurityContext&) = default;
};

struct VolumeMount {
    std::string name = {};
    std::string mount_path = {};
    std::string sub_path = {};
    std::string mount_propagation = {};
    bool read_only = false;

    friend bool operator==(const VolumeMount&, const VolumeMount&) = default;
};

struct Container {
    std::string name = {};
    std::string image = {};
    std::vector<std::string> command = {};
    std::vector<std::string> args = {};
    std::string working_dir = {};
    std::vector<EnvironmentVariable> environment = {};
    std::vector<EnvironmentSource> environment_from = {};
    std::vector<ContainerPort> ports = {};
    Resources resources = {};
    std::optional<Probe> readiness_probe = {};
    std::optional<Probe> liveness_probe = {};
    std::optional<Probe> startup_probe = {};
    std::optional<SecurityContext> security_context = {};
    std::string termination_message_policy = {};
    std::vector<VolumeMount> volume_mounts = {};

    friend bool operator==(const Container&, const Container&) = default;
};

struct KeyToPath {
    std::string key = {};
    std::string path = {};
    std::optional<std::int64_t> mode = {};

    friend bool operator==(const KeyToPath&, const KeyToPath&) = default;
};

// Keys of one Secret or ConfigMap as files; no items means all keys.
struct VolumeFiles {
    std::string name = {};
    std::vector<KeyToPath> items = {};
    std::optional<std::int64_t> default_mode = {};
    bool optional = false;

    friend bool operator==(const VolumeFiles&, const VolumeFiles&) = default;
};

struct Projection {
    std::vector<std::string> given = {};  // which sources the document names, in its order
    std::optional<VolumeFiles> config_map = {};
    std::optional<VolumeFiles> secret = {};
    std::string token_path = {};

    friend bool operator==(const Projection&, const Projection&) = default;
};

struct EmptyDirectory {
    std::string medium = {};
    std::optional<Quantity> size_limit = {};

    friend bool operator==(const EmptyDirectory&, const EmptyDirectory&) = default;
};

struct Volume {
    std::string name = {};
    std::vector<std::string> given = {};  // which sources the document names, in its order
    std::optional<VolumeFiles> secret = {};
    std::optional<VolumeFiles> config_map = {};
    std::vector<Projection> projected = {};
    std::optional<EmptyDirectory> empty_directory = {};

    // A source that instances may write to, so that its mounts are not made read-only.
    bool writable() const;
    friend bool operator==(const Volume&, const Volume&) = default;
};

struct RevisionSpec {
    std::vector<Container> containers = {};
    std::vector<Volume> volumes = {};
    std::string service_account_name = {};
    std::optional<std::int64_t>
        container_concurrency;  // requests at a time per instance; 0: no limit
    std::optional<std::int64_t> timeout_seconds = {};                 // of a whole request
    std::optional<std::int64_t> response_start_timeout_seconds = {};  // until the first byte
    std::optional<std::int64_t> idle_timeout_seconds = {};            // between bytes

    // The container that serves: the one with a port, else the only one. nullptr when there is
    // none.
    const Container* serving_container() const;
    // The port it serves on: as given, else 8080 (Knative's DefaultUserPort).
    std::int64_t serving_port() const;

    friend bool operator==(const RevisionSpec&, const RevisionSpec&) = default;
};

struct RevisionTemplate {
    std::string name = {};  // empty: the configuration names its revisions
    std::string generate_name = {};
    TextMap labels = {};
    TextMap annotations = {};
    RevisionSpec spec = {};

    friend bool operator==(const RevisionTemplate&, const RevisionTemplate&) = default;
};

struct TrafficTarget {
    std::string tag = {};
    std::string revision_name = {};
    std::string configuration_name = {};
    std::optional<bool> latest_revision = {};
    std::optional<std::int64_t> percent = {};
    std::string url = {};  // in a status only

    friend bool operator==(const TrafficTarget&, const TrafficTarget&) = default;
};

struct ConfigurationSpec {
    RevisionTemplate revision_template = {};

    friend bool operator==(const ConfigurationSpec&, const ConfigurationSpec&) = default;
};

struct RouteSpec {
    std::vector<TrafficTarget> traffic = {};

    friend bool operator==(const RouteSpec&, const RouteSpec&) = default;
};

struct ServiceSpec {
    ConfigurationSpec configuration = {};
    RouteSpec route = {};

    friend bool operator==(const ServiceSpec&, const ServiceSpec&) = default;
};

// Each reads the spec of an object of that kind. Errors: invalid (a value of the wrong type, with
// its path; never for an object that admission let in).
base::Result<ServiceSpec> read_service_spec(const Object& object);
base::Result<ConfigurationSpec> read_configuration_spec(const Object& object);
base::Result<RevisionSpec> read_revision_spec(const Object& object);
base::Result<RouteSpec> read_route_spec(const Object& object);

// Traffic of a spec or a status. Members of wrong types are read as absent.
std::vector<TrafficTarget> read_traffic(const JsonArray& traffic);
JsonArray to_json(const std::vector<TrafficTarget>& traffic);

}  // namespace tidemill::model
