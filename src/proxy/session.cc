#include "proxy/session.h"

#include <algorithm>
#include <utility>

#include "proxy/message/answers.h"
#include "proxy/message/grpc.h"

namespace tidemill::proxy {

using host::IoResult;

namespace {

bool can_read(host::Stream& stream) {
    return stream.readable().await_ready();
}

}  // namespace

void Exchange::reset() {
    session = nullptr;
    patience = {};
    revision = nullptr;
    upstream.reset();
    multiplexed = nullptr;
    call_end = base::Instant::never();
    inbox.release();
    upload = {};
    download = {};
    head_seen = 0;
    sent_bytes = 0;
    interim_answers = 0;
    reused = upload_broken = upload_copy_lost = upgrade_asked = tunnel = false;
    answer_head_done = answer_began = answer_done = keep_upstream = was_held = active = false;
    attempts = 0;
    ended_connections = 0;
    status = 0;
    reason = Reason::none;
    answer_bytes = 0;
    held_until = connected_at = answered_at = {};
}

void Exchange::granted() {
    session->nudge();
}

Session::Session(Worker& worker, std::unique_ptr<host::Stream> client, Carrier carrier)
    : worker_(worker), client_(std::move(client)), inbox_(worker.buffers_), carrier_(carrier) {
    worker_.streams_ += carrier_ == Carrier::stream ? 1 : 0;
    if (const auto& ip = client_->peer().ip) {
        client_ip_ = host::ip_text(*ip);
    }
    next_ = worker_.first_session_;
    if (next_ != nullptr) {
        next_->previous_ = this;
    }
    worker_.first_session_ = this;
    move_due(now() + worker_.options_.idle_timeout);
}

Session::~Session() {
    if (exchange_ != nullptr) {
        end_request();
    }
    (previous_ != nullptr ? previous_->next_ : worker_.first_session_) = next_;
    if (next_ != nullptr) {
        next_->previous_ = previous_;
    }
    worker_.streams_ -= carrier_ == Carrier::stream ? 1 : 0;
    worker_.session_ended_.set();
}

base::Instant Session::now() const {
    return worker_.loop_.now();
}

std::span<char> Session::scratch(std::size_t used) const {
    return std::span(worker_.scratch_).subspan(used);
}

// Waiting
// ---------------------------------------------------------------------------------------

Session::Wait::Wait(Session& session, unsigned interests) : session_(session) {
    const auto add = [&](EdgeWait* made) {
        static_cast<void>(made);
        ++count_;
    };
    const auto place = [&] { return static_cast<void*>(space_ + count_ * sizeof(EdgeWait)); };
    if ((interests & client_read) != 0) {
        add(new (place()) EdgeWait(session.client_->readable()));
    }
    if ((interests & client_write) != 0) {
        add(new (place()) EdgeWait(session.client_->writable()));
    }
    if ((interests & upstream_read) != 0) {
        add(new (place()) EdgeWait(session.exchange_->upstream->readable()));
    }
    if ((interests & upstream_write) != 0) {
        add(new (place()) EdgeWait(session.exchange_->upstream->writable()));
    }
}

Session::Wait::~Wait() {
    for (std::size_t i = 0; i < count_; ++i) {
        edge(i).~EdgeWait();
    }
}

bool Session::Wait::await_ready() const {
    if (session_.due_ <= session_.now()) {
        return true;
    }
    for (std::size_t i = 0; i < count_; ++i) {
        if (edge(i).await_ready()) {
            return true;
        }
    }
    return false;
}

void Session::Wait::await_suspend(std::coroutine_handle<> waiter) {
    session_.waiter_ = waiter;
    for (std::size_t i = 0; i < count_; ++i) {
        edge(i).await_suspend(waiter);
    }
}

void Session::nudge() {
    if (waiter_) {
        std::exchange(waiter_, nullptr).resume();
    } else if (http2_ != nullptr && worker_.stopping_) {
        http2_->go_away();
    }
}

void Session::move_due(base::Instant at) {
    due_ = at;
    // An earlier timer that is armed fires, finds nothing due, and arms itself again: on a busy
    // connection the due time moves with every request and the timer with none.
    if (at != base::Instant::never() && (!armed() || at < this->at())) {
        arm(worker_.loop_, at);
    }
}

void Session::fire() {
    if (due_ <= now()) {
        nudge();
    } else if (due_ != base::Instant::never()) {
        arm(worker_.loop_, due_);
    }
}

// The connection
// --------------------------------------------------------------------------------

async::Task<void> Session::run([[maybe_unused]] std::unique_ptr<Session> self) {
    constexpr int requests_per_turn = 16;  // of one client that sends without waiting
    int served = 0;
    while (true) {
        Head head = read_head();
        while (head == Head::wait) {
            served = 0;
            co_await wait(client_read);
            head = read_head();
        }
        if (head >= Head::close) {
            if (head == Head::http2) {
                co_await converse_http2();
            }
            break;
        }
        bool fresh_only = false;
        bool going = head == Head::done;
        if (going) {
            begin_request();
            going = route();
        }
        while (going) {  // one turn for each attempt
            Exchange& x = *exchange_;
            if (x.state() == Ticket::State::none) {
                if (!x.revision->acquire(x)) {
                    fail(Reason::queue_full, "as many requests wait as the revision allows");
                    break;
                }
                x.was_held = x.was_held || x.state() == Ticket::State::waiting;
                while (x.state() == Ticket::State::waiting) {
                    watch_client();
                    if (client_ended_) {
                        client_gone();
                        break;
                    }
                    set_due();
                    if (!check_time()) {
                        break;
                    }
                    co_await wait(inbox_.room() > 0 ? client_read : 0);
                }
                if (x.state() != Ticket::State::granted) {
                    break;
                }
                x.held_until = now();
            }
            x.attempts += x.attempts < UINT8_MAX ? 1 : 0;
            if (!fresh_only) {
                x.upstream = x.revision->take_idle(*x.endpoint());
            }
            x.reused = x.upstream != nullptr;
            if (!x.reused) {
                const auto by = std::min(x.patience.next(last_written_),
                                         now() + worker_.options_.connect_timeout);
                base::Status connected = base::ok;
                if (x.revision->rule().protocol == mesh::InstanceProtocol::http2) {
                    connected = co_await open_http2(by);
                } else {
                    worker_.accounts_.upstream_connects += 1;
                    auto stream = co_await worker_.host_.network.connect(x.endpoint()->address, by);
                    if (stream) {
                        x.upstream = *std::move(stream);
                    } else {
                        connected = std::unexpected(std::move(stream).error());
                    }
                }
                if (!connected) {
                    x.revision->refused(*x.endpoint());
                    x.revision->release(x);
                    if (!check_time()) {
                        break;
                    }
                    x.was_held = true;
                    x.revision->metrics().retries += 1;
                    continue;
                }
            }
            x.connected_at = now();
            outcome_ = Outcome::wait;
            if (start_upstream()) {
                outcome_ = pump();
                while (outcome_ == Outcome::wait || outcome_ == Outcome::yield) {
                    if (outcome_ == Outcome::yield) {
                        co_await async::yield(worker_.loop_);
                    } else {
                        set_due();
                        co_await wait(interests());
                    }
                    outcome_ = pump();
                }
            }
            if (outcome_ != Outcome::retry) {
                break;
            }
            drop_upstream();
            x.revision->metrics().retries += 1;
            fresh_only = true;
            if (!x.reused) {
                // It took the connection and closed it: another one, if there is one, is likelier
                // to answer. If all are gone they refuse, and the request waits for a replacement.
                x.revision->release_avoiding(x);
                x.was_held = true;
            }
        }
        while (!to_client_.empty()) {
            const auto left = to_client_.bytes();
            const auto sent = to_client_.flush(*client_);
            if (sent == Outbox::Sent::all) {
                break;
            }
            if (to_client_.bytes() != left) {
                last_written_ = now();
            }
            const auto by = last_written_ + worker_.options_.stall_timeout;
            if (sent == Outbox::Sent::failed || by <= now()) {
                to_client_.clear();
                keep_alive_ = false;
                linger_ = false;
                break;
            }
            move_due(by);
            co_await wait(client_write);
        }
        end_request();
        if (!keep_alive_) {
            break;
        }
        if (++served >= requests_per_turn) {
            served = 0;
            co_await async::yield(worker_.loop_);
        }
    }
    if (linger_) {
        co_await linger();
    }
}

// The connection speaks HTTP/2: what was read of it, and all that follows, is that side's.
async::Task<void> Session::converse_http2() {
    std::string first(inbox_.bytes());
    inbox_.release();
    due_ = base::Instant::never();
    http2_ = std::make_unique<Http2Server>(worker_, *client_);
    co_await http2_->run(std::move(first));
    linger_ = http2_->sent_away();
}

// A stream to the endpoint, on a connection that is there or that one of those who want it makes.
async::Task<base::Status> Session::open_http2(base::Instant by) {
    Exchange& x = *exchange_;
    Endpoint& endpoint = *x.endpoint();
    if (endpoint.http2 == nullptr) {
        endpoint.http2 = std::make_unique<Http2Pool>(worker_.loop_);
    }
    Http2Pool& pool = *endpoint.http2;
    bool waited = false;
    bool connected_here = false;
    while (true) {
        if (auto stream = pool.open()) {
            x.multiplexed = stream.get();
            x.upstream = std::move(stream);
            x.reused = !connected_here;
            mesh::readmit(endpoint.load);
            co_return base::ok;
        }
        if (pool.connecting()) {
            waited = true;
            co_await pool.settled();
            if (now() >= by) {
                co_return base::fail(base::Code::deadline, "no connection in time");
            }
            continue;
        }
        if (waited && pool.last_failed()) {
            co_return base::fail(base::Code::unavailable, "the connection waited for failed");
        }
        Http2Pool::Connecting turn(pool);
        worker_.accounts_.upstream_connects += 1;
        CO_TRY(auto stream, co_await worker_.host_.network.connect(endpoint.address, by));
        auto upstream = std::make_unique<Http2Upstream>(
            worker_.http2_options(wire::Http2Role::client), std::move(stream), pool);
        Http2Upstream& started = *upstream;
        CO_CHECK_OK(worker_.upstreams_.spawn(started.run(std::move(upstream))));
        turn.succeeded();
        connected_here = true;
    }
}

async::Task<void> Session::linger() {
    client_->shutdown_write();
    move_due(now() + worker_.options_.linger_timeout);
    inbox_.ensure();
    std::uint64_t taken = 0;
    while (due_ > now() && taken < worker_.options_.linger_bytes_max) {
        inbox_.keep_below(0);
        inbox_.consume(inbox_.bytes().size());
        inbox_.compact();
        const auto result = client_->try_read(inbox_.space(), inbox_.room());
        if (result.ok()) {
            taken += result.bytes;
        } else if (result.kind == IoResult::Kind::blocked) {
            co_await wait(client_read);
        } else {
            break;
        }
    }
}

Session::Head Session::read_head() {
    while (true) {
        if (!inbox_.empty()) {
            if (exchange_ == nullptr) {
                exchange_ = worker_.take_exchange();
                exchange_->session = this;
                exchange_->first_byte_read = exchange_->begun = head_began_;
            }
            const auto outcome = wire::parse_request_head(inbox_.bytes(), head_seen_,
                                                          worker_.head_limits_, exchange_->request);
            if (outcome.progress == wire::Progress::done) {
                head_seen_ = 0;
                inbox_.consume(outcome.consumed);
                inbox_.keep_below(inbox_.begin());
                return Head::done;
            }
            if (outcome.progress == wire::Progress::bad) {
                if (outcome.fault == wire::HeadFault::http2_preface && first_head_ &&
                    carrier_ == Carrier::connection) {
                    worker_.give_exchange(std::move(exchange_));
                    return Head::http2;
                }
                return refuse_head(outcome.fault);
            }
            head_seen_ = inbox_.bytes().size();
        } else if (worker_.stopping_) {
            return Head::close;
        }
        if (due_ <= now()) {
            if (exchange_ == nullptr) {
                return Head::close;
            }
            exchange_->request.method_token = exchange_->request.host =
                exchange_->request.path = {};
            exchange_->request.headers.clear();
            fail(Reason::head_too_slow, "the head was not complete when its time was over");
            return Head::refused;
        }
        if (!can_read(*client_)) {
            return Head::wait;
        }
        inbox_.ensure();
        const auto result = client_->try_read(inbox_.space(), inbox_.room());
        switch (result.kind) {
            case IoResult::Kind::done:
                if (inbox_.empty()) {
                    head_began_ = now();
                    move_due(head_began_ + worker_.options_.head_timeout);
                }
                inbox_.filled(result.bytes);
                break;
            case IoResult::Kind::blocked:
                if (inbox_.empty()) {
                    inbox_.release();
                }
                return Head::wait;
            default:
                if (exchange_ != nullptr) {
                    worker_.give_exchange(std::move(exchange_));
                }
                return Head::close;
        }
    }
}

// What was read before a fault means nothing.
void Session::forget_head() {
    Exchange& x = *exchange_;
    x.request.method_token = x.request.host = x.request.path = {};
    x.request.headers.clear();
    x.request.method = wire::Method::other;
    x.request.minor = 1;
    x.request_id.make({}, worker_.dice_);
    x.trace.make({}, worker_.dice_);
    keep_alive_ = false;
    last_written_ = now();
}

Session::Head Session::refuse_head(wire::HeadFault fault) {
    forget_head();
    fail(Reason::malformed_request, wire::fault_status(fault), wire::fault_text(fault));
    return Head::refused;
}

// One request
// -----------------------------------------------------------------------------------

void Session::begin_request() {
    Exchange& x = *exchange_;
    const auto& request = x.request;
    x.begun = last_written_ = now();
    due_ = base::Instant::never();
    first_head_ = false;
    keep_alive_ = request.keep_alive && !worker_.stopping_;
    x.request_id.make(request.headers.value(wire::HeaderId::x_request_id), worker_.dice_);
    x.trace.make(request.headers.value(wire::HeaderId::trace_parent), worker_.dice_);
    x.upgrade_asked = request.upgrade && may_upgrade(request);
    x.upload.begin(request.framing,
                   request.framing.kind == wire::BodyKind::chunked ? BodyPump::Write::chunked
                                                                   : BodyPump::Write::as_is,
                   worker_.options_.body_bytes_max);
}

bool Session::route() {
    Exchange& x = *exchange_;
    const mesh::HostRule* const rule = worker_.table_->find(x.request.host);
    if (rule == nullptr) {
        fail(Reason::unknown_host, "Host: " + std::string(x.request.host));
        return false;
    }
    const auto& target = rule->targets.size() == 1
                             ? rule->targets.front()
                             : mesh::choose_target(*rule, worker_.dice_.next());
    x.revision = worker_.revision_at(target.revision);
    x.revision->begin_request();
    x.active = true;
    x.patience = mesh::Patience(x.revision->rule(), x.begun);
    if (const auto* timeout = x.request.headers.find(wire::HeaderId::grpc_timeout)) {
        const auto span = parse_grpc_timeout(timeout->value);
        if (!span) {
            fail(Reason::malformed_request, "grpc-timeout is not 1 to 8 digits and a unit");
            return false;
        }
        x.call_end = x.begun + *span;
        x.patience.end_by(x.call_end);
    }
    if (x.request.framing.kind == wire::BodyKind::length &&
        x.request.framing.length > worker_.options_.body_bytes_max) {
        fail(Reason::body_too_large, "Content-Length is above the limit");
        return false;
    }
    return true;
}

// Reads on while nothing is due from the client: it may have gone, or sent its next request.
void Session::watch_client() {
    while (!client_ended_ && inbox_.room() > 0 && can_read(*client_)) {
        const auto result = client_->try_read(inbox_.space(), inbox_.room());
        if (result.ok()) {
            inbox_.filled(result.bytes);
        } else if (result.kind == IoResult::Kind::blocked) {
            return;
        } else {
            client_ended_ = true;
        }
    }
}

void Session::set_due() {
    auto at = exchange_->patience.next(last_written_);
    if (!to_client_.empty()) {
        at = std::min(at, last_written_ + worker_.options_.stall_timeout);
    }
    move_due(at);
}

bool Session::check_time() {
    if (due_ > now()) {
        return true;
    }
    Exchange& x = *exchange_;
    if (!to_client_.empty() && last_written_ + worker_.options_.stall_timeout <= now()) {
        fail(Reason::client_stalled, {});
        return false;
    }
    using Clock = mesh::Patience::Clock;
    std::string_view which;
    switch (x.patience.expired(now(), last_written_)) {
        case Clock::none:
            set_due();
            return true;
        case Clock::whole:
            which =
                x.call_end <= now() ? "the caller's grpc-timeout passed" : "timeoutSeconds passed";
            break;
        case Clock::response_start:
            which = "responseStartTimeoutSeconds passed";
            break;
        case Clock::idle:
            which = "idleTimeoutSeconds passed without a byte of the answer";
            break;
    }
    fail(x.state() == Ticket::State::granted ? Reason::answer_too_late : Reason::held_too_long,
         which);
    return false;
}

void Session::fail(Reason reason, std::string_view evidence) {
    fail(reason, facts_of(reason).status, evidence);
}

void Session::fail(Reason reason, std::uint16_t status, std::string_view evidence) {
    Exchange& x = *exchange_;
    outcome_ = Outcome::failed;
    if (x.revision != nullptr) {
        x.revision->leave(x);
    }
    drop_upstream();
    if (x.answer_began || reason == Reason::client_stalled) {
        // Part of another answer stands there already: the client must see that it is cut short.
        x.reason = reason == Reason::answer_too_late   ? Reason::answer_cut_late
                   : reason == Reason::instance_closed ? Reason::answer_cut
                                                       : reason;
        to_client_.clear();
        keep_alive_ = false;
        linger_ = false;
        client_->abort();
        return;
    }
    x.reason = reason;
    x.status = status;
    x.answer_began = true;
    worker_.accounts_.own_answers[reason] += 1;
    if (!x.upload.done() && reason != Reason::malformed_body) {
        // A body that is here already costs nothing to read over, and saves the connection.
        Gather unused;
        std::size_t used = 0;
        x.upload.take(inbox_.bytes(), used, unused, scratch(0), worker_.trailers_);
        inbox_.consume(used);
    }
    if (!x.upload.done() || reason == Reason::head_too_slow || worker_.stopping_) {
        keep_alive_ = false;
    }
    linger_ = !keep_alive_;
    OwnAnswer answer{.reason = reason,
                     .status = status,
                     .evidence = evidence,
                     .request_id = x.request_id.text(),
                     .date = worker_.date()};
    if (status == 503) {
        answer.retry_after_seconds = 1;
    }
    if (keep_alive_) {
        answer.connection =
            x.request.minor == 0 ? OwnAnswer::Connection::keep_1_0 : OwnAnswer::Connection::keep;
    }
    if (wire::is_grpc(x.request.headers.value(wire::HeaderId::content_type))) {
        answer.body = OwnAnswer::Body::grpc_status;
    } else if (x.request.method == wire::Method::head) {
        answer.body = OwnAnswer::Body::head_only;
    }
    const std::string text = write_answer(answer);
    x.answered_at = last_written_ = now();
    Gather gather;
    gather.add(text);
    if (to_client_.send(*client_, gather) == Outbox::Sent::failed) {
        keep_alive_ = false;
        linger_ = false;
    }
}

void Session::client_gone() {
    Exchange& x = *exchange_;
    outcome_ = Outcome::failed;
    x.reason = Reason::client_gone;
    if (!x.answer_began) {
        x.status = facts_of(Reason::client_gone).status;
    }
    if (x.revision != nullptr) {
        x.revision->leave(x);
    }
    drop_upstream();
    to_client_.clear();
    keep_alive_ = false;
    linger_ = false;
}

void Session::drop_upstream() {
    to_upstream_.clear();
    exchange_->upstream.reset();
    exchange_->multiplexed = nullptr;
    exchange_->inbox.release();
}

void Session::end_request() {
    Exchange& x = *exchange_;
    if (x.status != 0) {
        log_request();
    }
    if (x.revision != nullptr) {
        x.revision->leave(x);
        if (x.state() == Ticket::State::granted) {
            if (x.keep_upstream) {
                x.revision->keep_idle(*x.endpoint(), std::move(x.upstream));
            }
            x.upstream.reset();
            x.revision->release(x);
        }
        if (x.active) {
            x.revision->end_request();
        }
    }
    to_upstream_.clear();
    worker_.give_exchange(std::move(exchange_));
    inbox_.keep_below(0);
    if (inbox_.empty()) {
        inbox_.release();
        move_due(now() + worker_.options_.idle_timeout);
    } else {
        inbox_.compact();
        head_began_ = now();
        move_due(head_began_ + worker_.options_.head_timeout);
    }
}

void Session::log_request() {
    const Exchange& x = *exchange_;
    const auto ended = now();
    LogEntry entry{.begun = x.begun,
                   .request_id = x.request_id.text(),
                   .trace_id = x.trace.trace_id(),
                   .client = client_ip_,
                   .method = x.request.method_token,
                   .host = x.request.host,
                   .path = x.request.path,
                   .revision = {},
                   .instance = {},
                   .status = x.status,
                   .reason = x.reason,
                   .attempts = x.attempts,
                   .bytes_in = x.upload.bytes(),
                   .bytes_out = x.download.bytes()};
    entry.total = ended - x.begun;
    if (x.held_until.ns != 0) {
        entry.held = x.held_until - x.begun;
    }
    if (x.connected_at.ns != 0) {
        entry.connected = x.connected_at - x.begun;
    }
    if (x.answered_at.ns != 0) {
        entry.first_byte = x.answered_at - x.begun;
    }
    if (x.revision != nullptr) {
        entry.revision = x.revision->rule().name;
        auto& metrics = x.revision->metrics();
        metrics.answers[x.status == 499 ? 0U : x.status / 100U] += 1;
        metrics.bytes_in += x.upload.bytes();
        metrics.bytes_out += x.download.bytes();
        metrics.duration.add(entry.total);
        if (x.state() == Ticket::State::granted) {
            entry.instance = x.endpoint()->instance;
        }
        if (x.was_held) {
            metrics.held += 1;
            metrics.hold.add((x.held_until.ns != 0 ? x.held_until : ended) - x.begun);
            report_held();
        }
    }
    worker_.log_.add(entry);
}

void Session::report_held() {
    const Exchange& x = *exchange_;
    if (x.reason != Reason::none || x.state() != Ticket::State::granted) {
        return;
    }
    const auto clock_now = worker_.host_.clock.wall_now();
    worker_.watcher_.held({.revision = x.revision->rule().name,
                           .instance = x.endpoint()->instance,
                           .request_id = std::string(x.request_id.text()),
                           .began = clock_now + (x.first_byte_read - now()),
                           .hold = x.held_until - x.first_byte_read,
                           .connect = x.connected_at - x.held_until,
                           .respond = x.answered_at - x.connected_at,
                           .total = x.answered_at - x.first_byte_read});
}

}  // namespace tidemill::proxy
