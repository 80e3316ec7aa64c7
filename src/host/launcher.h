// Instances of users: confined processes that outlive the one who started them.
#pragma once

#include <cstdint>
#include <optional>
#include <string>
#include <utility>
#include <vector>

#include "async/task.h"
#include "base/result.h"
#include "base/time.h"

namespace tidemill::host {

// One step of building the file system that an instance sees. Steps are taken in order; directories
// on the way to a target are made where the root is ours to write to.
struct MountPlan {
    enum class Kind : std::uint8_t {
        bind,       // `source` of the host, with everything mounted below it
        tmpfs,      // memory, at most `bytes_max`
        proc,       // the instance's own processes
        sysfs,      // read-only
        devices,    // null zero full random urandom tty, fd and std links, pts, shm, mqueue
        link,       // a symbolic link at `target` that says `source`
        directory,  // with `mode`
        file,       // `content` with `mode`, in memory only
        // The directory `source` of the host as the root itself; the first step or none. With
        // `bytes_max`, what is written lands in memory of its own (overlayfs), at most so much;
        // without, nothing can be written, and what is put into it must find its place there.
        root,
    };
    enum class Access : std::uint8_t { read_only, read_write };
    enum class Presence : std::uint8_t { required, optional };  // optional: skipped without source

    Kind kind = Kind::bind;
    std::string source;
    std::string target;  // absolute, inside
    Access access = Access::read_only;
    Presence presence = Presence::required;
    std::uint64_t bytes_max = 0;
    std::uint32_t mode = 0755;
    std::string content;

    friend bool operator==(const MountPlan&, const MountPlan&) = default;
};

struct RootPlan {
    // Empty: the program runs on the host's own files (no mount namespace).
    std::vector<MountPlan> mounts;
    std::vector<std::string> masked;     // read as empty; skipped where they are not
    std::vector<std::string> read_only;  // remounted so; skipped where they are not

    friend bool operator==(const RootPlan&, const RootPlan&) = default;
};

// Limits of everything that runs in an instance together. 0 is no limit.
struct CgroupLimits {
    std::uint64_t memory_bytes_max = 0;  // swap included
    std::uint32_t cpu_milli_max = 0;     // thousandths of a core
    std::uint32_t cpu_milli_weight = 0;  // share when cores are short; 0: the kernel's default
    std::uint32_t processes_max = 0;     // threads count

    friend bool operator==(const CgroupLimits&, const CgroupLimits&) = default;
};

enum class Isolation : std::uint8_t {
    namespaces,  // own processes, mounts, IPC and host name
    // The same inside a user namespace, where the caller is not root.
    user_namespace,
    none,  // rlimits, seccomp and no new privileges only
};

enum class SeccompProfile : std::uint8_t {
    none,
    standard,  // an allow-list of system calls; see src/launcher/seccomp_profile.cc
};

// All that is needed to start one instance. Plain; made by sandbox.
struct LaunchPlan {
    std::string instance;  // unique for ever: letters, digits, '-', '.', at most 200
    // Given back by scan(): what the caller must know to adopt the instance. At most 16 KiB.
    std::string note;

    // argv[0] is a path inside, or a name that is looked for in PATH of `environment`.
    std::vector<std::string> argv;
    std::vector<std::string> environment;  // "NAME=value"
    std::string directory = "/";
    RootPlan root;
    Isolation isolation = Isolation::namespaces;
    std::string host_name;
    std::uint32_t uid = 0;
    std::uint32_t gid = 0;
    std::uint32_t umask = 0022;

    CgroupLimits limits;
    std::uint64_t open_files_max = 0;   // 0: as inherited
    std::uint64_t stack_bytes_max = 0;  // 0: as inherited
    std::int32_t oom_score_adjust = 0;
    SeccompProfile seccomp = SeccompProfile::standard;

    // A Unix socket of the host that is made, listened on, and passed as descriptor 3; TIDEMILL_
    // LISTEN_FD=3 stands in the environment then. Connections wait in its backlog from this moment.
    // Empty: none.
    std::string listen_path;
    std::uint32_t listen_mode = 0600;
    std::uint32_t listen_backlog = 1024;

