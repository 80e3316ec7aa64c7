// Where in the web a request goes.
#pragma once

#include <cstdint>
#include <string>
#include <string_view>

#include "base/result.h"
#include "host/address.h"

namespace tidemill::image {

// An http or https URL in its parts, without a fragment.
struct Location {
    enum class Scheme : std::uint8_t { http, https } scheme = Scheme::https;
    std::string host;  // a name, or an address without brackets
    std::uint16_t port = 443;
    std::string target = "/";  // path and query

    // As the Host field has it: the port only where it is not the scheme's.
    std::string host_field() const;
    std::string text() const;
    // Same scheme, host and port: credentials may go along.
    bool same_origin(const Location& other) const;
};

// `text` may be relative to `base` (RFC 9110 section 10.2.2). Errors: invalid (another scheme, user
// information, control characters).
base::Result<Location> parse_location(std::string_view text, const Location& base);

// "registry:5000" as where its API is; plain HTTP for registries on this machine only.
base::Result<Location> registry_location(std::string_view registry);

// True for "localhost", names below it and loopback addresses.
bool is_loopback_host(std::string_view host);
// Loopback in all its forms, and "any address", which leads there too.
bool is_this_machine(const host::IpAddress& address);
// Addresses that only neighbours on a wire and a cloud's own services have: nothing that a user
// names leads there (RFC 3927, RFC 4291 section 2.5.6).
bool is_link_local(const host::IpAddress& address);

}  // namespace tidemill::image
