#include "host/address.h"

#include <fmt/format.h>

#include <algorithm>
#include <vector>

#include "base/text.h"

namespace tidemill::host {
namespace {

using base::Code;
using base::fail;
using base::Result;

bool parse_v4(std::string_view text, std::uint8_t* out) {
    const auto parts = base::split(text, '.');
    if (parts.size() != 4) {
        return false;
    }
    for (std::size_t i = 0; i < 4; ++i) {
        const auto value = base::parse_number<std::uint8_t>(parts[i]);
        if (!value || (parts[i].size() > 1 && parts[i].front() == '0')) {
            return false;
        }
        out[i] = *value;
    }
    return true;
}

// RFC 4291 section 2.2, without zone identifiers.
bool parse_v6(std::string_view text, std::array<std::uint8_t, 16>& out) {
    std::vector<std::uint8_t> head;
    std::vector<std::uint8_t> tail;
    const auto gap = text.find("::");
    const auto read_groups = [](std::string_view part, std::vector<std::uint8_t>& into) {
        if (part.empty()) {
            return true;
        }
        const auto groups = base::split(part, ':');
        for (std::size_t i = 0; i < groups.size(); ++i) {
            const auto group = groups[i];
            std::uint8_t v4[4];
            if (i + 1 == groups.size() && parse_v4(group, v4)) {
                into.insert(into.end(), v4, v4 + 4);
                continue;
            }
            unsigned value = 0;
            const auto [end, error] =
                std::from_chars(group.data(), group.data() + group.size(), value, 16);
            if (error != std::errc() || end != group.data() + group.size() || group.size() > 4) {
                return false;
            }
            into.push_back(static_cast<std::uint8_t>(value >> 8));
            into.push_back(static_cast<std::uint8_t>(value & 255));
        }
        return true;
    };
    if (gap == std::string_view::npos) {
        if (!read_groups(text, head) || head.size() != 16) {
            return false;
        }
    } else if (!read_groups(text.substr(0, gap), head) ||
               !read_groups(text.substr(gap + 2), tail) || head.size() + tail.size() > 14) {
        return false;
    }
    out.fill(0);
    std::ranges::copy(head, out.begin());
    std::ranges::copy(tail, out.end() - static_cast<std::ptrdiff_t>(tail.size()));
    return true;
}

}  // namespace

bool IpAddress::is_loopback() const {
    if (family == Family::v4) {
        return bytes[0] == 127;
    }
    return std::all_of(bytes.begin(), bytes.begin() + 15, [](auto b) { return b == 0; }) &&
           bytes[15] == 1;
}

std::string ip_text(const IpAddress& address) {
    const auto& b = address.bytes;
    if (address.family == IpAddress::Family::v4) {
        return fmt::format("{}.{}.{}.{}", b[0], b[1], b[2], b[3]);
    }
    // RFC 5952: the longest run of two or more zero groups, the first of equals, becomes "::".
    std::array<unsigned, 8> groups{};
    for (std::size_t i = 0; i < 8; ++i) {
        groups[i] = static_cast<unsigned>(b[2 * i] << 8 | b[2 * i + 1]);
    }
    std::size_t best = 8;
    std::size_t best_length = 1;
    for (std::size_t i = 0; i < 8; ++i) {
        std::size_t length = 0;
        while (i + length < 8 && groups[i + length] == 0) {
            ++length;
        }
        if (length > best_length) {
            best = i;
            best_length = length;
        }
    }
    std::string text;
    for (std::size_t i = 0; i < 8;) {
        if (i == best) {
            text += "::";
            i += best_length;
            continue;
        }
        if (!text.empty() && !text.ends_with(':')) {
            text += ':';
        }
        fmt::format_to(std::back_inserter(text), "{:x}", groups[i]);
        ++i;
    }
    return text;
}

std::string to_string(const Address& address) {
    if (const auto* path = std::get_if<UnixAddress>(&address)) {
        return "unix:" + path->path;
    }
    const auto& ip = std::get<IpAddress>(address);
    if (ip.family == IpAddress::Family::v4) {
        return fmt::format("{}:{}", ip_text(ip), ip.port);
    }
    return fmt::format("[{}]:{}", ip_text(ip), ip.port);
}

Result<Address> parse_address(std::string_view text) {
    if (text.starts_with("unix:")) {
        const auto path = text.substr(5);
        if (path.empty() || path.size() > 107 || path.find('\0') != std::string_view::npos) {
            return fail(Code::invalid, "address \"{}\": a Unix socket path has 1 to 107 bytes",
                        text);
        }
        return UnixAddress{std::string(path)};
    }
    const auto colon = text.rfind(':');
    if (colon == std::string_view::npos) {
        return fail(Code::invalid, "address \"{}\": expected HOST:PORT or unix:PATH", text);
    }
    const auto port = base::parse_number<std::uint16_t>(text.substr(colon + 1));
    if (!port) {
        return fail(Code::invalid, "address \"{}\": the port is not a number from 0 to 65535",
                    text);
    }
    auto host = text.substr(0, colon);
    IpAddress ip;
    ip.port = *port;
    if (host.size() > 2 && host.front() == '[' && host.back() == ']') {
        ip.family = IpAddress::Family::v6;
        if (parse_v6(host.substr(1, host.size() - 2), ip.bytes)) {
            return ip;
        }
    } else if (parse_v4(host, ip.bytes.data())) {
        return ip;
    }
    return fail(Code::invalid, "address \"{}\": \"{}\" is not an IP address (IPv6 stands in [])",
                text, host);
}

}  // namespace tidemill::host
