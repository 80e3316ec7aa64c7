#include "auth/seal.h"

#include <openssl/evp.h>
#include <openssl/rand.h>

#include <array>
#include <memory>

#include "base/check.h"

namespace tidemill::auth {
namespace {

constexpr char version = 1;
constexpr std::size_t nonce_bytes = 12;  // NIST SP 800-38D section 8.2: 96 bits
constexpr std::size_t tag_bytes = 16;

struct FreeContext {
    void operator()(EVP_CIPHER_CTX* context) const { EVP_CIPHER_CTX_free(context); }
};
using Cipher = std::unique_ptr<EVP_CIPHER_CTX, FreeContext>;

const unsigned char* bytes_of(std::string_view text) {
    return reinterpret_cast<const unsigned char*>(text.data());
}
unsigned char* bytes_of(std::string& text) {
    return reinterpret_cast<unsigned char*>(text.data());
}

}  // namespace

std::string seal(std::string_view key, std::string_view context, std::string_view plain) {
    CHECK(key.size() == sealing_key_bytes);
    std::string nonce(nonce_bytes, '\0');
    CHECK(RAND_bytes(bytes_of(nonce), static_cast<int>(nonce.size())) == 1);
    std::string cipher_text(plain.size(), '\0');
    std::string tag(tag_bytes, '\0');
    const Cipher cipher(EVP_CIPHER_CTX_new());
    int size = 0;
    std::array<unsigned char, 16> rest{};
    CHECK(EVP_EncryptInit_ex(cipher.get(), EVP_aes_256_gcm(), nullptr, bytes_of(key),
                             bytes_of(nonce)) == 1);
    CHECK(EVP_EncryptUpdate(cipher.get(), nullptr, &size, bytes_of(context),
                            static_cast<int>(context.size())) == 1);
    CHECK(EVP_EncryptUpdate(cipher.get(), bytes_of(cipher_text), &size, bytes_of(plain),
                            static_cast<int>(plain.size())) == 1);
    CHECK(EVP_EncryptFinal_ex(cipher.get(), rest.data(), &size) == 1);
    CHECK(EVP_CIPHER_CTX_ctrl(cipher.get(), EVP_CTRL_GCM_GET_TAG, tag_bytes, tag.data()) == 1);
    return version + nonce + cipher_text + tag;
}

base::Result<std::string> unseal(std::string_view key, std::string_view context,
                                 std::string_view sealed) {
    if (key.size() != sealing_key_bytes || sealed.size() < 1 + nonce_bytes + tag_bytes ||
        sealed.front() != version) {
        return base::fail(base::Code::invalid,
                          "sealed data: not in a form that this version reads");
    }
    const auto nonce = sealed.substr(1, nonce_bytes);
    const auto cipher_text =
        sealed.substr(1 + nonce_bytes, sealed.size() - 1 - nonce_bytes - tag_bytes);
    std::string tag(sealed.substr(sealed.size() - tag_bytes));
    std::string plain(cipher_text.size(), '\0');
    const Cipher cipher(EVP_CIPHER_CTX_new());
    int size = 0;
    std::array<unsigned char, 16> rest{};
    const bool good =
        EVP_DecryptInit_ex(cipher.get(), EVP_aes_256_gcm(), nullptr, bytes_of(key),
                           bytes_of(nonce)) == 1 &&
        EVP_DecryptUpdate(cipher.get(), nullptr, &size, bytes_of(context),
                          static_cast<int>(context.size())) == 1 &&
        EVP_DecryptUpdate(cipher.get(), bytes_of(plain), &size, bytes_of(cipher_text),
                          static_cast<int>(cipher_text.size())) == 1 &&
        EVP_CIPHER_CTX_ctrl(cipher.get(), EVP_CTRL_GCM_SET_TAG, tag_bytes, tag.data()) == 1 &&
        EVP_DecryptFinal_ex(cipher.get(), rest.data(), &size) == 1;
    if (!good) {
        return base::fail(base::Code::invalid,
                          "sealed data: the key or the place is not the one it was sealed for");
    }
    return plain;
}

}  // namespace tidemill::auth
