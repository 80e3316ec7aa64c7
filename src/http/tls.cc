#include "http/tls.h"

#include <openssl/err.h>
#include <openssl/pem.h>
#include <openssl/ssl.h>
#include <openssl/x509v3.h>

#include <array>
#include <utility>

#include "host/address.h"
#include "http/tls_stream.h"

namespace tidemill::http {
namespace {

using base::Code;
using base::fail;

struct FreeBio {
    void operator()(BIO* bio) const { BIO_free(bio); }
};
struct FreeX509 {
    void operator()(X509* certificate) const { X509_free(certificate); }
};
struct FreeKey {
    void operator()(EVP_PKEY* key) const { EVP_PKEY_free(key); }
};

std::unique_ptr<BIO, FreeBio> reader(const std::string& pem) {
    return std::unique_ptr<BIO, FreeBio>(BIO_new_mem_buf(pem.data(), static_cast<int>(pem.size())));
}

base::Status use_identity(SSL_CTX* context, const std::string& certificate_pem,
                          const std::string& key_pem) {
    const auto certificates = reader(certificate_pem);
    bool leaf = true;
    for (;;) {
        std::unique_ptr<X509, FreeX509> certificate(
            PEM_read_bio_X509(certificates.get(), nullptr, nullptr, nullptr));
        if (certificate == nullptr) {
            ERR_clear_error();
            break;
        }
        if (leaf) {
            if (SSL_CTX_use_certificate(context, certificate.get()) != 1) {
                return fail(Code::invalid, "tls: certificate: {}", tls_error_text());
            }
            leaf = false;
        } else if (SSL_CTX_add0_chain_cert(context, certificate.release()) != 1) {
            return fail(Code::invalid, "tls: certificate chain: {}", tls_error_text());
        }
    }
    if (leaf) {
        return fail(Code::invalid, "tls: no certificate in the PEM text");
    }
    const std::unique_ptr<EVP_PKEY, FreeKey> key(
        PEM_read_bio_PrivateKey(reader(key_pem).get(), nullptr, nullptr, nullptr));
    if (key == nullptr || SSL_CTX_use_PrivateKey(context, key.get()) != 1 ||
        SSL_CTX_check_private_key(context) != 1) {
        return fail(Code::invalid, "tls: private key: {}", tls_error_text());
    }
    return base::ok;
}

base::Status trust(SSL_CTX* context, const std::string& ca_pem) {
    const auto authorities = reader(ca_pem);
    int count = 0;
    for (;;) {
        const std::unique_ptr<X509, FreeX509> authority(
            PEM_read_bio_X509(authorities.get(), nullptr, nullptr, nullptr));
        if (authority == nullptr) {
            ERR_clear_error();
            break;
        }
        if (X509_STORE_add_cert(SSL_CTX_get_cert_store(context), authority.get()) != 1) {
            return fail(Code::invalid, "tls: authority: {}", tls_error_text());
        }
        ++count;
    }
    return count > 0 ? base::Status(base::ok)
                     : base::Status(fail(Code::invalid, "tls: no authority in the PEM text"));
}

SslContext new_context(const SSL_METHOD* method) {
    SslContext context(SSL_CTX_new(method));
    CHECK(context != nullptr);
    SSL_CTX_set_min_proto_version(context.get(), TLS1_2_VERSION);
    // Renegotiation would let a read wait for a write; nobody needs it.
    SSL_CTX_set_options(context.get(), SSL_OP_NO_RENEGOTIATION);
    SSL_CTX_set_mode(context.get(), SSL_MODE_RELEASE_BUFFERS | SSL_MODE_ACCEPT_MOVING_WRITE_BUFFER);
    return context;
}

async::Task<base::Result<std::unique_ptr<host::Stream>>> shake(std::unique_ptr<host::Stream> stream,
                                                               SslHandle ssl,
                                                               base::Instant deadline) {
    auto wrapped = std::make_unique<TlsStream>(std::move(stream), std::move(ssl));
    CO_CHECK_OK(co_await wrapped->handshake(deadline));
    co_return std::unique_ptr<host::Stream>(std::move(wrapped));
}

}  // namespace

struct TlsServer::Context {
    SslContext ssl;
};
struct TlsClient::Context {
    SslContext ssl;
};

TlsServer::TlsServer(std::unique_ptr<Context> context) : context_(std::move(context)) {}
TlsServer::~TlsServer() = default;

base::Result<std::unique_ptr<TlsServer>> TlsServer::make(const std::string& certificate_pem,
                                                         const std::string& key_pem,
                                                         const std::string& client_ca_pem) {
    auto context = new_context(TLS_server_method());
    CHECK_OK(use_identity(context.get(), certificate_pem, key_pem));
    // Go's and curl's clients offer h2 first; the API speaks HTTP/1.1.
    SSL_CTX_set_alpn_select_cb(
        context.get(),
        [](SSL*, const unsigned char** out, unsigned char* out_size, const unsigned char* in,
           unsigned in_size, void*) {
            static constexpr std::array<unsigned char, 9> http11{8,   'h', 't', 't', 'p',
                                                                 '/', '1', '.', '1'};
            unsigned char* picked = nullptr;
            if (SSL_select_next_proto(&picked, out_size, http11.data(), http11.size(), in,
                                      in_size) != OPENSSL_NPN_NEGOTIATED) {
                return SSL_TLSEXT_ERR_NOACK;
            }
            *out = picked;
            return SSL_TLSEXT_ERR_OK;
        },
        nullptr);
    if (!client_ca_pem.empty()) {
        CHECK_OK(trust(context.get(), client_ca_pem));
        SSL_CTX_set_verify(context.get(), SSL_VERIFY_PEER, nullptr);
        SSL_CTX_set_session_id_context(context.get(),
                                       reinterpret_cast<const unsigned char*>("tidemill"), 8);
    }
    return std::unique_ptr<TlsServer>(
        new TlsServer(std::make_unique<Context>(Context{std::move(context)})));
}

async::Task<base::Result<std::unique_ptr<host::Stream>>> TlsServer::wrap(
    std::unique_ptr<host::Stream> stream, std::string, base::Instant deadline) {
    SslHandle ssl(SSL_new(context_->ssl.get()));
    CHECK(ssl != nullptr);
    SSL_set_accept_state(ssl.get());
    return shake(std::move(stream), std::move(ssl), deadline);
}

TlsClient::TlsClient(std::unique_ptr<Context> context) : context_(std::move(context)) {}
TlsClient::~TlsClient() = default;

base::Result<std::unique_ptr<TlsClient>> TlsClient::make(const std::string& ca_pem,
                                                         const std::string& certificate_pem,
                                                         const std::string& key_pem) {
    auto context = new_context(TLS_client_method());
    if (ca_pem.empty()) {
        SSL_CTX_set_default_verify_paths(context.get());
    } else {
        CHECK_OK(trust(context.get(), ca_pem));
    }
    if (!certificate_pem.empty()) {
        CHECK_OK(use_identity(context.get(), certificate_pem, key_pem));
    }
    SSL_CTX_set_verify(context.get(), SSL_VERIFY_PEER, nullptr);
    return std::unique_ptr<TlsClient>(
        new TlsClient(std::make_unique<Context>(Context{std::move(context)})));
}

async::Task<base::Result<std::unique_ptr<host::Stream>>> TlsClient::wrap(
    std::unique_ptr<host::Stream> stream, std::string name, base::Instant deadline) {
    SslHandle ssl(SSL_new(context_->ssl.get()));
    CHECK(ssl != nullptr);
    SSL_set_connect_state(ssl.get());
    X509_VERIFY_PARAM* const verify = SSL_get0_param(ssl.get());
    if (host::parse_address(name + ":0") || host::parse_address("[" + name + "]:0")) {
        X509_VERIFY_PARAM_set1_ip_asc(verify, name.c_str());
    } else {
        SSL_set_tlsext_host_name(ssl.get(), name.c_str());
        X509_VERIFY_PARAM_set1_host(verify, name.c_str(), name.size());
    }
    return shake(std::move(stream), std::move(ssl), deadline);
}

}  // namespace tidemill::http
