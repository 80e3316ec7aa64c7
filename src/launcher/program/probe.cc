#include "launcher/program/probe.h"

#include <fcntl.h>
#include <linux/landlock.h>
#include <sched.h>
#include <signal.h>
#include <sys/mount.h>
#include <sys/syscall.h>
#include <sys/wait.h>
#include <unistd.h>

#include <cstring>

#include "launcher/program/confine.h"
#include "launcher/program/root.h"

namespace tidemill::launcher {
namespace {

constexpr unsigned long instance_namespaces =
    CLONE_NEWPID | CLONE_NEWNS | CLONE_NEWIPC | CLONE_NEWUTS;

// True when a clone with these flags lives and can make its mounts private.
bool clone_works(unsigned long flags) {
    const long child = ::syscall(SYS_clone, flags | SIGCHLD, nullptr, nullptr, nullptr, nullptr);
    if (child == 0) {
        ::_exit(::mount(nullptr, "/", nullptr, MS_REC | MS_PRIVATE, nullptr) == 0 ? 0 : 1);
    }
    int status = 1;
    return child > 0 && ::waitpid(static_cast<pid_t>(child), &status, 0) == child && status == 0;
}

}  // namespace

Capabilities probe(const CgroupHome& home, const char* stage) {
    Capabilities found{};
    found.uid = ::getuid();
    found.namespaces = found.uid == 0 && clone_works(instance_namespaces);
    found.user_namespaces = clone_works(instance_namespaces | CLONE_NEWUSER);
    found.cgroup_memory = home.has(CgroupHome::memory);
    found.cgroup_memory_swap = home.swap_counts();
    found.cgroup_cpu = home.has(CgroupHome::cpu);
    found.cgroup_pids = home.has(CgroupHome::pids);
    found.cgroup_freezer = home.has(CgroupHome::freezer) || home.core().version == 2;
    found.cgroup_version = home.version();
    found.seccomp = seccomp_works();
    const Fd tree(::open_tree(AT_FDCWD, "/", OPEN_TREE_CLOEXEC));
    struct mount_attr nothing{};
    found.mount_attributes = tree.open() &&
                             ::mount_setattr(AT_FDCWD, "", AT_EMPTY_PATH, &nothing, 0) != 0 &&
                             errno != ENOSYS;
    const Fd self(static_cast<int>(::syscall(SYS_pidfd_open, ::getpid(), 0)));
    found.pidfd = self.open();
    found.overlay = overlay_works(stage);
    const long abi =
        ::syscall(SYS_landlock_create_ruleset, nullptr, 0, LANDLOCK_CREATE_RULESET_VERSION);
    found.landlock_abi = abi > 0 ? static_cast<std::uint32_t>(abi) : 0;
    return found;
}

}  // namespace tidemill::launcher
