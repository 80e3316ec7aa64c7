#include "proxy/http2/stream.h"

#include <algorithm>
#include <cstring>

#include "proxy/http2/connection.h"

namespace tidemill::proxy {

using host::IoResult;
using wire::Http2End;
using wire::Http2Role;

namespace {

// A head as text; above what the session lets through, so that only what cannot be written fails.
constexpr std::size_t head_text_max = std::size_t{64} * 1024;

}  // namespace

Http2Stream::Http2Stream(Http2Connection& connection, wire::Http2StreamId id)
    : Stream(connection.stream_.loop()),
      connection_(&connection),
      role_(connection.role()),
      id_(id),
      peer_(connection.stream_.peer()),
      read_news_(*this),
      write_news_(*this) {
    connection.attached_ += 1;
}

Http2Stream::~Http2Stream() {
    if (connection_ != nullptr) {
        connection_->detach(*this);
    }
}

void Http2Stream::News::run() {
    (this == &stream.read_news_ ? stream.read_edge_ : stream.write_edge_).signal();
}

// By way of the loop: the session must not be entered from inside its own events.
void Http2Stream::tell_reader() {
    if (!read_news_.linked()) {
        loop().post(read_news_);
    }
}

void Http2Stream::tell_writer() {
    if (!write_news_.linked()) {
        loop().post(write_news_);
    }
}

// From the peer
// ---------------------------------------------------------------------------------

bool Http2Stream::head_came(wire::Http2Events::Head kind, wire::Http2Fields fields, Http2End end) {
    using Head = wire::Http2Events::Head;
    if (kind == Head::trailers) {
        if (incoming_body_ == wire::BodyKind::chunked) {
            incoming_ += "0\r\n";
            wire::HeadWriter writer(incoming_, incoming_.size() + head_text_max);
            if (wire::write_trailers(writer, fields) != wire::WriteFault::none) {
                return false;
            }
        }
        end_came_ = true;
        tell_reader();
        return true;
    }
    wire::HeadWriter writer(incoming_, incoming_.size() + head_text_max);
    wire::Http1Head head;
    if (kind == Head::request) {
        head = wire::write_request(writer, fields, end);
        to_head_ = std::ranges::any_of(fields, [](const auto& field) {
            return field.name == ":method" && field.value == "HEAD";
        });
    } else {
        head = wire::write_answer(writer, fields,
                                  to_head_ ? wire::AnswerTo::head : wire::AnswerTo::other, end);
    }
    if (head.fault != wire::WriteFault::none) {
        return false;
    }
    if (kind != Head::interim) {
        incoming_body_ = head.body;
    }
    end_came_ = end_came_ || end == Http2End::here;
    tell_reader();
    return true;
}

void Http2Stream::data_came(std::string_view bytes) {
    if (incoming_begin_ > 0 && incoming_begin_ >= incoming_.size() / 2) {
        incoming_.erase(0, incoming_begin_);
        incoming_begin_ = 0;
    }
    if (incoming_body_ == wire::BodyKind::chunked) {
        incoming_ += wire::ChunkSizeLine(bytes.size()).text();
        incoming_ += bytes;
        incoming_ += wire::chunk_end;
    } else {
        incoming_ += bytes;
    }
    owed_ += bytes.size();
    tell_reader();
}

void Http2Stream::end_came() {
    end_came_ = true;
    if (incoming_body_ == wire::BodyKind::chunked) {
        incoming_ += wire::last_chunk;
    }
    tell_reader();
}

void Http2Stream::closed(wire::Http2Error why) {
    const bool whole = end_came_ && why == wire::Http2Error::no_error;
    over(whole                                     ? Loss::none
         : why == wire::Http2Error::refused_stream ? Loss::refused
         : why == wire::Http2Error::protocol_error ? Loss::malformed
                                                   : Loss::reset);
}

void Http2Stream::over(Loss why) {
    connection_->left(*this);
    connection_ = nullptr;
    owed_ = 0;
    loss_ = why;
    tell_reader();
    tell_writer();
}

IoResult Http2Stream::try_readv(std::span<const host::MutableBuffer> buffers) {
    using Kind = IoResult::Kind;
    if (read_expired()) {
        return {Kind::deadline};
    }
    const bool server = role_ == Http2Role::server;
    if (server && writing_ == Writing::done) {
        return {Kind::eof};  // one request, one answer
    }
    if (connection_ == nullptr && (server || (unread() == 0 && !end_came_))) {
        return {Kind::failed};
    }
    if (unread() == 0) {
        read_edge_.drained();
        return {Kind::blocked};
    }
    std::size_t moved = 0;
    for (const auto& buffer : buffers) {
        const auto size = std::min(buffer.size, unread());
        if (size > 0) {
            std::memcpy(buffer.data, incoming_.data() + incoming_begin_, size);
            incoming_begin_ += size;
            moved += size;
        }
    }
    if (unread() == 0) {
        incoming_.clear();
        incoming_begin_ = 0;
        if (connection_ != nullptr) {
            read_edge_.drained();
        }
    }
    // Text is a little longer than what came: the last bytes of it give back all that is owed.
    const auto given = unread() == 0 ? owed_ : std::min(owed_, moved);
    if (given > 0 && connection_ != nullptr) {
        connection_->consumed(id_, given);
    }
    owed_ -= given;
    return {Kind::done, moved};
}

// To the peer
// -----------------------------------------------------------------------------------

IoResult Http2Stream::try_writev(std::span<const host::ConstBuffer> buffers) {
    using Kind = IoResult::Kind;
    if (write_expired()) {
        return {Kind::deadline};
    }
    if (connection_ == nullptr) {
        return {Kind::failed};
    }
    if (id_ != 0 && connection_->session_.unsent(id_) >= connection_->options_.stream_unsent_max) {
        write_edge_.drained();
        return {Kind::blocked};
    }
    std::size_t moved = 0;
    for (const auto& buffer : buffers) {
        if (!feed({buffer.data, buffer.size})) {
            return {Kind::failed};
        }
        moved += buffer.size;
    }
    connection_->schedule_flush();
    return {Kind::done, moved};
}

bool Http2Stream::feed(std::string_view text) {
    std::size_t used = 0;
    if (carry_.empty()) {
        if (!feed_all(text, used)) {
            return false;
        }
        carry_.assign(text.substr(used));
        return true;
    }
    carry_ += text;
    if (!feed_all(carry_, used)) {
        return false;
    }
    carry_.erase(0, used);
    return true;
}

bool Http2Stream::feed_all(std::string_view text, std::size_t& used) {
    auto& session = connection_->session_;
    while (used < text.size()) {
        const auto rest = text.substr(used);
        switch (writing_) {
            case Writing::head: {
                const auto before = used;
                if (!feed_head(rest, used)) {
                    return false;
                }
                if (used == before) {
                    return true;  // the rest of the head comes later
                }
                break;
            }
            case Writing::length: {
                const auto size = std::min<std::uint64_t>(left_, rest.size());
                session.write(id_, rest.substr(0, size));
                used += size;
                left_ -= size;
                if (left_ == 0) {
                    finish(nullptr);
                }
                break;
            }
            case Writing::chunks: {
                const auto step = chunks_.next(rest, connection_->trailers_);
                switch (step.event) {
                    case wire::ChunkEvent::payload:
                        session.write(id_, step.payload);
                        break;
                    case wire::ChunkEvent::need_more:
                        used += step.consumed;
                        return true;
                    case wire::ChunkEvent::done:
                        finish(&connection_->trailers_);
                        break;
                    case wire::ChunkEvent::bad:
                        return false;
                }
                used += step.consumed;
                break;
            }
            case Writing::until_close:
                session.write(id_, rest);
                used = text.size();
                break;
            case Writing::done:
                return false;  // one message each way
        }
    }
    return true;
}

bool Http2Stream::feed_head(std::string_view text, std::size_t& used) {
    return role_ == Http2Role::server ? feed_answer(text, used) : feed_request(text, used);
}

bool Http2Stream::feed_answer(std::string_view text, std::size_t& used) {
    auto& head = connection_->answer_;
    auto& list = connection_->fields_;
    const auto outcome = wire::parse_response_head(
        text, 0, {}, to_head_ ? wire::AnswerTo::head : wire::AnswerTo::other, head);
    if (outcome.progress != wire::Progress::done) {
        return outcome.progress == wire::Progress::need_more;
    }
    used += outcome.consumed;
    wire::Http2StatusText status{};
    wire::make_answer_fields(head, status, list);
    if (head.status < 200) {
        return head.status != 101 && connection_->session_.interim(id_, list.fields());
    }
    begin_body(head.framing);
    head_written_ = true;
    return connection_->session_.answer(
        id_, list.fields(), writing_ == Writing::done ? Http2End::here : Http2End::more);
}

bool Http2Stream::feed_request(std::string_view text, std::size_t& used) {
    auto& head = connection_->request_;
    auto& list = connection_->fields_;
    const auto outcome = wire::parse_request_head(text, 0, {}, head);
    if (outcome.progress != wire::Progress::done) {
        return outcome.progress == wire::Progress::need_more;
    }
    used += outcome.consumed;
    to_head_ = head.method == wire::Method::head;
    wire::make_request_fields(head, list);
    begin_body(head.framing);
    head_written_ = true;
    return connection_->opened(*this, list.fields(),
                               writing_ == Writing::done ? Http2End::here : Http2End::more);
}

void Http2Stream::begin_body(const wire::Framing& framing) {
    switch (framing.kind) {
        case wire::BodyKind::none:
            writing_ = Writing::done;
            break;
        case wire::BodyKind::length:
            left_ = framing.length;
            writing_ = left_ == 0 ? Writing::done : Writing::length;
            break;
        case wire::BodyKind::chunked:
            chunks_ = wire::ChunkDecoder();
            writing_ = Writing::chunks;
            break;
        case wire::BodyKind::until_close:
            writing_ = Writing::until_close;
            break;
    }
}

void Http2Stream::finish(const wire::HeaderIndex* trailers) {
    writing_ = Writing::done;
    auto& list = connection_->fields_;
    list.clear();
    if (trailers != nullptr) {
        wire::make_trailer_fields(*trailers, list);
    }
    connection_->session_.finish(id_, list.fields());
    if (role_ == Http2Role::server) {
        tell_reader();  // an end
    }
}

void Http2Stream::refuse() {
    if (connection_ != nullptr && !head_written_) {
        connection_->session_.reset(id_, wire::Http2Error::refused_stream);
        connection_->schedule_flush();
    }
}

}  // namespace tidemill::proxy
