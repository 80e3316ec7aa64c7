// Bearer tokens: made once, shown once, kept as a digest.
#pragma once

#include <cstddef>
#include <span>
#include <string>
#include <string_view>

#include "base/result.h"

namespace tidemill::auth {

// "tidemill_KIND_SECRETCHECKSUM": 30 base62 digits of `entropy` (at least 32 unpredictable bytes)
// and six of a CRC-32 over what stands before, so that scanners and `doctor` recognise a leaked
// token offline and a mistyped one is told from a wrong one.
std::string make_token(std::string_view kind, std::span<const std::byte> entropy);

// True for a string that make_token() could have made. Says nothing about whether it is valid.
bool is_token_shaped(std::string_view token);

// What is kept of a token: hexadecimal SHA-256. A digest without salt is enough for 178 random
// bits.
std::string token_digest(std::string_view token);

// Compares without telling by its time how much was equal.
bool equal_in_constant_time(std::string_view a, std::string_view b);

// Hexadecimal SHA-256 of any bytes; for content addresses and the audit chain.
std::string sha256_hex(std::string_view bytes);

}  // namespace tidemill::auth
