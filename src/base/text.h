// Questions about text that every room asks; ASCII only, no locale.
#pragma once

#include <charconv>
#include <concepts>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

namespace tidemill::base {

constexpr char to_lower(char c) {
    return c >= 'A' && c <= 'Z' ? static_cast<char>(c | 0x20) : c;
}
std::string lower(std::string_view text);
// Equal but for the case of ASCII letters.
bool equals_ignoring_case(std::string_view a, std::string_view b);
// Without spaces and tabs at both ends.
std::string_view trim(std::string_view text);
// The parts between separators; "a,,b" has three, "" has one empty part.
std::vector<std::string_view> split(std::string_view text, char separator);

// The whole of text as a decimal number: no sign for unsigned types, no '+', no white space, no
// overflow; nothing otherwise.
template <std::integral T>
std::optional<T> parse_number(std::string_view text) {
    T value{};
    const auto [end, error] = std::from_chars(text.data(), text.data() + text.size(), value);
    if (error != std::errc() || end != text.data() + text.size() || text.empty()) {
        return std::nullopt;
    }
    return value;
}

// How many single-character edits (insert, delete, replace) turn a into b; for "did you mean".
std::size_t edit_distance(std::string_view a, std::string_view b);

}  // namespace tidemill::base
