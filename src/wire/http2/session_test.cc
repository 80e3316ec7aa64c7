#include "wire/http2/session.h"

#include <functional>

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "wire/http2/frames_test.h"

namespace tidemill::wire::testing {
namespace {

using ::testing::ElementsAre;
using ::testing::HasSubstr;
using ::testing::IsEmpty;
using namespace std::chrono_literals;

// One end of a connection, with what it was told as lines of text.
struct End : Http2Events {
    explicit End(Http2Role role, Http2Limits limits = {}) : session(role, limits, *this) {}

    void on_head(Http2StreamId stream, Head kind, Http2Fields fields, Http2End end) override {
        constexpr std::string_view kinds[] = {"request", "interim", "answer", "trailers"};
        std::string line(kinds[static_cast<std::size_t>(kind)]);
        line += ' ' + std::to_string(stream);
        for (const auto& field : fields) {
            line += ' ';
            line += field.name;
            line += '=';
            line += field.value;
        }
        lines.push_back(line + (end == Http2End::here ? " end" : ""));
    }
    void on_head_too_large(Http2StreamId stream) override {
        lines.push_back("too large " + std::to_string(stream));
    }
    void on_data(Http2StreamId stream, std::string_view bytes) override {
        data += bytes;
        if (take == Take::at_once) {
            session.consumed(stream, bytes.size());
        }
    }
    void on_end(Http2StreamId stream) override { lines.push_back("end " + std::to_string(stream)); }
    void on_drained(Http2StreamId stream) override {
        drained += 1;
        if (more) {
            more(stream);
        }
    }
    void on_closed(Http2StreamId stream, Http2Error why) override {
        lines.push_back("closed " + std::to_string(stream) + ' ' +
                        std::to_string(static_cast<int>(why)));
    }
    void on_go_away(Http2Error why) override {
        lines.push_back("go away " + std::to_string(static_cast<int>(why)));
    }
    std::string sent() {
        std::string out;
        session.send(out, SIZE_MAX);
        return out;
    }
    Http2Fault hear(std::string_view bytes, base::Instant now = {}) {
        return session.receive(bytes, now);
    }
    std::vector<std::string> told() { return std::exchange(lines, {}); }

