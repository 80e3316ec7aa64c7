#include "wire/http_scan.h"

#include "base/text.h"

namespace tidemill::wire::scan {
namespace {

bool is_ipv4(std::string_view text) {
    for (int part = 0; part < 4; ++part) {
        const std::size_t dot = part < 3 ? text.find('.') : text.size();
        if (dot == std::string_view::npos || dot > 3 || (dot > 1 && text[0] == '0') ||
            !base::parse_number<std::uint8_t>(text.substr(0, dot))) {
            return false;
        }
        text.remove_prefix(part < 3 ? dot + 1 : dot);
    }
    return text.empty();
}

}  // namespace

bool is_ipv6(std::string_view text) {
    // Eight groups, or fewer with one "::" that stands for the missing ones.
    std::size_t groups = 0;
    bool gap = false;
    if (text.starts_with("::")) {
        gap = true;
        text.remove_prefix(2);
        if (text.empty()) {
            return true;
        }
    }
    while (true) {
        const std::size_t colon = text.find(':');
        const std::string_view group = text.substr(0, colon);
        if (colon == std::string_view::npos && group.find('.') != std::string_view::npos) {
            groups += 2;
            return is_ipv4(group) && (gap ? groups < 8 : groups == 8);
        }
        if (group.empty() || group.size() > 4) {
            return false;
        }
        for (const char c : group) {
            if (!is_hex_digit(c)) {
                return false;
            }
        }
        if (++groups > 8) {
            return false;
        }
        if (colon == std::string_view::npos) {
            return gap ? groups < 8 : groups == 8;
        }
        text.remove_prefix(colon + 1);
        if (text.starts_with(':')) {
            if (gap) {
                return false;
            }
            gap = true;
            text.remove_prefix(1);
            if (text.empty()) {
                return groups < 8;
            }
        }
    }
}

}  // namespace tidemill::wire::scan
