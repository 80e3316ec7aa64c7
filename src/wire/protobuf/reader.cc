#include "wire/protobuf/reader.h"

namespace tidemill::wire {

using base::Code;
using base::fail;
using base::Result;

Result<std::optional<ProtobufField>> ProtobufReader::next() {
    if (rest_.empty()) {
        return std::nullopt;
    }
    const std::size_t begin = at();
    TRY(const std::uint64_t tag, read_varint());
    ProtobufField field;
    if (tag >> 3U == 0 || tag > UINT32_MAX) {
        return fail(Code::invalid, "byte {}: no such field number", begin);
    }
    field.number = static_cast<std::uint32_t>(tag >> 3U);
    switch (tag & 7U) {
        case 0: {
            TRY(field.value, read_varint());
            field.type = ProtobufType::varint;
            return field;
        }
        case 1: {
            TRY(field.value, read_fixed(8));
            field.type = ProtobufType::fixed64;
            return field;
        }
        case 2: {
            TRY(const std::uint64_t length, read_varint());
            if (length > rest_.size()) {
                return fail(Code::invalid, "byte {}: a field longer than its message", begin);
            }
            field.type = ProtobufType::bytes;
            field.bytes = rest_.substr(0, static_cast<std::size_t>(length));
            rest_.remove_prefix(field.bytes.size());
            return field;
        }
        case 5: {
            TRY(field.value, read_fixed(4));
            field.type = ProtobufType::fixed32;
            return field;
        }
        default:
            return fail(Code::invalid, "byte {}: a group, or no such type", begin);
    }
}

Result<std::uint64_t> ProtobufReader::read_varint() {
    std::uint64_t value = 0;
    for (unsigned shift = 0; shift < 64; shift += 7) {
        if (rest_.empty()) {
            return fail(Code::invalid, "byte {}: the message ends inside of a number", at());
        }
        const auto byte = static_cast<unsigned char>(rest_.front());
        if (shift == 63 && byte > 1) {
            break;
        }
        rest_.remove_prefix(1);
        value |= std::uint64_t{byte & 0x7fU} << shift;
        if (byte < 0x80) {
            return value;
        }
    }
    return fail(Code::invalid, "byte {}: a number of more than 64 bits", at());
}

Result<std::uint64_t> ProtobufReader::read_fixed(std::size_t bytes) {
    if (rest_.size() < bytes) {
        return fail(Code::invalid, "byte {}: the message ends inside of a number", at());
    }
    std::uint64_t value = 0;
    for (std::size_t i = bytes; i-- > 0;) {
        value = value << 8U | static_cast<unsigned char>(rest_[i]);
    }
    rest_.remove_prefix(bytes);
    return value;
}

}  // namespace tidemill::wire
