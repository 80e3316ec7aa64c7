// The steps between a request and its instance: what moves bytes, and never waits.
#include <algorithm>
#include <utility>

#include "proxy/message/grpc.h"
#include "proxy/message/rewrite.h"
#include "proxy/session.h"

namespace tidemill::proxy {

using host::IoResult;

namespace {

constexpr std::uint64_t interim_answers_max = 32;

bool can_read(host::Stream& stream) {
    return stream.readable().await_ready();
}

bool is_idempotent(wire::Method method) {
    switch (method) {
        case wire::Method::get:
        case wire::Method::head:
        case wire::Method::put:
        case wire::Method::delete_:
        case wire::Method::options:
        case wire::Method::trace:
            return true;
        default:
            return false;
    }
}

}  // namespace

bool Session::start_upstream() {
    Exchange& x = *exchange_;
    x.inbox.ensure();
    x.head_seen = 0;
    x.sent_bytes = 0;
    x.upload_broken = false;
    if (inbox_.begin() != inbox_.floor()) {
        // A second attempt: from the start, all of it is still here (may_retry made sure).
        inbox_.rewind(inbox_.floor());
        x.upload.begin(x.request.framing,
                       x.request.framing.kind == wire::BodyKind::chunked ? BodyPump::Write::chunked
                                                                         : BodyPump::Write::as_is,
                       worker_.options_.body_bytes_max);
    }
    wire::HeadWriter writer(scratch(0));
    GrpcTimeout call_timeout;
    if (x.call_end != base::Instant::never()) {
        call_timeout = GrpcTimeout(x.call_end - now());
    }
    write_request_head(
        writer, x.request,
        {.client_ip = client_ip_,
         .trace_parent = x.trace.text(),
         .request_id = x.request_id.text(),
         .trust = worker_.options_.trust,
         .trace_state =
             x.trace.continued() ? RequestMarks::TraceState::pass : RequestMarks::TraceState::drop,
         .grpc_timeout = call_timeout.text(),
         .upgrade = x.upgrade_asked ? RequestMarks::Upgrade::pass : RequestMarks::Upgrade::drop});
    if (writer.fault() != wire::WriteFault::none) {
        fail(Reason::head_not_forwarded, "the head is too large once our fields are added");
        return false;
    }
    Gather gather;
    gather.add(writer.text());
    std::size_t used = 0;
    const auto step = x.upload.take(inbox_.bytes(), used, gather, scratch(writer.text().size()),
                                    worker_.trailers_);
    if (step == BodyPump::Step::bad) {
        fail(x.upload.fault() == wire::ChunkFault::body_too_large ? Reason::body_too_large
                                                                  : Reason::malformed_body,
             wire::fault_text(x.upload.fault()));
        return false;
    }
    inbox_.consume(used);
    return send_to_upstream(gather) != Moved::stop;
}

bool Session::upload_active() const {
    const Exchange& x = *exchange_;
    return !x.upload.done() && !x.upload_broken;
}

unsigned Session::interests() const {
    const Exchange& x = *exchange_;
    unsigned interests = 0;
    if (!to_client_.empty()) {
        interests |= client_write;
    } else if (!x.answer_done) {
        interests |= upstream_read;
    }
    if (!to_upstream_.empty()) {
        interests |= upstream_write;
    } else if (!client_ended_ && inbox_.room() > 0) {
        interests |= client_read;
    }
    return interests;
}

Session::Outcome Session::pump() {
    constexpr int steps_per_turn = 16;  // of at most one inbox each, so that others get their turn
    Exchange& x = *exchange_;
    for (int step = 0; step < steps_per_turn; ++step) {
        if (!check_time()) {
            return Outcome::failed;
        }
        bool moved = false;
        if (!to_client_.empty()) {
            const auto left = to_client_.bytes();
            if (to_client_.flush(*client_) == Outbox::Sent::failed) {
                client_gone();
                return Outcome::failed;
            }
            if (to_client_.bytes() != left) {
                last_written_ = now();
                moved = true;
            }
        }
        if (!x.answer_done && to_client_.empty()) {
            const auto answer = pump_answer();
            if (answer == Moved::stop) {
                return outcome_;
            }
            moved = moved || answer == Moved::something;
        }
        if (x.answer_done && to_client_.empty()) {
            if (!x.upload.done()) {
                keep_alive_ = false;
                linger_ = true;
            }
            x.keep_upstream = x.answer.keep_alive && x.upload.done() && !x.upload_broken &&
                              to_upstream_.empty() && x.inbox.empty() && !x.tunnel &&
                              x.multiplexed == nullptr &&
                              x.download.kind() != wire::BodyKind::until_close;
            return Outcome::finished;
        }
        const auto upload = pump_upload();
        if (upload == Moved::stop) {
            return outcome_;
        }
        if (!moved && upload == Moved::nothing) {
            return Outcome::wait;
        }
    }
    return Outcome::yield;
}

// From the client to the instance
// ---------------------------------------------------------------

Session::Moved Session::send_to_upstream(const Gather& gather) {
    Exchange& x = *exchange_;
    const auto sent = to_upstream_.send(*x.upstream, gather);
    if (sent == Outbox::Sent::failed) {
        // It may have answered before it closed: go on reading, upstream_ended() decides.
        x.upload_broken = true;
        return Moved::something;
    }
    x.sent_bytes += gather.bytes() - to_upstream_.bytes();
    return Moved::something;
}

Session::Moved Session::pump_upload() {
    Exchange& x = *exchange_;
    auto moved = Moved::nothing;
    if (!to_upstream_.empty()) {
        const auto left = to_upstream_.bytes();
        if (to_upstream_.flush(*x.upstream) == Outbox::Sent::failed) {
            to_upstream_.clear();
            x.upload_broken = true;
            return Moved::something;
        }
        x.sent_bytes += left - to_upstream_.bytes();
        if (!to_upstream_.empty()) {
            return to_upstream_.bytes() != left ? Moved::something : Moved::nothing;
        }
        moved = Moved::something;
    }
    if (!upload_active()) {
        watch_client();
        if (client_ended_ && !x.tunnel) {
            client_gone();
            return stop_with(Outcome::failed);
        }
        return moved;
    }
    if (!inbox_.empty()) {
        Gather gather;
        std::size_t used = 0;
        const auto step =
            x.upload.take(inbox_.bytes(), used, gather, scratch(0), worker_.trailers_);
        if (step == BodyPump::Step::bad) {
            fail(x.upload.fault() == wire::ChunkFault::body_too_large ? Reason::body_too_large
                                                                      : Reason::malformed_body,
                 wire::fault_text(x.upload.fault()));
            return stop_with(Outcome::failed);
        }
        inbox_.consume(used);
        if (!gather.empty()) {
            send_to_upstream(gather);
        }
        if (used > 0) {
            return Moved::something;
        }
    }
    // What was sent is kept for another attempt as long as there is room behind it.
    constexpr std::size_t room_min = 4096;
    if (inbox_.room() < room_min && inbox_.compact()) {
        x.upload_copy_lost = true;
    }
    if (!can_read(*client_)) {
        return moved;
    }
    const auto result = client_->try_read(inbox_.space(), inbox_.room());
    if (result.ok()) {
        inbox_.filled(result.bytes);
        return Moved::something;
    }
    if (result.kind == IoResult::Kind::blocked) {
        return moved;
    }
    client_ended_ = true;
    if (x.tunnel && result.kind == IoResult::Kind::eof) {
        Gather nothing;
        x.upload.end_of_input(nothing);
        x.upstream->shutdown_write();
        return Moved::something;
    }
    client_gone();
    return stop_with(Outcome::failed);
}

// From the instance to the client
// ---------------------------------------------------------------

Session::Moved Session::send_to_client(const Gather& gather) {
    last_written_ = now();
    if (BUG(worker_.bugs_, !to_client_.empty())) {
        fail(Reason::proxy_bug, "an answer was sent before the one before it");
        return stop_with(Outcome::failed);
    }
    if (to_client_.send(*client_, gather) == Outbox::Sent::failed) {
        client_gone();
        return stop_with(Outcome::failed);
    }
    return Moved::something;
}

Session::Moved Session::pump_answer() {
    Exchange& x = *exchange_;
    auto moved = Moved::nothing;
    auto ending = Ending::none;
    if (can_read(*x.upstream)) {
        if (x.inbox.room() == 0 || x.inbox.empty()) {
            x.inbox.compact();
        }
        if (x.inbox.room() > 0) {
            const auto result = x.upstream->try_read(x.inbox.space(), x.inbox.room());
            if (result.ok()) {
                x.inbox.filled(result.bytes);
                moved = Moved::something;
            } else if (result.kind != IoResult::Kind::blocked) {
                ending = result.kind == IoResult::Kind::eof ? Ending::in_order : Ending::broken;
            }
        }
    }
    if (!x.inbox.empty() && (moved == Moved::something || x.answer_head_done)) {
        Gather gather;
        std::size_t scratch_used = 0;
        if (!x.answer_head_done) {
            const auto head = read_answer_head(gather, scratch_used);
            if (head == Moved::stop || !x.answer_head_done) {
                return head == Moved::stop ? head : moved;
            }
        }
        std::size_t used = 0;
        const auto step = x.download.take(x.inbox.bytes(), used, gather, scratch(scratch_used),
                                          worker_.trailers_);
        if (step == BodyPump::Step::bad) {
            fail(Reason::malformed_answer, wire::fault_text(x.download.fault()));
            return stop_with(Outcome::failed);
        }
        x.inbox.consume(used);
        x.answer_done = x.download.done();
        if (!gather.empty()) {
            return send_to_client(gather);
        }
        if (used > 0 || x.answer_done) {
            return Moved::something;
        }
    }
    return ending == Ending::none ? moved : upstream_ended(ending);
}

Session::Moved Session::read_answer_head(Gather& gather, std::size_t& scratch_used) {
    Exchange& x = *exchange_;
    const auto answer_to =
        x.request.method == wire::Method::head ? wire::AnswerTo::head : wire::AnswerTo::other;
    while (true) {
        const auto outcome = wire::parse_response_head(x.inbox.bytes(), x.head_seen,
                                                       worker_.head_limits_, answer_to, x.answer);
        if (outcome.progress == wire::Progress::need_more) {
            x.head_seen = x.inbox.bytes().size();
            return Moved::nothing;
        }
        if (outcome.progress == wire::Progress::bad) {
            fail(Reason::malformed_answer, wire::fault_text(outcome.fault));
            return stop_with(Outcome::failed);
        }
        x.head_seen = 0;
        const bool interim = x.answer.status < 200 && x.answer.status != 101;
        if (!interim) {
            const auto moved = begin_answer(gather, scratch_used);
            x.inbox.consume(outcome.consumed);
            return moved;
        }
        if (++x.interim_answers > interim_answers_max) {
            fail(Reason::malformed_answer, "more interim answers than the proxy passes on");
            return stop_with(Outcome::failed);
        }
        if (x.request.minor >= 1) {
            wire::HeadWriter writer(scratch(0));
            write_interim_head(writer, x.answer);
            Gather head;
            head.add(writer.text());
            x.inbox.consume(outcome.consumed);
            if (send_to_client(head) == Moved::stop) {
                return Moved::stop;
            }
            if (!to_client_.empty() || x.inbox.empty()) {
                return Moved::nothing;
            }
        } else {
            x.inbox.consume(outcome.consumed);
        }
    }
}

Session::Moved Session::begin_answer(Gather& gather, std::size_t& scratch_used) {
    Exchange& x = *exchange_;
    const auto& answer = x.answer;
    AnswerMarks marks{.date = worker_.date()};
    auto write = BodyPump::Write::as_is;
    auto framing = answer.framing;
    if (answer.status == 101) {
        if (!x.upgrade_asked) {
            fail(Reason::malformed_answer, "status 101 that was not asked for");
            return stop_with(Outcome::failed);
        }
        x.tunnel = true;
        x.patience.upgraded();
        keep_alive_ = false;
        framing = {wire::BodyKind::until_close, 0};
        x.upload.begin(framing, BodyPump::Write::as_is, INT64_MAX);
        marks.connection = ClientConnection::upgrade;
    } else {
        x.patience.answer_began();
        const bool self_framed =
            framing.kind == wire::BodyKind::none || framing.kind == wire::BodyKind::length;
        if (!self_framed && x.request.minor >= 1) {
            marks.framing = ClientFraming::chunked;
            write = BodyPump::Write::chunked;
        } else if (!self_framed) {
            marks.framing = ClientFraming::close;
            keep_alive_ = false;
        }
        // The rest of the request may never be read: the client must not count on the connection.
        if (!x.upload.done() || worker_.stopping_) {
            keep_alive_ = false;
        }
        if (!keep_alive_) {
            marks.connection = ClientConnection::close;
        } else if (x.request.minor == 0) {
            marks.connection = ClientConnection::keep_alive;
        }
    }
    wire::HeadWriter writer(scratch(0));
    write_answer_head(writer, answer, marks);
    if (writer.fault() != wire::WriteFault::none) {
        fail(Reason::malformed_answer, "the answer's head is too large to forward");
        return stop_with(Outcome::failed);
    }
    gather.add(writer.text());
    scratch_used = writer.text().size();
    x.download.begin(framing, write, INT64_MAX);
    x.status = answer.status;
    x.answer_head_done = true;
    x.answer_began = true;
    x.answer_done = x.download.done();
    x.answered_at = now();
    return Moved::something;
}

Session::Moved Session::upstream_ended(Ending ending) {
    Exchange& x = *exchange_;
    if (x.answer_head_done) {
        Gather gather;
        if ((ending == Ending::in_order || x.tunnel) &&
            x.download.end_of_input(gather) == BodyPump::Step::done) {
            x.answer_done = true;
            return gather.empty() ? Moved::something : send_to_client(gather);
        }
        fail(Reason::answer_cut, "the instance closed its connection within the answer");
        return stop_with(Outcome::failed);
    }
    using Failed = mesh::FailedAttempt;
    const auto loss = x.multiplexed == nullptr ? Http2Stream::Loss::none : x.multiplexed->loss();
    const bool nothing_seen = x.inbox.empty() && x.interim_answers == 0;
    if (loss == Http2Stream::Loss::refused) {
        x.reused = true;  // the instance is well: it did not want more on that connection
    }
    const Failed attempt{
        .stage = nothing_seen ? Failed::Stage::before_answer : Failed::Stage::within_answer,
        .bytes_sent = loss == Http2Stream::Loss::refused ? 0 : x.sent_bytes,
        .effect = is_idempotent(x.request.method) ? Failed::Effect::idempotent
                                                  : Failed::Effect::may_change,
        .copy = x.upload_copy_lost ? Failed::Copy::lost : Failed::Copy::held,
        .attempts = ++x.ended_connections};
    if (mesh::may_retry(attempt, worker_.options_.attempts_max, x.revision->retry_budget(),
                        now())) {
        return stop_with(Outcome::retry);
    }
    if (loss == Http2Stream::Loss::malformed) {
        fail(Reason::malformed_answer,
             "the port is named h2c, and what came from it is not well-formed HTTP/2");
        return stop_with(Outcome::failed);
    }
    fail(Reason::instance_closed, nothing_seen
                                      ? "the connection ended before the first byte of an answer"
                                      : "the connection ended within the head of the answer");
    return stop_with(Outcome::failed);
}

}  // namespace tidemill::proxy
