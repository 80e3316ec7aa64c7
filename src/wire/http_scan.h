// Scanning of HTTP text: the loops that every byte of a head passes through.
#pragma once

#include <array>
#include <cstddef>
#include <cstdint>
#include <string_view>

#if defined(__SSE2__)
#include <emmintrin.h>
#endif

namespace tidemill::wire::scan {

constexpr bool is_digit(char c) {
    return c >= '0' && c <= '9';
}
constexpr bool is_letter(char c) {
    return (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z');
}
constexpr bool is_hex_digit(char c) {
    return is_digit(c) || (c >= 'a' && c <= 'f') || (c >= 'A' && c <= 'F');
}

using ByteSet = std::array<bool, 256>;

constexpr bool in(const ByteSet& set, char c) {
    return set[static_cast<unsigned char>(c)];
}

template <typename Rule>
consteval ByteSet make_set(Rule rule) {
    ByteSet set{};
    for (std::size_t i = 0; i < set.size(); ++i) {
        set[i] = rule(static_cast<char>(i));
    }
    return set;
}

// RFC 9110 section 5.6.2: tchar.
inline constexpr ByteSet token_characters = make_set([](char c) {
    return is_digit(c) || is_letter(c) ||
           std::string_view("!#$%&'*+-.^_`|~").find(c) != std::string_view::npos;
});
// Visible ASCII but for what cannot stand in a URL: browsers and curl send the rest unescaped
// (WHATWG URL, query percent-encode set). '#' begins a fragment, which is never sent.
inline constexpr ByteSet target_characters = make_set([](char c) {
    return c > ' ' && c < 0x7f && std::string_view("\"<>#").find(c) == std::string_view::npos;
});
// The bytes that end a field value: control characters but the tab.
inline constexpr ByteSet value_enders = make_set(
    [](char c) { return (static_cast<unsigned char>(c) < 0x20 && c != '\t') || c == 0x7f; });
inline constexpr ByteSet host_characters = make_set([](char c) {
    return is_digit(c) || is_letter(c) ||
           std::string_view("-._~").find(c) != std::string_view::npos;
});

constexpr bool is_host_character(char c) {
    return in(host_characters, c);
}

inline const char* token_end(const char* at, const char* end) {
    while (at != end && in(token_characters, *at)) {
        ++at;
    }
    return at;
}

inline const char* target_end(const char* at, const char* end) {
    while (at != end && in(target_characters, *at)) {
        ++at;
    }
    return at;
}

// The first byte that cannot be part of a field value; 16 bytes a step where the processor can.
inline const char* value_end(const char* at, const char* end) {
#if defined(__SSE2__)
    const __m128i control_max = _mm_set1_epi8(0x1f);
    const __m128i tab = _mm_set1_epi8('\t');
    const __m128i delete_byte = _mm_set1_epi8(0x7f);
    for (; end - at >= 16; at += 16) {
        const __m128i bytes = _mm_loadu_si128(reinterpret_cast<const __m128i*>(at));
        const __m128i control = _mm_cmpeq_epi8(_mm_min_epu8(bytes, control_max), bytes);
        const __m128i stop = _mm_or_si128(_mm_andnot_si128(_mm_cmpeq_epi8(bytes, tab), control),
                                          _mm_cmpeq_epi8(bytes, delete_byte));
        const auto mask = static_cast<unsigned>(_mm_movemask_epi8(stop));
        if (mask != 0) {
            return at + __builtin_ctz(mask);
        }
    }
#endif
    while (at != end && !in(value_enders, *at)) {
        ++at;
    }
    return at;
}

// True for the text of an IPv6 address (RFC 4291 section 2.2), without brackets or zone.
bool is_ipv6(std::string_view text);

}  // namespace tidemill::wire::scan
