// What an instance does, seen from outside.
#pragma once

#include <cstdint>

#include "launcher/program/cgroup.h"
#include "launcher/protocol.h"

namespace tidemill::launcher {

struct Sockets {
    struct One {
        std::uint8_t family;  // 4, 6, or 1 for a Unix socket
        std::uint16_t port;
        char address[112];
    };
    static constexpr std::uint32_t max = 32;
    One items[max];
    std::uint32_t count = 0;
    std::uint32_t processes = 0;
};

// Fills `into` with the listening sockets that processes of the instance hold, of the first 256
// processes and the first 1024 descriptors of each.
void find_listening(const Cgroup& cgroup, std::int32_t init, Sockets& into);

struct Holder {
    HolderKind kind = HolderKind::unknown;
    std::int32_t pid = 0;
    char name[64] = {};
};
// Whose listening socket takes connections to 127.0.0.1:`port`. Cheap unless it is another's, who
// is then looked for among all processes.
void find_holder(const Cgroup& cgroup, std::int32_t init, std::uint16_t port, Holder& into);

}  // namespace tidemill::launcher
