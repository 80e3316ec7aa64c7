#include "proxy/message/answers.h"

#include <gtest/gtest.h>

namespace tidemill::proxy {
namespace {

TEST(Answers, every_byte_at_every_place_is_escaped_or_stands_for_itself) {
    for (unsigned byte = 0; byte < 256; ++byte) {
        const bool plain = byte >= 0x20 && byte < 0x7f && byte != '"' && byte != '\\';
        std::string escaped(1, static_cast<char>(byte));
        if (byte == '"' || byte == '\\') {
            escaped.insert(0, "\\");
        } else if (!plain) {
            constexpr std::string_view digits = "0123456789abcdef";
            escaped = std::string("\\u00") + digits[byte >> 4U] + digits[byte & 15U];
        }
        for (std::size_t place = 0; place < 20; ++place) {
            std::string text = "abcdefghijklmnopqrs~";
            text[place] = static_cast<char>(byte);
            std::string out = "x";
            append_json_escaped(out, text);
            EXPECT_EQ(out, "x" + text.substr(0, place) + escaped + text.substr(place + 1)) << byte;
        }
    }
    std::string out;
    append_json_escaped(out, "");
    EXPECT_EQ(out, "");
}

}  // namespace
}  // namespace tidemill::proxy
