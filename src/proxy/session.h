// One client connection, from accept to close: one coroutine, which waits for whatever comes next
// on either side, and steps that move bytes without waiting.
#pragma once

#include <coroutine>
#include <cstdint>
#include <memory>
#include <new>
#include <string>

#include "async/loop.h"
#include "async/task.h"
#include "host/stream.h"
#include "mesh/patience.h"
#include "proxy/http2/server.h"
#include "proxy/message/body.h"
#include "proxy/message/outbox.h"
#include "proxy/worker.h"

namespace tidemill::proxy {

// All that one request needs while it runs. Kept and used again: it is large, and an idle
// connection has none.
struct Exchange final : Ticket {
    explicit Exchange(BufferPool& pool) : inbox(pool) {}

    Session* session = nullptr;
    wire::RequestHead request;
    wire::ResponseHead answer;
    RequestId request_id;
    TraceParent trace;
    mesh::Patience patience;
    Revision* revision = nullptr;

    // The instance's side.
    std::unique_ptr<host::Stream> upstream;
    Http2Stream* multiplexed = nullptr;  // the same, when it is a stream of HTTP/2
    Inbox inbox;                         // from the instance
    BodyPump upload;
    BodyPump download;
    std::size_t head_seen = 0;
    std::uint64_t sent_bytes = 0;  // on this connection
    std::uint64_t interim_answers = 0;
    std::uint32_t ended_connections = 0;  // without an answer
    bool reused = false;
    bool upload_broken = false;  // the instance takes no more; its answer may still come
    bool upload_copy_lost = false;
    bool upgrade_asked = false;
    bool tunnel = false;
    bool answer_head_done = false;  // parsed
    bool answer_began = false;      // something of it, or of our own, went to the client
    bool answer_done = false;       // all of it was handed to the outbox
    bool keep_upstream = false;
    bool was_held = false;
    bool active = false;  // counted in revision

    // For the log.
    std::uint8_t attempts = 0;
    std::uint16_t status = 0;
    Reason reason = Reason::none;
    std::string instance;  // keeps its capacity
    base::Instant first_byte_read;
    base::Instant begun;
    base::Instant held_until;
    base::Instant connected_at;
    base::Instant answered_at;
    base::Instant call_end = base::Instant::never();  // of grpc-timeout
    std::uint64_t answer_bytes = 0;                   // of our own body

    void reset();

private:
    void granted() override;
};

class Session final : private async::Timer {
public:
    // What its client is: a connection, which may turn out to speak HTTP/2, or a stream of one.
    enum class Carrier : std::uint8_t { connection, stream };
    Session(Worker& worker, std::unique_ptr<host::Stream> client,
            Carrier carrier = Carrier::connection);
    ~Session() override;

    // Ends when the connection does. `self` is *this.
    async::Task<void> run(std::unique_ptr<Session> self);
    // Something that a waiting session may want to look at has changed.
    void nudge();

private:
    friend class Worker;
    friend struct Exchange;

    // What a wait is ended by.
    enum Interest : unsigned {
        client_read = 1,
        client_write = 2,
        upstream_read = 4,
        upstream_write = 8,
    };
    // Waits for the first of several edges, the timer, or nudge(). One frame, no allocation.
    class [[nodiscard]] Wait {
    public:
        Wait(Session& session, unsigned interests);
        Wait(const Wait&) = delete;
        Wait& operator=(const Wait&) = delete;
        ~Wait();
        bool await_ready() const;
        void await_suspend(std::coroutine_handle<> waiter);
        void await_resume() { session_.waiter_ = nullptr; }

    private:
        using EdgeWait = host::Edge::Wait;
        EdgeWait& edge(std::size_t at) {
            return *std::launder(reinterpret_cast<EdgeWait*>(space_ + at * sizeof(EdgeWait)));
        }
        const EdgeWait& edge(std::size_t at) const {
            return *std::launder(reinterpret_cast<const EdgeWait*>(space_ + at * sizeof(EdgeWait)));
        }
        Session& session_;
        std::size_t count_ = 0;
        alignas(EdgeWait) std::byte space_[4 * sizeof(EdgeWait)];
    };
    Wait wait(unsigned interests) { return {*this, interests}; }

    // Reading heads.
    // The last two end the conversation in HTTP/1.1.
    enum class Head : std::uint8_t { wait, done, refused, close, http2 };
    Head read_head();
    Head refuse_head(wire::HeadFault fault);
    void forget_head();

    // A request with its head read.
    void begin_request();
    bool route();
    void watch_client();
    void end_request();
    void log_request();
    void report_held();

    // Between a request and its instance. Each moves what can be moved now.
    enum class Outcome : std::uint8_t {
        wait,      // for interests()
        yield,     // there is more to do, and others want their turn
        finished,  // all of the answer was written
        retry,     // on another connection; nothing reached the client
        failed,    // fail() was called: an answer of our own, or the end
    };
    async::Task<void> converse_http2();
    async::Task<base::Status> open_http2(base::Instant by);
    bool start_upstream();
    Outcome pump();
    unsigned interests() const;
    enum class Moved : std::uint8_t { nothing, something, stop };
    Moved pump_answer();
    Moved pump_upload();
    Moved read_answer_head(Gather& gather, std::size_t& scratch_used);
    Moved begin_answer(Gather& gather, std::size_t& scratch_used);
    enum class Ending : std::uint8_t { none, in_order, broken };
    Moved upstream_ended(Ending ending);
    Moved send_to_client(const Gather& gather);
    Moved send_to_upstream(const Gather& gather);
    Moved stop_with(Outcome outcome) {
        outcome_ = outcome;
        return Moved::stop;
    }
    bool upload_active() const;
    void drop_upstream();
    bool check_time();
    void set_due();

    // Ends the request by our own decision: answers if nothing was answered yet, else cuts off.
    void fail(Reason reason, std::string_view evidence);
    void fail(Reason reason, std::uint16_t status, std::string_view evidence);
    void client_gone();

    async::Task<void> linger();
    void fire() override;
    void move_due(base::Instant at);
    base::Instant now() const;
    std::span<char> scratch(std::size_t used) const;

    Worker& worker_;
    std::unique_ptr<host::Stream> client_;
    std::string client_ip_;
    Inbox inbox_;  // from the client
    std::size_t head_seen_ = 0;
    base::Instant head_began_;
    Outbox to_client_;
    Outbox to_upstream_;
    std::unique_ptr<Exchange> exchange_;
    std::unique_ptr<Http2Server> http2_;
    Carrier carrier_;
    bool first_head_ = true;
    Outcome outcome_ = Outcome::wait;
    bool keep_alive_ = true;
    bool client_ended_ = false;
    bool linger_ = false;
    base::Instant last_written_;  // to the client, or when this request began
    base::Instant due_ = base::Instant::never();
    std::coroutine_handle<> waiter_;
    Session* next_ = nullptr;
    Session* previous_ = nullptr;
};

}  // namespace tidemill::proxy
