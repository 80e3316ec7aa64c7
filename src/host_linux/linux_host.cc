#include "host_linux/linux_host.h"

#include <unistd.h>

#include <signal.h>

#include <utility>

namespace tidemill::host_linux {

base::Result<std::unique_ptr<LinuxHost>> LinuxHost::create(InheritedListeners& inherited,
                                                           LinuxHostLimits limits) {
    ::signal(SIGPIPE, SIG_IGN);
    TRY(auto loop, EpollLoop::create(limits.loop));
    return std::unique_ptr<LinuxHost>(new LinuxHost(std::move(loop), inherited, limits));
}

LinuxHost::LinuxHost(std::unique_ptr<EpollLoop> loop, InheritedListeners& inherited,
                     const LinuxHostLimits& limits)
    : loop_(std::move(loop)),
      network_(*loop_, inherited),
      processes_(*loop_),
      resolver_(*loop_, limits.names_waiting_max) {}

std::uint32_t own_uid() {
    return geteuid();
}

}  // namespace tidemill::host_linux
