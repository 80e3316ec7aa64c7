#include "proxy/message/marks.h"

#include <algorithm>
#include <cstring>

namespace tidemill::proxy {
namespace {

struct HexPairs {
    std::array<char, 512> text{};
    constexpr HexPairs() {
        constexpr std::string_view digits = "0123456789abcdef";
        for (std::size_t i = 0; i < 256; ++i) {
            text[i * 2] = digits[i >> 4U];
            text[i * 2 + 1] = digits[i & 15U];
        }
    }
};
constexpr HexPairs pairs;

void put_hex(char* at, std::uint64_t value) {
    for (int i = 0; i < 8; ++i, value >>= 8U) {
        std::memcpy(at + i * 2, pairs.text.data() + (value & 255U) * 2, 2);
    }
}

bool is_lower_hex(std::string_view text) {
    return std::ranges::all_of(
        text, [](char c) { return (c >= '0' && c <= '9') || (c >= 'a' && c <= 'f'); });
}

bool is_zero(std::string_view text) {
    return text.find_first_not_of('0') == std::string_view::npos;
}

bool is_trace_parent(std::string_view text) {
    constexpr std::size_t size = 55;
    if (text.size() < size || text[2] != '-' || text[35] != '-' || text[52] != '-') {
        return false;
    }
    const auto version = text.substr(0, 2);
    if (!is_lower_hex(version) || version == "ff" || (version == "00" && text.size() != size) ||
        (text.size() > size && text[size] != '-')) {
        return false;
    }
    const auto trace = text.substr(3, 32);
    const auto span = text.substr(36, 16);
    return is_lower_hex(trace) && !is_zero(trace) && is_lower_hex(span) && !is_zero(span) &&
           is_lower_hex(text.substr(53, 2));
}

}  // namespace

void TraceParent::make(std::string_view received, Dice& dice) {
    continued_ = !received.empty() && is_trace_parent(received);
    char* const out = text_.data();
    std::memcpy(out, "00-", 3);
    if (continued_) {
        std::memcpy(out + 3, received.data() + 3, 32);
        std::memcpy(out + 53, received.data() + 53, 2);
    } else {
        put_hex(out + 3, dice.next() | 1U);  // never all zero
        put_hex(out + 19, dice.next());
        std::memcpy(out + 53, "00", 2);
    }
    out[35] = '-';
    put_hex(out + 36, dice.next() | 1U);
    out[52] = '-';
}

bool is_request_id(std::string_view text) {
    constexpr std::string_view others = "-_.:/+=@";
    return !text.empty() && text.size() <= RequestId::kept_max &&
           std::ranges::all_of(text, [&](char c) {
               return (c >= '0' && c <= '9') || (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') ||
                      others.find(c) != std::string_view::npos;
           });
}

void RequestId::make(std::string_view received, Dice& dice) {
    if (is_request_id(received)) {
        size_ = received.size();
        std::memcpy(text_.data(), received.data(), size_);
        return;
    }
    size_ = 32;
    put_hex(text_.data(), dice.next());
    put_hex(text_.data() + 16, dice.next());
}

}  // namespace tidemill::proxy
