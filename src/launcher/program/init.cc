#include "launcher/program/init.h"

#include <fcntl.h>
#include <poll.h>
#include <sched.h>
#include <signal.h>
#include <sys/prctl.h>
#include <sys/signalfd.h>
#include <sys/syscall.h>
#include <sys/wait.h>
#include <unistd.h>

#include <cstdlib>
#include <cstring>

#include "launcher/program/confine.h"
#include "launcher/program/log_file.h"
#include "launcher/program/record.h"
#include "launcher/program/root.h"

namespace tidemill::launcher {
namespace {

void copy(char* into, std::size_t size, const char* text) {
    const std::size_t length = std::strlen(text);
    const std::size_t kept = length < size - 1 ? length : size - 1;
    std::memcpy(into, text, kept);
    into[kept] = '\0';
}

void tell(int pipe, const Report& report) {
    // Nobody may be there any more to hear it.
    [[maybe_unused]] const ssize_t written = ::write(pipe, &report, sizeof(report));
}

[[noreturn]] void give_up(int pipe, const Failure& why) {
    Report report{};
    report.kind = Report::Kind::failed;
    report.error = why.error;
    copy(report.step, sizeof(report.step), why.step);
    copy(report.path, sizeof(report.path), why.path);
    tell(pipe, report);
    ::_exit(127);
}

struct Program {
    pid_t pid = -1;
    Fd out;
    Fd err;
    Failure why;
};

// Starts the user's program. The child shares our memory until it execs or fails, so `why` is known
// when this returns, without a pipe.
Program start(const InitSetup& setup) {
    Program program;
    int out[2];
    int err[2];
    if (::pipe2(out, O_CLOEXEC) != 0) {
        program.why = failure("pipe", "stdout");
        return program;
    }
    program.out.reset(out[0]);
    Fd out_end(out[1]);
    if (::pipe2(err, O_CLOEXEC) != 0) {
        program.why = failure("pipe", "stderr");
        return program;
    }
    program.err.reset(err[0]);
    Fd err_end(err[1]);
    // Only our ends: the program's must block it, as it expects.
    ::fcntl(out[0], F_SETFL, O_NONBLOCK);
    ::fcntl(err[0], F_SETFL, O_NONBLOCK);
    // Programs that write to /dev/stdout open the pipe anew, as their own user.
    if (setup.plan.isolation == Isolation::namespaces &&
        (::fchown(out[1], setup.plan.uid, setup.plan.gid) != 0 ||
         ::fchown(err[1], setup.plan.uid, setup.plan.gid) != 0)) {
        program.why = failure("pipe", "owner");
        return program;
    }
    const Fd nothing(::open("/dev/null", O_RDONLY | O_CLOEXEC));
    if (!nothing.open()) {
        program.why = failure("open", "/dev/null");
        return program;
    }
    volatile Failure* why = &program.why;
    // vfork() may return twice into the same frame; what is set before it is not changed after.
    const pid_t child = ::vfork();
    if (child == 0) {
        const Descriptors descriptors{nothing.get(), out_end.get(), err_end.get(), setup.listener};
        const Failure found = become(setup.plan, descriptors);
        why->step = found.step;
        why->error = found.error;
        why->path = found.path;
        ::_exit(127);
    }
    if (child < 0) {
        program.why = failure("fork", setup.plan.arguments.items[0]);
    }
    program.pid = child;
    return program;
}

class Init {
public:
    Init(const InitSetup& setup, Program& program, LogFile& log, int signals)
        : setup_(setup), program_(program), log_(log), signals_(signals) {}

    [[noreturn]] void run() {
        out_.name = "stdout";
        err_.name = "stderr";
        pollfd waits[3] = {{signals_, POLLIN, 0},
                           {program_.out.get(), POLLIN, 0},
                           {program_.err.get(), POLLIN, 0}};
        while (!ended_) {
            if (::poll(waits, 3, -1) < 0 && errno != EINTR) {
                break;
            }
            pump(waits[1], out_);
            pump(waits[2], err_);
            if ((waits[0].revents & POLLIN) != 0) {
                take_signal();
            }
        }
        finish();
    }

private:
    void pump(pollfd& wait, LogFile::Stream& stream) {
        if (wait.fd >= 0 && (wait.revents & (POLLIN | POLLHUP)) != 0 &&
            !log_.pump(wait.fd, stream) && errno != EAGAIN && errno != EINTR) {
            wait.fd = -1;
        }
        // A program that closed its end: nothing more will come.
        if (wait.fd >= 0 && (wait.revents & POLLIN) == 0 && (wait.revents & POLLHUP) != 0) {
            wait.fd = -1;
        }
    }

    void take_signal() {
        signalfd_siginfo info{};
        if (::read(signals_, &info, sizeof(info)) != sizeof(info)) {
            return;
        }
        if (info.ssi_signo != SIGCHLD) {
            ::kill(program_.pid, static_cast<int>(info.ssi_signo));
            return;
        }
        int status = 0;
        for (;;) {
            const pid_t pid = ::waitpid(-1, &status, WNOHANG | WUNTRACED | WCONTINUED);
            if (pid <= 0) {
                return;
            }
            if (pid != program_.pid) {
                continue;
            }
            Report report{};
            if (WIFSTOPPED(status)) {
                report.kind = Report::Kind::stopped;
                tell(setup_.report, report);
            } else if (WIFCONTINUED(status)) {
                report.kind = Report::Kind::resumed;
                tell(setup_.report, report);
            } else {
                ended_ = true;
                status_ = status;
                return;
            }
        }
    }

