#include "host_linux/process/linux_signals.h"

#include <signal.h>
#include <sys/signalfd.h>
#include <unistd.h>

#include <cerrno>

#include "host_linux/system_error.h"

namespace tidemill::host_linux {

base::Result<std::unique_ptr<LinuxSignals>> LinuxSignals::create(EpollLoop& loop,
                                                                 const std::vector<int>& numbers) {
    sigset_t set;
    ::sigemptyset(&set);
    for (const int number : numbers) {
        ::sigaddset(&set, number);
    }
    UniqueFd fd(::signalfd(-1, &set, SFD_NONBLOCK | SFD_CLOEXEC));
    if (!fd) {
        return fail_with(errno, "signalfd");
    }
    std::unique_ptr<LinuxSignals> signals(new LinuxSignals(loop, std::move(fd)));
    CHECK_OK(loop.add(*signals, signals->fd_.get(), EPOLLIN | EPOLLET));
    // Stays blocked after we are gone: a second Ctrl-C while the process winds up must not cut that
    // short, and restoring the mask would deliver what is pending.
    ::pthread_sigmask(SIG_BLOCK, &set, nullptr);
    return signals;
}

LinuxSignals::~LinuxSignals() {
    if (watched()) {
        loop_.forget(*this);
    }
}

async::Task<int> LinuxSignals::next() {
    for (;;) {
        signalfd_siginfo info{};
        if (::read(fd_.get(), &info, sizeof info) == sizeof info) {
            co_return static_cast<int>(info.ssi_signo);
        }
        edge_.drained();
        co_await host::Edge::Wait(edge_);
    }
}

}  // namespace tidemill::host_linux
