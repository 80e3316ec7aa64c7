// Tar archives by hand, for tests: nothing stands between a test and the bytes that a stranger
// sends.
#pragma once

#include <cstdio>
#include <string>
#include <string_view>

namespace tidemill::image {

struct UstarEntry {
    std::string_view path;
    char type = '0';  // '0' file, '1' hard link, '2' link, '3' device, '5' directory
    std::string_view content;
    std::string_view target;
    unsigned mode = 0644;
};

// POSIX.1-1988 ustar: one header of 512 bytes, content padded to 512.
inline std::string ustar(const UstarEntry& entry) {
    std::string header(512, '\0');
    const auto put = [&](std::size_t at, std::string_view text) {
        header.replace(at, text.size(), text);
    };
    const auto octal = [&](std::size_t at, std::size_t digits, unsigned long value) {
        char text[16];
        std::snprintf(text, sizeof text, "%0*lo", static_cast<int>(digits), value);
        put(at, text);
    };
    put(0, entry.path);
    octal(100, 7, entry.mode);
    octal(108, 7, 1000);
    octal(116, 7, 1000);
    octal(124, 11, entry.content.size());
    octal(136, 11, 1'700'000'000);
    put(148, "        ");
    header[156] = entry.type;
    put(157, entry.target);
    put(257, std::string_view("ustar\00000", 8));
    unsigned long sum = 0;
    for (const char c : header) {
        sum += static_cast<unsigned char>(c);
    }
    octal(148, 6, sum);
    header[154] = '\0';
    std::string content(entry.content);
    content.resize((content.size() + 511) / 512 * 512);
    return header + content;
}

inline std::string ustar_end() {
    return std::string(1024, '\0');
}

}  // namespace tidemill::image
