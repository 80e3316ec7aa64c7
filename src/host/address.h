// Where a peer is.
#pragma once

#include <array>
#include <cstdint>
#include <optional>
#include <string>
#include <string_view>
#include <variant>

#include "base/result.h"

namespace tidemill::host {

// An IPv4 or IPv6 address with a port. IPv4 is kept in its own four bytes, not mapped.
struct IpAddress {
    enum class Family : std::uint8_t { v4, v6 };
    Family family = Family::v4;
    std::array<std::uint8_t, 16> bytes{};  // network order; v4 uses the first four
    std::uint16_t port = 0;

    bool is_loopback() const;
    static IpAddress loopback(std::uint16_t port) { return {Family::v4, {127, 0, 0, 1}, port}; }
    friend bool operator==(const IpAddress&, const IpAddress&) = default;
};

// A path in the file system. Longer than 107 bytes cannot be (sun_path).
struct UnixAddress {
    std::string path;
    friend bool operator==(const UnixAddress&, const UnixAddress&) = default;
};

using Address = std::variant<IpAddress, UnixAddress>;

// "127.0.0.1:8080", "[::1]:8080", "unix:/run/x.sock".
std::string to_string(const Address& address);
// The address alone: "127.0.0.1", "::1".
std::string ip_text(const IpAddress& address);
// Reads the forms of to_string(); no names, no white space. Errors: invalid.
base::Result<Address> parse_address(std::string_view text);

// Who is at the other end. Unix peers are known by their credentials at the time of connecting.
struct Peer {
    std::optional<IpAddress> ip;
    std::optional<std::uint32_t> uid;
    std::optional<std::uint32_t> gid;
    std::optional<std::int32_t> pid;
};

}  // namespace tidemill::host
