// HTTP/2 bytes written by hand, for peers that do not keep the rules.
#pragma once

#include <cstdint>
#include <initializer_list>
#include <string>
#include <string_view>

#include "wire/http2/session.h"

namespace tidemill::wire::testing {

inline constexpr std::string_view preface = "PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n";

enum FrameType : std::uint8_t {
    data_frame = 0,
    headers_frame = 1,
    priority_frame = 2,
    reset_frame = 3,
    settings_frame = 4,
    ping_frame = 6,
    go_away_frame = 7,
    window_frame = 8,
    continuation_frame = 9,
};
inline constexpr std::uint8_t end_stream = 1;
inline constexpr std::uint8_t ack = 1;
inline constexpr std::uint8_t end_headers = 4;
inline constexpr std::uint8_t padded = 8;

inline std::string word(std::uint32_t value) {
    return {static_cast<char>(value >> 24U), static_cast<char>(value >> 16U),
            static_cast<char>(value >> 8U), static_cast<char>(value)};
}

inline std::string frame(std::uint8_t type, std::uint8_t flags, std::uint32_t stream,
                         std::string_view payload = {}) {
    std::string out = word(static_cast<std::uint32_t>(payload.size())).substr(1);
    out += static_cast<char>(type);
    out += static_cast<char>(flags);
    out += word(stream);
    out += payload;
    return out;
}

// HPACK: literals without indexing, so that no table is touched.
inline std::string packed(std::initializer_list<Http2Field> fields) {
    std::string out;
    const auto text = [&](std::string_view bytes) {
        if (bytes.size() < 127) {
            out += static_cast<char>(bytes.size());
        } else {
            out += '\x7f';
            auto left = bytes.size() - 127;
            for (; left >= 128; left /= 128) {
                out += static_cast<char>(left % 128 + 128);
            }
            out += static_cast<char>(left);
        }
        out += bytes;
    };
    for (const auto& field : fields) {
        out += '\0';
        text(field.name);
        text(field.value);
    }
    return out;
}

inline std::string get_head() {
    return packed({{":method", "GET"}, {":scheme", "http"}, {":path", "/"}, {":authority", "a"}});
}
inline std::string get(std::uint32_t stream) {
    return frame(headers_frame, end_headers | end_stream, stream, get_head());
}
inline std::string hello() {
    return std::string(preface) + frame(settings_frame, 0, 0);
}

}  // namespace tidemill::wire::testing
