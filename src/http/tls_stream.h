// One TLS connection: OpenSSL between two memory buffers, fed from and drained to a stream.
#pragma once

#include <openssl/ssl.h>

#include <memory>

#include "async/scope.h"
#include "base/result.h"
#include "host/stream.h"

namespace tidemill::http {

struct FreeSsl {
    void operator()(SSL* ssl) const { SSL_free(ssl); }
    void operator()(SSL_CTX* context) const { SSL_CTX_free(context); }
};
using SslHandle = std::unique_ptr<SSL, FreeSsl>;
using SslContext = std::unique_ptr<SSL_CTX, FreeSsl>;

// What OpenSSL says went wrong, and forgets it.
std::string tls_error_text();

class TlsStream final : public host::Stream {
public:
    // `ssl` knows its side (accept or connect state) and has no BIOs yet.
    TlsStream(std::unique_ptr<host::Stream> inner, SslHandle ssl);
    ~TlsStream() override;

    // Errors: denied (certificate), invalid (not TLS, no common version), unavailable, deadline.
    async::Task<base::Status> handshake(base::Instant deadline);

    host::IoResult try_readv(std::span<const host::MutableBuffer> buffers) override;
    host::IoResult try_writev(std::span<const host::ConstBuffer> buffers) override;
    bool flushed() const override { return !flushing_; }
    bool quiet() override;
    void shutdown_write() override;
    void abort() override { inner_->abort(); }
    const host::Peer& peer() const override { return inner_->peer(); }

private:
    // Moves bytes from the network to OpenSSL; false unless at least one was moved (`last_` says
    // why).
    bool feed();
    // Moves OpenSSL's bytes to the network; false while some are left.
    bool drain();
    // Sends what is left as the network takes it.
    void begin_flush();
    async::Task<void> flush_later();

    std::unique_ptr<host::Stream> inner_;
    SslHandle ssl_;
    BIO* from_network_;
    BIO* to_network_;
    host::IoResult last_{host::IoResult::Kind::blocked};
    bool broken_ = false;
    bool flushing_ = false;
    async::Scope flusher_;
};

}  // namespace tidemill::http
