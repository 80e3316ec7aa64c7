// The platform's own certificate authority.
#pragma once

#include <cstdint>
#include <string>
#include <vector>

#include "base/result.h"
#include "base/time.h"

namespace tidemill::auth {

// A certificate and its private key as PEM text. The key is a secret: file mode 0600, never logged.
struct Identity {
    std::string certificate_pem;
    std::string key_pem;
};

// What a leaf certificate says.
struct LeafRequest {
    std::string common_name;
    std::vector<std::string> organizations;  // groups, for a client's certificate
    std::vector<std::string> dns_names;
    std::vector<std::string> ip_addresses;  // as text, without port or brackets
    enum class Use : std::uint8_t { server, client } use = Use::server;
    base::Duration lifetime = std::chrono::hours(24 * 365);
};

// A new self-signed authority on NIST P-256, valid for ten years from `now`. Keys and serial
// numbers come from OpenSSL's generator. Errors: unavailable (OpenSSL said no; its words are in the
// message).
base::Result<Identity> make_authority(const std::string& common_name, base::WallTime now);

// A leaf signed by `authority`. Valid from five minutes before `now`, for clocks that are behind.
// Errors: invalid (the authority's PEM, an IP address), unavailable.
base::Result<Identity> issue(const Identity& authority, const LeafRequest& request,
                             base::WallTime now);

// When the first certificate of the PEM text ends. Errors: invalid.
base::Result<base::WallTime> expiry(const std::string& certificate_pem);

}  // namespace tidemill::auth
