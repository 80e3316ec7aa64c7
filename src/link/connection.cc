#include "link/connection.h"

#include <fmt/format.h>

#include <algorithm>
#include <utility>

#include "base/check.h"
#include "link/codec.h"
#include "link/table.h"

namespace tidemill::link {
namespace {

using base::Code;
using base::fail;
using host::IoResult;

// How much is gathered for one write: large enough to make a table of a thousand services a few
// dozen writes, small enough that a slow peer holds little of our memory.
constexpr std::size_t batch_bytes = 64U << 10;

base::Status broken(const IoResult& result) {
    if (result.kind == IoResult::Kind::deadline) {
        return fail(Code::deadline, "link: the peer did not answer in time");
    }
    return fail(Code::unavailable, "link: the peer is gone");
}

}  // namespace

Connection::Connection(std::unique_ptr<host::Stream> stream, Limits limits)
    : stream_(std::move(stream)), limits_(limits), pending_(stream_->loop()) {}

Connection::~Connection() {
    for (auto& [table, followed] : followed_) {
        std::erase(table->followers_, this);
    }
}

async::Task<base::Result<Hello>> Connection::handshake(Hello mine, base::Instant deadline) {
    stream_->set_read_deadline(deadline);
    stream_->set_write_deadline(deadline);
    const std::string frame = encode(mine);
    std::string_view rest = frame;
    while (!rest.empty()) {
        const auto wrote = stream_->try_write(rest);
        if (wrote.kind == IoResult::Kind::blocked) {
            co_await stream_->writable();
            continue;
        }
        if (!wrote.ok()) {
            co_return std::unexpected(broken(wrote).error());
        }
        rest.remove_prefix(wrote.bytes);
    }
    CO_TRY(auto first, co_await receive());
    auto* const theirs = std::get_if<Hello>(&first);
    if (theirs == nullptr) {
        co_return fail(Code::invalid, "link: the peer's first message is no Hello");
    }
    if (theirs->protocol < mine.protocol_lowest || mine.protocol < theirs->protocol_lowest) {
        co_return fail(
            Code::invalid,
            "link: {} {} speaks protocol {} to {}, this {} speaks {} to {}: run the same "
            "version of both",
            theirs->role, theirs->build, theirs->protocol_lowest, theirs->protocol, mine.role,
            mine.protocol_lowest, mine.protocol);
    }
    stream_->set_read_deadline(base::Instant::never());
    stream_->set_write_deadline(base::Instant::never());
    co_return std::move(*theirs);
}

async::Task<base::Result<Message>> Connection::receive() {
    for (;;) {
        const std::string_view held = std::string_view(in_).substr(0, in_used_);
        std::size_t wanted = 4;
        if (held.size() >= 4) {
            std::size_t size = 0;
            for (std::size_t i = 0; i < 4; ++i) {
                size = size << 8 | static_cast<unsigned char>(held[i]);
            }
            if (size > frame_bytes_max) {
                co_return fail(Code::invalid, "link: a frame of {} bytes, more than {}", size,
                               frame_bytes_max);
            }
            wanted = 4 + size;
            if (held.size() >= wanted) {
                auto message = decode(held.substr(4, size));
                std::copy(in_.begin() + static_cast<std::ptrdiff_t>(wanted),
                          in_.begin() + static_cast<std::ptrdiff_t>(in_used_), in_.begin());
                in_used_ -= wanted;
                if (!message && message.error().code == Code::not_found) {
                    continue;  // a newer peer's message that we do not know
                }
                co_return message;
            }
        }
        in_.resize(std::max({in_.size(), wanted, std::size_t{16} << 10}));
        const auto got = stream_->try_read(in_.data() + in_used_, in_.size() - in_used_);
        if (got.kind == IoResult::Kind::blocked) {
            co_await stream_->readable();
            continue;
        }
        if (!got.ok()) {
            co_return std::unexpected(broken(got).error());
        }
        in_used_ += got.bytes;
    }
}

void Connection::set(const Message& message) {
    std::string key = key_of(message);
    CHECK(!key.empty());
    latest_[std::move(key)] = encode(message);
    pending_.set();
}

base::Status Connection::push(const Message& message) {
    if (queue_.size() >= limits_.queue_max) {
        return fail(Code::exhausted, "link: {} messages wait already", limits_.queue_max);
    }
    queue_.push_back(encode(message));
    pending_.set();
    return base::ok;
}

void Connection::follow(Table& table) {
    if (!followed_.contains(&table)) {
        table.followers_.push_back(this);
    }
    followed_[&table] = {};
    pending_.set();
}

void Connection::mark(Table& table, const std::set<std::string>& keys) {
    auto& followed = followed_[&table];
    if (followed.whole_sent) {
        followed.dirty.insert(keys.begin(), keys.end());
    }
    pending_.set();
}

std::string Connection::next_batch() {
    std::string bytes;
    for (auto& [table, followed] : followed_) {
        if (followed.whole_sent && followed.dirty.empty()) {
            continue;
        }
        // One version is one batch, however large: it must not be cut by a later change.
        const auto mode = followed.whole_sent ? Begin::Mode::change : Begin::Mode::replace;
        bytes += encode(Begin{table->version_, mode});
        if (!followed.whole_sent) {
            for (const auto& [key, value] : table->values_) {
                bytes += value;
            }
        }
        for (const auto& key : followed.dirty) {
            const auto at = table->values_.find(key);
            bytes += at == table->values_.end() ? encode(delete_of_key(key)) : at->second;
        }
        bytes += encode(Commit{table->version_});
        followed.whole_sent = true;
        followed.dirty.clear();
    }
    while (!latest_.empty() && bytes.size() < batch_bytes) {
        bytes += latest_.begin()->second;
        latest_.erase(latest_.begin());
    }
    while (!queue_.empty() && bytes.size() < batch_bytes) {
        bytes += queue_.front();
        queue_.pop_front();
    }
    return bytes;
}

async::Task<base::Status> Connection::write() {
    for (;;) {
        pending_.reset();
        const std::string batch = next_batch();
        if (batch.empty()) {
            co_await pending_.wait();
            continue;
        }
        std::string_view rest = batch;
        while (!rest.empty()) {
            const auto wrote = stream_->try_write(rest);
            if (wrote.kind == IoResult::Kind::blocked) {
                co_await stream_->writable();
                continue;
            }
            if (!wrote.ok()) {
                co_return broken(wrote);
            }
            rest.remove_prefix(wrote.bytes);
        }
    }
}

}  // namespace tidemill::link
