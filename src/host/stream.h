// A connection, as bytes that come and go without blocking.
#pragma once

#include <coroutine>
#include <cstddef>
#include <cstdint>
#include <memory>
#include <optional>
#include <span>
#include <string>
#include <string_view>
#include <utility>

#include "async/loop.h"
#include "base/result.h"
#include "base/time.h"
#include "host/address.h"

namespace tidemill::host {

// Where bytes are put or taken; laid out as struct iovec.
struct MutableBuffer {
    char* data;
    std::size_t size;
};
struct ConstBuffer {
    const char* data;
    std::size_t size;
};

// What one attempt to read or write did. Not a Result: most attempts on a busy connection end
// "blocked", and that must not cost a string.
struct IoResult {
    enum class Kind : std::uint8_t {
        done,      // `bytes` were moved, at least one
        blocked,   // nothing can be moved now: await readable() or writable()
        eof,       // the peer sends no more (read only)
        deadline,  // the deadline set on this direction has passed
        failed,    // the connection is broken; `error` says how
    };
    Kind kind;
    std::size_t bytes = 0;
    int error = 0;  // errno of host_linux, 0 in simulation

    bool ok() const { return kind == Kind::done; }
};

// One direction's readiness and its one waiter.
class Edge {
public:
    Edge() = default;
    Edge(const Edge&) = delete;
    Edge& operator=(const Edge&) = delete;

    bool ready() const { return ready_; }
    // The device says: worth trying again. Resumes the waiter at once, on the caller's stack, which
    // is the loop's: no second turn lies between a packet and its coroutine. The edge may be gone
    // after.
    void signal() {
        ready_ = true;
        if (waiter_) {
            std::exchange(waiter_, nullptr).resume();
        }
    }
    // An attempt found nothing more.
    void drained() { ready_ = false; }

    class [[nodiscard]] Wait {
    public:
        explicit Wait(Edge& edge) : edge_(edge) {}
        Wait(const Wait&) = delete;
        Wait& operator=(const Wait&) = delete;
        ~Wait() {
            if (waiting_ && edge_.waiter_) {
                edge_.waiter_ = nullptr;
            }
        }
        bool await_ready() const { return edge_.ready_; }
        void await_suspend(std::coroutine_handle<> waiter) {
            waiting_ = true;
            edge_.waiter_ = waiter;
        }
        void await_resume() { waiting_ = false; }

    private:
        Edge& edge_;
        bool waiting_ = false;
    };

private:
    friend class Wait;
    bool ready_ = true;
    std::coroutine_handle<> waiter_;
};

// A byte stream: TCP, Unix socket, pipe, TLS over one of them. Belongs to one loop's thread. At
// most one waiter per direction. Closed when destroyed; destroying it while somebody waits on it is
// a bug of the owner. Reads and writes are attempts, so that a connection costs no coroutine frame
// per read.
class Stream {
public:
    explicit Stream(async::Loop& loop) : loop_(loop), read_timer_(*this), write_timer_(*this) {}
    // A stream over `inner`, such as TLS, whose reads are blocked just when inner's are: waits for
    // reading and their deadlines are inner's.
    explicit Stream(Stream& inner)
        : loop_(inner.loop_), read_through_(&inner), read_timer_(*this), write_timer_(*this) {}
    Stream(const Stream&) = delete;
    Stream& operator=(const Stream&) = delete;
    virtual ~Stream() = default;

    // Moves what can be moved now. At most 64 buffers.
    virtual IoResult try_readv(std::span<const MutableBuffer> buffers) = 0;
    virtual IoResult try_writev(std::span<const ConstBuffer> buffers) = 0;
    IoResult try_read(char* data, std::size_t size) {
        const MutableBuffer buffer{data, size};
        return try_readv({&buffer, 1});
    }
    IoResult try_write(std::string_view bytes) {
        const ConstBuffer buffer{bytes.data(), bytes.size()};
        return try_writev({&buffer, 1});
    }

    // Go on when an attempt is worth making: bytes, end, failure or a passed deadline.
    Edge::Wait readable() {
        return read_through_ != nullptr ? read_through_->readable() : Edge::Wait(read_edge_);
    }
    Edge::Wait writable() { return Edge::Wait(write_edge_); }

    // After `at`, attempts in that direction end with Kind::deadline and waiters go on. Cheap:
    // setting one stores a number unless it is earlier than the timer that is armed.
    void set_read_deadline(base::Instant at) {
        if (read_through_ != nullptr) {
            read_through_->set_read_deadline(at);
        } else {
            read_timer_.set(at);
        }
    }
    void set_write_deadline(base::Instant at) { write_timer_.set(at); }

    // False while bytes that a write accepted still wait in this stream itself, as they may in TLS.
    virtual bool flushed() const { return true; }
    // True when nothing has arrived since the last read found nothing more: no bytes, no end. An
    // idle connection that is not quiet must not be used again.
    virtual bool quiet() = 0;
    // Sends no more; the peer reads an end.
    virtual void shutdown_write() = 0;
    // The next close sends a reset, so that the peer knows that the message was cut short.
    virtual void abort() = 0;
    // The peer, as far as the kind of stream knows it.
    virtual const Peer& peer() const = 0;

    async::Loop& loop() const { return loop_; }

protected:
    bool read_expired() const { return read_timer_.expired(); }
    bool write_expired() const { return write_timer_.expired(); }

    Edge read_edge_;
    Edge write_edge_;

private:
    class Deadline final : public async::Timer {
    public:
        explicit Deadline(Stream& stream) : stream_(stream) {}
        void set(base::Instant at);
        bool expired() const { return due_ <= stream_.loop_.now(); }
        void fire() override;

    private:
        Stream& stream_;
        base::Instant due_ = base::Instant::never();
    };
    async::Loop& loop_;
    Stream* read_through_ = nullptr;
    Deadline read_timer_;
    Deadline write_timer_;
};

}  // namespace tidemill::host
