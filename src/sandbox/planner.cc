#include "sandbox/planner.h"

#include <fmt/format.h>

#include <algorithm>
#include <array>
#include <optional>

#include "base/bytes.h"
#include "base/text.h"

namespace tidemill::sandbox {
namespace {

using host::MountPlan;
using Kind = MountPlan::Kind;
using Access = MountPlan::Access;

// What runc's default configuration hides and makes read-only (OCI runtime specification,
// config-linux.md; values as `runc spec` prints them), with what newer kernels added.
constexpr std::array masked_paths{
    "/proc/acpi",         "/proc/asound",      "/proc/interrupts",
    "/proc/kcore",        "/proc/keys",        "/proc/latency_stats",
    "/proc/timer_list",   "/proc/timer_stats", "/proc/sched_debug",
    "/proc/scsi",         "/sys/firmware",     "/sys/devices/virtual/powercap",
    "/sys/fs/cgroup",     "/sys/kernel/debug", "/sys/kernel/security",
    "/sys/kernel/tracing"};
constexpr std::array read_only_paths{"/proc/bus", "/proc/fs", "/proc/irq", "/proc/sys",
                                     "/proc/sysrq-trigger"};

bool is_clean_absolute(std::string_view path) {
    if (!path.starts_with('/')) {
        return false;
    }
    const auto parts = base::split(path.substr(1), '/');
    return std::ranges::none_of(parts, [](auto part) { return part == ".." || part == "."; });
}

// A path, or a name that the launcher looks for in PATH; relative ones begin in the working
// directory, as the image's author meant them.
bool is_program(std::string_view word) {
    const auto parts = base::split(word, '/');
    return !word.empty() && std::ranges::none_of(parts, [](auto part) { return part == ".."; });
}

bool below(std::string_view path, std::string_view directory) {
    return path == directory ||
           (path.starts_with(directory) && (directory == "/" || path[directory.size()] == '/'));
}

base::Status check(const Workload& workload) {
    const auto refuse = [&](std::string_view what, std::string_view value) {
        return base::fail(base::Code::invalid, "{}: {} {}: must be an absolute path without '..'",
                          workload.instance, what, value);
    };
    // An image's own words are taken as they are: all that they can reach is the image.
    if (workload.command.empty() || workload.command.front().empty() ||
        (!workload.image && !is_program(workload.command.front()))) {
        return base::fail(base::Code::invalid, "{}: command {}: must be a program without '..'",
                          workload.instance,
                          workload.command.empty() ? "" : workload.command.front());
    }
    if (workload.image && !is_clean_absolute(workload.image->tree)) {
        return refuse("image", workload.image->tree);
    }
    if (!is_clean_absolute(workload.directory)) {
        return refuse("working directory", workload.directory);
    }
    for (const auto& mount : workload.mounts) {
        if (!is_clean_absolute(mount.source) || !is_clean_absolute(mount.target) ||
            mount.target == "/") {
            return refuse("mount", mount.target);
        }
    }
    for (const auto& file : workload.files) {
        if (!is_clean_absolute(file.target)) {
            return refuse("file", file.target);
        }
    }
    for (const auto& [name, value] : workload.environment) {
        if (name.empty() || name.find('=') != std::string::npos ||
            name.find('\0') != std::string::npos || value.find('\0') != std::string::npos) {
            return base::fail(base::Code::invalid, "{}: variable {}: not a name, or holds a zero",
                              workload.instance, name);
        }
    }
    return base::ok;
}

MountPlan bind(std::string source, std::string target, Access access = Access::read_only,
               MountPlan::Presence presence = MountPlan::Presence::required) {
    return {.kind = Kind::bind,
            .source = std::move(source),
            .target = std::move(target),
            .access = access,
            .presence = presence};
}
MountPlan file(std::string target, std::string content, std::uint32_t mode) {
    return {.kind = Kind::file,
            .target = std::move(target),
            .mode = mode,
            .content = std::move(content)};
}

// Programs look up their own host's name; the last line is theirs.
MountPlan hosts_file(const Workload& workload, const HostRoot& root) {
    std::string hosts = root.hosts;
    if (!hosts.empty() && hosts.back() != '\n') {
        hosts += '\n';
    }
    return file("/etc/hosts", hosts + "127.0.0.1 " + workload.host_name + "\n", 0444);
}

MountPlan memory(std::string target, std::uint64_t bytes_max) {
    return {.kind = Kind::tmpfs,
            .target = std::move(target),
            .access = Access::read_write,
            .bytes_max = bytes_max,
            .mode = 01777};
}

// An image brings all files of its own but those that say where it runs.
void add_image(const Workload& workload, const Policy& policy, const HostRoot& root,
               const host::LauncherCapabilities& host, std::vector<MountPlan>& mounts) {
    mounts.push_back({.kind = Kind::root,
                      .source = workload.image->tree,
                      .target = "/",
                      .access = workload.image->access,
                      .bytes_max = host.overlay ? policy.image_bytes_max : 0});
    mounts.push_back(hosts_file(workload, root));
    mounts.push_back(file("/etc/hostname", workload.host_name + "\n", 0444));
    mounts.push_back(bind("/etc/resolv.conf", "/etc/resolv.conf", Access::read_only,
                          MountPlan::Presence::optional));
    if (host.overlay && workload.image->access == Access::read_write) {
        mounts.push_back({.kind = Kind::directory, .target = "/tmp", .mode = 01777});
    } else {
        mounts.push_back(memory("/tmp", policy.tmp_bytes_max));
        mounts.push_back(memory("/run", policy.tmp_bytes_max));
    }
}

// The host's own programs and libraries, read-only, and little else.
void add_host(const Workload& workload, const Policy& policy, const HostRoot& root,
              std::vector<MountPlan>& mounts) {
    for (const auto& directory : root.directories) {
        mounts.push_back(bind(directory, directory));
    }
    for (const auto& [target, source] : root.links) {
        mounts.push_back({.kind = Kind::link, .source = source, .target = target});
    }
    for (const auto& path : root.etc) {
        mounts.push_back(bind(path, path, Access::read_only, MountPlan::Presence::optional));
    }
    for (const auto& path : policy.host_paths) {
        mounts.push_back(bind(path, path, Access::read_only, MountPlan::Presence::optional));
    }
    const std::string user = workload.uid == 0
                                 ? std::string()
                                 : fmt::format("app:x:{0}:{0}::/tmp:/bin/sh\n", workload.uid);
    mounts.push_back(file("/etc/passwd",
                          "root:x:0:0:root:/root:/bin/sh\n" + user +
                              "nobody:x:65534:65534:nobody:/nonexistent:/usr/sbin/nologin\n",
                          0444));
    mounts.push_back(file(
        "/etc/group",
        "root:x:0:\n" + (user.empty() ? std::string() : fmt::format("app:x:{}:\n", workload.uid)) +
            "nogroup:x:65534:\n",
        0444));
    mounts.push_back(hosts_file(workload, root));
    mounts.push_back(file("/etc/hostname", workload.host_name + "\n", 0444));
    mounts.push_back(memory("/tmp", policy.tmp_bytes_max));
    // Where programs keep what lasts as long as they do; the same memory as /tmp.
    mounts.push_back({.kind = Kind::directory, .target = "/run", .mode = 0755});
    mounts.push_back({.kind = Kind::directory, .target = "/var", .mode = 0755});
    mounts.push_back({.kind = Kind::link, .source = "/tmp", .target = "/var/tmp"});
}

host::RootPlan plan_root(const Workload& workload, const Policy& policy, const HostRoot& root,
                         const host::LauncherCapabilities& host, host::Isolation isolation) {
    host::RootPlan plan;
    auto& mounts = plan.mounts;
    if (workload.image) {
        add_image(workload, policy, root, host, mounts);
    } else {
        add_host(workload, policy, root, mounts);
    }
    mounts.push_back({.kind = Kind::proc, .target = "/proc"});
    // A user namespace without a network of its own may not mount one; what needs /sys there looks
    // for processors, and libraries fall back to /proc/cpuinfo.
    mounts.push_back(
        {.kind = Kind::sysfs, .target = "/sys", .presence = MountPlan::Presence::optional});
    mounts.push_back({.kind = Kind::devices, .target = "/dev", .bytes_max = policy.shm_bytes_max});
    for (const auto& mount : workload.mounts) {
        mounts.push_back(bind(mount.source, mount.target, mount.access));
    }
    for (const auto& each : workload.files) {
        mounts.push_back(file(each.target, each.content, each.mode));
    }
    plan.masked.assign(masked_paths.begin(), masked_paths.end());
    for (const auto& secret : policy.secrets) {
        for (const auto& mount : mounts) {
            // Only what shows the secret by accident: a mount of something inside it was asked for.
            if (mount.kind == Kind::bind && below(secret, mount.source)) {
                plan.masked.push_back(mount.target + secret.substr(mount.source.size()));
            }
        }
    }
    plan.read_only.assign(read_only_paths.begin(), read_only_paths.end());
    if (isolation == host::Isolation::user_namespace) {
        std::erase_if(plan.masked, [](const auto& path) { return below(path, "/sys"); });
    }
    return plan;
}

// Without a mount namespace nothing is where it should be: what names a mount's target names its
// source instead.
std::string outside(std::string_view text, const std::vector<Mount>& mounts) {
    for (const auto& mount : mounts) {
        if (below(text, mount.target)) {
            return mount.source + std::string(text.substr(mount.target.size()));
        }
    }
    return std::string(text);
}

}  // namespace

base::Result<host::LaunchPlan> plan_launch(const Workload& workload, const Policy& policy,
                                           const HostRoot& root,
                                           const host::LauncherCapabilities& host) {
    CHECK_OK(check(workload));
    host::LaunchPlan plan;
    plan.isolation = host.namespaces && host.mount_attributes ? host::Isolation::namespaces
                     : host.user_namespaces && host.mount_attributes
                         ? host::Isolation::user_namespace
                         : host::Isolation::none;
    const bool confined = plan.isolation != host::Isolation::none;
    if (!confined && !workload.files.empty()) {
        return base::fail(base::Code::invalid,
                          "{}: file {}: this host gives no mount namespace to put it in; run as "
                          "root or allow user namespaces",
                          workload.instance, workload.files.front().target);
    }
    if (!confined && workload.image) {
        return base::fail(base::Code::invalid,
                          "TM-430: {}: an image needs a root of its own, and this host gives no "
                          "mount namespace; run as root or allow user namespaces",
                          workload.instance);
    }
    const auto place = [&](const std::string& text) {
        return confined ? text : outside(text, workload.mounts);
    };
    plan.instance = workload.instance;
    plan.note = workload.note;
    for (const auto& argument : workload.command) {
        plan.argv.push_back(place(argument));
    }
    plan.directory = place(workload.directory);
    plan.host_name = workload.host_name.substr(0, 63);  // HOST_NAME_MAX is 64 with its end
    plan.uid = workload.uid;
    plan.gid = workload.gid.value_or(workload.uid);
    plan.limits = {.memory_bytes_max = workload.memory_bytes_max != 0 ? workload.memory_bytes_max
                                                                      : policy.memory_bytes_default,
                   .cpu_milli_max = workload.cpu_milli_max,
                   .cpu_milli_weight = workload.cpu_milli_request,
                   .processes_max = workload.processes_max != 0 ? workload.processes_max
                                                                : policy.processes_default};
    plan.open_files_max = policy.open_files_max;
    plan.oom_score_adjust = policy.oom_score_adjust;
    plan.seccomp = host.seccomp ? host::SeccompProfile::standard : host::SeccompProfile::none;
    plan.listen_path = workload.listen_path;
    plan.log_directory = workload.log_directory;
    plan.log_bytes_max = policy.log_bytes_max;

    // The user's own values come last and win, except where the contract sets them.
    std::vector<std::pair<std::string, std::string>> variables{
        {"PATH", "/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin"},
        {"HOME", "/tmp"},
        {"HOSTNAME", plan.host_name}};
    const auto set = [&](const std::string& name, std::string value) {
        const auto found =
            std::ranges::find(variables, name, &std::pair<std::string, std::string>::first);
        if (found != variables.end()) {
            found->second = std::move(value);
        } else {
            variables.emplace_back(name, std::move(value));
        }
    };
    for (const auto& [name, value] : workload.environment) {
        set(name, place(value));
    }
    if (workload.port) {
        set("PORT", std::to_string(*workload.port));
    }
    for (auto& [name, value] : variables) {
        plan.environment.push_back(name + "=" + value);
    }
    if (confined) {
        plan.root = plan_root(workload, policy, root, host, plan.isolation);
    }
    return plan;
}

base::Result<std::uint32_t> choose_uid(std::string_view instance,
                                       const std::vector<std::uint32_t>& taken) {
    const auto from = static_cast<std::uint32_t>(base::fnv1a(instance) % uid_count);
    for (std::uint32_t i = 0; i < uid_count; ++i) {
        const std::uint32_t uid = uid_base + (from + i) % uid_count;
        if (std::ranges::find(taken, uid) == taken.end()) {
            return uid;
        }
    }
    return base::fail(base::Code::exhausted, "{}: all {} users for instances are taken", instance,
                      uid_count);
}

}  // namespace tidemill::sandbox
