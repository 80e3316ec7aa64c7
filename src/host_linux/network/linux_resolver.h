// Names to addresses, by the C library.
#pragma once

#include <cstddef>

#include "async/loop.h"
#include "host/resolver.h"
#include "host_linux/loop/thread_offload.h"

namespace tidemill::host_linux {

// getaddrinfo on two threads, so that whatever the machine's nsswitch.conf, hosts file and
// resolv.conf say holds for us too, read anew each time. A name whose server does not answer keeps
// one of them for as long as resolv.conf says (5 s times 2 by default); more than `waiting_max`
// names behind it are refused.
class LinuxResolver final : public host::Resolver {
public:
    explicit LinuxResolver(async::Loop& loop, std::size_t waiting_max = 256);

    // Errors: also exhausted (too many wait), invalid (no host name).
    async::Task<base::Result<std::vector<host::IpAddress>>> resolve(
        std::string name, base::Instant deadline) override;

private:
    async::Loop& loop_;
    ThreadOffload first_;
    ThreadOffload second_;
    std::size_t asked_ = 0;
};

}  // namespace tidemill::host_linux
