// Secrets at rest: AES-256-GCM under a key that lies beside the data, not in it.
#pragma once

#include <cstddef>
#include <string>
#include <string_view>

#include "base/result.h"

namespace tidemill::auth {

inline constexpr std::size_t sealing_key_bytes = 32;

// Version byte, 12 random bytes of nonce, ciphertext, 16 bytes of tag. `context` (the object's
// kind, namespace and name) is authenticated, so that one secret's bytes cannot be put in another's
// place.
std::string seal(std::string_view key, std::string_view context, std::string_view plain);

// Errors: invalid (wrong key, wrong context, or not the bytes that seal() gave).
base::Result<std::string> unseal(std::string_view key, std::string_view context,
                                 std::string_view sealed);

}  // namespace tidemill::auth
