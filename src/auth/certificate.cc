#include "auth/certificate.h"

#include <openssl/bio.h>
#include <openssl/err.h>
#include <openssl/evp.h>
#include <openssl/pem.h>
#include <openssl/rand.h>
#include <openssl/x509v3.h>

#include <array>
#include <memory>

namespace tidemill::auth {
namespace {

using base::Code;
using base::fail;
using base::Result;
using base::Status;
using namespace std::chrono_literals;

constexpr auto authority_lifetime = std::chrono::hours(24 * 3650);
constexpr auto clock_skew = 5min;

template <auto Free>
struct Freed {
    template <typename T>
    void operator()(T* value) const {
        Free(value);
    }
};
using Key = std::unique_ptr<EVP_PKEY, Freed<EVP_PKEY_free>>;
using Certificate = std::unique_ptr<X509, Freed<X509_free>>;
using Bio = std::unique_ptr<BIO, Freed<BIO_free>>;
using Extension = std::unique_ptr<X509_EXTENSION, Freed<X509_EXTENSION_free>>;

std::unexpected<base::Error> openssl_failed(const char* what) {
    std::array<char, 256> text{};
    ERR_error_string_n(ERR_get_error(), text.data(), text.size());
    ERR_clear_error();
    return fail(Code::unavailable, "{}: OpenSSL: {}", what, text.data());
}

std::string text_of(BIO* bio) {
    char* bytes = nullptr;
    const long size = BIO_get_mem_data(bio, &bytes);
    return {bytes, static_cast<std::size_t>(size)};
}

Bio reader(const std::string& pem) {
    return Bio(BIO_new_mem_buf(pem.data(), static_cast<int>(pem.size())));
}

Result<Identity> to_pem(X509* certificate, EVP_PKEY* key) {
    const Bio certificate_out(BIO_new(BIO_s_mem()));
    const Bio key_out(BIO_new(BIO_s_mem()));
    if (PEM_write_bio_X509(certificate_out.get(), certificate) != 1 ||
        PEM_write_bio_PrivateKey(key_out.get(), key, nullptr, nullptr, 0, nullptr, nullptr) != 1) {
        return openssl_failed("certificate");
    }
    return Identity{text_of(certificate_out.get()), text_of(key_out.get())};
}

Status add_extension(X509* certificate, X509* issuer, int nid, const std::string& value) {
    X509V3_CTX context;
    X509V3_set_ctx(&context, issuer, certificate, nullptr, nullptr, 0);
    const Extension extension(X509V3_EXT_conf_nid(nullptr, &context, nid, value.c_str()));
    if (extension == nullptr || X509_add_ext(certificate, extension.get(), -1) != 1) {
        return openssl_failed("certificate extension");
    }
    return base::ok;
}

void add_name(X509_NAME* name, const char* field, const std::string& value) {
    X509_NAME_add_entry_by_txt(name, field, MBSTRING_UTF8,
                               reinterpret_cast<const unsigned char*>(value.data()),
                               static_cast<int>(value.size()), -1, 0);
}

// A certificate for `key` without extensions or signature.
Result<Certificate> begin_certificate(const std::string& common_name,
                                      const std::vector<std::string>& organizations, EVP_PKEY* key,
                                      base::WallTime from, base::WallTime until) {
    Certificate certificate(X509_new());
    // RFC 5280 section 4.1.2.2: positive, at most 20 octets, unpredictable.
    std::array<unsigned char, 16> serial{};
    if (RAND_bytes(serial.data(), static_cast<int>(serial.size())) != 1) {
        return openssl_failed("serial number");
    }
    serial[0] = static_cast<unsigned char>((serial[0] & 0x7f) | 0x40);
    BIGNUM* const number = BN_bin2bn(serial.data(), static_cast<int>(serial.size()), nullptr);
    BN_to_ASN1_INTEGER(number, X509_get_serialNumber(certificate.get()));
    BN_free(number);
    X509_set_version(certificate.get(), X509_VERSION_3);
    ASN1_TIME_set(X509_getm_notBefore(certificate.get()), from.ns / 1'000'000'000);
    ASN1_TIME_set(X509_getm_notAfter(certificate.get()), until.ns / 1'000'000'000);
    X509_NAME* const name = X509_get_subject_name(certificate.get());
    for (const auto& organization : organizations) {
        add_name(name, "O", organization);
    }
    add_name(name, "CN", common_name);
    if (X509_set_pubkey(certificate.get(), key) != 1) {
        return openssl_failed("certificate key");
    }
    return certificate;
}

}  // namespace

Result<Identity> make_authority(const std::string& common_name, base::WallTime now) {
    const Key key(EVP_EC_gen("P-256"));
    if (key == nullptr) {
        return openssl_failed("authority key");
    }
    TRY(const Certificate certificate,
        begin_certificate(common_name, {}, key.get(), now + base::Duration(-clock_skew),
                          now + authority_lifetime));
    X509_set_issuer_name(certificate.get(), X509_get_subject_name(certificate.get()));
    X509* const self = certificate.get();
    CHECK_OK(add_extension(self, self, NID_basic_constraints, "critical,CA:TRUE,pathlen:0"));
    CHECK_OK(add_extension(self, self, NID_key_usage, "critical,keyCertSign,cRLSign"));
    CHECK_OK(add_extension(self, self, NID_subject_key_identifier, "hash"));
    if (X509_sign(self, key.get(), EVP_sha256()) == 0) {
        return openssl_failed("authority");
    }
    return to_pem(self, key.get());
}

Result<Identity> issue(const Identity& authority, const LeafRequest& request, base::WallTime now) {
    const Certificate issuer(
        PEM_read_bio_X509(reader(authority.certificate_pem).get(), nullptr, nullptr, nullptr));
    const Key issuer_key(
        PEM_read_bio_PrivateKey(reader(authority.key_pem).get(), nullptr, nullptr, nullptr));
    if (issuer == nullptr || issuer_key == nullptr) {
        ERR_clear_error();
        return fail(Code::invalid, "the certificate authority's files are not PEM");
    }
    const Key key(EVP_EC_gen("P-256"));
    if (key == nullptr) {
        return openssl_failed("key");
    }
    TRY(const Certificate certificate,
        begin_certificate(request.common_name, request.organizations, key.get(),
                          now + base::Duration(-clock_skew), now + request.lifetime));
    X509* const leaf = certificate.get();
    X509_set_issuer_name(leaf, X509_get_subject_name(issuer.get()));
    const bool server = request.use == LeafRequest::Use::server;
    CHECK_OK(add_extension(leaf, issuer.get(), NID_basic_constraints, "critical,CA:FALSE"));
    CHECK_OK(add_extension(leaf, issuer.get(), NID_key_usage, "critical,digitalSignature"));
    CHECK_OK(
        add_extension(leaf, issuer.get(), NID_ext_key_usage, server ? "serverAuth" : "clientAuth"));
    CHECK_OK(add_extension(leaf, issuer.get(), NID_authority_key_identifier, "keyid"));
    std::string names;
    for (const auto& name : request.dns_names) {
        // A comma would begin another entry of OpenSSL's list.
        if (name.find_first_of(",: \t\r\n") != std::string::npos) {
            return fail(Code::invalid, "\"{}\" is no DNS name", name);
        }
        names += (names.empty() ? "DNS:" : ",DNS:") + name;
    }
    for (const auto& address : request.ip_addresses) {
        if (address.find_first_not_of("0123456789abcdefABCDEF.:") != std::string::npos) {
            return fail(Code::invalid, "\"{}\" is no IP address", address);
        }
        names += (names.empty() ? "IP:" : ",IP:") + address;
    }
    if (!names.empty()) {
        CHECK_OK(add_extension(leaf, issuer.get(), NID_subject_alt_name, names));
    }
    if (X509_sign(leaf, issuer_key.get(), EVP_sha256()) == 0) {
        return openssl_failed("certificate");
    }
    return to_pem(leaf, key.get());
}

Result<base::WallTime> expiry(const std::string& certificate_pem) {
    const Certificate certificate(
        PEM_read_bio_X509(reader(certificate_pem).get(), nullptr, nullptr, nullptr));
    std::tm when{};
    if (certificate == nullptr ||
        ASN1_TIME_to_tm(X509_get0_notAfter(certificate.get()), &when) != 1) {
        ERR_clear_error();
        return fail(Code::invalid, "not a PEM certificate");
    }
    const std::chrono::year_month_day date{
        std::chrono::year(when.tm_year + 1900),
        std::chrono::month(static_cast<unsigned>(when.tm_mon) + 1),
        std::chrono::day(static_cast<unsigned>(when.tm_mday))};
    const auto seconds = std::chrono::sys_days(date).time_since_epoch() +
                         std::chrono::hours(when.tm_hour) + std::chrono::minutes(when.tm_min) +
                         std::chrono::seconds(when.tm_sec);
    return base::WallTime{std::chrono::duration_cast<base::Duration>(seconds).count()};
}

}  // namespace tidemill::auth
