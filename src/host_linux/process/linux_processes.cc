#include "host_linux/process/linux_processes.h"

#include <fcntl.h>
#include <signal.h>
#include <sys/prctl.h>
#include <sys/syscall.h>
#include <sys/wait.h>
#include <unistd.h>

#include <algorithm>
#include <cerrno>
#include <utility>

#include "host_linux/network/linux_listener.h"
#include "host_linux/process/spawn.h"
#include "host_linux/system_error.h"

namespace tidemill::host_linux {
namespace {

using base::Code;
using base::fail;
using base::Result;
using host::ExitStatus;
using host::SpawnOptions;

enum class Wait : std::uint8_t { poll, block };

std::optional<ExitStatus> reap(int pidfd, Wait how) {
    siginfo_t info{};
    int result = 0;
    do {
        result = ::waitid(P_PIDFD, static_cast<id_t>(pidfd), &info,
                          WEXITED | (how == Wait::poll ? WNOHANG : 0));
    } while (result != 0 && errno == EINTR);
    if (result != 0 || info.si_pid == 0) {
        return std::nullopt;
    }
    ExitStatus status;
    (info.si_code == CLD_EXITED ? status.code : status.signal) = info.si_status;
    return status;
}

struct Pipe {
    UniqueFd read;
    UniqueFd write;
};

Result<Pipe> make_pipe() {
    int ends[2];
    if (::pipe2(ends, O_CLOEXEC) != 0) {
        return fail_with(errno, "pipe");
    }
    return Pipe{UniqueFd(ends[0]), UniqueFd(ends[1])};
}

}  // namespace

// Known to the loop from its start until it is reaped.
class LinuxProcesses::Child final : private Device {
public:
    static Result<std::unique_ptr<Child>> create(LinuxProcesses& owner, Spawned spawned,
                                                 SpawnOptions::WithParent with_parent) {
        std::unique_ptr<Child> child(new Child(owner, std::move(spawned), with_parent));
        if (auto added = owner.loop_.add(*child, child->pidfd_.get(), EPOLLIN | EPOLLET); !added) {
            child->kill_and_reap();
            return std::unexpected(std::move(added).error());
        }
        return child;
    }
    ~Child() override {
        std::erase(owner_.children_, this);
        if (watched()) {
            owner_.loop_.forget(*this);
        }
    }

    pid_t pid() const { return pid_; }
    const std::optional<ExitStatus>& status() const { return status_; }
    bool outlives() const { return with_parent_ == SpawnOptions::WithParent::outlives; }
    host::Edge& exited() { return exited_; }
    void let_go() { let_go_ = true; }
    // It has, and waits to be reaped. May destroy this.
    void ended() { on_events(0); }
    base::Status signal(int number) {
        if (status_ || ::syscall(SYS_pidfd_send_signal, pidfd_.get(), number, nullptr, 0) == 0 ||
            errno == ESRCH) {
            return base::ok;
        }
        return fail_with(errno, fmt::format("signal {} to process {}", number, pid_));
    }
    void kill_and_reap() {
        if (signal(SIGKILL) && !status_) {
            status_ = reap(pidfd_.get(), Wait::block);
        }
    }

private:
    Child(LinuxProcesses& owner, Spawned spawned, SpawnOptions::WithParent with_parent)
        : owner_(owner),
          pid_(spawned.pid),
          pidfd_(std::move(spawned.pidfd)),
          with_parent_(with_parent) {
        owner_.children_.push_back(this);
        exited_.drained();
    }
    void on_events(std::uint32_t) override {
        if (!status_) {
            status_ = reap(pidfd_.get(), Wait::poll);
        }
        if (!status_) {
            return;
        }
        if (let_go_) {
            owner_.reaped(*this);
        } else {
            exited_.signal();
        }
    }

    LinuxProcesses& owner_;
    pid_t pid_;
    UniqueFd pidfd_;
    SpawnOptions::WithParent with_parent_;
    std::optional<ExitStatus> status_;
    host::Edge exited_;
    bool let_go_ = false;
};

class LinuxProcesses::LinuxProcess final : public host::Process {
public:
    LinuxProcess(LinuxProcesses& owner, std::unique_ptr<Child> child)
        : owner_(owner), child_(std::move(child)) {}
    ~LinuxProcess() override { owner_.leave(std::move(child_)); }

    std::int32_t pid() const override { return child_->pid(); }
    async::Task<ExitStatus> wait() override {
        while (!child_->status()) {
            child_->exited().drained();
            co_await host::Edge::Wait(child_->exited());
        }
        co_return *child_->status();
    }
    base::Status signal(int number) override { return child_->signal(number); }
    host::Stream* in() override { return pipes[0].get(); }
    host::Stream* out() override { return pipes[1].get(); }
    host::Stream* err() override { return pipes[2].get(); }