    [[noreturn]] void finish() {
        // Whatever the program left behind goes with it, so that its pipes have an end.
        if (setup_.plan.isolation != Isolation::none) {
            ::kill(-1, SIGKILL);
        } else if (program_.pid > 1) {
            ::kill(-program_.pid, SIGKILL);
        }
        while (log_.pump(program_.out.get(), out_)) {
        }
        while (log_.pump(program_.err.get(), err_)) {
        }
        log_.flush(out_);
        log_.flush(err_);
        Ending ending{};
        if (WIFSIGNALED(status_)) {
            ending.how = Ending::How::signalled;
            ending.number = WTERMSIG(status_);
        } else {
            ending.how = Ending::How::exited;
            ending.number = WEXITSTATUS(status_);
        }
        ending.wall_ns = wall_ns();
        write_ending(setup_.record, ending);
        ::_exit(0);
    }

    const InitSetup& setup_;
    Program& program_;
    LogFile& log_;
    int signals_;
    bool ended_ = false;
    int status_ = 0;
    LogFile::Stream out_{};
    LogFile::Stream err_{};
};

void wait_for_mapping(int pipe) {
    char byte = 0;
    while (::read(pipe, &byte, 1) < 0 && errno == EINTR) {
    }
}

// Of everything the launcher has open, init keeps what it needs.
void close_others(const int (&keep)[6]) {
    unsigned from = 3;
    for (;;) {
        int lowest = -1;
        for (const int fd : keep) {
            if (fd >= static_cast<int>(from) && (lowest < 0 || fd < lowest)) {
                lowest = fd;
            }
        }
        if (lowest < 0) {
            ::close_range(from, ~0U, 0);
            return;
        }
        if (static_cast<unsigned>(lowest) > from) {
            ::close_range(from, static_cast<unsigned>(lowest) - 1, 0);
        }
        from = static_cast<unsigned>(lowest) + 1;
    }
}

}  // namespace

void run_init(const InitSetup& setup) {
    const Plan& plan = setup.plan;
    Report report{};
    report.began_ns = monotonic_ns();
    if (setup.mapped >= 0) {
        wait_for_mapping(setup.mapped);
    }
    // Away from the launcher's terminal: an interrupt typed there is not for instances.
    ::setsid();
    // Written by init, not by the launcher, so that no crash leaves an instance without a trace.
    // /proc is still the host's.
    char self[32];
    const ssize_t self_size = ::readlink("/proc/self", self, sizeof(self));
    ProcessStat stat;
    if (self_size > 0) {
        report.pid = static_cast<std::int32_t>(
            parse_number(std::string_view(self, static_cast<std::size_t>(self_size))));
    }
    if (report.pid <= 0 || !read_stat(report.pid, stat) ||
        !write_process(setup.record, report.pid, stat.start_ticks)) {
        give_up(setup.report, failure("record", "/proc/self"));
    }
    report.start_ticks = stat.start_ticks;
    // Every signal waits for the signalfd: as pid 1 of its namespace, init would ignore them else.
    sigset_t all;
    ::sigfillset(&all);
    ::sigprocmask(SIG_SETMASK, &all, nullptr);
    // Without its own process namespace, orphans come to us and to nobody else.
    ::prctl(PR_SET_CHILD_SUBREAPER, 1);
    ::prctl(PR_SET_NAME, "tidemill-init");
    if (const Failure why = Cgroup::join(setup.joins)) {
        give_up(setup.report, why);
    }
    for (Fd& join : setup.joins) {
        join.reset(-1);
    }
    static LogFile log;
    if (const Failure why = log.open(plan.log_directory, plan.log_bytes_max)) {
        give_up(setup.report, why);
    }
    if (plan.isolation != Isolation::none) {
        ::unshare(CLONE_NEWCGROUP);  // a view, not a protection: older kernels go without
        if (plan.host_name[0] != '\0' &&
            ::sethostname(plan.host_name, std::strlen(plan.host_name)) != 0) {
            give_up(setup.report, failure("host-name", plan.host_name));
        }
        if (plan.mount_count != 0) {
            if (const Failure why = build_root(plan, setup.empty, setup.stage)) {
                give_up(setup.report, why);
            }
        }
    }
    report.root_done_ns = monotonic_ns();
    close_others(
        {setup.report, setup.record, setup.listener, log.descriptor(0), log.descriptor(1), -1});
    if (const Failure why = give_up_bounding_set()) {
        give_up(setup.report, why);
    }
    Program program = start(setup);
    if (program.why) {
        give_up(setup.report, program.why);
    }
    report.exec_done_ns = monotonic_ns();
    if (setup.listener >= 0) {
        ::close(setup.listener);  // when the program is gone, connecting must fail
    }
    // Nothing of the host is left open but the log and the record; nothing of root's power but
    // signalling a process of another user.
    keep_only_kill();
    report.kind = Report::Kind::running;
    tell(setup.report, report);
    const int signals = ::signalfd(-1, &all, SFD_CLOEXEC | SFD_NONBLOCK);
    const int nothing = ::open("/dev/null", O_RDWR | O_CLOEXEC);
    for (int fd = 0; fd < 3 && nothing >= 0; ++fd) {
        ::dup2(nothing, fd);
    }
    static Init init(setup, program, log, signals);
    init.run();
}

}  // namespace tidemill::launcher
