// The fields of each message by name: the one place that both directions of the codec read. A new
// field is added here with a default that an older peer's silence means.
#pragma once

#include <array>
#include <concepts>
#include <string_view>
#include <type_traits>
#include <variant>

#include "link/messages.h"

namespace tidemill::link {

// each(f, message) calls f("name", member) for every member of a message or of a part of one.
#define TIDEMILL_LINK_FIELDS(Type, ...)                     \
    template <typename F, typename M>                       \
        requires std::same_as<std::remove_const_t<M>, Type> \
    void each(F&& f, M& m) {                                \
        __VA_ARGS__                                         \
    }

TIDEMILL_LINK_FIELDS(Hello, f("protocol", m.protocol); f("protocolLowest", m.protocol_lowest);
                     f("role", m.role); f("build", m.build); f("bootId", m.boot_id);)
TIDEMILL_LINK_FIELDS(Begin, f("version", m.version); f("mode", m.mode);)
TIDEMILL_LINK_FIELDS(Commit, f("version", m.version);)
TIDEMILL_LINK_FIELDS(RouteTarget, f("revision", m.revision); f("percent", m.percent);)
TIDEMILL_LINK_FIELDS(HostRoute, f("host", m.host); f("service", m.service); f("route", m.route);
                     f("tag", m.tag); f("targets", m.targets);)
TIDEMILL_LINK_FIELDS(RevisionPolicy, f("revision", m.revision); f("service", m.service);
                     f("configuration", m.configuration);
                     f("containerConcurrency", m.container_concurrency); f("timeout", m.timeout);
                     f("responseStartTimeout", m.response_start_timeout);
                     f("idleTimeout", m.idle_timeout); f("queueMax", m.queue_max);
                     f("protocol", m.protocol);)
TIDEMILL_LINK_FIELDS(FileMount, f("source", m.source); f("target", m.target);
                     f("access", m.access);)
TIDEMILL_LINK_FIELDS(InlineFile, f("target", m.target); f("content", m.content); f("mode", m.mode);)
TIDEMILL_LINK_FIELDS(ProbeSpec, f("kind", m.kind); f("path", m.path); f("host", m.host);
                     f("headers", m.headers); f("command", m.command); f("period", m.period);
                     f("timeout", m.timeout); f("initialDelay", m.initial_delay);
                     f("successThreshold", m.success_threshold);
                     f("failureThreshold", m.failure_threshold);)
TIDEMILL_LINK_FIELDS(InstanceSpec, f("runtime", m.runtime); f("command", m.command);
                     f("environment", m.environment); f("workingDirectory", m.working_directory);
                     f("mounts", m.mounts); f("files", m.files); f("listen", m.listen);
                     f("memoryBytesMax", m.memory_bytes_max); f("cpuMilliMax", m.cpu_milli_max);
                     f("cpuMilliRequest", m.cpu_milli_request); f("processesMax", m.processes_max);
                     f("runAsUser", m.run_as_user); f("runAsGroup", m.run_as_group);
                     f("grace", m.grace); f("readiness", m.readiness); f("liveness", m.liveness);
                     f("startupDeadline", m.startup_deadline); f("keepFrozen", m.keep_frozen);)
TIDEMILL_LINK_FIELDS(WantedRevision, f("revision", m.revision); f("service", m.service);
                     f("configuration", m.configuration); f("instances", m.instances);
                     f("instancesMax", m.instances_max);
                     f("containerConcurrency", m.container_concurrency); f("spec", m.spec);)
TIDEMILL_LINK_FIELDS(Endpoint, f("instance", m.instance); f("address", m.address);
                     f("state", m.state);)
TIDEMILL_LINK_FIELDS(RevisionEndpoints, f("revision", m.revision); f("endpoints", m.endpoints);)
TIDEMILL_LINK_FIELDS(InstanceReport, f("instance", m.instance); f("revision", m.revision);
                     f("state", m.state); f("pid", m.pid); f("started", m.started);
                     f("restarts", m.restarts); f("reason", m.reason); f("message", m.message);
                     f("exitCode", m.exit_code); f("exitSignal", m.exit_signal);
                     f("lastLog", m.last_log);)
TIDEMILL_LINK_FIELDS(Stage, f("name", m.name); f("at", m.at); f("took", m.took);)
TIDEMILL_LINK_FIELDS(ColdStart, f("instance", m.instance); f("revision", m.revision);
                     f("began", m.began); f("cause", m.cause); f("stages", m.stages);)
TIDEMILL_LINK_FIELDS(Wake, f("revision", m.revision); f("waiting", m.waiting);)
TIDEMILL_LINK_FIELDS(Drained, f("instance", m.instance);)
TIDEMILL_LINK_FIELDS(RevisionStats, f("revision", m.revision); f("at", m.at);
                     f("concurrencyAverage", m.concurrency_average); f("requests", m.requests);
                     f("waiting", m.waiting); f("inFlight", m.in_flight);)
TIDEMILL_LINK_FIELDS(HeldRequest, f("revision", m.revision); f("instance", m.instance);
                     f("requestId", m.request_id); f("began", m.began); f("stages", m.stages);
                     f("total", m.total);)
TIDEMILL_LINK_FIELDS(LogRequest, f("id", m.id); f("instance", m.instance); f("mode", m.mode);
                     f("which", m.which); f("tailLines", m.tail_lines); f("since", m.since);)
TIDEMILL_LINK_FIELDS(LogChunk, f("id", m.id); f("lines", m.lines); f("end", m.end);)
TIDEMILL_LINK_FIELDS(DeleteHost, f("host", m.host);)
TIDEMILL_LINK_FIELDS(DeletePolicy, f("revision", m.revision);)
TIDEMILL_LINK_FIELDS(DeleteWanted, f("revision", m.revision);)
TIDEMILL_LINK_FIELDS(DeleteEndpoints, f("revision", m.revision);)
#undef TIDEMILL_LINK_FIELDS

// The name of each kind of message on the wire, in the order of the variant.
inline constexpr std::array<std::string_view, std::variant_size_v<Message>> message_names{
    "Hello",
    "Begin",
    "Commit",
    "HostRoute",
    "RevisionPolicy",
    "WantedRevision",
    "RevisionEndpoints",
    "DeleteHost",
    "DeletePolicy",
    "DeleteWanted",
    "DeleteEndpoints",
    "InstanceReport",
    "ColdStart",
    "Wake",
    "Drained",
    "RevisionStats",
    "HeldRequest",
    "LogRequest",
    "LogChunk"};

// Enumerations travel as names, so that a new one in the middle changes no number.
template <typename E>
inline constexpr auto enum_names = nullptr;
template <>
inline constexpr std::array<std::string_view, 2> enum_names<Begin::Mode>{"change", "replace"};
template <>
inline constexpr std::array<std::string_view, 2> enum_names<FileMount::Access>{"readOnly",
                                                                               "readWrite"};
template <>
inline constexpr std::array<std::string_view, 3> enum_names<ProbeSpec::Kind>{"tcp", "http", "exec"};
template <>
inline constexpr std::array<std::string_view, 2> enum_names<RevisionPolicy::Protocol>{"http1",
                                                                                      "h2c"};
template <>
inline constexpr std::array<std::string_view, 2> enum_names<InstanceSpec::Listen>{"unixSocket",
                                                                                  "port"};
template <>
inline constexpr std::array<std::string_view, 6> enum_names<InstanceState>{
    "starting", "ready", "draining", "frozen", "stopping", "ended"};
template <>
inline constexpr std::array<std::string_view, 3> enum_names<LogRequest::Mode>{"once", "follow",
                                                                              "cancel"};
template <>
inline constexpr std::array<std::string_view, 2> enum_names<LogRequest::Which>{"current",
                                                                               "previous"};
template <>
inline constexpr std::array<std::string_view, 3> enum_names<LogChunk::End>{"more", "done",
                                                                           "notFound"};

}  // namespace tidemill::link
