#include "proxy/http2/server.h"

#include <utility>

#include "proxy/session.h"
#include "proxy/worker.h"

namespace tidemill::proxy {

Http2Server::Http2Server(Worker& worker, host::Stream& client)
    : worker_(worker),
      connection_(wire::Http2Role::server, worker.http2_options(wire::Http2Role::server), client,
                  this),
      streams_max_(worker.http2_options(wire::Http2Role::server).limits.streams),
      requests_(client.loop(), streams_max_) {}

async::Task<void> Http2Server::run(std::string first) {
    co_await connection_.run(std::move(first));
    co_await requests_.join();
}

void Http2Server::opened(std::unique_ptr<Http2Stream> stream) {
    // Streams that were reset count until their work has ended: a client that resets rapidly gets
    // no more work done at once than one that waits.
    if (!worker_.may_begin_stream() || requests_.size() >= streams_max_) {
        stream->refuse();
        return;
    }
    auto session = std::make_unique<Session>(worker_, std::move(stream), Session::Carrier::stream);
    Session& started = *session;
    static_cast<void>(requests_.spawn(started.run(std::move(session))));
}

void Http2Server::head_refused() {
    worker_.count_own_answer(Reason::malformed_request);
}

}  // namespace tidemill::proxy
