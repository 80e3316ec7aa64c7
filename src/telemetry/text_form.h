// Text as it stands inside lines of ours.
#pragma once

#include <cstddef>
#include <string>
#include <string_view>

namespace tidemill::telemetry {

// Appends the inside of a JSON string (RFC 8259 section 7). Bytes that are not UTF-8 become U+FFFD.
void append_json(std::string& out, std::string_view text);
// Appends text so that it stays on its line: control characters as \n, \t, \x1b; a backslash
// doubled.
void append_line(std::string& out, std::string_view text);
// Length of the well-formed UTF-8 sequence that text begins with; 0 if it begins with none.
std::size_t utf8_sequence(std::string_view text);

}  // namespace tidemill::telemetry