    std::array<std::unique_ptr<FdStream>, 3> pipes;

private:
    LinuxProcesses& owner_;
    std::unique_ptr<Child> child_;
};

LinuxProcesses::LinuxProcesses(EpollLoop& loop) : loop_(loop) {}

LinuxProcesses::~LinuxProcesses() {
    for (const auto& child : leaving_) {
        if (!child->outlives()) {
            child->kill_and_reap();
        }
    }
}

std::int32_t LinuxProcesses::self() const {
    return ::getpid();
}

base::Status LinuxProcesses::adopt_orphans() {
    if (::prctl(PR_SET_CHILD_SUBREAPER, 1, 0, 0, 0) != 0) {
        return fail_with(errno, "adopt orphans");
    }
    return base::ok;
}

bool LinuxProcesses::reap_orphans() {
    for (;;) {
        siginfo_t info{};
        if (::waitid(P_ALL, 0, &info, WEXITED | WNOHANG | WNOWAIT) != 0) {
            if (errno != EINTR) {
                return false;  // no children
            }
            continue;
        }
        if (info.si_pid == 0) {
            return true;
        }
        // One of ours stands before those behind it until its end is taken.
        const auto ours = std::ranges::find(children_, info.si_pid, &Child::pid);
        if (ours != children_.end()) {
            (*ours)->ended();
        } else {
            (void)::waitid(P_PID, static_cast<id_t>(info.si_pid), &info, WEXITED | WNOHANG);
        }
    }
}

void LinuxProcesses::leave(std::unique_ptr<Child> child) {
    if (child->status()) {
        return;
    }
    child->let_go();
    if (!child->outlives()) {
        [[maybe_unused]] const auto sent = child->signal(SIGKILL);
    }
    leaving_.push_back(std::move(child));
}

void LinuxProcesses::reaped(Child& child) {
    std::erase_if(leaving_, [&](const auto& one) { return one.get() == &child; });
}

Result<std::unique_ptr<FdStream>> LinuxProcesses::adopt(UniqueFd fd) {
    // Of our end only: the two ends of a pipe are two open files.
    ::fcntl(fd.get(), F_SETFL, ::fcntl(fd.get(), F_GETFL) | O_NONBLOCK);
    return FdStream::create(loop_, std::move(fd), FdStream::Kind::pipe, host::Peer{});
}

Result<std::unique_ptr<host::Process>> LinuxProcesses::spawn(const SpawnOptions& options) {
    SpawnFiles files;
    std::array<UniqueFd, 3> theirs;
    std::array<UniqueFd, 3> ours;
    if (options.in == SpawnOptions::Input::piped) {
        TRY(auto pipe, make_pipe());
        theirs[0] = std::move(pipe.read);
        ours[0] = std::move(pipe.write);
    }
    for (const std::size_t i : {1U, 2U}) {
        const auto output = i == 1 ? options.out : options.err;
        if (output == SpawnOptions::Output::piped) {
            TRY(auto pipe, make_pipe());
            theirs[i] = std::move(pipe.write);
            ours[i] = std::move(pipe.read);
        } else if (output == SpawnOptions::Output::inherit) {
            files.standard[i] = static_cast<int>(i);
        }
    }
    for (std::size_t i = 0; i < theirs.size(); ++i) {
        if (theirs[i]) {
            files.standard[i] = theirs[i].get();
        }
    }
    auto environment = options.environment;
    std::string passed;
    for (const auto& [name, listener] : options.listeners) {
        const auto* const socket = dynamic_cast<const LinuxListener*>(listener);
        if (socket == nullptr || name.empty() ||
            name.find_first_of(std::string_view("=,\0", 3)) != std::string::npos) {
            return fail(Code::invalid, "spawn {}: listener \"{}\" cannot be passed",
                        options.argv.empty() ? "" : options.argv[0], name);
        }
        fmt::format_to(std::back_inserter(passed), "{}{}={}", passed.empty() ? "" : ",", name,
                       3 + files.from_three.size());
        files.from_three.push_back(socket->fd());
    }
    if (!passed.empty()) {
        environment.push_back(fmt::format("{}={}", InheritedListeners::variable, passed));
    }
    TRY(auto spawned, spawn_program(options, files, environment));
    TRY(auto child, Child::create(*this, std::move(spawned), options.with_parent));
    auto process = std::make_unique<LinuxProcess>(*this, std::move(child));
    for (std::size_t i = 0; i < ours.size(); ++i) {
        if (ours[i]) {
            TRY(process->pipes[i], adopt(std::move(ours[i])));
        }
    }
    return process;
}

}  // namespace tidemill::host_linux
