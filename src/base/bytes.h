// Bytes as text, and text as bytes.
#pragma once

#include <cstddef>
#include <cstdint>
#include <span>
#include <string>
#include <string_view>

#include "base/result.h"

namespace tidemill::base {

inline std::span<const std::byte> as_bytes(std::string_view text) {
    return std::as_bytes(std::span(text.data(), text.size()));
}
inline std::string_view as_text(std::span<const std::byte> bytes) {
    return {reinterpret_cast<const char*>(bytes.data()), bytes.size()};
}

// Lower-case hexadecimal, two digits a byte.
std::string to_hex(std::span<const std::byte> bytes);
// Errors: invalid (odd length, or not a digit).
Result<std::string> from_hex(std::string_view text);

// RFC 4648 with padding (section 4), and the URL alphabet without padding (section 5).
std::string to_base64(std::span<const std::byte> bytes);
std::string to_base64url(std::span<const std::byte> bytes);
// Strict: padding as to_base64 writes it, no white space, unused bits zero. Errors: invalid.
Result<std::string> from_base64(std::string_view text);
Result<std::string> from_base64url(std::string_view text);

// 64-bit FNV-1a: stable across runs and machines; for sharding and short names, not against an
// enemy. Source: http://www.isthe.com/chongo/tech/comp/fnv/
constexpr std::uint64_t fnv1a(std::string_view text) {
    std::uint64_t hash = 14'695'981'039'346'656'037U;
    for (const char c : text) {
        hash = (hash ^ static_cast<unsigned char>(c)) * 1'099'511'628'211U;
    }
    return hash;
}

// True when text is well-formed UTF-8 (no surrogates, no overlong forms; RFC 3629).
bool is_utf8(std::string_view text);

}  // namespace tidemill::base
