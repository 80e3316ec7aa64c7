#include "host_linux/process/service_manager.h"

#include <sys/socket.h>
#include <sys/un.h>

#include <cerrno>
#include <cstddef>
#include <cstring>

#include "host_linux/unique_fd.h"

namespace tidemill::host_linux {

base::Status notify_service_manager(const std::string& socket, std::string_view state) {
    sockaddr_un address{};
    address.sun_family = AF_UNIX;
    if (socket.empty() || socket.size() >= sizeof(address.sun_path)) {
        return base::fail(base::Code::invalid, "NOTIFY_SOCKET \"{}\" is no socket path", socket);
    }
    std::memcpy(address.sun_path, socket.data(), socket.size());
    if (socket.front() == '@') {
        address.sun_path[0] = '\0';
    }
    const auto size = static_cast<socklen_t>(offsetof(sockaddr_un, sun_path) + socket.size());
    const UniqueFd fd(::socket(AF_UNIX, SOCK_DGRAM | SOCK_CLOEXEC, 0));
    if (fd.get() < 0 || ::sendto(fd.get(), state.data(), state.size(), MSG_NOSIGNAL,
                                 reinterpret_cast<const sockaddr*>(&address), size) < 0) {
        return base::fail(base::Code::unavailable, "the service manager at {} does not listen: {}",
                          socket, std::strerror(errno));
    }
    return base::ok;
}

}  // namespace tidemill::host_linux
