// Everything outside the process, on Linux, for one loop.
#pragma once

#include <cstddef>
#include <cstdint>
#include <memory>

#include "host/host.h"
#include "host_linux/disk/linux_disk.h"
#include "host_linux/linux_clock.h"
#include "host_linux/loop/epoll_loop.h"
#include "host_linux/network/linux_listener.h"
#include "host_linux/network/linux_network.h"
#include "host_linux/network/linux_resolver.h"
#include "host_linux/process/linux_processes.h"

namespace tidemill::host_linux {

struct LinuxHostLimits {
    EpollLimits loop{};
    std::size_t names_waiting_max = 256;
};

// One per thread that runs a loop; used by that thread only, but for post_remote(). What is made
// through it is destroyed before it.
class LinuxHost {
public:
    // `inherited` is shared by all hosts of the process and outlives them. Makes the process ignore
    // SIGPIPE: a peer that went away is an error of a write, not an end of the process. Errors:
    // exhausted (no file descriptor left).
    static base::Result<std::unique_ptr<LinuxHost>> create(InheritedListeners& inherited,
                                                           LinuxHostLimits limits = {});

    EpollLoop& loop() { return *loop_; }
    host::Host host() { return {*loop_, clock_, random_, disk_, network_, processes_, resolver_}; }

private:
    LinuxHost(std::unique_ptr<EpollLoop> loop, InheritedListeners& inherited,
              const LinuxHostLimits& limits);

    std::unique_ptr<EpollLoop> loop_;
    LinuxClock clock_;
    LinuxRandom random_;
    LinuxDisk disk_;
    LinuxNetwork network_;
    LinuxProcesses processes_;
    LinuxResolver resolver_;
};

// The effective user of this process.
std::uint32_t own_uid();

}  // namespace tidemill::host_linux
