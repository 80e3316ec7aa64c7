// Addresses as the kernel wants them.
#pragma once

#include <sys/socket.h>

#include "base/result.h"
#include "host/address.h"

namespace tidemill::host_linux {

struct SocketAddress {
    sockaddr_storage storage{};
    socklen_t size = sizeof(sockaddr_storage);

    const sockaddr* get() const { return reinterpret_cast<const sockaddr*>(&storage); }
    sockaddr* get() { return reinterpret_cast<sockaddr*>(&storage); }
    int family() const { return storage.ss_family; }
};

// Errors: invalid (path empty or longer than sun_path).
base::Result<SocketAddress> to_socket_address(const host::Address& address);
// Errors: invalid (neither IP nor Unix).
base::Result<host::Address> from_socket_address(const SocketAddress& address);

}  // namespace tidemill::host_linux
