#include "host_linux/network/linux_listener.h"

#include <fcntl.h>
#include <netinet/in.h>
#include <netinet/tcp.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <unistd.h>

#include <cerrno>
#include <cstdlib>
#include <utility>

#include "async/loop.h"
#include "base/text.h"
#include "host_linux/network/fd_stream.h"
#include "host_linux/network/socket_address.h"
#include "host_linux/network/socket_holder.h"
#include "host_linux/system_error.h"

namespace tidemill::host_linux {
namespace {

using base::Code;
using base::fail;
using host::Address;
using host::IpAddress;
using host::ListenOptions;
using host::UnixAddress;

// A flood of connections must leave time for those that are accepted already.
constexpr std::uint32_t accepts_per_turn_max = 64;

// Errors that belong to the connection that was to be accepted, which is gone: accept(2), "Error
// handling", and the firewall's EPERM.
bool is_about_the_connection(int error) {
    switch (error) {
        case ECONNABORTED:
        case EINTR:
        case EPROTO:
        case EPERM:
        case ENETDOWN:
        case ENOPROTOOPT:
        case EHOSTDOWN:
        case ENONET:
        case EHOSTUNREACH:
        case EOPNOTSUPP:
        case ENETUNREACH:
            return true;
        default:
            return false;
    }
}

base::Status set_option(int fd, int level, int name, int value) {
    if (::setsockopt(fd, level, name, &value, sizeof value) != 0) {
        return fail_with(errno, "setsockopt");
    }
    return base::ok;
}

std::unexpected<base::Error> in_use(const Address& at, const std::optional<SocketHolder>& holder) {
    const auto text = host::to_string(at);
    if (!holder) {
        return fail(Code::conflict, "{}: address already in use", text);
    }
    return fail(Code::conflict, "{}: address already in use by process {} ({})", text, holder->pid,
                holder->program);
}

// Who listens on a Unix socket, or nothing when nobody does: a connection is refused once the last
// descriptor of the listener is closed, though its file stays.
struct UnixProbe {
    bool alive = false;
    std::optional<SocketHolder> holder;
};
UnixProbe probe_unix(const SocketAddress& address) {
    const UniqueFd fd(::socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0));
    if (::connect(fd.get(), address.get(), address.size) != 0) {
        return {.alive = errno != ECONNREFUSED && errno != ENOENT, .holder = {}};
    }
    ucred credentials{};
    socklen_t size = sizeof credentials;
    if (::getsockopt(fd.get(), SOL_SOCKET, SO_PEERCRED, &credentials, &size) != 0) {
        return {.alive = true, .holder = {}};
    }
    return {.alive = true, .holder = describe_process(credentials.pid)};
}

base::Status bind_unix(int fd, const Address& at, const SocketAddress& address, unsigned mode) {
    const auto& path = std::get<UnixAddress>(at).path;
    // The mode of the socket's own inode is what bind() gives the file, so that there is no moment
    // at which it is open to more.
    ::fchmod(fd, mode);
    if (::bind(fd, address.get(), address.size) != 0) {
        if (errno != EADDRINUSE) {
            return fail_with(errno, host::to_string(at));
        }
        struct stat info{};
        if (::lstat(path.c_str(), &info) == 0 && !S_ISSOCK(info.st_mode)) {
            return fail(Code::conflict, "unix:{}: a file that is not a socket is there", path);
        }
        if (const auto probe = probe_unix(address); probe.alive) {
            return in_use(at, probe.holder);
        }
        if (::unlink(path.c_str()) != 0 && errno != ENOENT) {
            return fail_with(errno, host::to_string(at));
        }
        if (::bind(fd, address.get(), address.size) != 0) {
            return fail_with(errno, host::to_string(at));
        }
    }
    // Once more, for what the umask took away.
    if (::chmod(path.c_str(), mode) != 0) {
        return fail_with(errno, host::to_string(at));
    }
    return base::ok;
}

base::Status bind_ip(int fd, const Address& at, const SocketAddress& address,
                     const ListenOptions& options) {
    // A restart must not wait for the connections of its predecessor to leave TIME_WAIT.
    CHECK_OK(set_option(fd, SOL_SOCKET, SO_REUSEADDR, 1));
    if (options.sharing == ListenOptions::Sharing::shared) {
        CHECK_OK(set_option(fd, SOL_SOCKET, SO_REUSEPORT, 1));
    }
    // Accepted sockets inherit it: one call per listener instead of one per connection.
    CHECK_OK(set_option(fd, IPPROTO_TCP, TCP_NODELAY, 1));
    if (address.family() == AF_INET6) {
        // [::] means IPv6 and nothing else, so that 0.0.0.0 can be listened on beside it.
        CHECK_OK(set_option(fd, IPPROTO_IPV6, IPV6_V6ONLY, 1));
    }
    if (::bind(fd, address.get(), address.size) != 0) {
        if (errno == EADDRINUSE) {
            return in_use(at, find_tcp_listener(std::get<IpAddress>(at)));
        }
        if (errno == EADDRNOTAVAIL) {
            return fail(Code::invalid, "{}: no interface of this machine has this address",
                        host::to_string(at));
        }
        return fail_with(errno, host::to_string(at));
    }
    return base::ok;
}

}  // namespace

