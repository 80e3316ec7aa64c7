#include "model/serving/pod_validation.h"

#include <fmt/format.h>

#include <algorithm>
#include <array>
#include <limits>
#include <set>

#include "model/object/names.h"

namespace tidemill::model {
namespace {

constexpr std::string_view int32_max = "2147483647";
// Variables that the platform sets (X: runtime contract, "Process").
constexpr std::array<std::string_view, 4> reserved_variables = {"PORT", "K_SERVICE",
                                                                "K_CONFIGURATION", "K_REVISION"};
constexpr std::array<std::string_view, 1> reserved_containers = {"queue-proxy"};
// Ports of Knative's queue-proxy. A container that uses one would not run on Kubernetes.
constexpr std::array<std::int64_t, 6> reserved_ports = {8012, 8013, 8022, 9090, 9091, 8008};
constexpr std::array<std::string_view, 3> port_names = {"", "h2c", "http1"};

template <typename Range, typename Value>
bool contains(const Range& range, const Value& value) {
    return std::ranges::find(range, value) != std::ranges::end(range);
}

enum class Role : std::uint8_t { serving, sidecar };

Problems validate_variables(const Container& container, Role role, const std::string& path) {
    Problems out;
    for (std::size_t i = 0; i < container.environment.size(); ++i) {
        const auto& variable = container.environment[i];
        const auto at = fmt::format("{}.env[{}].name", path, i);
        if (variable.name.empty()) {
            out.push_back(missing_field(at));
        } else if (contains(reserved_variables, variable.name) &&
                   !(role == Role::sidecar && variable.name == "PORT")) {
            out.push_back(plain_problem(
                fmt::format("\"{}\" is a reserved environment variable", variable.name), {at}));
        } else if (const auto reasons = check_environment_name(variable.name); !reasons.empty()) {
            // Knative leaves this to the pod, which then never starts.
            out.push_back(
                invalid_value(variable.name, at, fmt::format("{}", fmt::join(reasons, ", "))));
        }
        if (variable.config_map_key && variable.secret_key) {
            out.push_back(
                multiple_one_of({fmt::format("{}.env[{}].valueFrom.configMapKeyRef", path, i),
                                 fmt::format("{}.env[{}].valueFrom.secretKeyRef", path, i)}));
        }
    }
    for (std::size_t i = 0; i < container.environment_from.size(); ++i) {
        const auto& source = container.environment_from[i];
        const std::vector<std::string> paths = {fmt::format("{}.envFrom[{}].configMapRef", path, i),
                                                fmt::format("{}.envFrom[{}].secretRef", path, i)};
        if (source.config_map && source.secret) {
            out.push_back(multiple_one_of(paths));
        } else if (!source.config_map && !source.secret) {
            out.push_back(missing_one_of(paths));
        }
    }
    return out;
}

Problems validate_port(const ContainerPort& port, const std::string& path) {
    Problems out;
    const auto number_path = path + ".containerPort";
    if (contains(reserved_ports, port.container_port)) {
        out.push_back(
            invalid_value(fmt::format("{} is a reserved port", port.container_port), number_path,
                          fmt::format("{} is a reserved port, please use a different value",
                                      port.container_port)));
    }
    if (port.container_port < 0 || port.container_port > 65'535) {
        out.push_back(
            out_of_bounds(fmt::to_string(port.container_port), "0", "65535", number_path));
    }
    if (!port.protocol.empty() && port.protocol != "TCP") {
        out.push_back(invalid_value(port.protocol, path + ".protocol"));
    }
    if (!contains(port_names, port.name)) {
        out.push_back(plain_problem(fmt::format("Port name {} is not allowed", port.name), {path},
                                    "Name must be empty, or one of: 'h2c', 'http1'"));
    }
    return out;
}

Problems validate_security(const SecurityContext& security, const std::string& path) {
    Problems out;
    const auto check = [&](const std::optional<std::int64_t>& id, std::string_view name) {
        if (id && (*id < 0 || *id > std::numeric_limits<std::int32_t>::max())) {
            out.push_back(out_of_bounds(fmt::to_string(*id), "0", int32_max,
                                        fmt::format("{}.{}", path, name)));
        }
    };
    check(security.run_as_user, "runAsUser");
    check(security.run_as_group, "runAsGroup");
    if (security.run_as_non_root.value_or(false) && security.run_as_user == 0) {
        out.push_back(plain_problem("runAsNonRoot contradicts runAsUser 0",
                                    {path + ".runAsNonRoot", path + ".runAsUser"}));
    }
    if (!security.dropped_capabilities.empty() && security.dropped_capabilities.front() == "all") {
        auto warning =
            invalid_value("all", path + ".capabilities.drop", "Must be spelled as 'ALL'");
        warning.severity = Severity::warning;
        out.push_back(std::move(warning));
    }
    return out;
}

Problems validate_resources(const Resources& resources, const std::string& path) {
    Problems out;
    for (const auto& [name, amount] : resources.limits) {
        if (amount.is_negative()) {
            out.push_back(invalid_value(amount.text(), fmt::format("{}.limits.{}", path, name)));
        }
    }
    for (const auto& [name, amount] : resources.requests) {
        const auto at = fmt::format("{}.requests.{}", path, name);
        const auto limit = resources.limits.find(name);
        if (amount.is_negative()) {
            out.push_back(invalid_value(amount.text(), at));
        } else if (limit != resources.limits.end() && amount > limit->second) {
            out.push_back(invalid_value(amount.text(), at,
                                        fmt::format("must be less than or equal to {} limit of {}",
                                                    name, limit->second.text())));
        }
    }
    return out;
}

bool says_nothing(const Container& container) {
    Container named;
    named.name = container.name;
    named.readiness_probe = container.readiness_probe;
    return container == named;
}

Problems validate_container(const Container& container, const RevisionSpec& spec,
                            const ContainerPort& port, Role role, const std::string& path) {
    // Defaults have given a name and a probe even to an empty container.
    if (says_nothing(container)) {
        return {missing_field(path)};
    }
    Problems out;
    if (role == Role::serving) {
        if (container.liveness_probe) {
            append(out, validate_probe(*container.liveness_probe, port, path + ".livenessProbe"));
        }
        if (container.readiness_probe) {
            append(out, validate_readiness_probe(*container.readiness_probe, port,
                                                 path + ".readinessProbe"));
        }
        if (container.startup_probe) {
            append(out, validate_probe(*container.startup_probe, port, path + ".startupProbe"));
        }
    } else {
        // The feature multi-container-probing is off in Knative as well.
        const auto refuse = [&](const std::optional<Probe>& probe, std::string_view name) {
            if (probe) {
                out.push_back(disallowed_field(fmt::format("{}.{}", path, name)));
            }
        };
        refuse(container.liveness_probe, "livenessProbe");
        refuse(container.readiness_probe, "readinessProbe");
        refuse(container.startup_probe, "startupProbe");
    }
    if (contains(reserved_containers, container.name)) {
        out.push_back(plain_problem(
            fmt::format("\"{}\" is a reserved container name", container.name), {path + ".name"}));
    }
    append(out, validate_variables(container, role, path));
    if (container.image.empty()) {
        out.push_back(missing_field(path + ".image"));
    } else if (const auto reason = check_image_reference(container.image); !reason.empty()) {
        out.push_back(
            plain_problem("Failed to parse image reference", {path + ".image"},
                          fmt::format("image: \"{}\", error: {}", container.image, reason)));
    }
    if (!container.ports.empty()) {
        append(out, validate_port(container.ports.front(), path + ".ports"));
    }
    append(out, validate_resources(container.resources, path + ".resources"));
    if (container.security_context) {
        append(out, validate_security(*container.security_context, path + ".securityContext"));
    }
    if (const auto& policy = container.termination_message_policy;
        !policy.empty() && policy != "File" && policy != "FallbackToLogsOnError") {
        out.push_back(invalid_value(policy, path + ".terminationMessagePolicy"));
    }
    append(out, validate_volume_mounts(container, spec.volumes, path + ".volumeMounts"));
    return out;
}

// The one port across all containers, as later checks see it.
ContainerPort find_port(const RevisionSpec& spec, const std::string& path, Problems& out) {
    ContainerPort port;
    std::size_t count = 0;
    for (const auto& container : spec.containers) {
        if (!container.ports.empty()) {
            count += container.ports.size();
            port = container.ports.front();
        }
    }
    if (port.name.empty()) {
        port.name = "http";
    }
    if (port.container_port == 0) {
        port.container_port = spec.serving_port();
    }
    const auto ports_path = path + ".containers[*].ports";
    if (count == 0 && spec.containers.size() > 1) {
        out.push_back(missing_field(ports_path));
    } else if (count > 1) {
        out.push_back(plain_problem("more than one container port is set", {ports_path},
                                    "Only a single port is allowed across all containers"));
    }
    return port;
}

}  // namespace

Problems validate_probe(const Probe& probe, const ContainerPort& port, const std::string& path) {
    Problems out;
    std::vector<std::string> handlers;
    const auto check_port = [&](const PortReference& reference, std::string_view handler) {
        if (!reference.name.empty() && reference.name != port.name) {
            out.push_back(invalid_value(reference.text(), fmt::format("{}.{}.port", path, handler),
                                        "Probe port must match container port"));
        }
    };
    if (probe.http_get) {
        handlers.push_back(path + ".httpGet");
        check_port(probe.http_get->port, "httpGet");
    }
    if (probe.tcp_socket) {
        handlers.push_back(path + ".tcpSocket");
        check_port(probe.tcp_socket->port, "tcpSocket");
    }
    if (probe.exec) {
        handlers.push_back(path + ".exec");
    }
    if (probe.grpc) {
        handlers.push_back(path + ".gRPC");
    }
    if (handlers.empty()) {
        out.push_back(missing_one_of(
            {path + ".httpGet", path + ".tcpSocket", path + ".exec", path + ".grpc"}));
    } else if (handlers.size() > 1) {
        out.push_back(multiple_one_of(std::move(handlers)));
    }
    return out;
}

Problems validate_readiness_probe(const Probe& probe, const ContainerPort& port,
                                  const std::string& path) {
    auto out = validate_probe(probe, port, path);
    const auto at_least = [&](std::int64_t value, std::int64_t lowest, std::string_view name) {
        if (value < lowest) {
            out.push_back(out_of_bounds(fmt::to_string(value), fmt::to_string(lowest), int32_max,
                                        fmt::format("{}.{}", path, name)));
        }
    };
    at_least(probe.period_seconds, 0, "periodSeconds");
    at_least(probe.initial_delay_seconds, 0, "initialDelaySeconds");
    at_least(probe.success_threshold, 1, "successThreshold");
    if (probe.period_seconds != 0) {
        at_least(probe.timeout_seconds, 1, "timeoutSeconds");
        at_least(probe.failure_threshold, 1, "failureThreshold");
        return out;
    }
    const auto refuse = [&](std::int64_t value, std::string_view name) {
        if (value != 0) {
            out.push_back(
                plain_problem(fmt::format("{} is disallowed when periodSeconds is zero", name),
                              {fmt::format("{}.{}", path, name)}));
        }
    };
    refuse(probe.failure_threshold, "failureThreshold");
    refuse(probe.timeout_seconds, "timeoutSeconds");
    return out;
}

Problems validate_pod(const RevisionSpec& spec, const Features& features, const std::string& path) {
    Problems out = validate_volumes(spec, path + ".volumes");
    const auto port = find_port(spec, path, out);
    if (spec.containers.empty()) {
        out.push_back(missing_field(path + ".containers"));
    } else if (spec.containers.size() == 1) {
        append(out, validate_container(spec.containers[0], spec, port, Role::serving,
                                       path + ".containers[0]"));
    } else if (!features.multi_container) {
        out.push_back(plain_problem(
            fmt::format("multi-container is off, but found {} containers", spec.containers.size()),
            {path + ".containers"}));
    } else {
        std::set<std::string_view> names;
        for (std::size_t i = 0; i < spec.containers.size(); ++i) {
            const auto& container = spec.containers[i];
            const auto at = fmt::format("{}.containers[{}]", path, i);
            if (!names.insert(container.name).second) {
                out.push_back(
                    plain_problem(fmt::format("duplicate container name \"{}\"", container.name),
                                  {at + ".name"}));
            }
            append(out,
                   validate_container(container, spec, port,
                                      container.ports.empty() ? Role::sidecar : Role::serving, at));
        }
    }
    if (!spec.service_account_name.empty()) {
        for (auto& reason : check_dns1123_subdomain(spec.service_account_name)) {
            out.push_back(invalid_value(spec.service_account_name, path + ".serviceAccountName",
                                        std::move(reason)));
        }
    }
    return out;
}

}  // namespace tidemill::model
