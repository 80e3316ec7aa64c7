// An HTTP/1.1 server for the platform's own API: few connections, long answers, strict.
#pragma once

#include <cstddef>
#include <memory>
#include <optional>
#include <string>
#include <string_view>

#include "async/scope.h"
#include "async/task.h"
#include "base/result.h"
#include "base/time.h"
#include "host/host.h"
#include "host/network.h"
#include "http/adapter.h"
#include "http/body.h"
#include "http/message.h"

namespace tidemill::http {

// One request, as its handler sees it. Lives until handle() returns.
struct Request {
    std::string method;
    std::string path;   // as sent, percent-encoded
    std::string query;  // without '?'
    std::string host;
    Headers headers;
    BodyReader& body;
    const host::Peer& peer;
};

// How a handler answers: once, whole, or piece by piece.
class Answer {
public:
    // write_limit: how long the client may take to make room for one piece.
    Answer(host::Stream& stream, host::Clock& clock, std::string_view method, int minor,
           base::Duration write_limit);

    // Sends a whole response. At most one of send() and begin(), once.
    async::Task<base::Status> send(int status, Headers headers, std::string body);
    // Begins a response whose length is not known: write() the pieces, then end().
    async::Task<base::Status> begin(int status, Headers headers);
    async::Task<base::Status> write(std::string piece);
    async::Task<base::Status> end();

    bool begun() const { return status_ != 0; }
    bool complete() const { return complete_; }
    int status() const { return status_; }
    // The connection is not used again after this answer.
    void close_after() { keep_alive_ = false; }
    bool keep_alive() const { return keep_alive_; }

private:
    async::Task<base::Status> put(std::string bytes);
    std::string head(int status, const Headers& headers, std::optional<std::size_t> length);

    host::Stream& stream_;
    host::Clock& clock_;
    base::Duration write_limit_;
    bool is_head_;
    bool chunked_;
    bool keep_alive_ = true;
    bool complete_ = false;
    int status_ = 0;
};

class Handler {
public:
    virtual ~Handler() = default;
    // Answers through `answer`. Cancelled (dropped) when the client goes away, once the request's
    // body has been read. An answer left unfinished is cut, so that the client sees that it is not
    // whole.
    virtual async::Task<void> handle(Request& request, Answer& answer) = 0;
};

struct ServerLimits {
    std::size_t connections_max = 1'024;
    base::Duration head_deadline = std::chrono::seconds(10);   // from the first byte wanted
    base::Duration idle_deadline = std::chrono::seconds(120);  // between requests
    base::Duration write_deadline = std::chrono::seconds(60);  // for a client that takes nothing
    wire::HeadLimits head;
};

class Server {
public:
    // `adapter` turns what is accepted into what is spoken to (TLS), or is null. All outlive it.
    Server(host::Host& host, Handler& handler, ServerLimits limits);
    Server(const Server&) = delete;
    Server& operator=(const Server&) = delete;

    // Serves connections of `listener` until it is dropped. May run for several listeners.
    async::Task<void> serve(host::Listener& listener, StreamAdapter* adapter);

private:
    async::Task<void> converse(std::unique_ptr<host::Stream> stream, StreamAdapter* adapter);

    host::Host& host_;
    Handler& handler_;
    ServerLimits limits_;
    async::Scope connections_;
};

}  // namespace tidemill::http
