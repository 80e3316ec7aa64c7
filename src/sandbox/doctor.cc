#include "sandbox/doctor.h"

#include <fmt/format.h>

namespace tidemill::sandbox {
namespace {

using Verdict = Finding::Verdict;

Finding isolation(const host::LauncherCapabilities& host) {
    const std::string subject = "process isolation";
    if (!host.mount_attributes) {
        return {subject, Verdict::missing,
                fmt::format("Linux {} cannot make read-only trees of mounts; instances see the "
                            "host's own files",
                            host.kernel),
                "Use Linux 5.12 or newer."};
    }
    if (host.namespaces) {
        return {subject, Verdict::good, "each instance has its own processes, files, IPC and user",
                ""};
    }
    if (host.user_namespaces) {
        return {subject, Verdict::weaker,
                "not root: instances run in user namespaces, all as the same user of the host",
                "Run tidemill as root, which lowers instances to users of their own."};
    }
    return {subject, Verdict::missing,
            "neither root nor user namespaces: instances see the host's files and each other's "
            "processes",
            "Run tidemill as root, or allow user namespaces: sysctl -w user.max_user_namespaces="
            "10000 (on some systems also kernel.unprivileged_userns_clone=1 or "
            "kernel.apparmor_restrict_unprivileged_userns=0)."};
}

Finding controller(std::string subject, bool there, std::string without) {
    if (there) {
        return {std::move(subject), Verdict::good, "enforced by the kernel", ""};
    }
    return {std::move(subject), Verdict::weaker, std::move(without),
            "Run tidemill as root, or as a systemd service with Delegate=yes; in a container give "
            "it a writable /sys/fs/cgroup."};
}

}  // namespace

std::vector<Finding> examine(const host::LauncherCapabilities& host) {
    std::vector<Finding> findings;
    findings.push_back(isolation(host));
    findings.push_back(controller("memory limits", host.cgroup_memory,
                                  "no memory controller: an instance can use all memory"));
    if (host.cgroup_memory && !host.cgroup_memory_swap) {
        findings.push_back({"swap limits", Verdict::weaker,
                            "swap does not count against an instance's memory limit",
                            "Boot with swapaccount=1, or use cgroup version 2."});
    } else {
        findings.push_back(controller("swap limits", host.cgroup_memory, "no memory controller"));
    }
    findings.push_back(controller("processor limits", host.cgroup_cpu,
                                  "no cpu controller: instances share cores without quota"));
    findings.push_back(controller("process limits", host.cgroup_pids,
                                  "no pids controller: a fork bomb reaches the whole host"));
    findings.push_back(
        controller("freezing", host.cgroup_freezer, "no freezer: idle instances cannot be paused"));
    findings.push_back(
        host.seccomp ? Finding{"system call filter", Verdict::good, "seccomp allow-list", ""}
                     : Finding{"system call filter", Verdict::weaker,
                               "seccomp refuses our filter: instances may make every system call",
                               "Use a kernel with CONFIG_SECCOMP_FILTER."});
    findings.push_back(host.pidfd ? Finding{"process handles", Verdict::good, "pidfd", ""}
                                  : Finding{"process handles", Verdict::missing,
                                            "no pidfd: instances cannot be watched or adopted",
                                            "Use Linux 5.3 or newer."});
    findings.push_back(host.overlay
                           ? Finding{"image roots", Verdict::good,
                                     "overlayfs: each instance of an image writes to memory of "
                                     "its own",
                                     ""}
                           : Finding{"image roots", Verdict::weaker,
                                     "no overlayfs: an image's root is read-only, with a private "
                                     "/tmp and /run",
                                     "Load the kernel module (modprobe overlay); without root, use "
                                     "Linux 5.11 or newer."});
    findings.push_back(
        host.landlock_abi > 0
            ? Finding{"landlock", Verdict::good, fmt::format("ABI {}", host.landlock_abi), ""}
            : Finding{"landlock", Verdict::weaker, "the strict class is not available",
                      "Boot with lsm=…,landlock on Linux 5.13 or newer."});
    return findings;
}

}  // namespace tidemill::sandbox
