// What an instance does, seen from outside.
#pragma once

#include <cstdint>

#include "launcher/program/cgroup.h"

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

}  // namespace tidemill::launcher
