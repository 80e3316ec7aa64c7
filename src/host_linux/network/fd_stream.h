// Sockets and pipes as streams.
#pragma once

#include <cstdint>
#include <memory>

#include "async/loop.h"
#include "host/stream.h"
#include "host_linux/loop/epoll_loop.h"
#include "host_linux/unique_fd.h"

namespace tidemill::host_linux {

// One connected descriptor, watched once. Costs one system call per attempt that can succeed and
// none for an attempt that cannot: after a read or write that moved less than was asked, the kernel
// reports the next change by itself.
class FdStream final : public host::Stream, private Device {
public:
    enum class Kind : std::uint8_t {
        tcp,
        unix_socket,
        pipe,  // one direction; needs SIGPIPE ignored (LinuxHost does so)
    };
    // Takes over a non-blocking descriptor; a pipe's shutdown_write() closes it. `fd` is watched
    // from here on. Errors: exhausted (limits of the loop).
    static base::Result<std::unique_ptr<FdStream>> create(EpollLoop& loop, UniqueFd fd, Kind kind,
                                                          host::Peer peer);
    ~FdStream() override;

    // A request for no bytes is done with none.
    host::IoResult try_readv(std::span<const host::MutableBuffer> buffers) override;
    host::IoResult try_writev(std::span<const host::ConstBuffer> buffers) override;
    bool quiet() override;
    void shutdown_write() override;
    // A Unix socket and a pipe have no reset: their peer reads an end.
    void abort() override;
    const host::Peer& peer() const override { return peer_; }

    int fd() const { return fd_.get(); }
    // The next writable() waits until the kernel says so: for a socket that is connecting.
    void expect_writable_event() { write_edge_.drained(); }

private:
    // Lets a reader that found its share of a turn used up go on in the next.
    struct NextTurn final : async::Ready {
        FdStream* stream = nullptr;
        void run() override { stream->read_edge_.signal(); }
    };

    FdStream(EpollLoop& loop, UniqueFd fd, Kind kind, host::Peer peer);
    void on_events(std::uint32_t events) override;
    std::uint32_t watched_events() const;
    void write_blocked();

    EpollLoop& epoll_;
    UniqueFd fd_;
    Kind kind_;
    // Watched for EPOLLOUT. A Unix socket is not, but while a write is blocked: its kernel reports
    // every read of the peer as room, so that each message would wake this side twice.
    bool watches_room_;
    // An end, an error or urgent data was reported: a short read no longer means that nothing more
    // is there, and nothing will report it again.
    bool short_read_may_hide_more_ = false;
    std::uint64_t read_turn_ = 0;
    std::size_t read_in_turn_bytes_ = 0;
    NextTurn next_turn_;
    host::Peer peer_;
};

}  // namespace tidemill::host_linux
