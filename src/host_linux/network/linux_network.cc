#include "host_linux/network/linux_network.h"

#include <netinet/in.h>
#include <netinet/tcp.h>
#include <sys/socket.h>

#include <algorithm>
#include <cerrno>
#include <utility>

#include "host_linux/network/fd_stream.h"
#include "host_linux/network/socket_address.h"
#include "host_linux/network/socket_holder.h"
#include "host_linux/system_error.h"

namespace tidemill::host_linux {

using base::Code;
using base::fail;
using host::Address;
using namespace std::chrono_literals;

namespace {

std::unexpected<base::Error> cannot_connect(int error, const Address& to) {
    // A path that is not there is a listener that is not there: the caller of connect() asks again.
    if (error == ENOENT || error == ENOTDIR) {
        return fail(Code::unavailable, "connect to {}: {}", host::to_string(to), text_of(error));
    }
    return fail_with(error, "connect to " + host::to_string(to));
}

}  // namespace

async::Task<base::Result<std::unique_ptr<host::Stream>>> LinuxNetwork::connect(
    Address to, base::Instant deadline) {
    CO_TRY(const auto address, to_socket_address(to));
    const bool is_unix = address.family() == AF_UNIX;
    UniqueFd fd(::socket(address.family(), SOCK_STREAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0));
    if (!fd) {
        co_return cannot_connect(errno, to);
    }
    int error = 0;
    // A Unix listener whose backlog is full answers EAGAIN, and nothing reports when it has room.
    for (base::Duration pause = 1ms;; pause = std::min<base::Duration>(pause * 2, 20ms)) {
        error = ::connect(fd.get(), address.get(), address.size) == 0 ? 0 : errno;
        if (!is_unix || error != EAGAIN) {
            break;
        }
        if (loop_.now() >= deadline) {
            co_return fail(Code::deadline, "connect to {}: the listener's backlog stayed full",
                           host::to_string(to));
        }
        co_await async::sleep_until(loop_, std::min(loop_.now() + pause, deadline));
    }
    if (error != 0 && error != EINPROGRESS && error != EINTR) {
        co_return cannot_connect(error, to);
    }
    host::Peer peer;
    if (is_unix) {
        peer = unix_peer(fd.get());
    } else {
        peer.ip = std::get<host::IpAddress>(to);
        const int one = 1;
        ::setsockopt(fd.get(), IPPROTO_TCP, TCP_NODELAY, &one, sizeof one);
    }
    CO_TRY(auto stream,
           FdStream::create(loop_, std::move(fd),
                            is_unix ? FdStream::Kind::unix_socket : FdStream::Kind::tcp,
                            std::move(peer)));
    if (error != 0) {
        stream->expect_writable_event();
        stream->set_write_deadline(deadline);
        co_await stream->writable();
        int outcome = 0;
        socklen_t size = sizeof outcome;
        ::getsockopt(stream->fd(), SOL_SOCKET, SO_ERROR, &outcome, &size);
        if (outcome != 0) {
            co_return cannot_connect(outcome, to);
        }
        SocketAddress connected;
        if (::getpeername(stream->fd(), connected.get(), &connected.size) != 0) {
            co_return fail(Code::deadline, "connect to {}: no answer in time", host::to_string(to));
        }
        stream->set_write_deadline(base::Instant::never());
    }
    co_return std::move(stream);
}

base::Result<std::unique_ptr<host::Listener>> LinuxNetwork::listen(
    const Address& at, const host::ListenOptions& options) {
    TRY(UniqueFd fd, open_listening_socket(at, options));
    TRY(auto local, local_address(fd.get()));
    return LinuxListener::create(loop_, std::move(fd), std::move(local));
}

base::Result<std::unique_ptr<host::Listener>> LinuxNetwork::inherited(std::string_view name) {
    TRY(UniqueFd fd, inherited_.take(name));
    TRY(auto local, local_address(fd.get()));
    return LinuxListener::create(loop_, std::move(fd), std::move(local));
}

}  // namespace tidemill::host_linux
