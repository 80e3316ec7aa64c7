// Protocol Buffers' wire format: a message as a stream of fields, pulled one by one.
// Source: https://protobuf.dev/programming-guides/encoding/
#pragma once

#include <cstdint>
#include <optional>
#include <string_view>

#include "base/result.h"

namespace tidemill::wire {

enum class ProtobufType : std::uint8_t { varint = 0, fixed64 = 1, bytes = 2, fixed32 = 5 };

struct ProtobufField {
    std::uint32_t number = 0;
    ProtobufType type = ProtobufType::varint;
    std::uint64_t value = 0;  // of varint, fixed64 and fixed32
    std::string_view bytes;   // of bytes: a string, a message or a packed list; a view of the input
};

// Reads one message. Allocates nothing and recurses nowhere: a message inside is another reader,
// and how deep that goes is the caller's decision.
class ProtobufReader {
public:
    explicit ProtobufReader(std::string_view message) : rest_(message), size_(message.size()) {}

    // The next field, or nothing at the end. Errors: invalid ("byte 7: …"): a length beyond the
    // end, a number over 64 bits, a field number of 0 or above 2^29 - 1, a group.
    base::Result<std::optional<ProtobufField>> next();

private:
    base::Result<std::uint64_t> read_varint();
    base::Result<std::uint64_t> read_fixed(std::size_t bytes);
    std::size_t at() const { return size_ - rest_.size(); }

    std::string_view rest_;
    std::size_t size_;
};

}  // namespace tidemill::wire
