// A client's HTTP/2 connection: each of its streams is served by a Session, as a connection of
// HTTP/1.1 is.
#pragma once

#include <string>

#include "async/scope.h"
#include "async/task.h"
#include "proxy/http2/connection.h"

namespace tidemill::proxy {

class Worker;

class Http2Server final : private Http2Door {
public:
    // Both must outlive it.
    Http2Server(Worker& worker, host::Stream& client);

    // `first` was read already. Ends when the connection and all its requests have.
    async::Task<void> run(std::string first);
    void go_away() { connection_.go_away(); }
    // The client was sent away: it should be given time to read why.
    bool sent_away() const { return connection_.fault() != wire::Http2Fault::none; }

private:
    void opened(std::unique_ptr<Http2Stream> stream) override;
    void head_refused() override;

    Worker& worker_;
    Http2Connection connection_;
    std::size_t streams_max_;
    async::Scope requests_;
};

}  // namespace tidemill::proxy
