#include "proxy/http2/upstream.h"

#include <utility>

namespace tidemill::proxy {

Http2Upstream::Http2Upstream(const Http2Options& options, std::unique_ptr<host::Stream> stream,
                             Http2Pool& pool)
    : stream_(std::move(stream)),
      pool_(&pool),
      connection_(wire::Http2Role::client, options, *stream_, nullptr) {
    pool.connections_.push_back(this);
}

Http2Upstream::~Http2Upstream() {
    if (pool_ != nullptr) {
        std::erase(pool_->connections_, this);
    }
}

async::Task<void> Http2Upstream::run([[maybe_unused]] std::unique_ptr<Http2Upstream> self) {
    co_await connection_.run({});
}

Http2Pool::~Http2Pool() {
    for (auto* const connection : connections_) {
        connection->pool_ = nullptr;
        connection->connection_.go_away();
    }
}

std::unique_ptr<Http2Stream> Http2Pool::open() {
    // The first that has room: the others grow idle and go.
    for (auto* const connection : connections_) {
        if (auto stream = connection->connection_.open()) {
            return stream;
        }
    }
    return nullptr;
}

void Http2Pool::go_away() {
    for (auto* const connection : connections_) {
        connection->connection_.go_away();
    }
}

Http2Pool::Connecting::Connecting(Http2Pool& pool) : pool_(pool) {
    pool_.settled_.reset();
    pool_.last_failed_ = true;
}

Http2Pool::Connecting::~Connecting() {
    pool_.settled_.set();
}

}  // namespace tidemill::proxy
