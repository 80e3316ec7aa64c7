// Calls of the API, as a program outside makes them.
#pragma once

#include <functional>
#include <memory>
#include <optional>
#include <string>

#include "async/task.h"
#include "base/result.h"
#include "client/endpoint.h"
#include "host/host.h"
#include "http/client.h"
#include "wire/json.h"

namespace tidemill::client {

// What the server answered, whole.
struct Reply {
    int status = 0;
    http::Headers headers;
    std::string body;

    bool ok() const { return status >= 200 && status < 300; }
};

// A refusal as the API words it, with the code that says what to do: 404 not_found, 409 conflict,
// 400 and 422 invalid, 401 and 403 denied, 410 expired, 429 and 507 exhausted, else unavailable.
base::Error error_of(const Reply& reply);

struct CallOptions {
    std::string content_type = "application/json";
    std::string accept = "application/json";
    base::Duration limit = std::chrono::seconds(30);
    std::uint64_t body_bytes_max = 64U << 20;
};

// One connection at a time, kept and reopened as needed. One thread.
class ApiClient {
public:
    // Makes TLS from an endpoint's authority and identity; app gives it, since nobody else may know
    // OpenSSL.
    using MakeTls = std::function<base::Result<std::unique_ptr<http::StreamAdapter>>(
        const std::string& ca_pem, const std::string& certificate_pem, const std::string& key_pem)>;

    ApiClient(host::Host& host, Endpoint endpoint, MakeTls make_tls);

    const Endpoint& endpoint() const { return endpoint_; }
    std::string default_space() const {
        return endpoint_.space.empty() ? "default" : endpoint_.space;
    }

    // Sends and reads the whole answer, whatever its status. Errors: unavailable (nobody there:
    // says where it looked and how to start), deadline, denied (TLS).
    async::Task<base::Result<Reply>> call(std::string method, std::string target, std::string body,
                                          CallOptions options);
    // The same, with answers other than 2xx as errors (error_of) and the body read as JSON.
    async::Task<base::Result<wire::Json>> json(std::string method, std::string target,
                                               std::string body, CallOptions options);
    // Calls `line` for each line of a streamed answer (watch, follow), until it returns false, the
    // server ends, or nothing has come for `options.limit` (0: no limit). The body may come from a
    // source.
    async::Task<base::Status> stream(http::ClientRequest request, CallOptions options,
                                     std::function<bool(std::string_view line)> line);

private:
    async::Task<base::Result<http::ClientConnection*>> connection(base::Instant deadline);
    void add_identity(http::ClientRequest& request) const;

    host::Host& host_;
    Endpoint endpoint_;
    MakeTls make_tls_;
    std::unique_ptr<http::StreamAdapter> tls_;
    std::unique_ptr<http::ClientConnection> connection_;
};

}  // namespace tidemill::client
