#include "auth/token.h"

#include <fmt/format.h>
#include <openssl/crypto.h>
#include <openssl/sha.h>

#include <array>

#include "base/bytes.h"
#include "base/check.h"

namespace tidemill::auth {
namespace {

constexpr std::string_view base62 =
    "0123456789ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz";
constexpr std::size_t secret_digits = 30;
constexpr std::size_t checksum_digits = 6;  // 62^6 > 2^32

// CRC-32 as in IEEE 802.3, bit by bit: tokens are short.
std::uint32_t crc32(std::string_view text) {
    std::uint32_t crc = ~0U;
    for (const char c : text) {
        crc ^= static_cast<unsigned char>(c);
        for (int bit = 0; bit < 8; ++bit) {
            crc = crc >> 1 ^ ((crc & 1) != 0 ? 0xEDB88320U : 0U);
        }
    }
    return ~crc;
}

std::string checksum(std::string_view text) {
    std::uint32_t left = crc32(text);
    std::string digits(checksum_digits, '0');
    for (std::size_t i = checksum_digits; i > 0; --i) {
        digits[i - 1] = base62[left % 62];
        left /= 62;
    }
    return digits;
}

}  // namespace

std::string make_token(std::string_view kind, std::span<const std::byte> entropy) {
    CHECK(entropy.size() >= 32);
    std::string token = fmt::format("tidemill_{}_", kind);
    // Whole bytes above 247 are passed over so that each digit is equally likely; when the entropy
    // runs out a digest of it goes on.
    std::string pool(base::as_text(entropy));
    std::size_t at = 0;
    for (std::size_t digits = 0; digits < secret_digits;) {
        if (at == pool.size()) {
            pool = *base::from_hex(sha256_hex(pool));
            at = 0;
        }
        const auto byte = static_cast<unsigned char>(pool[at++]);
        if (byte < 248) {
            token.push_back(base62[byte % 62]);
            ++digits;
        }
    }
    return token + checksum(token);
}

bool is_token_shaped(std::string_view token) {
    if (!token.starts_with("tidemill_") || token.size() < 9 + 2 + secret_digits + checksum_digits ||
        token.size() > 128) {
        return false;
    }
    const auto body = token.substr(0, token.size() - checksum_digits);
    return checksum(body) == token.substr(body.size());
}

std::string sha256_hex(std::string_view bytes) {
    std::array<std::byte, SHA256_DIGEST_LENGTH> digest{};
    SHA256(reinterpret_cast<const unsigned char*>(bytes.data()), bytes.size(),
           reinterpret_cast<unsigned char*>(digest.data()));
    return base::to_hex(digest);
}

std::string token_digest(std::string_view token) {
    return sha256_hex(token);
}

bool equal_in_constant_time(std::string_view a, std::string_view b) {
    return a.size() == b.size() && CRYPTO_memcmp(a.data(), b.data(), a.size()) == 0;
}

}  // namespace tidemill::auth
