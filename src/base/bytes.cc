#include "base/bytes.h"

#include <array>

namespace tidemill::base {
namespace {

constexpr std::string_view hex_digits = "0123456789abcdef";
constexpr std::string_view standard_alphabet =
    "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/";
constexpr std::string_view url_alphabet =
    "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789-_";

int hex_value(char c) {
    if (c >= '0' && c <= '9') {
        return c - '0';
    }
    if (c >= 'a' && c <= 'f') {
        return c - 'a' + 10;
    }
    if (c >= 'A' && c <= 'F') {
        return c - 'A' + 10;
    }
    return -1;
}

std::string encode64(std::span<const std::byte> bytes, std::string_view alphabet) {
    std::string text;
    text.reserve((bytes.size() + 2) / 3 * 4);
    std::uint32_t bits = 0;
    unsigned held = 0;
    for (const std::byte b : bytes) {
        bits = bits << 8 | std::to_integer<std::uint32_t>(b);
        held += 8;
        while (held >= 6) {
            held -= 6;
            text.push_back(alphabet[bits >> held & 63]);
        }
    }
    if (held > 0) {
        text.push_back(alphabet[bits << (6 - held) & 63]);
    }
    return text;
}

Result<std::string> decode64(std::string_view text, std::string_view alphabet) {
    if (text.size() % 4 == 1) {
        return fail(Code::invalid, "base64: {} characters cannot be", text.size());
    }
    std::array<signed char, 256> values;
    values.fill(-1);
    for (std::size_t i = 0; i < alphabet.size(); ++i) {
        values[static_cast<unsigned char>(alphabet[i])] = static_cast<signed char>(i);
    }
    std::string bytes;
    bytes.reserve(text.size() / 4 * 3 + 2);
    std::uint32_t bits = 0;
    unsigned held = 0;
    for (std::size_t i = 0; i < text.size(); ++i) {
        const int value = values[static_cast<unsigned char>(text[i])];
        if (value < 0) {
            return fail(Code::invalid, "base64: character {} is not of the alphabet", i);
        }
        bits = bits << 6 | static_cast<std::uint32_t>(value);
        held += 6;
        if (held >= 8) {
            held -= 8;
            bytes.push_back(static_cast<char>(bits >> held & 255));
        }
    }
    if ((bits & ((1U << held) - 1)) != 0) {
        return fail(Code::invalid, "base64: unused bits are not zero");
    }
    return bytes;
}

}  // namespace

std::string to_hex(std::span<const std::byte> bytes) {
    std::string text;
    text.reserve(bytes.size() * 2);
    for (const std::byte b : bytes) {
        text.push_back(hex_digits[std::to_integer<unsigned>(b) >> 4]);
        text.push_back(hex_digits[std::to_integer<unsigned>(b) & 15]);
    }
    return text;
}

Result<std::string> from_hex(std::string_view text) {
    if (text.size() % 2 != 0) {
        return fail(Code::invalid, "hex: odd number of digits");
    }
    std::string bytes;
    bytes.reserve(text.size() / 2);
    for (std::size_t i = 0; i < text.size(); i += 2) {
        const int high = hex_value(text[i]);
        const int low = hex_value(text[i + 1]);
        if (high < 0 || low < 0) {
            return fail(Code::invalid, "hex: not a digit at {}", i);
        }
        bytes.push_back(static_cast<char>(high << 4 | low));
    }
    return bytes;
}

std::string to_base64(std::span<const std::byte> bytes) {
    std::string text = encode64(bytes, standard_alphabet);
    text.append((4 - text.size() % 4) % 4, '=');
    return text;
}

std::string to_base64url(std::span<const std::byte> bytes) {
    return encode64(bytes, url_alphabet);
}

Result<std::string> from_base64(std::string_view text) {
    if (text.size() % 4 != 0) {
        return fail(Code::invalid, "base64: length {} is not a multiple of 4", text.size());
    }
    for (int i = 0; i < 2 && text.ends_with('='); ++i) {
        text.remove_suffix(1);
    }
    return decode64(text, standard_alphabet);
}

Result<std::string> from_base64url(std::string_view text) {
    return decode64(text, url_alphabet);
}

bool is_utf8(std::string_view text) {
    std::size_t i = 0;
    while (i < text.size()) {
        const auto lead = static_cast<unsigned char>(text[i]);
        if (lead < 0x80) {
            ++i;
            continue;
        }
        std::size_t more = 0;
        std::uint32_t point = 0;
        std::uint32_t least = 0;
        if (lead >= 0xc2 && lead <= 0xdf) {
            more = 1;
            point = lead & 0x1fU;
            least = 0x80;
        } else if ((lead & 0xf0U) == 0xe0) {
            more = 2;
            point = lead & 0x0fU;
            least = 0x800;
        } else if (lead >= 0xf0 && lead <= 0xf4) {
            more = 3;
            point = lead & 0x07U;
            least = 0x10000;
        } else {
            return false;
        }
        if (text.size() - i <= more) {
            return false;
        }
        for (std::size_t k = 1; k <= more; ++k) {
            const auto next = static_cast<unsigned char>(text[i + k]);
            if ((next & 0xc0U) != 0x80) {
                return false;
            }
            point = point << 6 | (next & 0x3fU);
        }
        if (point < least || point > 0x10ffff || (point >= 0xd800 && point <= 0xdfff)) {
            return false;
        }
        i += more + 1;
    }
    return true;
}

}  // namespace tidemill::base
