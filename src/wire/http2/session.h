// One HTTP/2 connection (RFC 9113) without I/O: bytes in, events out; commands in, bytes out.
// Framing, HPACK and flow control are nghttp2's; what a peer may cost us is decided here.
#pragma once

#include <cstddef>
#include <cstdint>
#include <memory>
#include <span>
#include <string>
#include <string_view>

#include "base/time.h"

namespace tidemill::wire {

using Http2StreamId = std::int32_t;

enum class Http2Role : std::uint8_t { server, client };

// Error codes of RFC 9113 section 7.
enum class Http2Error : std::uint32_t {
    no_error = 0,
    protocol_error = 1,
    internal_error = 2,
    flow_control_error = 3,
    settings_timeout = 4,
    stream_closed = 5,
    frame_size_error = 6,
    refused_stream = 7,
    cancel = 8,
    compression_error = 9,
    connect_error = 10,
    enhance_your_calm = 11,
    inadequate_security = 12,
    http_1_1_required = 13,
};

// What one connection may cost. Sources: Envoy's edge guide (best_practices/edge.rst) and the
// attacks of 2019 and 2023 (CVE-2019-9511 to 9518, CVE-2023-44487, CVE-2024-27316).
struct Http2Limits {
    // Streams that the peer may have open at once.
    std::uint32_t streams = 100;
    // Of one head or trailer section: names, values and 32 for each field (RFC 9113 section 6.5.2).
    std::uint32_t head_bytes = 24 * 1024;
    std::uint32_t headers = 100;
    // What the peer may send of a stream, and of all together, before it was taken here.
    std::uint32_t stream_window_bytes = 64 * 1024;
    std::uint32_t connection_window_bytes = 1024 * 1024;
    // Streams that the peer may reset. A gRPC client with short deadlines stays far below; a rapid
    // reset attack does not.
    std::uint32_t resets_burst = 500;
    std::uint32_t resets_per_second = 50;
    // Frames that move nothing: PING, SETTINGS, PRIORITY, WINDOW_UPDATE, empty DATA. Requests and
    // data earn some. (Frames of unknown kinds are skipped; they cost no more than their bytes.)
    std::uint32_t idle_frames_burst = 1000;
    std::uint32_t idle_frames_per_second = 100;
    // Acknowledgements that wait to be sent to a peer which does not read.
    std::uint32_t acknowledgements_queued = 1000;
    // CONTINUATION frames of one head.
    std::uint32_t continuations = 8;
    // Of an HPACK table, either direction.
    std::uint32_t table_bytes = 4096;
};

// Why a connection ended by our decision.
enum class Http2Fault : std::uint8_t {
    none,
    bad_preface,      // what came is no HTTP/2
    protocol,         // goodbye() has the code
    too_many_resets,  // CVE-2023-44487
    too_many_idle_frames,
    too_many_continuations,  // CVE-2024-27316
    head_bomb,               // a head many times larger than allowed, once unpacked
    out_of_memory,
};
std::string_view fault_text(Http2Fault fault);

// A field as it lies on the wire: names in lower case, pseudo-header fields (":path") first.
struct Http2Field {
    std::string_view name;
    std::string_view value;
};
using Http2Fields = std::span<const Http2Field>;

enum class Http2End : std::uint8_t { more, here };

// What comes out of a connection, told from inside receive() and send(): of the session, only
// commands of the stream named may be called from there. Views last for the call.
class Http2Events {
public:
    virtual ~Http2Events() = default;
    // A request's head (server), an answer's (client; interim ones too), or trailers, which always
    // end the stream. Well formed as RFC 9113 section 8 says, as far as nghttp2 looks:
    // pseudo-header fields once, first and complete, names in lower case, no connection-specific
    // fields, content-length equal to the data that follows.
    enum class Head : std::uint8_t { request, interim, answer, trailers };
    virtual void on_head(Http2StreamId stream, Head kind, Http2Fields fields, Http2End end) = 0;
    // A request whose head is above the limits; nothing more is told of the stream but on_closed().
    virtual void on_head_too_large(Http2StreamId stream) = 0;
    virtual void on_data(Http2StreamId stream, std::string_view bytes) = 0;
    // The peer sends no more of this stream.
    virtual void on_end(Http2StreamId stream) = 0;
    // All that was written has gone into frames.
    virtual void on_drained(Http2StreamId stream) = 0;
    // The stream is over in both directions; its number means nothing from now on. no_error: in
    // order. refused_stream: the peer did not look at it (RFC 9113 section 8.7).
    virtual void on_closed(Http2StreamId stream, Http2Error why) = 0;
    // The peer opens (server) or takes (client) no more streams.
    virtual void on_go_away(Http2Error why) = 0;
};

// One thread. Not from inside its own events but as said there.
class Http2Session {
public:
    Http2Session(Http2Role role, const Http2Limits& limits, Http2Events& events);
    Http2Session(const Http2Session&) = delete;
    Http2Session& operator=(const Http2Session&) = delete;
    ~Http2Session();

    // Takes all of `bytes`. After a fault nothing more is read, and send() has the goodbye; some
    // faults are known only when that was fetched.
    Http2Fault receive(std::string_view bytes, base::Instant now);
    // Appends whole frames to `out` until it is at least `bytes_max` long or nothing is left that
    // the peer's windows allow. At most one frame (16 KiB) above `bytes_max`.
    void send(std::string& out, std::size_t bytes_max);
    bool wants_send() const;
    // Nothing will be read any more, and nothing is left to send.
    bool over() const;
    Http2Fault fault() const;
    // The code of the GOAWAY that was sent.
    Http2Error goodbye() const;
    // A head of which a part has come is waited for.
    bool within_head() const;

    // True when the peer lets one more stream begin now (client).
    bool may_open() const;
    // Begins a request (client). 0: not possible, see may_open().
    Http2StreamId open(Http2Fields head, Http2End end);
    // The head of the answer (server), interim (1xx) or final. False: the stream is gone.
    bool interim(Http2StreamId stream, Http2Fields head);
    bool answer(Http2StreamId stream, Http2Fields head, Http2End end);
    // Body behind a head that did not end the stream. Copied; the caller bounds unsent().
    void write(Http2StreamId stream, std::string_view bytes);
    // Nothing follows but these trailers (none: an empty span).
    void finish(Http2StreamId stream, Http2Fields trailers);
    // Nobody cares for what the peer still sends: once what was written and finished is out, the
    // stream ends (RFC 9113 section 8.1, RST_STREAM with no_error).
    void release(Http2StreamId stream);
    // Ends the stream at once, in both directions; unsent bytes are dropped, no event follows.
    void reset(Http2StreamId stream, Http2Error why);
    // Bytes of on_data() were dealt with: the peer may send as many again. To be called for all
    // bytes of a stream, also when it is over.
    void consumed(Http2StreamId stream, std::size_t bytes);
    // Bytes written and not yet in frames; 0 for a stream that is gone.
    std::size_t unsent(Http2StreamId stream) const;

    // No further streams: what runs may end. Idempotent.
    void go_away();
    // Says why and ends everything.
    void terminate(Http2Error why);

    // Streams that are open in either direction.
    std::size_t open_streams() const;

    // All of nghttp2 is in there, so that nobody else needs its header.
    struct Inside;

private:
    std::unique_ptr<Inside> inside_;
};

}  // namespace tidemill::wire
