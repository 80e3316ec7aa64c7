// One HTTP/2 connection over a byte stream, and the streams on it. The same for both sides: to
// clients it gives out requests, to an instance it opens them.
#pragma once

#include <coroutine>
#include <cstdint>
#include <memory>
#include <string>
#include <vector>

#include <boost/unordered/unordered_flat_map.hpp>

#include "async/loop.h"
#include "async/task.h"
#include "host/stream.h"
#include "proxy/http2/stream.h"
#include "wire/http2/session.h"

namespace tidemill::proxy {

struct Http2Options {
    wire::Http2Limits limits;
    // Without a stream.
    base::Duration idle_timeout = std::chrono::seconds(60);
    // A head of which only a part came.
    base::Duration head_timeout = std::chrono::seconds(10);
    // A peer that takes nothing of what is due to it.
    base::Duration stall_timeout = std::chrono::seconds(60);
    // Unsent bytes of a stream above which its writer waits.
    std::size_t stream_unsent_max = std::size_t{32} * 1024;
};

// Who serves the requests of a connection to a client.
class Http2Door {
public:
    virtual ~Http2Door() = default;
    // A request has come. To refuse it: stream->refuse() and drop it.
    virtual void opened(std::unique_ptr<Http2Stream> stream) = 0;
    // A request whose head is above the limits was answered (431).
    virtual void head_refused() = 0;
};

// One thread; belongs to `stream`'s loop, and to who runs it. Bytes in memory are bounded: per
// stream the window we granted, one write and stream_unsent_max; per connection one batch of
// frames.
class Http2Connection final : private wire::Http2Events, private async::Timer {
public:
    // `stream` and `door` (null at a client) must outlive it.
    Http2Connection(wire::Http2Role role, const Http2Options& options, host::Stream& stream,
                    Http2Door* door);
    ~Http2Connection() override;

    // Speaks until the connection is over; `first` was read of it already. All streams are lost
    // then.
    async::Task<void> run(std::string first);
    // No further streams; run() ends when the last is over.
    void go_away();

    // One more request (client), or null when the connection takes none now.
    std::unique_ptr<Http2Stream> open();
    bool may_open() const;
    std::size_t streams() const { return attached_; }
    wire::Http2Fault fault() const { return session_.fault(); }
    wire::Http2Role role() const { return role_; }

private:
    friend class Http2Stream;
    struct Entry {
        Http2Stream* stream = nullptr;  // null: nobody listens, what was written still goes out
        std::size_t unsent_seen = 0;
    };
    struct Flush final : async::Ready {
        explicit Flush(Http2Connection& at) : connection(at) {}
        void run() override { connection.resume(); }
        Http2Connection& connection;
    };
    class ReadWait;
    class BothWait;

    // Events of the session.
    void on_head(wire::Http2StreamId id, Head kind, wire::Http2Fields fields,
                 wire::Http2End end) override;
    void on_head_too_large(wire::Http2StreamId id) override;
    void on_data(wire::Http2StreamId id, std::string_view bytes) override;
    void on_end(wire::Http2StreamId id) override;
    void on_drained(wire::Http2StreamId id) override;
    void on_closed(wire::Http2StreamId id, wire::Http2Error why) override;
    void on_go_away(wire::Http2Error) override {}

    // By streams.
    bool opened(Http2Stream& stream, wire::Http2Fields head, wire::Http2End end);
    void left(Http2Stream& stream);
    void detach(Http2Stream& stream);
    void consumed(wire::Http2StreamId id, std::size_t bytes);
    void schedule_flush();

    enum class Turn : std::uint8_t { wait, again, over };
    Turn turn();
    bool flush();
    bool check_time();
    void lose_streams();
    void fire() override { resume(); }
    void resume();
    base::Instant now() const { return stream_.loop().now(); }
    Http2Stream* find(wire::Http2StreamId id);

    wire::Http2Role role_;
    Http2Options options_;
    host::Stream& stream_;
    Http2Door* door_;
    wire::Http2Session session_;
    boost::unordered_flat_map<wire::Http2StreamId, Entry> streams_;
    std::vector<std::unique_ptr<Http2Stream>> fresh_;  // to be given to the door
    std::vector<Http2Stream*> unopened_;               // their heads are not written yet
    std::size_t attached_ = 0;

    std::string out_;
    std::size_t out_begin_ = 0;
    base::Instant out_moved_;
    base::Instant idle_since_;
    base::Instant head_since_ = base::Instant::never();
    base::Instant swept_;
    base::Instant due_ = base::Instant::never();
    bool lost_ = false;
    Flush flush_;
    std::coroutine_handle<> waiter_;

    // Room to read heads in, used within one step.
    wire::RequestHead request_;
    wire::ResponseHead answer_;
    wire::HeaderIndex trailers_;
    wire::Http2FieldList fields_;
};

}  // namespace tidemill::proxy
