#include "wire/http1_body.h"

#include <algorithm>

#include "base/check.h"
#include "wire/http_scan.h"

namespace tidemill::wire {
namespace {

constexpr std::size_t size_digits_max = 16;

ChunkStep bad(ChunkFault fault, std::size_t at = 0) {
    return {.event = ChunkEvent::bad, .fault = fault, .consumed = at};
}

std::uint64_t hex_value(char c) {
    return static_cast<std::uint64_t>(scan::is_digit(c) ? c - '0' : (c | 0x20) - 'a' + 10);
}

// CRLF at `at`: done when it is there whole.
Progress line_end(std::string_view input, std::size_t at) {
    static constexpr std::string_view crlf = "\r\n";
    const std::string_view have = input.substr(at, crlf.size());
    if (have == crlf) {
        return Progress::done;
    }
    return crlf.starts_with(have) ? Progress::need_more : Progress::bad;
}

}  // namespace

std::string_view fault_text(ChunkFault fault) {
    switch (fault) {
        case ChunkFault::none:
            return "no fault";
        case ChunkFault::bad_size:
            return "a chunk size is not 1 to 16 hexadecimal digits";
        case ChunkFault::extension:
            return "a chunk has an extension";
        case ChunkFault::bad_line_end:
            return "a chunk does not end with CRLF";
        case ChunkFault::body_too_large:
            return "the body is larger than allowed";
        case ChunkFault::bad_trailers:
            return "the trailer fields are not well formed";
    }
    return "";
}

ChunkDecoder::ChunkDecoder(std::uint64_t body_bytes_max, HeadLimits trailers)
    : body_bytes_max_(body_bytes_max), trailer_limits_(trailers) {}

ChunkStep ChunkDecoder::next(std::string_view input, HeaderIndex& trailers) {
    std::size_t skipped = 0;
    if (state_ == State::data_end) {
        switch (line_end(input, 0)) {
            case Progress::need_more:
                return {};
            case Progress::bad:
                return bad(ChunkFault::bad_line_end);
            case Progress::done:
                break;
        }
        skipped = 2;
        state_ = State::size;
    }
    if (state_ == State::size) {
        ChunkStep step = read_size(input.substr(skipped));
        skipped += step.consumed;
        step.consumed = skipped;
        if (state_ == State::size) {
            return step;
        }
    }
    if (state_ == State::trailers) {
        return read_trailers(input, skipped, trailers);
    }
    const auto size = static_cast<std::size_t>(
        std::min<std::uint64_t>(left_, static_cast<std::uint64_t>(input.size() - skipped)));
    if (size == 0) {
        return {.consumed = skipped};
    }
    left_ -= size;
    body_bytes_ += size;
    if (left_ == 0) {
        state_ = State::data_end;
    }
    return {.event = ChunkEvent::payload,
            .consumed = skipped + size,
            .payload = input.substr(skipped, size)};
}

ChunkStep ChunkDecoder::read_size(std::string_view input) {
    std::size_t digits = 0;
    std::uint64_t size = 0;
    while (digits < input.size() && scan::is_hex_digit(input[digits])) {
        if (digits == size_digits_max) {
            return bad(ChunkFault::bad_size, digits);
        }
        size = size << 4U | hex_value(input[digits]);
        ++digits;
    }
    if (digits == input.size()) {
        return {};
    }
    if (digits == 0) {
        return bad(ChunkFault::bad_size);
    }
    if (input[digits] == ';') {
        return bad(ChunkFault::extension, digits);
    }
    switch (line_end(input, digits)) {
        case Progress::need_more:
            return {};
        case Progress::bad:
            return bad(input[digits] == '\r' || input[digits] == '\n' ? ChunkFault::bad_line_end
                                                                      : ChunkFault::bad_size,
                       digits);
        case Progress::done:
            break;
    }
    if (size > INT64_MAX) {
        return bad(ChunkFault::bad_size);
    }
    if (size > body_bytes_max_ - body_bytes_) {
        return bad(ChunkFault::body_too_large);
    }
    left_ = size;
    state_ = size == 0 ? State::trailers : State::data;
    return {.consumed = digits + 2};
}

ChunkStep ChunkDecoder::read_trailers(std::string_view input, std::size_t offset,
                                      HeaderIndex& trailers) {
    const std::string_view section = input.substr(offset);
    const HeadOutcome outcome = parse_trailers(section, trailer_seen_, trailer_limits_, trailers);
    switch (outcome.progress) {
        case Progress::need_more:
            trailer_seen_ = section.size();
            return {.consumed = offset};
        case Progress::bad:
            return {.event = ChunkEvent::bad,
                    .fault = ChunkFault::bad_trailers,
                    .trailer_fault = outcome.fault,
                    .consumed = offset + outcome.consumed};
        case Progress::done:
            break;
    }
    return {.event = ChunkEvent::done, .consumed = offset + outcome.consumed};
}

ChunkSizeLine::ChunkSizeLine(std::uint64_t size) : begin_(text_.size() - 2) {
    CHECK(size != 0);
    text_[begin_] = '\r';
    text_[begin_ + 1] = '\n';
    for (; size != 0; size >>= 4U) {
        text_[--begin_] = "0123456789abcdef"[size & 15U];
    }
}

}  // namespace tidemill::wire
