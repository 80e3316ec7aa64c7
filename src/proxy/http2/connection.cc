#include "proxy/http2/connection.h"

#include <algorithm>
#include <array>
#include <utility>

#include "async/deadline.h"

namespace tidemill::proxy {

using wire::Http2End;
using wire::Http2Error;
using wire::Http2Role;
using wire::Http2StreamId;

namespace {

// One write: four full frames, so that a batch of answers is one system call and what waits for a
// slow peer stays small.
constexpr std::size_t out_bytes_max = std::size_t{64} * 1024;
constexpr std::size_t read_bytes = std::size_t{32} * 1024;
constexpr int reads_per_turn = 8;

}  // namespace

// Waits for bytes; the second also for room to write. Ended by the timer and by resume() as well.
class Http2Connection::ReadWait {
public:
    explicit ReadWait(Http2Connection& connection)
        : connection_(connection), read_(connection.stream_.readable()) {}
    ReadWait(const ReadWait&) = delete;
    ReadWait& operator=(const ReadWait&) = delete;
    ~ReadWait() { connection_.waiter_ = nullptr; }
    bool await_ready() const {
        return read_.await_ready() || connection_.due_ <= connection_.now();
    }
    void await_suspend(std::coroutine_handle<> waiter) {
        connection_.waiter_ = waiter;
        read_.await_suspend(waiter);
    }
    void await_resume() { connection_.waiter_ = nullptr; }

private:
    Http2Connection& connection_;
    host::Edge::Wait read_;
};

class Http2Connection::BothWait {
public:
    explicit BothWait(Http2Connection& connection)
        : read_(connection), write_(connection.stream_.writable()) {}
    bool await_ready() const { return read_.await_ready() || write_.await_ready(); }
    void await_suspend(std::coroutine_handle<> waiter) {
        read_.await_suspend(waiter);
        write_.await_suspend(waiter);
    }
    void await_resume() { read_.await_resume(); }

private:
    ReadWait read_;
    host::Edge::Wait write_;
};

Http2Connection::Http2Connection(Http2Role role, const Http2Options& options, host::Stream& stream,
                                 Http2Door* door)
    : role_(role),
      options_(options),
      stream_(stream),
      door_(door),
      session_(role, options.limits, *this),
      out_moved_(stream.loop().now()),
      idle_since_(out_moved_),
      swept_(out_moved_),
      flush_(*this) {}

Http2Connection::~Http2Connection() {
    lose_streams();
}

void Http2Connection::resume() {
    if (waiter_) {
        std::exchange(waiter_, nullptr).resume();
    }
}

void Http2Connection::schedule_flush() {
    if (!flush_.linked()) {
        stream_.loop().post(flush_);
    }
}

void Http2Connection::go_away() {
    session_.go_away();
    schedule_flush();
}

// The conversation
// ------------------------------------------------------------------------------

async::Task<void> Http2Connection::run(std::string first) {
    if (!first.empty()) {
        session_.receive(first, now());
        first = {};
    }
    while (true) {
        const auto next = turn();
        if (next == Turn::over) {
            break;
        }
        if (next == Turn::again) {
            co_await async::yield(stream_.loop());
        } else if (out_begin_ < out_.size()) {
            co_await BothWait(*this);
        } else {
            co_await ReadWait(*this);
        }
    }
    lose_streams();
}

Http2Connection::Turn Http2Connection::turn() {
    bool ended = false;
    int reads = 0;
    std::array<char, read_bytes> space;
    for (; reads < reads_per_turn && stream_.readable().await_ready(); ++reads) {
        const auto result = stream_.try_read(space.data(), space.size());
        if (result.ok()) {
            session_.receive({space.data(), result.bytes}, now());
        } else {
            ended = result.kind != host::IoResult::Kind::blocked;
            break;
        }
    }
    if (session_.fault() != wire::Http2Fault::none) {
        fresh_.clear();  // who is sent away is not served first
    }
    while (!fresh_.empty()) {
        auto opened = std::exchange(fresh_, {});
        for (auto& stream : opened) {
            door_->opened(std::move(stream));
        }
    }
    if (session_.within_head()) {
        head_since_ = std::min(head_since_, now());
    } else {
        head_since_ = base::Instant::never();
    }
    if (!flush() || ended || session_.over() || !check_time()) {
        return Turn::over;
    }
    flush_.unlink();
    return reads == reads_per_turn ? Turn::again : Turn::wait;
}

bool Http2Connection::flush() {
    while (true) {
        if (out_begin_ == out_.size()) {
            out_.clear();
            out_begin_ = 0;
            session_.send(out_, out_bytes_max);
            if (out_.empty()) {
                if (streams_.empty()) {
                    out_ = {};  // an idle connection holds no memory
                }
                return true;
            }
        }
        const auto result = stream_.try_write(std::string_view(out_).substr(out_begin_));
        if (!result.ok()) {
            return result.kind == host::IoResult::Kind::blocked;
        }
        out_begin_ += result.bytes;
        out_moved_ = now();
    }
}

bool Http2Connection::check_time() {
    const auto at = now();
    auto due = base::Instant::never();
    if (streams_.empty() && attached_ == 0) {
        due = std::min(due, idle_since_ + options_.idle_timeout);
        if (due <= at) {
            session_.go_away();
            flush();
            return false;
        }
    }
    if (head_since_ != base::Instant::never()) {
        due = std::min(due, head_since_ + options_.head_timeout);
        if (head_since_ + options_.head_timeout <= at) {
            session_.terminate(Http2Error::enhance_your_calm);
            flush();
            return false;
        }
    }
    if (out_begin_ < out_.size()) {
        due = std::min(due, out_moved_ + options_.stall_timeout);
        if (out_moved_ + options_.stall_timeout <= at) {
            return false;
        }
    }
    if (!streams_.empty()) {
        // Streams that have no writer any more, and whose peer opens no window for the rest.
        if (swept_ + options_.stall_timeout <= at) {
            swept_ = at;
            std::vector<Http2StreamId> stalled;
            for (auto& [id, entry] : streams_) {
                if (entry.stream == nullptr) {
                    const auto unsent = session_.unsent(id);
                    if (unsent > 0 && unsent == entry.unsent_seen) {
                        stalled.push_back(id);
                    }
                    entry.unsent_seen = unsent;
                }
            }
            for (const auto id : stalled) {
                session_.reset(id, Http2Error::cancel);
                streams_.erase(id);
            }
            schedule_flush();
        }
        due = std::min(due, swept_ + options_.stall_timeout);
    } else {
        swept_ = at;
    }
    due_ = due;
    if (due != base::Instant::never() && (!armed() || due < this->at())) {
        arm(stream_.loop(), due);
    }
    return true;
}

void Http2Connection::lose_streams() {
    if (std::exchange(lost_, true)) {
        return;
    }
    session_.go_away();  // for may_open()
    const auto why = session_.fault() == wire::Http2Fault::none ? Http2Stream::Loss::connection
                                                                : Http2Stream::Loss::malformed;
    fresh_.clear();
    for (auto& [id, entry] : std::exchange(streams_, {})) {
        if (entry.stream != nullptr) {
            entry.stream->over(why);
        }
    }
    while (!unopened_.empty()) {
        unopened_.back()->over(why);
    }
    disarm();
}

// Events
// ----------------------------------------------------------------------------------------

Http2Stream* Http2Connection::find(Http2StreamId id) {
    const auto found = streams_.find(id);
    return found == streams_.end() ? nullptr : found->second.stream;
}

void Http2Connection::on_head(Http2StreamId id, Head kind, wire::Http2Fields fields, Http2End end) {
    auto* stream = find(id);
    if (kind == Head::request) {
        auto made = std::make_unique<Http2Stream>(*this, id);
        stream = made.get();
        streams_[id].stream = stream;
        fresh_.push_back(std::move(made));
    }
    if (stream != nullptr && !stream->head_came(kind, fields, end)) {
        session_.reset(id, Http2Error::protocol_error);
        streams_.erase(id);
        stream->closed(Http2Error::protocol_error);
        std::erase_if(fresh_, [&](const auto& item) { return item.get() == stream; });
    }
}

void Http2Connection::on_head_too_large(Http2StreamId id) {
    const wire::Http2Field fields[] = {
        {":status", "431"}, {"content-length", "0"}, {"x-tidemill-reason", "TM-201"}};
    session_.answer(id, fields, Http2End::here);
    session_.release(id);
    streams_[id];
    if (door_ != nullptr) {
        door_->head_refused();
    }
}

void Http2Connection::on_data(Http2StreamId id, std::string_view bytes) {
    if (auto* const stream = find(id)) {
        stream->data_came(bytes);
    } else {
        session_.consumed(id, bytes.size());
    }
}

void Http2Connection::on_end(Http2StreamId id) {
    if (auto* const stream = find(id)) {
        stream->end_came();
    }
}

void Http2Connection::on_drained(Http2StreamId id) {
    if (auto* const stream = find(id)) {
        stream->tell_writer();
    }
}

void Http2Connection::on_closed(Http2StreamId id, Http2Error why) {
    auto* const stream = find(id);
    streams_.erase(id);
    idle_since_ = now();
    if (stream != nullptr) {
        stream->closed(why);
        // Nobody has seen it: it costs nothing more.
        std::erase_if(fresh_, [&](const auto& item) { return item.get() == stream; });
    }
}

// By streams
// ------------------------------------------------------------------------------------

bool Http2Connection::may_open() const {
    return !lost_ && session_.may_open() && attached_ < options_.limits.streams;
}

std::unique_ptr<Http2Stream> Http2Connection::open() {
    if (!may_open()) {
        return nullptr;
    }
    auto stream = std::make_unique<Http2Stream>(*this, 0);
    unopened_.push_back(stream.get());
    return stream;
}

bool Http2Connection::opened(Http2Stream& stream, wire::Http2Fields head, Http2End end) {
    const auto id = session_.open(head, end);
    if (id == 0) {
        stream.closed(Http2Error::refused_stream);
        return false;
    }
    std::erase(unopened_, &stream);
    stream.id_ = id;
    streams_[id].stream = &stream;
    return true;
}

// The stream is over, whoever ended it: what it had not read yet is read, as far as the peer's
// window goes.
void Http2Connection::left(Http2Stream& stream) {
    attached_ -= 1;
    idle_since_ = now();
    if (stream.id_ == 0) {
        std::erase(unopened_, &stream);
    } else if (stream.owed_ > 0) {
        consumed(stream.id_, stream.owed_);
    }
}

// Its user has dropped a stream that is not over.
void Http2Connection::detach(Http2Stream& stream) {
    left(stream);
    schedule_flush();  // also to think of the idle time
    if (stream.id_ == 0) {
        return;
    }
    if (stream.writing_ == Http2Stream::Writing::until_close) {
        stream.finish(nullptr);
    }
    const bool written = stream.writing_ == Http2Stream::Writing::done;
    if (role_ == Http2Role::server && written) {
        streams_[stream.id_] = {};
        session_.release(stream.id_);
    } else if (written && stream.end_came_ && session_.unsent(stream.id_) == 0) {
        streams_[stream.id_] = {};  // nothing but a last frame of ours is missing
    } else {
        session_.reset(stream.id_, role_ == Http2Role::server ? Http2Error::internal_error
                                                              : Http2Error::cancel);
        streams_.erase(stream.id_);
    }
}

void Http2Connection::consumed(Http2StreamId id, std::size_t bytes) {
    session_.consumed(id, bytes);
    if (session_.wants_send()) {
        schedule_flush();
    }
}

}  // namespace tidemill::proxy
