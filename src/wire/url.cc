#include "wire/url.h"

#include "base/text.h"
#include "wire/http_scan.h"

namespace tidemill::wire {
namespace {

using base::Code;
using base::fail;
using base::Result;

bool is_unreserved(char c) {
    return scan::is_host_character(c);
}

unsigned hex_value(char c) {
    return static_cast<unsigned>(scan::is_digit(c) ? c - '0' : (c | 0x20) - 'a' + 10);
}

// The byte that the escape at `at` stands for.
Result<char> escaped_byte(std::string_view text, std::size_t at) {
    if (text.size() - at < 3 || !scan::is_hex_digit(text[at + 1]) ||
        !scan::is_hex_digit(text[at + 2])) {
        return fail(Code::invalid, "% stands without two hexadecimal digits behind it");
    }
    return static_cast<char>(hex_value(text[at + 1]) << 4U | hex_value(text[at + 2]));
}

void append_escaped(std::string& out, char c) {
    static constexpr std::string_view digits = "0123456789ABCDEF";
    const auto byte = static_cast<unsigned char>(c);
    out += '%';
    out += digits[byte >> 4U];
    out += digits[byte & 15U];
}

enum class Plus : std::uint8_t { stays, is_space };

Result<std::string> decode(std::string_view text, Plus plus) {
    std::string out;
    out.reserve(text.size());
    for (std::size_t i = 0; i < text.size(); ++i) {
        if (text[i] == '%') {
            TRY(const char c, escaped_byte(text, i));
            out += c;
            i += 2;
        } else {
            out += text[i] == '+' && plus == Plus::is_space ? ' ' : text[i];
        }
    }
    return out;
}

}  // namespace

Result<std::string> percent_decode(std::string_view text) {
    return decode(text, Plus::stays);
}

std::string percent_encode(std::string_view text) {
    std::string out;
    for (const char c : text) {
        if (is_unreserved(c)) {
            out += c;
        } else {
            append_escaped(out, c);
        }
    }
    return out;
}

Result<std::string> normalise_path(std::string_view path) {
    if (!path.starts_with('/')) {
        return fail(Code::invalid, "the path does not begin with /");
    }
    if (is_normal_path(path)) {
        return std::string(path);
    }
    std::string out;
    out.reserve(path.size());
    // out always ends with the slash before the segment that begins at segment_begin.
    std::size_t segment_begin = 1;
    out += '/';
    for (std::size_t i = 1; i <= path.size(); ++i) {
        const bool at_end = i == path.size();
        if (!at_end && path[i] == '%') {
            TRY(const char c, escaped_byte(path, i));
            if (c == '/' || c == '\\' || c == '\0') {
                return fail(Code::invalid, "the path has an escaped slash, backslash or NUL");
            }
            if (is_unreserved(c)) {
                out += c;
            } else {
                append_escaped(out, c);
            }
            i += 2;
            continue;
        }
        if (!at_end && path[i] != '/') {
            out += path[i];
            continue;
        }
        const std::string_view segment = std::string_view(out).substr(segment_begin);
        if (segment == ".") {
            out.resize(segment_begin);
        } else if (segment == "..") {
            if (segment_begin == 1) {
                return fail(Code::invalid, "the path climbs above its root");
            }
            out.resize(out.rfind('/', segment_begin - 2) + 1);
        } else if (!at_end) {
            out += '/';
        }
        segment_begin = out.size();
    }
    return out;
}

bool is_normal_path(std::string_view path) {
    return path.starts_with('/') && path.find('%') == std::string_view::npos &&
           path.find("/.") == std::string_view::npos;
}

Result<std::vector<std::pair<std::string, std::string>>> parse_query(std::string_view query,
                                                                     std::size_t pairs_max) {
    std::vector<std::pair<std::string, std::string>> out;
    for (const std::string_view part : base::split(query, '&')) {
        if (part.empty()) {
            continue;
        }
        if (out.size() == pairs_max) {
            return fail(Code::exhausted, "a query of more than {} parameters", pairs_max);
        }
        const std::size_t equals = part.find('=');
        TRY(std::string name, decode(part.substr(0, equals), Plus::is_space));
        std::string value;
        if (equals != std::string_view::npos) {
            TRY(value, decode(part.substr(equals + 1), Plus::is_space));
        }
        out.emplace_back(std::move(name), std::move(value));
    }
    return out;
}

}  // namespace tidemill::wire
