#include "image/registry/location.h"

#include <fmt/format.h>

#include <algorithm>
#include <variant>

#include "base/text.h"

namespace tidemill::image {
namespace {

using base::Code;
using base::fail;
using Scheme = Location::Scheme;

constexpr std::size_t length_max = 8192;

std::uint16_t default_port(Scheme scheme) {
    return scheme == Scheme::https ? 443 : 80;
}

// "host", "host:port", "[v6]:port".
base::Status read_authority(std::string_view text, Location& into) {
    auto host = text;
    into.port = default_port(into.scheme);
    if (const auto colon = text.rfind(':'); colon != std::string_view::npos &&
                                            !text.ends_with(']') &&
                                            text.find(']', colon) == std::string_view::npos) {
        const auto port = base::parse_number<std::uint16_t>(text.substr(colon + 1));
        if (!port || *port == 0) {
            return fail(Code::invalid, "\"{}\": no port", text);
        }
        into.port = *port;
        host = text.substr(0, colon);
    }
    if (host.starts_with('[') && host.ends_with(']')) {
        host = host.substr(1, host.size() - 2);
    }
    if (host.empty() || host.contains('@')) {
        return fail(Code::invalid, "\"{}\": no host, or one with user information", text);
    }
    into.host = base::lower(host);
    return base::ok;
}

// ::ffff:a.b.c.d is the same host as a.b.c.d (RFC 4291 section 2.5.5.2).
host::IpAddress unmapped(const host::IpAddress& address) {
    const auto& bytes = address.bytes;
    if (address.family == host::IpAddress::Family::v4 ||
        !std::all_of(bytes.begin(), bytes.begin() + 10, [](auto byte) { return byte == 0; }) ||
        bytes[10] != 0xff || bytes[11] != 0xff) {
        return address;
    }
    host::IpAddress plain{.family = host::IpAddress::Family::v4, .bytes = {}, .port = address.port};
    std::copy(bytes.begin() + 12, bytes.end(), plain.bytes.begin());
    return plain;
}

}  // namespace

std::string Location::host_field() const {
    const bool v6 = host.contains(':');
    const auto name = v6 ? "[" + host + "]" : host;
    return port == default_port(scheme) ? name : fmt::format("{}:{}", name, port);
}

std::string Location::text() const {
    return fmt::format("{}://{}{}", scheme == Scheme::https ? "https" : "http", host_field(),
                       target);
}

bool Location::same_origin(const Location& other) const {
    return scheme == other.scheme && host == other.host && port == other.port;
}

base::Result<Location> parse_location(std::string_view text, const Location& base) {
    if (const auto hash = text.find('#'); hash != std::string_view::npos) {
        text = text.substr(0, hash);
    }
    const auto is_bad = [](char c) { return static_cast<unsigned char>(c) <= 0x20 || c == 0x7f; };
    if (text.empty() || text.size() > length_max || std::ranges::any_of(text, is_bad)) {
        return fail(Code::invalid, "a location is empty, too long or holds white space");
    }
    Location found = base;
    auto rest = text;
    if (text.starts_with("//")) {
        rest.remove_prefix(2);
    } else if (text.starts_with('/')) {
        found.target = text;
        return found;
    } else if (const auto end = text.find("://"); end != std::string_view::npos) {
        const auto scheme = base::lower(text.substr(0, end));
        if (scheme != "http" && scheme != "https") {
            return fail(Code::invalid, "\"{}\": neither http nor https", text);
        }
        found.scheme = scheme == "https" ? Scheme::https : Scheme::http;
        rest.remove_prefix(end + 3);
    } else {
        return fail(Code::invalid, "\"{}\": neither a URL nor an absolute path", text);
    }
    const auto slash = std::min(rest.find_first_of("/?"), rest.size());
    CHECK_OK(read_authority(rest.substr(0, slash), found));
    found.target = rest.substr(slash);
    if (!found.target.starts_with('/')) {
        found.target.insert(0, "/");
    }
    return found;
}

base::Result<Location> registry_location(std::string_view registry) {
    Location found;
    if (registry == "docker.io") {
        // What Docker itself asks; docker.io is a web site.
        found.host = "registry-1.docker.io";
        return found;
    }
    CHECK_OK(read_authority(registry, found));
    if (is_loopback_host(found.host)) {
        found.scheme = Scheme::http;
        CHECK_OK(read_authority(registry, found));
    }
    return found;
}

bool is_loopback_host(std::string_view host) {
    if (host == "localhost" || host.ends_with(".localhost")) {
        return true;
    }
    const auto address = host::parse_address(host.contains(':') ? fmt::format("[{}]:1", host)
                                                                : fmt::format("{}:1", host));
    return address && std::holds_alternative<host::IpAddress>(*address) &&
           std::get<host::IpAddress>(*address).is_loopback();
}

bool is_this_machine(const host::IpAddress& address) {
    const auto plain = unmapped(address);
    return plain.is_loopback() ||
           (plain.family == host::IpAddress::Family::v4
                ? plain.bytes[0] == 0
                : std::ranges::all_of(plain.bytes, [](auto byte) { return byte == 0; }));
}

bool is_link_local(const host::IpAddress& address) {
    const auto plain = unmapped(address);
    return plain.family == host::IpAddress::Family::v4
               ? plain.bytes[0] == 169 && plain.bytes[1] == 254
               : plain.bytes[0] == 0xfe && (plain.bytes[1] & 0xc0U) == 0x80;
}

}  // namespace tidemill::image
