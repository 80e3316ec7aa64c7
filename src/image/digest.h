// Content addresses as OCI writes them: "sha256:" and 64 hexadecimal digits.
#pragma once

#include <memory>
#include <string>
#include <string_view>

struct evp_md_ctx_st;

namespace tidemill::image {

// SHA-256 of bytes that come in pieces.
class Digester {
public:
    Digester();
    ~Digester();
    Digester(Digester&&) noexcept;
    Digester& operator=(Digester&&) noexcept;

    void add(std::string_view bytes);
    // Of all that was added; call once.
    std::string finish();

private:
    struct Free {
        void operator()(evp_md_ctx_st* context) const;
    };
    std::unique_ptr<evp_md_ctx_st, Free> context_;
};

std::string digest_of(std::string_view bytes);
// True for "sha256:" and 64 lower-case hexadecimal digits.
bool is_digest(std::string_view text);
// The digits alone: a name for files. Precondition: is_digest(digest).
std::string_view digest_hex(std::string_view digest);

}  // namespace tidemill::image
