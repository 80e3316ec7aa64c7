// TCP and Unix sockets of one loop.
#pragma once

#include <string_view>

#include "host/network.h"
#include "host_linux/loop/epoll_loop.h"
#include "host_linux/network/linux_listener.h"

namespace tidemill::host_linux {

class LinuxNetwork final : public host::Network {
public:
    LinuxNetwork(EpollLoop& loop, InheritedListeners& inherited)
        : loop_(loop), inherited_(inherited) {}

    async::Task<base::Result<std::unique_ptr<host::Stream>>> connect(
        host::Address to, base::Instant deadline) override;
    base::Result<std::unique_ptr<host::Listener>> listen(
        const host::Address& at, const host::ListenOptions& options) override;
    base::Result<std::unique_ptr<host::Listener>> inherited(std::string_view name) override;

private:
    EpollLoop& loop_;
    InheritedListeners& inherited_;
};

}  // namespace tidemill::host_linux
