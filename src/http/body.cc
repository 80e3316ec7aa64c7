#include "http/body.h"

#include <algorithm>
#include <cstring>

namespace tidemill::http {
namespace {

using base::Code;
using base::fail;
using host::IoResult;

constexpr std::size_t piece_bytes_max = 64U << 10;

std::unexpected<base::Error> failure(const IoResult& result) {
    if (result.kind == IoResult::Kind::deadline) {
        return fail(Code::deadline, "http: the peer was too slow");
    }
    return fail(Code::unavailable, "http: the connection broke");
}

}  // namespace

ReadBuffer::ReadBuffer(host::Stream& stream, std::size_t capacity)
    : stream_(stream), capacity_(capacity), data_(std::make_unique<char[]>(capacity)) {}

async::Task<base::Result<bool>> ReadBuffer::fill() {
    if (begin_ == end_) {
        begin_ = end_ = 0;
    } else if (end_ == capacity_ && begin_ > 0) {
        std::memmove(data_.get(), data_.get() + begin_, end_ - begin_);
        end_ -= begin_;
        begin_ = 0;
    }
    if (end_ == capacity_) {
        co_return fail(Code::exhausted, "http: more than {} bytes in one piece", capacity_);
    }
    for (;;) {
        const auto got = stream_.try_read(data_.get() + end_, capacity_ - end_);
        if (got.ok()) {
            end_ += got.bytes;
            co_return true;
        }
        if (got.kind == IoResult::Kind::eof) {
            co_return false;
        }
        if (got.kind != IoResult::Kind::blocked) {
            co_return failure(got);
        }
        co_await stream_.readable();
    }
}

BodyReader::BodyReader(ReadBuffer& buffer, wire::Framing framing)
    : buffer_(buffer), framing_(framing), left_(framing.length), done_(buffer.stream().loop()) {
    if (framing.kind == wire::BodyKind::none ||
        (framing.kind == wire::BodyKind::length && framing.length == 0)) {
        done_.set();
    }
}

async::Task<base::Result<std::optional<std::string>>> BodyReader::next() {
    wire::HeaderIndex trailers;
    while (!done()) {
        const auto held = buffer_.held();
        if (framing_.kind == wire::BodyKind::chunked) {
            const auto step = chunks_.next(held, trailers);
            std::string piece(step.payload);
            buffer_.consume(step.consumed);
            if (step.event == wire::ChunkEvent::bad) {
                co_return fail(Code::invalid, "http: bad chunked body: {}",
                               wire::fault_text(step.fault));
            }
            if (step.event == wire::ChunkEvent::done) {
                done_.set();
                break;
            }
            if (step.event == wire::ChunkEvent::payload) {
                co_return piece;
            }
        } else if (!held.empty()) {
            std::size_t size = std::min(held.size(), piece_bytes_max);
            if (framing_.kind == wire::BodyKind::length) {
                size = static_cast<std::size_t>(std::min<std::uint64_t>(size, left_));
                left_ -= size;
                if (left_ == 0) {
                    done_.set();
                }
            }
            std::string piece(held.substr(0, size));
            buffer_.consume(size);
            co_return piece;
        }
        CO_TRY(const bool more, co_await buffer_.fill());
        if (!more) {
            if (framing_.kind != wire::BodyKind::until_close) {
                co_return fail(Code::unavailable, "http: the body was cut short");
            }
            done_.set();
        }
    }
    co_return std::nullopt;
}

async::Task<base::Result<std::string>> BodyReader::read_all(std::uint64_t bytes_max) {
    if (framing_.kind == wire::BodyKind::length && left_ > bytes_max) {
        co_return fail(Code::exhausted, "http: the body has {} bytes, more than {}", left_,
                       bytes_max);
    }
    std::string all;
    for (;;) {
        CO_TRY(auto piece, co_await next());
        if (!piece) {
            co_return all;
        }
        if (all.size() + piece->size() > bytes_max) {
            co_return fail(Code::exhausted, "http: the body has more than {} bytes", bytes_max);
        }
        all += *piece;
    }
}

async::Task<base::Status> write_all(host::Stream& stream, std::string_view bytes) {
    while (!bytes.empty()) {
        const auto wrote = stream.try_write(bytes);
        if (wrote.ok()) {
            bytes.remove_prefix(wrote.bytes);
        } else if (wrote.kind == IoResult::Kind::blocked) {
            co_await stream.writable();
        } else {
            co_return failure(wrote);
        }
    }
    while (!stream.flushed()) {
        const auto left = stream.try_writev({});
        if (left.kind == IoResult::Kind::deadline || left.kind == IoResult::Kind::failed) {
            co_return failure(left);
        }
        co_await stream.writable();
    }
    co_return base::ok;
}

}  // namespace tidemill::http