    // Where stdout and stderr go: two files of at most half of log_bytes_max each, "0.log" and
    // "1.log", written in turn, in the form of CRI: "TIME stdout F text". Empty: thrown away.
    std::string log_directory;
    std::uint64_t log_bytes_max = 16U << 20;
};

// Since when an instance's process with this number is that instance, whatever number is used
// again.
struct ProcessIdentity {
    std::int32_t pid = 0;           // of the instance's init, as the host sees it
    std::uint64_t start_ticks = 0;  // /proc/PID/stat field 22
    friend bool operator==(const ProcessIdentity&, const ProcessIdentity&) = default;
};

struct LaunchStage {
    std::string name;  // "prepare", "clone", "root", "exec"
    base::Instant began;
    base::Instant ended;
};

// An instance that runs the program: its execve has succeeded.
struct Launched {
    ProcessIdentity process;
    std::vector<LaunchStage> stages;  // no gap, no overlap
};

// How an instance ended. An instance without code and signal ended while nobody could see how.
struct InstanceExit {
    std::optional<int> code;
    std::optional<int> signal;
    std::uint64_t oom_kills = 0;  // processes of it that the kernel killed for its memory limit
    base::WallTime at;
    friend bool operator==(const InstanceExit&, const InstanceExit&) = default;
};

// What the launcher knows of an instance, living or ended but not forgotten.
struct KnownInstance {
    std::string instance;
    std::string note;
    ProcessIdentity process;
    base::WallTime launched;
    std::uint32_t uid = 0;
    bool is_frozen = false;
    std::optional<InstanceExit> exit;
};

// Something that an instance is bound to, seen from outside: evidence when it does not answer.
struct ListeningSocket {
    enum class Family : std::uint8_t { ipv4, ipv6, unix_path };
    Family family = Family::ipv4;
    std::string address;  // "0.0.0.0", "::1", a path
    std::uint16_t port = 0;
    friend bool operator==(const ListeningSocket&, const ListeningSocket&) = default;
};

struct Inspection {
    std::uint32_t processes = 0;
    std::uint64_t memory_bytes = 0;  // 0 when not known
    std::uint64_t cpu_usec = 0;      // used so far; 0 when not known
    std::uint64_t oom_kills = 0;
    std::vector<ListeningSocket> listening;
};

// Who would take a connection to a port of 127.0.0.1.
struct PortHolder {
    enum class Who : std::uint8_t {
        nobody,
        instance,  // a process of the instance that was asked about
        other,     // any other process of this machine
        unknown,   // the instance's descriptors cannot all be seen
    };
    Who who = Who::unknown;
    std::int32_t pid = 0;  // of another, as the host sees it; 0 when that cannot be seen
    std::string name;      // and what it calls itself
    friend bool operator==(const PortHolder&, const PortHolder&) = default;
};

struct LauncherEvent {
    enum class Kind : std::uint8_t {
        ended,    // `exit` says how
        stopped,  // its main process was stopped by a signal and does nothing
        resumed,
        lost,  // the launcher died and is back: what was known must be compared with scan()
    };
    Kind kind = Kind::ended;
    std::string instance;
    InstanceExit exit;
};

// What this host can give. Each is probed by doing it, not by asking for a version.
struct LauncherCapabilities {
    std::uint32_t uid = 0;
    bool namespaces = false;       // PID, mount, IPC, UTS, as root
    bool user_namespaces = false;  // the same without root
    bool cgroup_memory = false;
    bool cgroup_memory_swap = false;  // swap counts
    bool cgroup_cpu = false;
    bool cgroup_pids = false;
    bool cgroup_freezer = false;
    std::uint32_t cgroup_version = 0;  // 1, 2, or 0 when none can be written
    bool seccomp = false;
    bool mount_attributes = false;  // open_tree, mount_setattr: Linux 5.12
    bool pidfd = false;             // Linux 5.3
    bool overlay = false;
    std::uint32_t landlock_abi = 0;
    std::string kernel;
    friend bool operator==(const LauncherCapabilities&, const LauncherCapabilities&) = default;
};

// Starts instances and watches them. Instances, their logs and the record of their end outlive it.
// One loop's thread. All methods are keyed by the instance's name.
class Launcher {
public:
    Launcher() = default;
    Launcher(const Launcher&) = delete;
    Launcher& operator=(const Launcher&) = delete;
    virtual ~Launcher() = default;

    // Returns when the program runs, or with what stood in the way: the step, the path and the
    // system's reason. Nothing is left over after a failure. Errors: invalid (the plan; a path that
    // is not there; not executable), exhausted (processes, memory, instances), denied, deadline,
    // conflict (the name is taken), unavailable (the launcher died; the instance may run: scan).
    virtual async::Task<base::Result<Launched>> launch(LaunchPlan plan, base::Instant deadline) = 0;
    // To the instance's main process. Errors: not_found (never was, or has ended).
    virtual async::Task<base::Status> signal(std::string instance, int number) = 0;
    // Ends every process of the instance at once; `ended` follows. Errors: not_found.
    virtual async::Task<base::Status> kill(std::string instance) = 0;
    // Stops all of the instance's processes from running, or lets them go on. Errors: not_found,
    // invalid (the host has no freezer).
    enum class Freeze : std::uint8_t { frozen, thawed };
    virtual async::Task<base::Status> freeze(std::string instance, Freeze wanted) = 0;
    // All that runs, and what has ended and was not forgotten, whoever started it.
    virtual async::Task<base::Result<std::vector<KnownInstance>>> scan() = 0;
    // Errors: not_found.
    virtual async::Task<base::Result<Inspection>> inspect(std::string instance) = 0;
    // Errors: not_found.
    virtual async::Task<base::Result<PortHolder>> port_holder(std::string instance,
                                                              std::uint16_t port) = 0;
    // Removes what is kept of an ended instance: its record, its socket, its cgroup; not its log.
    // Errors: conflict (it runs).
    virtual async::Task<base::Status> forget(std::string instance) = 0;
    // The next event. At most one waiter; never ends before the Launcher is destroyed.
    virtual async::Task<LauncherEvent> next_event() = 0;
    // As found when it was started.
    virtual const LauncherCapabilities& capabilities() const = 0;
};

}  // namespace tidemill::host
