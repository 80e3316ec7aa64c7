#include "host_linux/network/socket_address.h"

#include <arpa/inet.h>
#include <netinet/in.h>
#include <sys/un.h>

#include <algorithm>
#include <cstddef>
#include <cstring>

namespace tidemill::host_linux {

using base::Code;
using base::fail;
using host::IpAddress;
using host::UnixAddress;

base::Result<SocketAddress> to_socket_address(const host::Address& address) {
    SocketAddress out;
    if (const auto* local = std::get_if<UnixAddress>(&address)) {
        sockaddr_un un{};
        un.sun_family = AF_UNIX;
        if (local->path.empty() || local->path.size() >= sizeof un.sun_path ||
            local->path.find('\0') != std::string::npos) {
            return fail(Code::invalid, "unix:{}: a Unix socket path has 1 to {} bytes", local->path,
                        sizeof un.sun_path - 1);
        }
        std::ranges::copy(local->path, un.sun_path);
        out.size = static_cast<socklen_t>(offsetof(sockaddr_un, sun_path) + local->path.size() + 1);
        std::memcpy(&out.storage, &un, sizeof un);
        return out;
    }
    const auto& ip = std::get<IpAddress>(address);
    if (ip.family == IpAddress::Family::v4) {
        sockaddr_in in{};
        in.sin_family = AF_INET;
        in.sin_port = htons(ip.port);
        std::memcpy(&in.sin_addr, ip.bytes.data(), 4);
        out.size = sizeof in;
        std::memcpy(&out.storage, &in, sizeof in);
    } else {
        sockaddr_in6 in{};
        in.sin6_family = AF_INET6;
        in.sin6_port = htons(ip.port);
        std::memcpy(&in.sin6_addr, ip.bytes.data(), 16);
        out.size = sizeof in;
        std::memcpy(&out.storage, &in, sizeof in);
    }
    return out;
}

base::Result<host::Address> from_socket_address(const SocketAddress& address) {
    switch (address.family()) {
        case AF_INET: {
            sockaddr_in in{};
            std::memcpy(&in, &address.storage, sizeof in);
            IpAddress ip;
            ip.port = ntohs(in.sin_port);
            std::memcpy(ip.bytes.data(), &in.sin_addr, 4);
            return ip;
        }
        case AF_INET6: {
            sockaddr_in6 in{};
            std::memcpy(&in, &address.storage, sizeof in);
            IpAddress ip;
            ip.port = ntohs(in.sin6_port);
            ip.family = IpAddress::Family::v6;
            std::memcpy(ip.bytes.data(), &in.sin6_addr, 16);
            return ip;
        }
        case AF_UNIX: {
            sockaddr_un un{};
            std::memcpy(&un, &address.storage, sizeof un);
            const std::size_t room = address.size - offsetof(sockaddr_un, sun_path);
            return UnixAddress{std::string(un.sun_path, ::strnlen(un.sun_path, room))};
        }
        default:
            return fail(Code::invalid, "socket of address family {}", address.family());
    }
}

}  // namespace tidemill::host_linux
