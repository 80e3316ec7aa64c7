#include "launcher/program/confine.h"

#include <fcntl.h>
#include <linux/capability.h>
#include <linux/filter.h>
#include <linux/seccomp.h>
#include <sched.h>
#include <signal.h>
#include <sys/prctl.h>
#include <sys/resource.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <sys/wait.h>
#include <unistd.h>

#include <cstring>

extern "C" {
// The compiled filter, put in by seccomp_profile.cc at build time (see CMakeLists.txt).
extern const sock_filter tidemill_seccomp_begin[];
extern const sock_filter tidemill_seccomp_end[];
}

namespace tidemill::launcher {
namespace {

constexpr unsigned capability_highest = 63;  // more than any kernel knows; unknown ones are refused

bool set_capabilities(std::uint64_t permitted) {
    __user_cap_header_struct header{_LINUX_CAPABILITY_VERSION_3, 0};
    __user_cap_data_struct data[2]{};
    for (int i = 0; i < 2; ++i) {
        data[i].effective = data[i].permitted = static_cast<std::uint32_t>(permitted >> (32 * i));
    }
    return ::syscall(SYS_capset, &header, data) == 0;
}

bool install_filter() {
    sock_fprog program{};
    program.len = static_cast<unsigned short>(tidemill_seccomp_end - tidemill_seccomp_begin);
    program.filter = const_cast<sock_filter*>(tidemill_seccomp_begin);
    return ::syscall(SYS_seccomp, SECCOMP_SET_MODE_FILTER, 0, &program) == 0;
}

bool limit(__rlimit_resource which, std::uint64_t value) {
    rlimit now{};
    if (::getrlimit(which, &now) != 0) {
        return false;
    }
    // Raising needs a privilege that even root may lack: as much as there is.
    const rlim_t most = value > now.rlim_max ? now.rlim_max : value;
    const rlimit wanted{most, most};
    return ::setrlimit(which, &wanted) == 0;
}

// Says which of the two execve's ENOENT meant: the program, or what must run it.
Failure exec_failure(const char* program) {
    const int error = errno;
    struct stat info{};
    if (error != ENOENT || ::stat(program, &info) != 0) {
        return {"exec", error, program};
    }
    static char interpreter[128];
    char head[128];
    const std::string_view text = read_file(program, head, sizeof(head));
    if (text.size() > 2 && text[0] == '#' && text[1] == '!') {
        std::size_t from = 2;
        while (from < text.size() && text[from] == ' ') {
            ++from;
        }
        std::size_t to = from;
        while (to < text.size() && text[to] != ' ' && text[to] != '\n') {
            ++to;
        }
        std::memcpy(interpreter, text.data() + from, to - from);
        interpreter[to - from] = '\0';
        return {"exec-interpreter", error, interpreter};
    }
    return {"exec-interpreter", error, "the program's dynamic loader"};
}

// As execvp: a name without a slash is looked for in the folders of PATH, the program's own one.
// Comes back only when nothing could be run, with the reason in errno.
void execute(const Plan& plan) {
    auto** const arguments = const_cast<char**>(plan.arguments.items);
    auto** const environment = const_cast<char**>(plan.environment.items);
    const std::string_view name = arguments[0];
    if (name.find('/') != std::string_view::npos) {
        ::execve(arguments[0], arguments, environment);
        return;
    }
    constexpr std::string_view variable = "PATH=";
    std::string_view folders = "/usr/local/bin:/usr/bin:/bin";  // of Debian, for users
    for (const char* const* each = plan.environment.items; *each != nullptr; ++each) {
        if (std::string_view(*each).starts_with(variable)) {
            folders = std::string_view(*each).substr(variable.size());
        }
    }
    int error = ENOENT;
    for (;;) {
        const auto colon = folders.find(':');
        const auto folder = folders.substr(0, colon);
        const Path file(folder.empty() ? std::string_view(".") : folder, std::string_view("/"),
                        name);
        if (file.good()) {
            ::execve(file.c_str(), arguments, environment);
            if (errno != ENOENT && errno != ENOTDIR) {
                error = errno;
            }
        }
        if (colon == std::string_view::npos) {
            break;
        }
        folders.remove_prefix(colon + 1);
    }
    errno = error;
}

// Puts `from` at `to`, inherited by the program.
bool pass(int from, int to) {
    return from == to ? ::fcntl(from, F_SETFD, 0) == 0 : ::dup2(from, to) == to;
}

}  // namespace

Failure become(const Plan& plan, const Descriptors& descriptors) {
    ::setsid();
    if (plan.isolation == Isolation::none) {
        // Nothing else ends the program with its init.
        ::prctl(PR_SET_PDEATHSIG, SIGKILL);
    }
    // Above 3 first, so that nothing is overwritten before it is passed on.
    const int in = ::fcntl(descriptors.in, F_DUPFD_CLOEXEC, 16);
    const int out = ::fcntl(descriptors.out, F_DUPFD_CLOEXEC, 16);
    const int err = ::fcntl(descriptors.err, F_DUPFD_CLOEXEC, 16);
    int listener = -1;
    if (descriptors.listener >= 0) {
        listener = ::fcntl(descriptors.listener, F_DUPFD_CLOEXEC, 16);
    }
    if (!pass(in, 0) || !pass(out, 1) || !pass(err, 2) || (listener >= 0 && !pass(listener, 3))) {
        return failure("descriptors", "");
    }
    // Not closed but marked: this child shares no descriptor table with its parent, yet a failure
    // to exec must still be able to say why.
    ::close_range(listener >= 0 ? 4 : 3, ~0U, CLOSE_RANGE_CLOEXEC);
    if (plan.oom_score_adjust != 0) {
        write_file("/proc/self/oom_score_adj",
                   plan.oom_score_adjust > 0
                       ? Path(static_cast<std::uint64_t>(plan.oom_score_adjust)).view()
                       : Path("-", static_cast<std::uint64_t>(-plan.oom_score_adjust)).view());
    }
    if (!limit(RLIMIT_CORE, 0) ||
        (plan.open_files_max != 0 && !limit(RLIMIT_NOFILE, plan.open_files_max)) ||
        (plan.stack_bytes_max != 0 && !limit(RLIMIT_STACK, plan.stack_bytes_max))) {
        return failure("rlimit", "");
    }
    // The bare system calls: the library's would speak to threads of the process we share memory
    // with.
    if (plan.isolation == Isolation::namespaces &&
        (::syscall(SYS_setgroups, 0, nullptr) != 0 ||
         ::syscall(SYS_setresgid, plan.gid, plan.gid, plan.gid) != 0 ||
         ::syscall(SYS_setresuid, plan.uid, plan.uid, plan.uid) != 0)) {
        return failure("user", "");
    }
    ::prctl(PR_CAP_AMBIENT, PR_CAP_AMBIENT_CLEAR_ALL, 0, 0, 0);
    if (!set_capabilities(0)) {
        return failure("capabilities", "");
    }
    ::umask(plan.umask);
    if (::chdir(plan.directory) != 0) {
        return failure("directory", plan.directory);
    }
    if (::prctl(PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0) != 0) {
        return failure("no-new-privileges", "");
    }
    // All that the launcher ignores; the others it set to their defaults when it began.
    for (const int number : ignored_signals) {
        ::signal(number, SIG_DFL);
    }
    sigset_t none;
    ::sigemptyset(&none);
    ::sigprocmask(SIG_SETMASK, &none, nullptr);
    if (plan.seccomp != 0 && !install_filter()) {
        return failure("seccomp", "");
    }
    execute(plan);
    return exec_failure(plan.arguments.items[0]);
}

Failure give_up_bounding_set() {
    for (unsigned i = 0; i <= capability_highest; ++i) {
        if (::prctl(PR_CAPBSET_DROP, i, 0, 0, 0) != 0) {
            // EPERM: we are not root and have none to give.
            if (errno == EINVAL || errno == EPERM) {
                return {};
            }
            return failure("bounding-set", "");
        }
    }
    return {};
}

void keep_only_kill() {
    set_capabilities(1ULL << CAP_KILL);
    ::prctl(PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0);
    ::prctl(PR_SET_DUMPABLE, 0, 0, 0, 0);
}

bool seccomp_works() {
    const pid_t child = ::fork();
    if (child == 0) {
        ::prctl(PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0);
        ::_exit(install_filter() ? 0 : 1);
    }
    int status = 1;
    return child > 0 && ::waitpid(child, &status, 0) == child && status == 0;
}

}  // namespace tidemill::launcher