base::Result<std::unique_ptr<LinuxListener>> LinuxListener::create(EpollLoop& loop, UniqueFd fd,
                                                                   Address local) {
    std::unique_ptr<LinuxListener> listener(
        new LinuxListener(loop, std::move(fd), std::move(local)));
    CHECK_OK(loop.add(*listener, listener->fd_.get(), EPOLLIN | EPOLLET));
    return listener;
}

LinuxListener::LinuxListener(EpollLoop& loop, UniqueFd fd, Address local)
    : loop_(loop), fd_(std::move(fd)), local_(std::move(local)) {}

LinuxListener::~LinuxListener() {
    if (watched()) {
        loop_.remove(*this, fd_.get());
    }
}

async::Task<base::Result<std::unique_ptr<host::Stream>>> LinuxListener::accept() {
    for (;;) {
        if (accept_turn_ != loop_.turn()) {
            accept_turn_ = loop_.turn();
            accepted_in_turn_ = 0;
        } else if (accepted_in_turn_ >= accepts_per_turn_max) {
            co_await async::yield(loop_);
            continue;
        }
        SocketAddress from;
        UniqueFd fd(::accept4(fd_.get(), from.get(), &from.size, SOCK_NONBLOCK | SOCK_CLOEXEC));
        if (!fd) {
            if (errno == EAGAIN) {
                edge_.drained();
                co_await host::Edge::Wait(edge_);
                continue;
            }
            if (is_about_the_connection(errno)) {
                continue;
            }
            co_return fail_with(errno, "accept on " + host::to_string(local_));
        }
        ++accepted_in_turn_;
        host::Peer peer;
        auto kind = FdStream::Kind::tcp;
        if (from.family() == AF_UNIX) {
            kind = FdStream::Kind::unix_socket;
            peer = unix_peer(fd.get());
        } else if (auto address = from_socket_address(from)) {
            peer.ip = std::get<IpAddress>(*address);
        }
        CO_TRY(auto stream, FdStream::create(loop_, std::move(fd), kind, std::move(peer)));
        co_return std::move(stream);
    }
}

base::Result<UniqueFd> open_listening_socket(const Address& at, const ListenOptions& options) {
    TRY(const auto address, to_socket_address(at));
    UniqueFd fd(::socket(address.family(), SOCK_STREAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0));
    if (!fd) {
        return fail_with(errno, host::to_string(at));
    }
    if (address.family() == AF_UNIX) {
        CHECK_OK(bind_unix(fd.get(), at, address, options.unix_mode));
    } else {
        CHECK_OK(bind_ip(fd.get(), at, address, options));
    }
    if (::listen(fd.get(), options.backlog) != 0) {
        if (errno == EADDRINUSE && address.family() != AF_UNIX) {
            return in_use(at, find_tcp_listener(std::get<IpAddress>(at)));
        }
        return fail_with(errno, host::to_string(at));
    }
    return fd;
}

base::Result<Address> local_address(int fd) {
    SocketAddress address;
    if (::getsockname(fd, address.get(), &address.size) != 0) {
        return fail_with(errno, "getsockname");
    }
    return from_socket_address(address);
}

base::Result<std::unique_ptr<InheritedListeners>> InheritedListeners::from_environment() {
    auto listeners = std::make_unique<InheritedListeners>();
    const char* const value = ::getenv(variable);
    if (value == nullptr) {
        return listeners;
    }
    const std::string text = value;
    ::unsetenv(variable);
    if (!text.empty()) {
        for (const auto entry : base::split(text, ',')) {
            CHECK_OK(listeners->add(entry));
        }
    }
    return listeners;
}

base::Status InheritedListeners::add(std::string_view entry) {
    const auto equals = entry.rfind('=');
    const auto number = equals == std::string_view::npos
                            ? std::nullopt
                            : base::parse_number<int>(entry.substr(equals + 1));
    if (!number || *number < 3 || equals == 0) {
        return fail(Code::invalid, "{}: \"{}\" is not NAME=DESCRIPTOR", variable, entry);
    }
    const int fd = *number;
    int listening = 0;
    socklen_t size = sizeof listening;
    if (::getsockopt(fd, SOL_SOCKET, SO_ACCEPTCONN, &listening, &size) != 0 || listening == 0) {
        return fail(Code::invalid, "{}: {} is not a listening socket", variable, entry);
    }
    const auto [at, fresh] = sockets_.try_emplace(std::string(entry.substr(0, equals)));
    if (!fresh) {
        return fail(Code::invalid, "{}: {} is there twice", variable, at->first);
    }
    at->second = UniqueFd(fd);
    ::fcntl(fd, F_SETFD, FD_CLOEXEC);
    ::fcntl(fd, F_SETFL, ::fcntl(fd, F_GETFL) | O_NONBLOCK);
    return base::ok;
}

base::Result<UniqueFd> InheritedListeners::take(std::string_view name) {
    const std::lock_guard lock(mutex_);
    const auto found = sockets_.find(name);
    if (found == sockets_.end()) {
        return fail(Code::not_found, "listener {}: not passed by the parent process", name);
    }
    UniqueFd fd = std::move(found->second);
    sockets_.erase(found);
    return fd;
}

}  // namespace tidemill::host_linux
