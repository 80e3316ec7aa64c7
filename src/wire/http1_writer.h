// Writes HTTP/1.1 heads into memory that the caller owns.
#pragma once

#include <cstddef>
#include <cstdint>
#include <span>
#include <string>
#include <string_view>

#include "wire/http_fields.h"

namespace tidemill::wire {

enum class WriteFault : std::uint8_t {
    none,
    no_room,    // the space given (or the largest size allowed) is too small
    bad_value,  // a name, value or target that would not be read back as it was meant
};

// Appends one head: a start line, then fields, then end(). After a fault every further call does
// nothing, so it is enough to ask once, at the end. Values with CR, LF, NUL or another control
// character, or with white space around them, are refused. No allocation but for growing the string
// of the second constructor. One thread.
class HeadWriter {
public:
    // Writes into `space` from its front.
    explicit HeadWriter(std::span<char> space);
    // Appends to `out` until that is `bytes_max` long. `out` is complete only after end().
    HeadWriter(std::string& out, std::size_t bytes_max);

    HeadWriter& request_line(std::string_view method, std::string_view target);
    // An empty reason is replaced by reason_phrase(status).
    HeadWriter& status_line(std::uint16_t status, std::string_view reason = {});
    HeadWriter& field(std::string_view name, std::string_view value);
    HeadWriter& field(std::string_view name, std::uint64_t value);
    // A field out of a parsed head: it was checked when it was read.
    HeadWriter& field(const Header& parsed);
    // The empty line behind the fields.
    HeadWriter& end();

    WriteFault fault() const { return fault_; }
    // What this writer wrote; empty after a fault.
    std::string_view text() const;

private:
    bool reserve(std::size_t bytes);
    void put(std::string_view text);
    void refuse(WriteFault fault);

    std::string* growing_ = nullptr;
    std::size_t begin_ = 0;
    std::size_t bytes_max_ = 0;
    char* data_ = nullptr;
    std::size_t size_ = 0;
    std::size_t capacity_ = 0;
    WriteFault fault_ = WriteFault::none;
};

}  // namespace tidemill::wire
