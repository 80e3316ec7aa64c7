// Connections to instances that speak HTTP/2: few, each with many requests at once.
#pragma once

#include <memory>
#include <vector>

#include "async/event.h"
#include "async/task.h"
#include "proxy/http2/connection.h"

namespace tidemill::proxy {

class Http2Pool;

// One of them. Owned by its own coroutine; ends by itself when it was idle long enough, when the
// instance says so, or when its pool is gone and its last stream over.
class Http2Upstream final {
public:
    Http2Upstream(const Http2Options& options, std::unique_ptr<host::Stream> stream,
                  Http2Pool& pool);
    ~Http2Upstream();

    // `self` is *this.
    async::Task<void> run(std::unique_ptr<Http2Upstream> self);
    Http2Connection& connection() { return connection_; }

private:
    friend class Http2Pool;
    std::unique_ptr<host::Stream> stream_;
    Http2Pool* pool_;
    Http2Connection connection_;
};

// The connections of one endpoint. One thread.
class Http2Pool final {
public:
    explicit Http2Pool(async::Loop& loop) : settled_(loop) { settled_.set(); }
    ~Http2Pool();
    Http2Pool(const Http2Pool&) = delete;
    Http2Pool& operator=(const Http2Pool&) = delete;

    // A stream of a connection that is there, or null.
    std::unique_ptr<Http2Stream> open();
    // No new streams; what runs may end.
    void go_away();

    // Who finds no connection and nobody connecting connects, for all; the others wait for it.
    class Connecting {
    public:
        explicit Connecting(Http2Pool& pool);
        ~Connecting();
        Connecting(const Connecting&) = delete;
        Connecting& operator=(const Connecting&) = delete;
        void succeeded() { pool_.last_failed_ = false; }

    private:
        Http2Pool& pool_;
    };
    bool connecting() const { return !settled_.is_set(); }
    async::Event::Wait settled() { return settled_.wait(); }
    bool last_failed() const { return last_failed_; }

private:
    friend class Http2Upstream;
    std::vector<Http2Upstream*> connections_;
    async::Event settled_;
    bool last_failed_ = false;
};

}  // namespace tidemill::proxy
