// The first byte says which end reads; the rest are its bytes, split where the second byte says.
// Whatever comes: nothing is told of a stream before its head or after its end, memory stays
// bounded, heads become text that the HTTP/1.1 parser reads or refuses, and the same bytes split
// otherwise tell the same heads (of a body that breaks its length, as much as came).
#include <algorithm>
#include <cstddef>
#include <cstdint>
#include <map>
#include <string>
#include <string_view>

#include "base/check.h"
#include "wire/http2/session.h"
#include "wire/http2/translate.h"

namespace {

using namespace tidemill;
using wire::Http2Error;
using wire::Http2StreamId;

struct End final : wire::Http2Events {
    explicit End(wire::Http2Role role_in) : role(role_in), session(role_in, limits(), *this) {}

    static wire::Http2Limits limits() {
        return {.streams = 8,
                .head_bytes = 2000,
                .stream_window_bytes = 1000,
                .connection_window_bytes = 65'535};
    }
    void on_head(Http2StreamId stream, Head kind, wire::Http2Fields fields,
                 wire::Http2End end) override {
        auto& known = streams[stream];
        CHECK(!known.ended);
        CHECK(role == wire::Http2Role::server ? known.begun == (kind == Head::trailers)
                                              : kind != Head::request);
        CHECK(kind != Head::trailers || end == wire::Http2End::here);
        known.begun = true;
        known.ended = end == wire::Http2End::here;
        log += std::to_string(stream) + (known.ended ? "H" : "h");
        std::string text;
        wire::HeadWriter writer(text, 16'384);
        switch (kind) {
            case Head::request: {
                if (wire::write_request(writer, fields, end).fault == wire::WriteFault::none) {
                    wire::RequestHead head;
                    CHECK(wire::parse_request_head(text, 0, {}, head).progress !=
                          wire::Progress::need_more);
                }
                const wire::Http2Field ok[] = {{":status", "200"}};
                CHECK(session.answer(stream, ok, wire::Http2End::more));
                session.write(stream, "an answer");
                session.finish(stream, ok);
                break;
            }
            case Head::interim:
            case Head::answer:
                if (wire::write_answer(writer, fields, wire::AnswerTo::other, end).fault ==
                    wire::WriteFault::none) {
                    wire::ResponseHead head;
                    CHECK(wire::parse_response_head(text, 0, {}, wire::AnswerTo::other, head)
                              .progress != wire::Progress::need_more);
                }
                break;
            case Head::trailers:
                if (wire::write_trailers(writer, fields) == wire::WriteFault::none) {
                    wire::HeaderIndex index;
                    CHECK(wire::parse_trailers(text, 0, {}, index).progress !=
                          wire::Progress::need_more);
                }
        }
    }
    void on_head_too_large(Http2StreamId stream) override {
        streams[stream].begun = streams[stream].ended = true;
        session.reset(stream, Http2Error::enhance_your_calm);
    }
    void on_data(Http2StreamId stream, std::string_view bytes) override {
        auto& known = streams[stream];
        CHECK(known.begun && !known.ended);
        known.unread += bytes.size();
        CHECK(known.unread <= 65'535);  // until it acknowledged ours, a peer has the default window
        if (known.unread > 500) {
            session.consumed(stream, std::exchange(known.unread, 0));
        }
    }
    void on_end(Http2StreamId stream) override {
        CHECK(streams[stream].begun && !streams[stream].ended);
        streams[stream].ended = true;
    }
    void on_drained(Http2StreamId) override {}
    void on_closed(Http2StreamId stream, Http2Error) override { streams.erase(stream); }
    void on_go_away(Http2Error) override { log += "G"; }

    struct Known {
        bool begun = false;
        bool ended = false;
        std::size_t unread = 0;
    };
    wire::Http2Role role;
    std::map<Http2StreamId, Known> streams;
    std::string log;
    wire::Http2Session session;
};

void play(End& end, std::string_view bytes, std::size_t piece) {
    std::string out;
    if (end.role == wire::Http2Role::client) {
        const wire::Http2Field head[] = {
            {":method", "POST"}, {":scheme", "http"}, {":authority", "a"}, {":path", "/"}};
        for (int i = 0; i < 3; ++i) {
            const auto stream = end.session.open(head, wire::Http2End::more);
            CHECK(stream != 0);
            end.session.write(stream, std::string(100, 'x'));
            end.session.finish(stream, {});
        }
    }
    end.session.send(out, 65'536);
    base::Instant now;
    while (!bytes.empty()) {
        const auto part = bytes.substr(0, piece);
        bytes.remove_prefix(part.size());
        end.session.receive(part, now);
    }
    for (int i = 0; i < 100 && end.session.wants_send(); ++i) {
        out.clear();
        end.session.send(out, 65'536);
        CHECK(out.size() <= std::size_t{65'536} + 16'384 + 9);
    }
    CHECK(end.session.open_streams() <= 16);
}

}  // namespace

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
    if (size < 2) {
        return 0;
    }
    const auto role = (data[0] & 1U) != 0 ? wire::Http2Role::client : wire::Http2Role::server;
    std::string bytes;
    if ((data[0] & 2U) == 0 && role == wire::Http2Role::server) {
        bytes = "PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n";
    }
    bytes.append(reinterpret_cast<const char*>(data + 2), size - 2);
    End whole(role);
    play(whole, bytes, SIZE_MAX);
    End split(role);
    play(split, bytes, std::size_t{data[1]} + 1);
    // Behind a peer's goodbye a connection without streams is over when a piece ends: what follows
    // in the same piece is still told.
    CHECK(whole.log.substr(0, whole.log.find('G')) == split.log.substr(0, split.log.find('G')));
    return 0;
}
