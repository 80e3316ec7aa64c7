// What the roles say to each other. Plain values; how they become bytes is codec.h's business.
//
// Who tells whom ("table": versioned, with Begin, Put, Delete and Commit):
// - control to proxy: table of HostRoute and RevisionPolicy
// - control to agent: table of WantedRevision; LogRequest
// - agent to proxy: table of RevisionEndpoints, who serves a revision right now
// - agent to control: RevisionEndpoints, InstanceReport, ColdStart, LogChunk
// - proxy to agent: Wake, Drained
// - proxy to control: RevisionStats, HeldRequest
// A revision is named "NAMESPACE/NAME" everywhere.
#pragma once

#include <cstdint>
#include <optional>
#include <string>
#include <utility>
#include <variant>
#include <vector>

#include "base/time.h"

namespace tidemill::link {

// The first message on every connection, both ways. A peer goes on if its own protocol is at least
// the other's `protocol_lowest`, and then speaks the lower of the two.
struct Hello {
    static constexpr std::uint32_t protocol_now = 1;
    static constexpr std::uint32_t protocol_lowest_now = 1;

    std::uint32_t protocol = protocol_now;
    std::uint32_t protocol_lowest = protocol_lowest_now;
    std::string role;     // "control", "proxy", "agent"
    std::string build;    // version of the binary
    std::string boot_id;  // new each time the role starts: a peer drops what it knew of the old one
};

// A table is sent as Begin(version), any Put and Delete of its keys, Commit(version); the receiver
// applies all or nothing at Commit. `replace` begins from an empty table: the first of a
// connection.
struct Begin {
    std::uint64_t version = 0;
    enum class Mode : std::uint8_t { change, replace } mode = Mode::change;
};
struct Commit {
    std::uint64_t version = 0;
};

// control -> proxy

struct RouteTarget {
    std::string revision;  // "NAMESPACE/NAME"
    std::uint32_t percent = 0;
};

// Where requests of one host go.
struct HostRoute {
    std::string host;                  // lower case, no port: the key
    std::string service;               // "NAMESPACE/NAME", for metrics and logs
    std::string route;                 // name of the Route
    std::string tag;                   // empty for the main host
    std::vector<RouteTarget> targets;  // percents sum to 100
};

// What the proxy must know of a revision, whoever routes to it.
struct RevisionPolicy {
    std::string revision;  // the key
    std::string service;
    std::string configuration;
    std::uint32_t container_concurrency = 0;  // 0: unlimited
    base::Duration timeout{};  // whole request, waiting included, up to the last byte
    base::Duration response_start_timeout{};  // 0: same as timeout
    base::Duration idle_timeout{};            // 0: none
    std::uint32_t queue_max = 10'000;         // requests that may wait
    // How its instances are spoken to. A proxy that does not know the field speaks HTTP/1.1.
    enum class Protocol : std::uint8_t { http1, h2c } protocol = Protocol::http1;
};

// control -> agent

struct FileMount {
    std::string source;  // a path of the host
    std::string target;  // a path inside the instance
    enum class Access : std::uint8_t { read_only, read_write } access = Access::read_only;
};

// A file whose content the platform gives, such as a Secret's key. Lives in memory, never on disk.
struct InlineFile {
    std::string target;
    std::string content;
    std::uint32_t mode = 0444;
};

struct ProbeSpec {
    enum class Kind : std::uint8_t { tcp, http, exec } kind = Kind::tcp;
    std::string path;  // http
    std::string host;  // http: Host header, empty for the default
    std::vector<std::pair<std::string, std::string>> headers;  // http
    std::vector<std::string> command;                          // exec
    base::Duration period{};  // 0: aggressive, every few milliseconds until ready
    base::Duration timeout = std::chrono::seconds(1);
    base::Duration initial_delay{};
    std::uint32_t success_threshold = 1;
    std::uint32_t failure_threshold = 3;
};

// What one instance is, how it starts and where it listens. Complete: the agent asks nobody else.
struct InstanceSpec {
    std::string runtime;               // "python", "node", "static", "native"; what explain shows
    std::vector<std::string> command;  // absolute path first
    std::vector<std::pair<std::string, std::string>> environment;
    std::string working_directory = "/";
    // Directories, in order: the app at /app, a runtime. One at "/" is an unpacked image, the root
    // of the instance in place of the host's programs; written to, it changes for the instance
    // only.
    std::vector<FileMount> mounts;
    std::vector<InlineFile> files;
    // Functions listen on a Unix socket that the agent made; apps on $PORT of 127.0.0.1.
    enum class Listen : std::uint8_t { unix_socket, port } listen = Listen::port;
    std::uint64_t memory_bytes_max = 0;   // 0: the agent's default
    std::uint32_t cpu_milli_max = 0;      // 0: no quota
    std::uint32_t cpu_milli_request = 0;  // weight; 0: the default
    std::uint32_t processes_max = 0;      // 0: the agent's default
    std::optional<std::uint32_t> run_as_user;
    std::optional<std::uint32_t> run_as_group;         // that of the user where it is not given
    base::Duration grace = std::chrono::seconds(300);  // SIGTERM to SIGKILL
    ProbeSpec readiness;
    std::optional<ProbeSpec> liveness;
    base::Duration startup_deadline = std::chrono::seconds(600);
    base::Duration keep_frozen{};  // an idle instance is kept frozen for so long; 0: it ends
};

// How many instances of a revision should run here.
struct WantedRevision {
    std::string revision;  // the key
    std::string service;
    std::string configuration;
    std::uint32_t instances = 0;
    std::uint32_t instances_max = 0;  // 0: no limit; bounds what a Wake may start
    std::uint32_t container_concurrency = 0;
    InstanceSpec spec;
};

// agent -> proxy and control

enum class InstanceState : std::uint8_t {
    starting,  // not ready yet
    ready,     // may be given requests
    draining,  // gets no new requests; stops when what runs has ended
    frozen,    // idle and not running: no replica, and ready again as soon as it is thawed
    stopping,  // SIGTERM was sent
    ended,     // gone; `exit` says how
};

struct Endpoint {
    std::string instance;  // unique for ever: revision's name, dash, random
    std::string address;   // host::parse_address reads it
    InstanceState state = InstanceState::starting;
};

// All living instances of one revision: the latest value, not a change.
struct RevisionEndpoints {
    std::string revision;  // the key
    std::vector<Endpoint> endpoints;
};

// Why an instance is as it is, sent when that changes.
struct InstanceReport {
    std::string instance;
    std::string revision;
    InstanceState state = InstanceState::starting;
    std::int32_t pid = 0;
    base::WallTime started;
    std::uint32_t restarts = 0;  // of this revision's instances here since the last ready one
    // Set when something is wrong: stable reason ("ExitCode3", "OOMKilled", "NotListening",
    // "ProbeFailed", "LaunchFailed") and a message with the evidence.
    std::string reason;
    std::string message;
    std::optional<int> exit_code;
    std::optional<int> exit_signal;
    std::string last_log;  // the last lines that it wrote, at most 4 KiB
};

// One stage of a start: `at` counts from the first moment of the waterfall.
struct Stage {
    std::string name;
    base::Duration at{};
    base::Duration took{};
};

// How one instance came up, for explain. Stages do not overlap and leave no gap.
struct ColdStart {
    std::string instance;
    std::string revision;
    base::WallTime began;
    std::string cause;  // "wake", "scale", "replace", "thaw"
    std::vector<Stage> stages;
};

// proxy -> agent

// Requests wait and nobody may serve them. Idempotent: repeated until endpoints show that it was
// heard.
struct Wake {
    std::string revision;
    std::uint32_t waiting = 0;
};

// No request of this proxy runs on this draining instance any more.
struct Drained {
    std::string instance;
};

// proxy -> control

// What one revision's requests did in one second, summed over a proxy's workers.
struct RevisionStats {
    std::string revision;
    base::WallTime at;
    double concurrency_average = 0;  // in flight and waiting, time-weighted over the second
    double requests = 0;             // begun in that second
    std::uint32_t waiting = 0;       // right now
    std::uint32_t in_flight = 0;     // right now
};

// The request that met a cold start, seen by the client's side: completes the agent's ColdStart.
struct HeldRequest {
    std::string revision;
    std::string instance;
    std::string request_id;
    base::WallTime began;
    std::vector<Stage> stages;  // "hold", "connect", "respond"; sum to the whole
    base::Duration total{};  // first byte of the request read to first byte of the answer written
};

// control -> agent -> control

struct LogRequest {
    std::uint64_t id = 0;  // chunks carry it
    std::string instance;
    enum class Mode : std::uint8_t { once, follow, cancel } mode = Mode::once;
    // Of the instance itself, which lives or has ended; or of the last of the same revision that
    // ended, while this one lives: what it came in place of, perhaps.
    enum class Which : std::uint8_t { current, previous } which = Which::current;
    std::optional<std::uint64_t> tail_lines;
    std::optional<base::WallTime> since;
};

struct LogChunk {
    std::uint64_t id = 0;
    std::string lines;  // whole lines as CRI writes them: "TIME stdout F text\n"
    enum class End : std::uint8_t { more, done, not_found } end = End::more;
};

// The key of a table's Put or Delete is the field marked "the key"; Delete carries only that.
struct DeleteHost {
    std::string host;
};
struct DeletePolicy {
    std::string revision;
};
struct DeleteWanted {
    std::string revision;
};
struct DeleteEndpoints {
    std::string revision;
};

using Message =
    std::variant<Hello, Begin, Commit, HostRoute, RevisionPolicy, WantedRevision, RevisionEndpoints,
                 DeleteHost, DeletePolicy, DeleteWanted, DeleteEndpoints, InstanceReport, ColdStart,
                 Wake, Drained, RevisionStats, HeldRequest, LogRequest, LogChunk>;

}  // namespace tidemill::link
