#include "host_linux/process/spawn.h"

#include <fcntl.h>
#include <sched.h>
#include <signal.h>
#include <sys/prctl.h>
#include <sys/syscall.h>
#include <sys/wait.h>
#include <unistd.h>

#include <cerrno>
#include <memory>
#include <utility>

#include "host_linux/system_error.h"

// glibc's clone() under its other name, which the thread sanitizer does not wrap: its wrapper takes
// the child for a fork and releases its locks in the shared memory a second time.
extern "C" int __clone(int (*body)(void*), void* stack, int flags, void* argument, ...);

namespace tidemill::host_linux {
namespace {

constexpr std::size_t child_stack_bytes = 64 << 10;
constexpr int signals_max = 64;  // _NSIG of the kernel
constexpr std::size_t kernel_sigset_bytes = 8;

// What the child needs, made by the parent: the child shares the parent's memory and may neither
// allocate nor take a lock.
struct ChildPlan {
    char* const* argv = nullptr;
    char* const* environment = nullptr;
    const char* directory = nullptr;  // null: stay
    const int* sources = nullptr;     // become 0, 1, 2, …; all above `source_count`
    int source_count = 0;
    bool dies_with_parent = false;
    pid_t parent = 0;
    // Written by the child if it fails.
    enum class Step { none, bind_life, directory, files, program } failed = Step::none;
    int error = 0;
};

[[noreturn]] void give_up(ChildPlan& plan, ChildPlan::Step step) {
    plan.error = errno;
    plan.failed = step;
    for (;;) {
        ::syscall(SYS_exit, 127);
    }
}

// System calls without their wrappers: the thread sanitizer's would note in the parent's memory
// what happens to the child only.
__attribute__((no_sanitize("address", "thread", "undefined"))) int run_child(void* argument) {
    auto& plan = *static_cast<ChildPlan*>(argument);
    const std::uint64_t zeros[4] = {};  // struct kernel_sigaction: SIG_DFL, no flags
    for (int number = 1; number <= signals_max; ++number) {
        ::syscall(SYS_rt_sigaction, number, zeros, nullptr, kernel_sigset_bytes);
    }
    ::syscall(SYS_setpgid, 0, 0);
    if (plan.dies_with_parent) {
        if (::syscall(SYS_prctl, PR_SET_PDEATHSIG, SIGKILL, 0, 0, 0) != 0) {
            give_up(plan, ChildPlan::Step::bind_life);
        }
        // The parent may have died before that.
        if (::syscall(SYS_getppid) != plan.parent) {
            errno = ESRCH;
            give_up(plan, ChildPlan::Step::bind_life);
        }
    }
    if (plan.directory != nullptr && ::syscall(SYS_chdir, plan.directory) != 0) {
        give_up(plan, ChildPlan::Step::directory);
    }
    for (int target = 0; target < plan.source_count; ++target) {
        if (::syscall(SYS_dup3, plan.sources[target], target, 0) < 0) {
            give_up(plan, ChildPlan::Step::files);
        }
    }
    // All of ours are close-on-exec; a library's may not be.
    ::syscall(SYS_close_range, plan.source_count, ~0U, 0);
    ::syscall(SYS_rt_sigprocmask, SIG_SETMASK, zeros, nullptr, kernel_sigset_bytes);
    ::syscall(SYS_execve, plan.argv[0], plan.argv, plan.environment);
    give_up(plan, ChildPlan::Step::program);
}

std::vector<char*> pointers_to(const std::vector<std::string>& texts) {
    std::vector<char*> pointers;
    pointers.reserve(texts.size() + 1);
    for (const auto& text : texts) {
        pointers.push_back(const_cast<char*>(text.c_str()));  // execve does not write
    }
    pointers.push_back(nullptr);
    return pointers;
}

base::Status check_texts(const host::SpawnOptions& options) {
    if (options.argv.empty() || options.argv[0].empty()) {
        return base::fail(base::Code::invalid, "spawn: no program is named");
    }
    const auto has_zero = [](const std::string& text) {
        return text.find('\0') != std::string::npos;
    };
    for (const auto* list : {&options.argv, &options.environment}) {
        for (const auto& text : *list) {
            if (has_zero(text)) {
                return base::fail(base::Code::invalid, "{}: an argument or variable holds a zero",
                                  options.argv[0]);
            }
        }
    }
    return base::ok;
}

std::unexpected<base::Error> failure_of(const ChildPlan& plan, const host::SpawnOptions& options) {
    const auto& program = options.argv[0];
    switch (plan.failed) {
        case ChildPlan::Step::directory:
            return fail_with(plan.error,
                             fmt::format("{}: directory {}", program, options.directory));
        case ChildPlan::Step::files:
            return fail_with(plan.error, program + ": passing descriptors");
        case ChildPlan::Step::bind_life:
            return fail_with(plan.error, program + ": binding its life to ours");
        case ChildPlan::Step::none:
        case ChildPlan::Step::program:
            break;
    }
    return fail_with(plan.error, program);
}

}  // namespace

base::Result<Spawned> spawn_program(const host::SpawnOptions& options, const SpawnFiles& files,
                                    const std::vector<std::string>& environment) {
    CHECK_OK(check_texts(options));
    std::vector<int> wanted(files.standard.begin(), files.standard.end());
    wanted.insert(wanted.end(), files.from_three.begin(), files.from_three.end());
    const UniqueFd null(::open("/dev/null", O_RDWR | O_CLOEXEC));
    if (!null) {
        return fail_with(errno, "/dev/null");
    }
    // Copies above all targets, so that no dup3 in the child overwrites a source still needed.
    std::vector<UniqueFd> copies;
    std::vector<int> sources;
    for (const int fd : wanted) {
        copies.emplace_back(
            ::fcntl(fd < 0 ? null.get() : fd, F_DUPFD_CLOEXEC, static_cast<int>(wanted.size())));
        if (!copies.back()) {
            return fail_with(errno, options.argv[0] + ": passing descriptors");
        }
        sources.push_back(copies.back().get());
    }

    const auto argv = pointers_to(options.argv);
    const auto variables = pointers_to(environment);
    ChildPlan plan;
    plan.argv = argv.data();
    plan.environment = variables.data();
    plan.directory = options.directory.empty() ? nullptr : options.directory.c_str();
    plan.sources = sources.data();
    plan.source_count = static_cast<int>(sources.size());
    plan.dies_with_parent = options.with_parent == host::SpawnOptions::WithParent::dies;
    plan.parent = ::getpid();

    // A handler of ours must not run in the child, in our memory.
    sigset_t all;
    sigset_t before;
    ::sigfillset(&all);
    ::pthread_sigmask(SIG_SETMASK, &all, &before);
    const auto stack = std::make_unique<std::byte[]>(child_stack_bytes);
    int pidfd = -1;
    const pid_t pid =
        ::__clone(run_child, stack.get() + child_stack_bytes,
                  CLONE_VM | CLONE_VFORK | CLONE_PIDFD | SIGCHLD, &plan, &pidfd, nullptr, nullptr);
    const int error = errno;
    ::pthread_sigmask(SIG_SETMASK, &before, nullptr);
    if (pid < 0) {
        return fail_with(error, options.argv[0]);
    }
    Spawned spawned{pid, UniqueFd(pidfd)};
    if (plan.failed != ChildPlan::Step::none) {
        siginfo_t info{};
        ::waitid(P_PID, static_cast<id_t>(pid), &info, WEXITED);
        return failure_of(plan, options);
    }
    return spawned;
}

}  // namespace tidemill::host_linux
