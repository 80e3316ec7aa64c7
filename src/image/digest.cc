#include "image/digest.h"

#include <openssl/evp.h>

#include <algorithm>
#include <array>

#include "base/bytes.h"
#include "base/check.h"

namespace tidemill::image {
namespace {
constexpr std::string_view algorithm = "sha256:";
constexpr std::size_t hex_digits = 64;
}  // namespace

void Digester::Free::operator()(evp_md_ctx_st* context) const {
    EVP_MD_CTX_free(context);
}

Digester::Digester() : context_(EVP_MD_CTX_new()) {
    // Fails only without memory or without a SHA-256: neither is a state to go on in.
    CHECK(context_ && EVP_DigestInit_ex(context_.get(), EVP_sha256(), nullptr) == 1);
}
Digester::~Digester() = default;
Digester::Digester(Digester&&) noexcept = default;
Digester& Digester::operator=(Digester&&) noexcept = default;

void Digester::add(std::string_view bytes) {
    CHECK(EVP_DigestUpdate(context_.get(), bytes.data(), bytes.size()) == 1);
}

std::string Digester::finish() {
    std::array<unsigned char, 32> hash{};
    unsigned size = 0;
    CHECK(EVP_DigestFinal_ex(context_.get(), hash.data(), &size) == 1 && size == hash.size());
    return std::string(algorithm) + base::to_hex(std::as_bytes(std::span(hash)));
}

std::string digest_of(std::string_view bytes) {
    Digester digester;
    digester.add(bytes);
    return digester.finish();
}

bool is_digest(std::string_view text) {
    const auto is_hex = [](char c) { return (c >= '0' && c <= '9') || (c >= 'a' && c <= 'f'); };
    return text.size() == algorithm.size() + hex_digits && text.starts_with(algorithm) &&
           std::ranges::all_of(text.substr(algorithm.size()), is_hex);
}

std::string_view digest_hex(std::string_view digest) {
    CHECK(is_digest(digest));
    return digest.substr(algorithm.size());
}

}  // namespace tidemill::image
