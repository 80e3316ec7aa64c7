// One thread of the data plane: a loop, its listeners, its connections, and all state that a
// request changes.
#pragma once

#include <functional>
#include <map>
#include <memory>
#include <string>
#include <vector>

#include "async/event.h"
#include "async/loop.h"
#include "async/scope.h"
#include "host/host.h"
#include "mesh/route_table.h"
#include "proxy/access_log.h"
#include "proxy/bug.h"
#include "proxy/http2/connection.h"
#include "proxy/message/buffers.h"
#include "proxy/message/marks.h"
#include "proxy/message/rewrite.h"
#include "proxy/metrics.h"
#include "proxy/revision.h"
#include "wire/http1.h"
#include "wire/http_text.h"

namespace tidemill::proxy {

struct Exchange;
class Http2Server;
class Session;

struct WorkerOptions {
    std::size_t connections_max = 20'000;
    // From the first byte of a head to its last: against clients that drip (slowloris).
    base::Duration head_timeout = std::chrono::seconds(10);
    base::Duration idle_timeout = std::chrono::seconds(60);
    // A client that takes nothing of its answer for so long is cut off.
    base::Duration stall_timeout = std::chrono::seconds(60);
    base::Duration connect_timeout = std::chrono::seconds(2);
    // How long an unread rest of a request is taken and thrown away, so that the answer before it
    // is not lost to a reset (RFC 9112 section 9.6).
    base::Duration linger_timeout = std::chrono::seconds(2);
    std::uint64_t linger_bytes_max = std::uint64_t{256} * 1024;
    std::uint64_t body_bytes_max = INT64_MAX;
    std::uint32_t attempts_max = 3;
    std::size_t head_bytes_max = std::size_t{24} * 1024;
    std::size_t headers_max = 100;
    RequestMarks::Trust trust = RequestMarks::Trust::replace;
    RevisionOptions revision;
    // HTTP/2 of clients; heads have the limits above.
    wire::Http2Limits http2;
    // Their streams, of all connections together.
    std::size_t http2_streams_max = 20'000;
    // A connection to an instance without a request. HTTP/2 says goodbye before it closes, so it
    // may be longer than that of HTTP/1.1.
    base::Duration http2_upstream_idle = std::chrono::seconds(60);
    std::size_t log_ring_bytes = std::size_t{256} * 1024;
    base::Duration log_flush_every = std::chrono::milliseconds(250);
    Bugs::Mode bugs = Bugs::Mode::count;
};

// How a request that met a cold start went; the spans sum to `total` exactly.
struct HeldReport {
    std::string revision;
    std::string instance;
    std::string request_id;
    base::WallTime began;
    base::Duration hold{};
    base::Duration connect{};
    base::Duration respond{};
    base::Duration total{};
};

struct ActivityReport {
    std::string revision;
    Revision::Activity activity;
};

// What a worker tells the service. Called on the worker's thread.
class WorkerWatcher {
public:
    virtual ~WorkerWatcher() = default;
    virtual void wake(const std::string& revision, std::uint32_t waiting) = 0;
    virtual void drained(const std::string& instance) = 0;
    virtual void held(HeldReport report) = 0;
    // Each second, of every revision that had or has a request.
    virtual void activity(std::vector<ActivityReport> reports) = 0;
};

class Worker;

// The workers of one process, as each sees the others. Any thread.
class Neighbours {
public:
    virtual ~Neighbours() = default;
    virtual std::size_t count() const = 0;
    // Runs `letter` with worker `to`, on its thread, later. Letters of one sender arrive in order.
    virtual void post(std::size_t to, std::move_only_function<void(Worker&)> letter) = 0;
};

class Worker final : private RevisionWatcher {
public:
    // `number` is its place among `neighbours`, which may be null when it is alone.
    Worker(host::Host& host, WorkerOptions options, WorkerWatcher& watcher, LogSink& log_sink,
           std::size_t number, Neighbours* neighbours);
    ~Worker() override;

    // Begins to accept. Any number of listeners.
    void serve(std::unique_ptr<host::Listener> listener);
    void set_table(std::shared_ptr<const mesh::RouteTable> table);
    void set_endpoints(const std::string& revision, const std::vector<EndpointNews>& endpoints);
    // Accepts no more, lets what runs end until `deadline`, then cuts it off.
    async::Task<void> stop(base::Instant deadline);

    MetricsSnapshot snapshot();
    std::size_t connections() const { return sessions_.size(); }
    AccessLog& log() { return log_; }

private:
    friend class Http2Server;
    friend class Session;

    struct Accounts {
        std::map<Reason, std::uint64_t> own_answers;
        std::uint64_t accepted = 0;
        std::uint64_t upstream_connects = 0;
    };

    async::Task<void> accept(std::unique_ptr<host::Listener> listener);
    async::Task<void> tick();
    Revision& revision_named(const std::string& name);
    Revision* revision_at(std::uint32_t place) { return by_place_[place]; }
    static bool is_forgotten(const Revision& revision);

    std::unique_ptr<Exchange> take_exchange();
    void give_exchange(std::unique_ptr<Exchange> exchange);
    std::string_view date();
    Http2Options http2_options(wire::Http2Role role) const;
    bool may_begin_stream() const { return streams_ < options_.http2_streams_max; }
    void count_own_answer(Reason reason) { accounts_.own_answers[reason] += 1; }

    void wake(Revision& revision, std::uint32_t waiting) override;
    void drained(const std::string& instance) override;
    void want(Revision& revision) override;
    void unwant(Revision& revision) override;
    void give_back(Revision& revision, const std::string& instance) override;
    void tell_refused(Revision& revision, const std::string& instance) override;
    void lend(Revision& revision, std::size_t worker, const std::string& instance) override;
    // The worker that keeps the slots of a revision with limited concurrency.
    std::size_t keeper_of(const std::string& revision) const;

    host::Host& host_;
    async::Loop& loop_;
    WorkerOptions options_;
    wire::HeadLimits head_limits_;
    WorkerWatcher& watcher_;
    std::size_t number_;
    Neighbours* neighbours_;
    Dice dice_;
    Bugs bugs_;
    AccessLog log_;
    wire::DateCache date_;
    base::Instant date_read_;
    std::string_view date_text_;
    BufferPool buffers_;
    std::vector<std::unique_ptr<Exchange>> exchanges_;
    // Where heads and trailers are put together; used within one step of one session.
    std::vector<char> scratch_;
    wire::HeaderIndex trailers_;

    std::shared_ptr<const mesh::RouteTable> table_;
    std::map<std::string, std::unique_ptr<Revision>, std::less<>> revisions_;
    std::vector<Revision*> by_place_;  // as in table_; null where it has none
    Accounts accounts_;

    bool stopping_ = false;
    std::size_t streams_ = 0;  // sessions that serve a stream of HTTP/2
    Session* first_session_ = nullptr;
    async::Event session_ended_;
    async::Scope sessions_;
    async::Scope upstreams_;  // HTTP/2 connections to instances
    async::Scope acceptors_;
    async::Scope ticker_;
};

}  // namespace tidemill::proxy
