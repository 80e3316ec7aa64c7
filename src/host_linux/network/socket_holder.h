// Who holds a socket: for messages, so that "in use" says by whom.
#pragma once

#include <cstdint>
#include <optional>
#include <string>

#include "host/address.h"

namespace tidemill::host_linux {

struct SocketHolder {
    std::int32_t pid = 0;
    std::string program;  // comm, at most 15 bytes
};

// Nothing if /proc does not show it.
std::optional<SocketHolder> describe_process(std::int32_t pid);
// The process that listens on this address, or on all addresses with its port. Reads /proc/net and
// the descriptors of every process that we may look into: slow, for errors only.
std::optional<SocketHolder> find_tcp_listener(const host::IpAddress& address);
// Credentials of a connected Unix socket's other end, taken when it connected.
host::Peer unix_peer(int fd);

}  // namespace tidemill::host_linux
