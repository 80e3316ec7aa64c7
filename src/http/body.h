// The body of a message that is being read.
#pragma once

#include <cstdint>
#include <memory>
#include <optional>
#include <string>

#include "async/event.h"
#include "async/task.h"
#include "base/result.h"
#include "host/stream.h"
#include "wire/http1.h"
#include "wire/http1_body.h"

namespace tidemill::http {

// What has been read from a connection and not been used yet; shared by the heads and bodies of its
// messages. Bounded: a head must fit.
class ReadBuffer {
public:
    ReadBuffer(host::Stream& stream, std::size_t capacity);

    std::string_view held() const { return {data_.get() + begin_, end_ - begin_}; }
    void consume(std::size_t bytes) { begin_ += bytes; }
    // Waits for more bytes behind those held. False at the end of the stream. Errors: exhausted
    // (the buffer is full), deadline, unavailable.
    async::Task<base::Result<bool>> fill();
    host::Stream& stream() { return stream_; }

private:
    host::Stream& stream_;
    std::size_t capacity_;
    std::unique_ptr<char[]> data_;
    std::size_t begin_ = 0;
    std::size_t end_ = 0;
};

// Reads one body, piece by piece. Must be read to its end before the connection is used again.
class BodyReader {
public:
    BodyReader(ReadBuffer& buffer, wire::Framing framing);

    // The next piece, at most 64 KiB; nothing at the end. Errors: invalid (bad chunking),
    // unavailable (cut short), deadline.
    async::Task<base::Result<std::optional<std::string>>> next();
    // All that is left. Errors: exhausted (more than `bytes_max`; nothing more was read), and those
    // of next().
    async::Task<base::Result<std::string>> read_all(std::uint64_t bytes_max);
    bool done() const { return done_.is_set(); }
    // Goes on when the body has been read to its end.
    async::Event::Wait finished() { return done_.wait(); }

private:
    ReadBuffer& buffer_;
    wire::Framing framing_;
    std::uint64_t left_ = 0;
    wire::ChunkDecoder chunks_;
    async::Event done_;
};

// Writes all of `bytes`, and waits until the stream has passed them on. Errors: unavailable,
// deadline.
// deadline.
async::Task<base::Status> write_all(host::Stream& stream, std::string_view bytes);

}  // namespace tidemill::http
