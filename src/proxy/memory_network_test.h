// A network in memory, for the tests of this room: byte streams between test code and the code
// under test, on a VirtualLoop, that can be cut into small pieces and broken at will.
#pragma once

#include <algorithm>
#include <cstring>
#include <deque>
#include <map>
#include <memory>
#include <string>
#include <utility>
#include <vector>

#include "async/event.h"
#include "async/virtual_loop.h"
#include "host/network.h"

namespace tidemill::proxy::testing {

// How a stream passes bytes on.
struct PipeOptions {
    std::size_t capacity_bytes = 64 * 1024;
    std::size_t read_bytes_max = SIZE_MAX;  // of one attempt
    std::size_t write_bytes_max = SIZE_MAX;
};

class MemoryStream final : public host::Stream {
public:
    MemoryStream(async::Loop& loop, PipeOptions options)
        : Stream(loop), options_(options), read_news_(*this), write_news_(*this) {
        peer_info_.ip = host::IpAddress::loopback(40'000);
    }
    ~MemoryStream() override {
        if (peer_ != nullptr) {
            peer_->peer_ = nullptr;
            peer_->incoming_ended_ = true;
            if (aborted_) {
                peer_->broken_ = true;
                peer_->incoming_.clear();
            } else {
                peer_->peer_closed_ = true;
            }
            peer_->tell_reader();
            peer_->tell_writer();
        }
    }
    static std::pair<std::unique_ptr<MemoryStream>, std::unique_ptr<MemoryStream>> pair(
        async::Loop& loop, PipeOptions options) {
        auto a = std::make_unique<MemoryStream>(loop, options);
        auto b = std::make_unique<MemoryStream>(loop, options);
        a->peer_ = b.get();
        b->peer_ = a.get();
        return {std::move(a), std::move(b)};
    }

    host::IoResult try_readv(std::span<const host::MutableBuffer> buffers) override {
        using Kind = host::IoResult::Kind;
        if (attempts != nullptr) {
            *attempts += 1;
        }
        if (read_expired()) {
            return {Kind::deadline};
        }
        if (broken_) {
            return {Kind::failed};
        }
        if (incoming_.empty()) {
            if (incoming_ended_) {
                return {Kind::eof};
            }
            read_edge_.drained();
            return {Kind::blocked};
        }
        std::size_t left = options_.read_bytes_max;
        std::size_t moved = 0;
        for (const auto& buffer : buffers) {
            const auto size = std::min({buffer.size, incoming_.size(), left});
            std::memcpy(buffer.data, incoming_.data(), size);
            incoming_.erase(0, size);
            left -= size;
            moved += size;
        }
        // A short read has drained the socket, as it has with edge-triggered epoll.
        if (incoming_.empty() && !incoming_ended_) {
            read_edge_.drained();
        }
        if (peer_ != nullptr) {
            peer_->tell_writer();
        }
        return {Kind::done, moved};
    }
    host::IoResult try_writev(std::span<const host::ConstBuffer> buffers) override {
        using Kind = host::IoResult::Kind;
        if (attempts != nullptr) {
            *attempts += 1;
        }
        if (write_expired()) {
            return {Kind::deadline};
        }
        if (broken_ || peer_ == nullptr || write_ended_) {
            return {Kind::failed};
        }
        std::size_t left = std::min(
            options_.write_bytes_max,
            options_.capacity_bytes - std::min(options_.capacity_bytes, peer_->incoming_.size()));
        std::size_t moved = 0;
        for (const auto& buffer : buffers) {
            const auto size = std::min(buffer.size, left);
            peer_->incoming_.append(buffer.data, size);
            left -= size;
            moved += size;
        }
        if (moved == 0) {
            write_edge_.drained();
            return {Kind::blocked};
        }
        peer_->tell_reader();
        if (peer_->incoming_.size() >= options_.capacity_bytes) {
            write_edge_.drained();
        }
        return {Kind::done, moved};
    }
    bool quiet() override { return incoming_.empty() && !incoming_ended_ && !broken_; }
    void shutdown_write() override {
        write_ended_ = true;
        if (peer_ != nullptr) {
            peer_->incoming_ended_ = true;
            peer_->tell_reader();
        }
    }
    void abort() override { aborted_ = true; }
    const host::Peer& peer() const override { return peer_info_; }

    // For tests.
    bool peer_closed() const { return peer_closed_; }
    bool was_reset() const { return broken_; }
    bool ended() const { return incoming_ended_; }
    std::size_t unread() const { return incoming_.size(); }
    void set_options(PipeOptions options) { options_ = options; }
    // Attempts are counted there; by one of the two ends, as the test chooses.
    std::shared_ptr<std::uint64_t> attempts;

private:
    struct News final : async::Ready {
        explicit News(MemoryStream& at) : stream(at) {}
        void run() override {
            (this == &stream.read_news_ ? stream.read_edge_ : stream.write_edge_).signal();
        }
        MemoryStream& stream;
    };
    void tell_reader() {
        if (!read_news_.linked()) {
            loop().post(read_news_);
        }
    }
    void tell_writer() {
        if (!write_news_.linked()) {
            loop().post(write_news_);
        }
    }

    PipeOptions options_;
    host::Peer peer_info_;
    MemoryStream* peer_ = nullptr;
    std::string incoming_;
    bool incoming_ended_ = false;
    bool write_ended_ = false;
    bool broken_ = false;
    bool aborted_ = false;
    bool peer_closed_ = false;
    News read_news_;
    News write_news_;
};

// Test code's end of a connection: what it says, and what it heard.
class Party {
public:
    explicit Party(std::unique_ptr<MemoryStream> stream) : stream_(std::move(stream)) {}

