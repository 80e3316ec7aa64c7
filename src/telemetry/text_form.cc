#include "telemetry/text_form.h"

#include <fmt/format.h>

#include <algorithm>
#include <iterator>

#include "base/bytes.h"

namespace tidemill::telemetry {

namespace {

// How many bytes from the beginning stand for themselves in every form.
std::size_t plain_prefix(std::string_view text) {
    const auto end = std::ranges::find_if(
        text, [](unsigned char c) { return c < 0x20 || c >= 0x7f || c == '"' || c == '\\'; });
    return static_cast<std::size_t>(end - text.begin());
}

}  // namespace

std::size_t utf8_sequence(std::string_view text) {
    if (text.empty()) {
        return 0;
    }
    const auto first = static_cast<unsigned char>(text[0]);
    const std::size_t size = first < 0x80 ? 1 : first < 0xe0 ? 2 : first < 0xf0 ? 3 : 4;
    return text.size() >= size && base::is_utf8(text.substr(0, size)) ? size : 0;
}

void append_json(std::string& out, std::string_view text) {
    for (;;) {
        const std::size_t plain = plain_prefix(text);
        out.append(text.substr(0, plain));
        text.remove_prefix(plain);
        if (text.empty()) {
            return;
        }
        const char c = text.front();
        std::size_t used = 1;
        if (c == '"' || c == '\\') {
            out += '\\';
            out += c;
        } else if (c == '\n') {
            out += "\\n";
        } else if (c == '\t') {
            out += "\\t";
        } else if (static_cast<unsigned char>(c) < 0x20 || c == 0x7f) {
            fmt::format_to(std::back_inserter(out), "\\u{:04x}", static_cast<unsigned>(c));
        } else if (const std::size_t size = utf8_sequence(text); size > 0) {
            out.append(text.substr(0, size));
            used = size;
        } else {
            out += "\xef\xbf\xbd";
        }
        text.remove_prefix(used);
    }
}

void append_line(std::string& out, std::string_view text) {
    for (;;) {
        const std::size_t plain = plain_prefix(text);
        out.append(text.substr(0, plain));
        text.remove_prefix(plain);
        if (text.empty()) {
            return;
        }
        const char c = text.front();
        std::size_t used = 1;
        if (c == '\\') {
            out += "\\\\";
        } else if (c == '"') {
            out += c;
        } else if (c == '\n') {
            out += "\\n";
        } else if (c == '\t') {
            out += "\\t";
        } else if (static_cast<unsigned char>(c) < 0x20 || c == 0x7f) {
            fmt::format_to(std::back_inserter(out), "\\x{:02x}", static_cast<unsigned>(c));
        } else if (const std::size_t size = utf8_sequence(text); size > 0) {
            // U+0080 to U+009F are control characters too: some terminals obey them.
            if (size == 2 && text[0] == '\xc2' && static_cast<unsigned char>(text[1]) < 0xa0) {
                fmt::format_to(std::back_inserter(out), "\\x{:02x}",
                               static_cast<unsigned char>(text[1]));
            } else {
                out.append(text.substr(0, size));
            }
            used = size;
        } else {
            out += "\xef\xbf\xbd";
        }
        text.remove_prefix(used);
    }
}

}  // namespace tidemill::telemetry
