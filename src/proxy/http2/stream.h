// One HTTP/2 stream as a host::Stream that speaks HTTP/1.1, so that whoever serves or asks over it
// need not know. What is read from it is the peer's message as text, what is written to it must be
// a well-formed message, and becomes frames.
#pragma once

#include <cstdint>
#include <string>
#include <string_view>

#include "host/stream.h"
#include "wire/http1_body.h"
#include "wire/http2/translate.h"

namespace tidemill::proxy {

class Http2Connection;

// Lives as long as its user wants; the connection may end before it. One message each way: at a
// server, an end is read once the answer was written whole; an answer that was not is cut off by a
// reset when the stream is destroyed.
class Http2Stream final : public host::Stream {
public:
    // `id` is 0 at a client until the request's head was written.
    Http2Stream(Http2Connection& connection, wire::Http2StreamId id);
    ~Http2Stream() override;

    host::IoResult try_readv(std::span<const host::MutableBuffer> buffers) override;
    host::IoResult try_writev(std::span<const host::ConstBuffer> buffers) override;
    bool quiet() override { return unread() == 0 && connection_ != nullptr; }
    void shutdown_write() override {}
    void abort() override {}
    const host::Peer& peer() const override { return peer_; }

    // Why the peer's message ended early.
    enum class Loss : std::uint8_t {
        none,
        reset,
        refused,    // the peer did not look at the request: it may be sent again
        malformed,  // what came is not HTTP/2, or not a message of it
        connection,
    };
    Loss loss() const { return loss_; }
    // At a server, before anything was written: the client may try again (RFC 9113 section 8.7).
    void refuse();

private:
    friend class Http2Connection;

    // By the connection: what came.
    bool head_came(wire::Http2Events::Head kind, wire::Http2Fields fields, wire::Http2End end);
    void data_came(std::string_view bytes);
    void end_came();
    void closed(wire::Http2Error why);
    void over(Loss why);
    void tell_reader();
    void tell_writer();

    std::size_t unread() const { return incoming_.size() - incoming_begin_; }
    // What goes out: false when it is no message.
    bool feed(std::string_view text);
    bool feed_all(std::string_view text, std::size_t& used);
    bool feed_head(std::string_view text, std::size_t& used);
    bool feed_request(std::string_view text, std::size_t& used);
    bool feed_answer(std::string_view text, std::size_t& used);
    void begin_body(const wire::Framing& framing);
    void finish(const wire::HeaderIndex* trailers);

    struct News final : async::Ready {
        explicit News(Http2Stream& at) : stream(at) {}
        void run() override;
        Http2Stream& stream;
    };

    Http2Connection* connection_;  // null once the stream is over
    const wire::Http2Role role_;
    wire::Http2StreamId id_;
    host::Peer peer_;
    Loss loss_ = Loss::none;
    bool end_came_ = false;
    bool to_head_ = false;  // HEAD was asked

    // From the peer.
    std::string incoming_;  // text; what was read lies before begin
    std::size_t incoming_begin_ = 0;
    std::size_t owed_ = 0;  // bytes of DATA in there, to be given back to the peer's window
    wire::BodyKind incoming_body_ = wire::BodyKind::none;

    // To the peer.
    enum class Writing : std::uint8_t { head, length, chunks, until_close, done };
    Writing writing_ = Writing::head;
    bool head_written_ = false;
    std::string carry_;  // of the text, what cannot be understood without what follows
    std::uint64_t left_ = 0;
    wire::ChunkDecoder chunks_;

    News read_news_;
    News write_news_;
};

}  // namespace tidemill::proxy
