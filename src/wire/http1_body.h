// Chunked bodies (RFC 9112 section 7.1): which bytes are payload, without copying them.
#pragma once

#include <array>
#include <cstddef>
#include <cstdint>
#include <string_view>

#include "wire/http1.h"

namespace tidemill::wire {

enum class ChunkFault : std::uint8_t {
    none,
    bad_size,      // not 1 to 16 hexadecimal digits followed by CRLF
    extension,     // chunk extensions are refused: nobody needs them, and parsers disagree on them
    bad_line_end,  // no CRLF after the size or the data
    body_too_large,
    bad_trailers,  // ChunkStep::trailer_fault says why
};
std::string_view fault_text(ChunkFault fault);

enum class ChunkEvent : std::uint8_t { payload, need_more, done, bad };

struct ChunkStep {
    ChunkEvent event = ChunkEvent::need_more;
    ChunkFault fault = ChunkFault::none;
    HeadFault trailer_fault = HeadFault::none;
    // Bytes at the front of the input that are dealt with; the caller drops them.
    std::size_t consumed = 0;
    // For ChunkEvent::payload: the run of body bytes, inside the consumed part of the input.
    std::string_view payload = {};
};

// Reads one chunked body. A few bytes each; no allocation.
class ChunkDecoder {
public:
    // body_bytes_max: the sum of all chunks that is let through.
    // trailers: limits of the trailer section, which the caller's buffer must be able to hold
    // whole.
    explicit ChunkDecoder(std::uint64_t body_bytes_max = INT64_MAX,
                          HeadLimits trailers = {.head_bytes = std::size_t{8} * 1024});

    // Looks at the front of `input` and answers with at most one run of payload. need_more: call
    // again with the bytes that were not consumed and at least one more. done: the body and its
    // trailers (which are then in `trailers`, as views into `input`) are over. done and bad are
    // final.
    ChunkStep next(std::string_view input, HeaderIndex& trailers);

    // Sum of the payload given out so far.
    std::uint64_t body_bytes() const { return body_bytes_; }

private:
    enum class State : std::uint8_t { size, data, data_end, trailers };

    ChunkStep read_size(std::string_view input);
    ChunkStep read_trailers(std::string_view input, std::size_t offset, HeaderIndex& trailers);

    State state_ = State::size;
    std::uint64_t left_ = 0;
    std::uint64_t body_bytes_ = 0;
    std::uint64_t body_bytes_max_;
    std::size_t trailer_seen_ = 0;
    HeadLimits trailer_limits_;
};

// The line before a chunk of `size` bytes (more than 0), e.g. "1f4\r\n". Behind the chunk stands
// chunk_end; behind the last one, last_chunk, or "0\r\n", trailer fields and an empty line.
class ChunkSizeLine {
public:
    explicit ChunkSizeLine(std::uint64_t size);
    std::string_view text() const { return {text_.data() + begin_, text_.size() - begin_}; }

private:
    std::array<char, 18> text_;
    std::size_t begin_;
};
inline constexpr std::string_view chunk_end = "\r\n";
inline constexpr std::string_view last_chunk = "0\r\n\r\n";

}  // namespace tidemill::wire
