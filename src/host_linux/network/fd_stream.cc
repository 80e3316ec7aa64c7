#include "host_linux/network/fd_stream.h"

#include <sys/socket.h>
#include <sys/uio.h>

#include <algorithm>
#include <cerrno>
#include <cstddef>

namespace tidemill::host_linux {
namespace {

using host::ConstBuffer;
using host::IoResult;
using host::MutableBuffer;

static_assert(sizeof(MutableBuffer) == sizeof(iovec) && sizeof(ConstBuffer) == sizeof(iovec));
static_assert(offsetof(MutableBuffer, data) == offsetof(iovec, iov_base));
static_assert(offsetof(MutableBuffer, size) == offsetof(iovec, iov_len));

// What one stream may read in one turn before the others have theirs: a peer on the same machine
// can fill a socket as fast as it is emptied, and its reader would never wait.
constexpr std::size_t read_in_turn_bytes_max = 1 << 20;
constexpr std::size_t buffers_max = 64;  // host::Stream's promise; IOV_MAX is 1024

// The kernel reads through const; iovec has no way to say so.
iovec* as_iovec(const MutableBuffer* buffers) {
    return reinterpret_cast<iovec*>(const_cast<MutableBuffer*>(buffers));
}
iovec* as_iovec(const ConstBuffer* buffers) {
    return reinterpret_cast<iovec*>(const_cast<ConstBuffer*>(buffers));
}

template <typename Buffer>
std::size_t total_size(std::span<const Buffer> buffers) {
    std::size_t total = 0;
    for (const auto& buffer : buffers) {
        total += buffer.size;
    }
    return total;
}

}  // namespace

base::Result<std::unique_ptr<FdStream>> FdStream::create(EpollLoop& loop, UniqueFd fd, Kind kind,
                                                         host::Peer peer) {
    std::unique_ptr<FdStream> stream(new FdStream(loop, std::move(fd), kind, std::move(peer)));
    CHECK_OK(loop.add(*stream, stream->fd_.get(), stream->watched_events()));
    return stream;
}

FdStream::FdStream(EpollLoop& loop, UniqueFd fd, Kind kind, host::Peer peer)
    : Stream(loop),
      epoll_(loop),
      fd_(std::move(fd)),
      kind_(kind),
      watches_room_(kind != Kind::unix_socket),
      peer_(std::move(peer)) {
    next_turn_.stream = this;
}

FdStream::~FdStream() {
    if (watched()) {
        epoll_.forget(*this);
    }
}

std::uint32_t FdStream::watched_events() const {
    const std::uint32_t room = watches_room_ ? std::uint32_t{EPOLLOUT} : 0;
    return room | EPOLLIN | EPOLLPRI | EPOLLRDHUP | EPOLLET;
}

void FdStream::on_events(std::uint32_t events) {
    constexpr std::uint32_t broken = EPOLLHUP | EPOLLERR;
    constexpr std::uint32_t unusual = broken | EPOLLRDHUP | EPOLLPRI;
    if ((events & unusual) != 0) {
        short_read_may_hide_more_ = true;
    }
    if ((events & (EPOLLOUT | broken)) != 0) {
        if (kind_ == Kind::unix_socket && watches_room_ && write_edge_.ready()) {
            watches_room_ = false;
            epoll_.change(*this, fd_.get(), watched_events());
        }
        // The waiter may destroy this stream: nothing of it is touched before that is known.
        const EpollLoop& loop = epoll_;
        const Device* const self = this;
        write_edge_.signal();
        if (!loop.delivering(self)) {
            return;
        }
    }
    if ((events & (EPOLLIN | unusual)) != 0) {
        read_edge_.signal();
    }
}

IoResult FdStream::try_readv(std::span<const MutableBuffer> buffers) {
    if (read_expired()) {
        return {IoResult::Kind::deadline};
    }
    if (!read_edge_.ready()) {
        return {IoResult::Kind::blocked};
    }
    if (read_turn_ != epoll_.turn()) {
        read_turn_ = epoll_.turn();
        read_in_turn_bytes_ = 0;
    } else if (read_in_turn_bytes_ >= read_in_turn_bytes_max) {
        read_edge_.drained();
        if (!next_turn_.linked()) {
            epoll_.post(next_turn_);
        }
        return {IoResult::Kind::blocked};
    }
    buffers = buffers.first(std::min(buffers.size(), buffers_max));
    const std::size_t wanted = total_size(buffers);
    if (wanted == 0) {
        return {IoResult::Kind::done};
    }
    ssize_t got = 0;
    bool cut = false;
    do {
        if (kind_ == Kind::pipe) {
            got = ::readv(fd_.get(), as_iovec(buffers.data()), static_cast<int>(buffers.size()));
        } else if (kind_ == Kind::tcp && buffers.size() == 1) {
            got = ::recv(fd_.get(), buffers[0].data, wanted, 0);
        } else {
            msghdr message{};
            message.msg_iov = as_iovec(buffers.data());
            message.msg_iovlen = buffers.size();
            got = ::recvmsg(fd_.get(), &message, MSG_CMSG_CLOEXEC);
            // The peer of a Unix socket sent descriptors along: they are dropped, but the kernel
            // ends a read at them although more bytes may follow.
            cut = (message.msg_flags & MSG_CTRUNC) != 0;
        }
    } while (got < 0 && errno == EINTR);
    if (got > 0) {
        const auto bytes = static_cast<std::size_t>(got);
        read_in_turn_bytes_ += bytes;
        if (bytes < wanted && !short_read_may_hide_more_ && !cut && kind_ != Kind::pipe) {
            read_edge_.drained();
        }
        return {IoResult::Kind::done, bytes};
    }
    if (got == 0) {
        return {IoResult::Kind::eof};
    }
    if (errno == EAGAIN) {
        read_edge_.drained();
        return {IoResult::Kind::blocked};
    }
    return {IoResult::Kind::failed, 0, errno};
}

IoResult FdStream::try_writev(std::span<const ConstBuffer> buffers) {
    if (write_expired()) {
        return {IoResult::Kind::deadline};
    }
    if (!write_edge_.ready()) {
        return {IoResult::Kind::blocked};
    }
    buffers = buffers.first(std::min(buffers.size(), buffers_max));
    const std::size_t wanted = total_size(buffers);
    if (wanted == 0) {
        return {IoResult::Kind::done};
    }
    if (!fd_) {
        return {IoResult::Kind::failed, 0, EPIPE};
    }
    ssize_t sent = 0;
    do {
        if (kind_ == Kind::pipe) {
            sent = ::writev(fd_.get(), as_iovec(buffers.data()), static_cast<int>(buffers.size()));
        } else if (buffers.size() == 1) {
            sent = ::send(fd_.get(), buffers[0].data, wanted, MSG_NOSIGNAL);
        } else {
            msghdr message{};
            message.msg_iov = as_iovec(buffers.data());
            message.msg_iovlen = buffers.size();
            sent = ::sendmsg(fd_.get(), &message, MSG_NOSIGNAL);
        }
    } while (sent < 0 && errno == EINTR);
    if (sent >= 0) {
        const auto bytes = static_cast<std::size_t>(sent);
        // A socket that took less than all has marked itself as short of room (SOCK_NOSPACE), and
        // the kernel reports when there is some. A pipe says so only after EAGAIN.
        if (bytes < wanted && kind_ != Kind::pipe) {
            write_blocked();
        }
        return {IoResult::Kind::done, bytes};
    }
    if (errno == EAGAIN) {
        write_blocked();
        return {IoResult::Kind::blocked};
    }
    return {IoResult::Kind::failed, 0, errno};
}

void FdStream::write_blocked() {
    write_edge_.drained();
    if (!watches_room_) {
        watches_room_ = true;
        // Reports at once what became free since the attempt.
        epoll_.change(*this, fd_.get(), watched_events());
    }
}

bool FdStream::quiet() {
    return !read_edge_.ready() && !next_turn_.linked() && pending() == 0 &&
           !short_read_may_hide_more_;
}

void FdStream::shutdown_write() {
    if (kind_ != Kind::pipe) {
        ::shutdown(fd_.get(), SHUT_WR);
        return;
    }
    if (watched()) {
        epoll_.forget(*this);
    }
    fd_.reset();
}

void FdStream::abort() {
    if (kind_ == Kind::tcp) {
        const linger now{.l_onoff = 1, .l_linger = 0};
        ::setsockopt(fd_.get(), SOL_SOCKET, SO_LINGER, &now, sizeof now);
    }
}

}  // namespace tidemill::host_linux