    // True if all was taken.
    bool send(std::string_view text) {
        const auto result = stream_->try_write(text);
        return result.ok() && result.bytes == text.size();
    }
    // How many bytes were taken.
    std::size_t send_some(std::string_view text) {
        const auto result = stream_->try_write(text);
        return result.ok() ? result.bytes : 0;
    }
    // Takes at most `bytes_max`, so that a slow reader can be played.
    std::string take(std::size_t bytes_max = SIZE_MAX) {
        std::string out;
        char buffer[16 * 1024];
        while (out.size() < bytes_max) {
            const auto result =
                stream_->try_read(buffer, std::min(sizeof buffer, bytes_max - out.size()));
            if (!result.ok()) {
                break;
            }
            out.append(buffer, result.bytes);
        }
        return out;
    }
    bool closed() const { return stream_ == nullptr || stream_->ended(); }
    bool was_reset() const { return stream_->was_reset(); }
    void close() { stream_.reset(); }
    void reset() {
        stream_->abort();
        stream_.reset();
    }
    void shutdown() { stream_->shutdown_write(); }
    MemoryStream& stream() { return *stream_; }

private:
    std::unique_ptr<MemoryStream> stream_;
};

class MemoryNetwork final : public host::Network {
public:
    explicit MemoryNetwork(async::Loop& loop) : loop_(loop) {}

    // Each connection to `address` from now on becomes a Party in accepted(address).
    void open(const std::string& address) { open_[address]; }
    void close(const std::string& address) { open_.erase(address); }
    std::deque<std::unique_ptr<Party>>& accepted(const std::string& address) {
        return open_.at(address);
    }
    PipeOptions options;
    std::uint64_t attempts_made() const { return *attempts_; }
    std::uint64_t connects = 0;
    base::Duration connect_takes{};

    async::Task<base::Result<std::unique_ptr<host::Stream>>> connect(
        host::Address to, base::Instant deadline) override {
        ++connects;
        if (connect_takes.count() > 0) {
            co_await async::sleep_until(loop_, std::min(loop_.now() + connect_takes, deadline));
        }
        const auto found = open_.find(host::to_string(to));
        if (found == open_.end()) {
            co_return base::fail(base::Code::unavailable, "refused");
        }
        auto [mine, other] = MemoryStream::pair(loop_, options);
        mine->attempts = attempts_;
        found->second.push_back(std::make_unique<Party>(std::move(other)));
        if (on_accept) {
            on_accept(found->first, *found->second.back());
        }
        std::unique_ptr<host::Stream> stream = std::move(mine);
        co_return std::move(stream);
    }
    base::Result<std::unique_ptr<host::Listener>> listen(const host::Address&,
                                                         const host::ListenOptions&) override {
        return base::fail(base::Code::invalid, "not in this network");
    }
    base::Result<std::unique_ptr<host::Listener>> inherited(std::string_view) override {
        return base::fail(base::Code::not_found, "not in this network");
    }
    std::move_only_function<void(const std::string&, Party&)> on_accept;

private:
    async::Loop& loop_;
    std::map<std::string, std::deque<std::unique_ptr<Party>>> open_;
    std::shared_ptr<std::uint64_t> attempts_ = std::make_shared<std::uint64_t>(0);
};

// A listener that test code connects to.
class MemoryListener final : public host::Listener {
public:
    struct Door {
        explicit Door(async::Loop& loop) : arrived(loop) {}
        async::Event arrived;
        std::deque<std::unique_ptr<MemoryStream>> waiting;
        PipeOptions options;
        std::uint64_t attempts_made() const { return *attempts; }
        std::shared_ptr<std::uint64_t> attempts = std::make_shared<std::uint64_t>(0);
    };
    MemoryListener(async::Loop& loop, std::shared_ptr<Door> door)
        : loop_(loop), door_(std::move(door)) {}

    static std::unique_ptr<Party> knock(async::Loop& loop, Door& door) {
        auto [mine, other] = MemoryStream::pair(loop, door.options);
        other->attempts = door.attempts;
        door.waiting.push_back(std::move(other));
        door.arrived.set();
        return std::make_unique<Party>(std::move(mine));
    }
    async::Task<base::Result<std::unique_ptr<host::Stream>>> accept() override {
        while (door_->waiting.empty()) {
            door_->arrived.reset();
            co_await door_->arrived.wait();
        }
        std::unique_ptr<host::Stream> stream = std::move(door_->waiting.front());
        door_->waiting.pop_front();
        co_return std::move(stream);
    }
    const host::Address& local() const override { return local_; }

private:
    async::Loop& loop_;
    std::shared_ptr<Door> door_;
    host::Address local_ = host::IpAddress::loopback(8080);
};

}  // namespace tidemill::proxy::testing
