// TLS 1.2 and 1.3 over any stream, by OpenSSL. Plugged in by app.
#pragma once

#include <memory>
#include <string>

#include "base/result.h"
#include "http/adapter.h"

namespace tidemill::http {

// The server's side. May be used for many connections; `replace` takes effect for those that come
// after.
class TlsServer final : public StreamAdapter {
public:
    // certificate_pem: the leaf first, then its chain. client_ca_pem: clients may present a
    // certificate of this authority; empty: none is asked for. Errors: invalid.
    static base::Result<std::unique_ptr<TlsServer>> make(const std::string& certificate_pem,
                                                         const std::string& key_pem,
                                                         const std::string& client_ca_pem);
    ~TlsServer() override;
    async::Task<base::Result<std::unique_ptr<host::Stream>>> wrap(
        std::unique_ptr<host::Stream> stream, std::string name, base::Instant deadline) override;

private:
    struct Context;
    explicit TlsServer(std::unique_ptr<Context> context);
    std::unique_ptr<Context> context_;
};

// The client's side: the server must prove `name` (a DNS name or an IP address).
class TlsClient final : public StreamAdapter {
public:
    // ca_pem: authorities to trust; empty: those of the machine. certificate and key: who we are,
    // or empty. Errors: invalid.
    static base::Result<std::unique_ptr<TlsClient>> make(const std::string& ca_pem,
                                                         const std::string& certificate_pem,
                                                         const std::string& key_pem);
    ~TlsClient() override;
    async::Task<base::Result<std::unique_ptr<host::Stream>>> wrap(
        std::unique_ptr<host::Stream> stream, std::string name, base::Instant deadline) override;

private:
    struct Context;
    explicit TlsClient(std::unique_ptr<Context> context);
    std::unique_ptr<Context> context_;
};

}  // namespace tidemill::http