    enum class Take : std::uint8_t { at_once, never } take = Take::at_once;
    std::vector<std::string> lines;
    std::string data;
    int drained = 0;
    std::function<void(Http2StreamId)> more;
    Http2Session session;
};

struct Pair {
    explicit Pair(Http2Limits limits = {})
        : client(Http2Role::client), server(Http2Role::server, limits) {}
    // Lets both talk until nothing is left to say.
    void settle() {
        for (int i = 0; i < 100'000; ++i) {
            const auto from_client = client.sent();
            const auto from_server = server.sent();
            if (from_client.empty() && from_server.empty()) {
                return;
            }
            EXPECT_EQ(server.hear(from_client), Http2Fault::none);
            EXPECT_EQ(client.hear(from_server), Http2Fault::none);
        }
        ADD_FAILURE() << "they never stop talking";
    }
    End client;
    End server;
};

const Http2Field request[] = {
    {":method", "POST"}, {":scheme", "http"}, {":authority", "a.example"}, {":path", "/x"}};
const Http2Field ok[] = {{":status", "200"}, {"x", "y"}};

TEST(Http2Session, a_request_with_a_body_and_an_answer_with_trailers_cross) {
    Pair pair;
    const auto id = pair.client.session.open(request, Http2End::more);
    ASSERT_EQ(id, 1);
    pair.client.session.write(id, "hello ");
    pair.client.session.write(id, "world");
    pair.client.session.finish(id, {});
    pair.settle();
    EXPECT_THAT(
        pair.server.told(),
        ElementsAre("request 1 :method=POST :scheme=http :authority=a.example :path=/x", "end 1"));
    EXPECT_EQ(pair.server.data, "hello world");
    const Http2Field early[] = {{":status", "103"}, {"link", "l"}};
    EXPECT_TRUE(pair.server.session.interim(1, early));
    EXPECT_TRUE(pair.server.session.answer(1, ok, Http2End::more));
    pair.server.session.write(1, "body");
    const Http2Field trailers[] = {{"grpc-status", "0"}};
    pair.server.session.finish(1, trailers);
    pair.settle();
    EXPECT_THAT(pair.client.told(),
                ElementsAre("interim 1 :status=103 link=l", "answer 1 :status=200 x=y",
                            "trailers 1 grpc-status=0 end", "closed 1 0"));
    EXPECT_EQ(pair.client.data, "body");
    EXPECT_THAT(pair.server.told(), ElementsAre("closed 1 0"));
    EXPECT_EQ(pair.server.session.open_streams(), 0U);
}

TEST(Http2Session, a_body_stops_at_the_window_of_a_reader_that_does_not_take_it) {
    Pair pair({.stream_window_bytes = 1000, .connection_window_bytes = 65'535});
    pair.settle();  // the server's window is known before the body begins
    pair.server.take = End::Take::never;
    const auto id = pair.client.session.open(request, Http2End::more);
    pair.client.session.write(id, std::string(5000, 'x'));
    pair.client.session.finish(id, {});
    pair.settle();
    EXPECT_EQ(pair.server.data.size(), 1000U);
    EXPECT_EQ(pair.client.session.unsent(id), 4000U);
    pair.server.session.consumed(id, 1000);
    pair.settle();
    EXPECT_EQ(pair.server.data.size(), 2000U);
    pair.server.take = End::Take::at_once;
    pair.server.session.consumed(id, 1000);
    pair.settle();
    EXPECT_EQ(pair.server.data.size(), 5000U);
    EXPECT_EQ(pair.client.session.unsent(id), 0U);
}

TEST(Http2Session, streams_that_nobody_takes_from_do_not_stop_the_others) {
    Pair pair;
    pair.server.take = End::Take::never;
    for (int i = 0; i < 3; ++i) {
        const auto id = pair.client.session.open(request, Http2End::more);
        pair.client.session.write(id, std::string(100'000, 'x'));
    }
    pair.settle();
    EXPECT_EQ(pair.server.data.size(), 3U * 64 * 1024);
    pair.server.take = End::Take::at_once;
    const auto id = pair.client.session.open(request, Http2End::more);
    pair.client.session.write(id, std::string(300'000, 'y'));
    pair.client.session.finish(id, {});
    pair.settle();
    EXPECT_EQ(pair.server.data.size(), 3U * 64 * 1024 + 300'000);
}

TEST(Http2Session, a_writer_hears_when_its_bytes_are_in_frames) {
    Pair pair;
    const auto id = pair.client.session.open(request, Http2End::more);
    int left = 20;
    pair.client.more = [&](Http2StreamId stream) {
        if (left-- > 0) {
            pair.client.session.write(stream, std::string(10'000, 'x'));
        } else {
            pair.client.session.finish(stream, {});
        }
    };
    pair.client.session.write(id, std::string(10'000, 'x'));
    pair.settle();
    EXPECT_EQ(pair.server.data.size(), 210'000U);
    EXPECT_EQ(pair.client.drained, 21);
    EXPECT_THAT(pair.server.told(), ::testing::Contains("end 1"));
}

TEST(Http2Session, a_reset_reaches_the_other_side_and_no_event_follows_here) {
    Pair pair;
    const auto id = pair.client.session.open(request, Http2End::more);
    pair.settle();
    pair.client.session.reset(id, Http2Error::cancel);
    pair.settle();
    EXPECT_THAT(pair.server.told(),
                ElementsAre("request 1 :method=POST :scheme=http :authority=a.example :path=/x",
                            "closed 1 8"));
    EXPECT_THAT(pair.client.told(), IsEmpty());
    EXPECT_FALSE(pair.server.session.answer(1, ok, Http2End::here));
}

TEST(Http2Session, a_request_that_is_reset_before_it_was_sent_is_never_sent) {
    Pair pair;
    pair.client.session.reset(pair.client.session.open(request, Http2End::more),
                              Http2Error::cancel);
    pair.settle();
    EXPECT_THAT(pair.server.told(), IsEmpty());
    EXPECT_GT(pair.client.session.open(request, Http2End::here), 1);
    pair.settle();
    EXPECT_THAT(pair.server.told(), ElementsAre(HasSubstr("request 3")));
}

TEST(Http2Session, an_early_answer_goes_out_whole_before_the_rest_of_the_request_is_refused) {
    Pair pair;
    const auto id = pair.client.session.open(request, Http2End::more);
    pair.settle();
    pair.server.session.answer(id, ok, Http2End::more);
    pair.server.session.write(id, "no");
    pair.server.session.finish(id, {});
    pair.server.session.release(id);
    pair.settle();
    EXPECT_EQ(pair.client.data, "no");
    EXPECT_THAT(pair.client.told(), ElementsAre("answer 1 :status=200 x=y", "end 1", "closed 1 0"));
}

TEST(Http2Session, a_request_that_has_ended_is_not_refused_when_its_answer_is_out) {
    End server(Http2Role::server);
    server.hear(hello() + get(1));
    server.session.answer(1, ok, Http2End::more);
    server.session.write(1, "body");
    server.session.finish(1, {});
    server.session.release(1);
    EXPECT_THAT(server.sent(), ::testing::Not(HasSubstr(frame(reset_frame, 0, 1, word(0)))));
    EXPECT_THAT(server.told(), ElementsAre(HasSubstr("request 1"), "closed 1 0"));
}

TEST(Http2Session, going_away_lets_what_runs_end_and_begins_nothing) {
    Pair pair;
    pair.client.session.open(request, Http2End::more);
    pair.settle();
    pair.server.session.go_away();
    pair.settle();
    EXPECT_THAT(pair.client.told(), ElementsAre("go away 0"));
    EXPECT_FALSE(pair.client.session.may_open());
    EXPECT_EQ(pair.client.session.open(request, Http2End::here), 0);
    pair.server.session.answer(1, ok, Http2End::here);
    pair.client.session.finish(1, {});
    pair.settle();
    EXPECT_TRUE(pair.server.session.over());
    EXPECT_TRUE(pair.client.session.over());
}

TEST(Http2Session, a_stream_that_a_leaving_server_did_not_look_at_is_refused) {
    Pair pair;
    pair.settle();
    pair.server.session.go_away();
    const auto bye = pair.server.sent();
    const auto id = pair.client.session.open(request, Http2End::here);
    pair.client.sent();
    pair.client.hear(bye);
    EXPECT_THAT(pair.client.told(), ElementsAre("go away 0", "closed 1 7"));
    EXPECT_EQ(id, 1);
}

TEST(Http2Session, more_streams_than_allowed_wait_at_the_client) {
    Pair pair({.streams = 2});
    pair.settle();
    EXPECT_EQ(pair.client.session.open(request, Http2End::more), 1);
    EXPECT_EQ(pair.client.session.open(request, Http2End::more), 3);
    EXPECT_FALSE(pair.client.session.may_open());
    pair.client.session.reset(1, Http2Error::cancel);
    EXPECT_TRUE(pair.client.session.may_open());
}

// What a peer says that does not keep the rules, and how it ends: the fault, the code of our
// GOAWAY, and what was told of streams.
struct Bad {
    const char* name;
    std::string bytes;
    Http2Fault fault;
    Http2Error goodbye;
};

std::string times(int count, const std::function<std::string(std::uint32_t)>& make) {
    std::string out;
    for (int i = 0; i < count; ++i) {
        out += make(static_cast<std::uint32_t>(i));
    }
    return out;
}

std::string head_of(std::initializer_list<Http2Field> fields) {
    return frame(headers_frame, end_headers | end_stream, 1, packed(fields));
}

TEST(Http2Session, peers_that_cost_without_moving_anything_are_sent_away) {
    const auto id_of = [](std::uint32_t i) { return 2 * i + 1; };
    const auto table_bomb = [] {
        // An entry of 4,000 bytes in the table, then named 30,000 times with one byte each.
        std::string head = get_head();
        head += "\x40\x01x";
        head += '\x7f';
        head += static_cast<char>((3900 - 127) % 128 + 128);
        head += static_cast<char>((3900 - 127) / 128);
        head += std::string(3900, 'b');
        head += std::string(10'000, '\xbe');
        return frame(headers_frame, end_headers | end_stream, 1, head);
    };
    const Bad rows[] = {
        {"an answer instead of a preface", "HTTP/1.1 400 Bad Request\r\n\r\n",
         Http2Fault::bad_preface, Http2Error::protocol_error},
        {"rapid resets",
         hello() + times(2000,
                         [&](auto i) {
                             return get(id_of(i)) + frame(reset_frame, 0, id_of(i), word(8));
                         }),
         Http2Fault::too_many_resets, Http2Error::enhance_your_calm},
        {"a flood of pings",
         hello() + times(3000, [](auto) { return frame(ping_frame, 0, 0, "12345678"); }),
         Http2Fault::too_many_idle_frames, Http2Error::enhance_your_calm},
        {"a flood of settings",
         hello() + times(3000, [](auto) { return frame(settings_frame, 0, 0); }),
         Http2Fault::too_many_idle_frames, Http2Error::enhance_your_calm},
        {"a flood of acknowledgements of nothing",
         hello() + times(3000, [](auto) { return frame(ping_frame, ack, 0, "12345678"); }),
         Http2Fault::too_many_idle_frames, Http2Error::enhance_your_calm},
        {"a flood of priorities",
         hello() + times(3000, [](auto) { return frame(priority_frame, 0, 5, word(0) + "\x10"); }),
         Http2Fault::too_many_idle_frames, Http2Error::enhance_your_calm},
        {"a window opened byte by byte",
         hello() + times(3000, [](auto) { return frame(window_frame, 0, 0, word(1)); }),
         Http2Fault::too_many_idle_frames, Http2Error::enhance_your_calm},
        {"a flood of empty data",
         hello() + frame(headers_frame, end_headers, 1, get_head()) +
             times(3000, [](auto) { return frame(data_frame, 0, 1); }),
         Http2Fault::too_many_idle_frames, Http2Error::enhance_your_calm},
        {"a flood of padding",
         hello() + frame(headers_frame, end_headers, 1, get_head()) +
             times(3000,
                   [](auto) {
                       return frame(data_frame, padded, 1,
                                    std::string("\x05") + std::string(5, '\0'));
                   }),
         Http2Fault::too_many_idle_frames, Http2Error::enhance_your_calm},
        {"a flood of continuations",
         hello() + frame(headers_frame, 0, 1, get_head()) +
             times(100, [](auto) { return frame(continuation_frame, 0, 1, packed({{"a", "b"}})); }),
         Http2Fault::too_many_continuations, Http2Error::enhance_your_calm},
        {"a head that unpacks to many times its size", hello() + table_bomb(),
         Http2Fault::head_bomb, Http2Error::enhance_your_calm},
        {"a window above 2^31-1", hello() + frame(window_frame, 0, 0, word(0x7fffffff)),
         Http2Fault::protocol, Http2Error::flow_control_error},
        {"an initial window above 2^31-1",
         hello() + frame(settings_frame, 0, 0, std::string("\0\4", 2) + word(0x80000000)),
         Http2Fault::protocol, Http2Error::flow_control_error},
        {"a frame size below 16,384",
         hello() + frame(settings_frame, 0, 0, std::string("\0\5", 2) + word(16'383)),
         Http2Fault::protocol, Http2Error::protocol_error},
        {"an even stream", hello() + get(2), Http2Fault::protocol, Http2Error::protocol_error},
        {"a stream number that goes down", hello() + get(5) + get(3), Http2Fault::protocol,
         Http2Error::protocol_error},
        {"data of no stream", hello() + frame(data_frame, 0, 0, "x"), Http2Fault::protocol,
         Http2Error::protocol_error},
        {"another frame within a head",
         hello() + frame(headers_frame, 0, 1, get_head()) + frame(ping_frame, 0, 0, "12345678"),
         Http2Fault::protocol, Http2Error::protocol_error},
        {"a table index that is not there",
         hello() + frame(headers_frame, end_headers | end_stream, 1, get_head() + "\xff\x7f"),
         Http2Fault::protocol, Http2Error::compression_error},
        {"a ping of seven bytes", hello() + frame(ping_frame, 0, 0, "1234567"),
         Http2Fault::protocol, Http2Error::frame_size_error},
        {"a frame above our size",
         hello() + frame(headers_frame, end_headers, 1, get_head()) +
             frame(data_frame, 0, 1, std::string(16'385, 'x')),
         Http2Fault::protocol, Http2Error::frame_size_error},
    };
    for (const auto& row : rows) {
        SCOPED_TRACE(row.name);
        End server(Http2Role::server);
        std::string sent;
        auto fault = Http2Fault::none;
        for (std::size_t at = 0; at < row.bytes.size() && fault == Http2Fault::none; at += 1000) {
            fault = server.hear(std::string_view(row.bytes).substr(at, 1000));
            sent += server.sent();
        }
        sent += server.sent();
        EXPECT_EQ(server.session.fault(), row.fault);
        EXPECT_EQ(server.session.goodbye(), row.goodbye);
        EXPECT_TRUE(server.session.over());
        EXPECT_FALSE(fault_text(server.session.fault()).empty());
        const auto bye = sent.rfind(std::string("\x07\0\0\0\0\0", 6));
        ASSERT_NE(bye, std::string::npos);
        EXPECT_EQ(sent.substr(bye + 10, 4), word(static_cast<std::uint32_t>(row.goodbye)));
    }
}

TEST(Http2Session, acknowledgements_that_nobody_fetches_are_bounded) {
    End server(Http2Role::server, {.idle_frames_burst = 100'000, .acknowledgements_queued = 50});
    server.hear(hello());
    for (int i = 0; i < 40; ++i) {
        EXPECT_EQ(server.hear(frame(ping_frame, 0, 0, "12345678")), Http2Fault::none) << i;
    }
    auto fault = Http2Fault::none;
    for (int i = 0; i < 20; ++i) {
        fault = server.hear(frame(ping_frame, 0, 0, "12345678"));
    }
    EXPECT_EQ(fault, Http2Fault::too_many_idle_frames);
}

TEST(Http2Session, allowances_grow_with_time_and_with_work) {
    End server(Http2Role::server, {.idle_frames_burst = 10, .idle_frames_per_second = 10});
    server.hear(hello());
    base::Instant now;
    for (int i = 0; i < 100; ++i) {  // ten a second
        now = now + 100ms;
        ASSERT_EQ(server.hear(frame(ping_frame, 0, 0, "12345678"), now), Http2Fault::none) << i;
        server.sent();
    }
    for (std::uint32_t i = 0; i < 100; ++i) {  // five with each request
        std::string round = get(2 * i + 1);
        for (int ping = 0; ping < 5; ++ping) {
            round += frame(ping_frame, 0, 0, "12345678");
        }
        ASSERT_EQ(server.hear(round, now), Http2Fault::none) << i;
        server.session.answer(static_cast<Http2StreamId>(2 * i + 1), ok, Http2End::here);
        server.sent();
    }
}

// Requests that are refused as such: the stream is reset, the connection lives.
TEST(Http2Session, malformed_requests_are_reset_and_never_told) {
    struct Row {
        const char* name;
        std::string bytes;
    };
    using Fields = std::initializer_list<Http2Field>;
    const auto plus = [](Fields more) {
        return frame(headers_frame, end_headers | end_stream, 1, get_head() + packed(more));
    };
    const Row rows[] = {
        {"no method", head_of({{":scheme", "http"}, {":path", "/"}, {":authority", "a"}})},
        {"no path", head_of({{":method", "GET"}, {":scheme", "http"}, {":authority", "a"}})},
        {"no scheme", head_of({{":method", "GET"}, {":path", "/"}, {":authority", "a"}})},
        {"no authority", head_of({{":method", "GET"}, {":scheme", "http"}, {":path", "/"}})},
        {"an empty path",
         head_of({{":method", "GET"}, {":scheme", "http"}, {":path", ""}, {":authority", "a"}})},
        {"two paths", plus({{":path", "/b"}})},
        {"a pseudo-header field behind others",
         head_of({{":method", "GET"}, {":scheme", "http"}, {"a", "b"}, {":path", "/"}})},
        {"a pseudo-header field of answers", plus({{":status", "200"}})},
        {"an unknown pseudo-header field", head_of({{":method", "GET"},
                                                    {":scheme", "http"},
                                                    {":path", "/"},
                                                    {":authority", "a"},
                                                    {":x", "y"}})},
        {"a name in upper case", plus({{"Accept", "b"}})},
        {"a name with a space", plus({{"a b", "c"}})},
        {"an empty name", plus({{"", "c"}})},
        {"a value with a line end", plus({{"a", "b\r\nc: d"}})},
        {"a value with NUL", plus({{"a", {"b\0c", 3}}})},
        {"Connection", plus({{"connection", "close"}})},
        {"Transfer-Encoding", plus({{"transfer-encoding", "chunked"}})},
        {"Upgrade", plus({{"upgrade", "websocket"}})},
        {"te that is not trailers", plus({{"te", "gzip"}})},
        {"two lengths", plus({{"content-length", "0"}, {"content-length", "0"}})},
        {"a length with a sign", plus({{"content-length", "+0"}})},
        {"a length without data", plus({{"content-length", "5"}})},
        {"data above the length",
         frame(headers_frame, end_headers, 1, get_head() + packed({{"content-length", "1"}})) +
             frame(data_frame, end_stream, 1, "ab")},
        {"data below the length",
         frame(headers_frame, end_headers, 1, get_head() + packed({{"content-length", "3"}})) +
             frame(data_frame, end_stream, 1, "ab")},
        {"trailers that do not end the stream",
         frame(headers_frame, end_headers, 1, get_head()) +
             frame(headers_frame, end_headers, 1, packed({{"a", "b"}}))},
        {"a pseudo-header field in trailers",
         frame(headers_frame, end_headers, 1, get_head()) +
             frame(headers_frame, end_headers | end_stream, 1, packed({{":path", "/"}}))},
        {"extended CONNECT, which was not offered", head_of({{":method", "CONNECT"},
                                                             {":protocol", "websocket"},
                                                             {":scheme", "http"},
                                                             {":path", "/"},
                                                             {":authority", "a"}})},
    };
    for (const auto& row : rows) {
        SCOPED_TRACE(row.name);
        End server(Http2Role::server);
        EXPECT_EQ(server.hear(hello() + row.bytes), Http2Fault::none);
        EXPECT_THAT(server.sent(), HasSubstr(frame(reset_frame, 0, 1, word(1))));
        for (const auto& line : server.told()) {
            EXPECT_THAT(line, ::testing::AnyOf("closed 1 1", HasSubstr("request 1 :method=GET")));
            EXPECT_THAT(line, ::testing::Not(HasSubstr(" end")));
        }
        EXPECT_EQ(server.hear(get(3)), Http2Fault::none);
        EXPECT_THAT(server.told(), ElementsAre(HasSubstr("request 3")));
    }
}

TEST(Http2Session, peers_that_make_us_reset_streams_are_counted_like_those_that_reset_them) {
    End server(Http2Role::server, {.resets_burst = 20, .resets_per_second = 1});
    std::string bytes = hello();
    for (std::uint32_t i = 0; i < 30; ++i) {
        bytes += frame(headers_frame, end_headers | end_stream, 2 * i + 1,
                       get_head() + packed({{"connection", "close"}}));
    }
    server.hear(bytes);
    EXPECT_THAT(server.sent(), HasSubstr(frame(reset_frame, 0, 1, word(1))));
    EXPECT_EQ(server.session.fault(), Http2Fault::too_many_resets);
}

TEST(Http2Session, a_head_above_the_limit_is_told_as_such) {
    for (const auto& limits : {Http2Limits{.head_bytes = 500}, Http2Limits{.headers = 6}}) {
        End server(Http2Role::server, limits);
        std::string head = get_head();
        for (int i = 0; i < 10; ++i) {
            head += packed({{"a-name", "and a value that is longer"}});
        }
        server.hear(hello() + frame(headers_frame, end_headers | end_stream, 1, head));
        EXPECT_THAT(server.told(), ElementsAre("too large 1"));
        const Http2Field refusal[] = {{":status", "431"}};
        EXPECT_TRUE(server.session.answer(1, refusal, Http2End::here));
        EXPECT_EQ(server.hear(get(3)), Http2Fault::none);
        EXPECT_THAT(server.told(), ElementsAre(HasSubstr("request 3")));
    }
}

TEST(Http2Session, the_same_bytes_mean_the_same_however_they_are_split) {
    const auto bytes =
        hello() + frame(headers_frame, 0, 1, get_head()) +
        frame(continuation_frame, end_headers, 1, packed({{"a", "b"}})) +
        frame(data_frame, 0, 1, "one") + frame(data_frame, padded, 1, std::string("\1two\0", 5)) +
        frame(headers_frame, end_headers | end_stream, 1, packed({{"c", "d"}})) + get(3);
    End whole(Http2Role::server);
    EXPECT_EQ(whole.hear(bytes), Http2Fault::none);
    End split(Http2Role::server);
    for (const char byte : bytes) {
        EXPECT_EQ(split.hear({&byte, 1}), Http2Fault::none);
    }
    EXPECT_EQ(whole.lines, split.lines);
    EXPECT_EQ(whole.data, "onetwo");
    EXPECT_EQ(split.data, "onetwo");
}

TEST(Http2Session, answers_that_no_server_may_send_are_not_told) {
    struct Row {
        const char* name;
        std::string head;
    };
    const Row rows[] = {
        {"no status", packed({{"a", "b"}})},
        {"a status of two digits", packed({{":status", "20"}})},
        {"a status twice", packed({{":status", "200"}, {":status", "200"}})},
        {"101", packed({{":status", "101"}})},
        {"a path", packed({{":status", "200"}, {":path", "/"}})},
        {"Connection", packed({{":status", "200"}, {"connection", "close"}})},
    };
    for (const auto& row : rows) {
        SCOPED_TRACE(row.name);
        End client(Http2Role::client);
        client.session.open(request, Http2End::here);
        client.sent();
        client.hear(frame(settings_frame, 0, 0) + frame(headers_frame, end_headers, 1, row.head));
        EXPECT_THAT(client.sent(), HasSubstr(frame(reset_frame, 0, 1, word(1))));
        EXPECT_THAT(client.told(), ElementsAre("closed 1 1"));
    }
}

TEST(Http2Session, a_push_that_was_not_asked_for_ends_the_connection) {
    End client(Http2Role::client);
    client.session.open(request, Http2End::here);
    client.sent();
    constexpr std::uint8_t push_frame = 5;
    client.hear(frame(settings_frame, 0, 0) + frame(settings_frame, ack, 0) +
                frame(push_frame, end_headers, 1, word(2) + get_head()));
    client.sent();
    EXPECT_EQ(client.session.goodbye(), Http2Error::protocol_error);
}

}  // namespace
}  // namespace tidemill::wire::testing
