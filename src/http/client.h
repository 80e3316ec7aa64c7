// An HTTP/1.1 client for our own talk with servers: the CLI with the API, probes with apps, images
// with registries. One connection per exchange chain; no redirects, no cookies.
#pragma once

#include <functional>
#include <memory>
#include <optional>
#include <string>

#include "async/task.h"
#include "base/result.h"
#include "host/host.h"
#include "http/adapter.h"
#include "http/body.h"
#include "http/message.h"

namespace tidemill::http {

struct ClientRequest {
    std::string method = "GET";
    std::string target = "/";  // path and query, percent-encoded
    std::string host;          // the Host field
    Headers headers;
    std::string body;
    // Instead of `body`: called for piece after piece until it gives an empty optional; sent
    // chunked.
    std::function<async::Task<base::Result<std::optional<std::string>>>()> body_source;
};

// An answer whose head has been read. Holds the connection until destroyed.
class ClientResponse {
public:
    int status = 0;
    std::string reason;
    Headers headers;
    // Lives as long as the response.
    BodyReader& body() { return *body_; }

private:
    friend class ClientConnection;
    std::unique_ptr<BodyReader> body_;
};

// One connection to one server; requests one after the other. One thread.
class ClientConnection {
public:
    // Connects, and wraps by `adapter` unless it is null. Errors: those of connect() and wrap().
    static async::Task<base::Result<std::unique_ptr<ClientConnection>>> open(
        host::Host& host, host::Address address, StreamAdapter* adapter, std::string server_name,
        base::Instant deadline);

    // Sends `request` and reads the head of the answer; the deadline covers that and, until
    // changed, the body. The last response's body must have been read. An error answer that arrives
    // while the request is still being sent is returned. Errors: unavailable, deadline, invalid
    // (not HTTP).
    async::Task<base::Result<ClientResponse>> send(ClientRequest request, base::Instant deadline);
    // For answers that go on for long, such as a watch: from now on only this deadline counts.
    void set_deadline(base::Instant at);
    // False when the server closes after the last answer: open another connection.
    bool reusable() const { return reusable_; }

    explicit ClientConnection(std::unique_ptr<host::Stream> stream);

private:
    async::Task<base::Status> send_request(ClientRequest& request);

    std::unique_ptr<host::Stream> stream_;
    ReadBuffer buffer_;
    bool reusable_ = true;
};

}  // namespace tidemill::http
