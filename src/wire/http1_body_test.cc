#include "wire/http1_body.h"

#include <fmt/format.h>
#include <gtest/gtest.h>

#include <string>

#include "wire/http1_writer.h"
#include "wire/http_text.h"

namespace tidemill::wire {
namespace {

using namespace std::literals;

struct Decoded {
    std::string body;
    ChunkEvent end = ChunkEvent::need_more;
    ChunkFault fault = ChunkFault::none;
    HeadFault trailer_fault = HeadFault::none;
    std::size_t consumed = 0;
    std::string trailers;

    friend bool operator==(const Decoded&, const Decoded&) = default;
};

// Feeds `text` as a connection would: the first `split` bytes, then the rest behind what was kept.
Decoded decode(std::string_view text, std::size_t split, ChunkDecoder decoder = ChunkDecoder()) {
    Decoded out;
    HeaderIndex trailers;
    std::size_t available = split;
    while (true) {
        const auto step =
            decoder.next(text.substr(out.consumed, available - out.consumed), trailers);
        out.consumed += step.consumed;
        out.body += step.payload;
        if (step.event == ChunkEvent::need_more && available < text.size()) {
            available = text.size();
        } else if (step.event != ChunkEvent::payload) {
            out.end = step.event;
            out.fault = step.fault;
            out.trailer_fault = step.trailer_fault;
            for (const Header& header : trailers) {
                out.trailers += fmt::format("{}={};", header.name, header.value);
            }
            return out;
        }
    }
}

TEST(ChunkDecoder, GivesTheSameWhereverTheInputIsSplit) {
    const std::string_view text = "5\r\nhello\r\n00A\r\n, world!!!\r\n0\r\nX-Sum: 7\r\n\r\nNEXT"sv;
    const Decoded want{.body = "hello, world!!!",
                       .end = ChunkEvent::done,
                       .consumed = text.size() - 4,
                       .trailers = "X-Sum=7;"};
    for (std::size_t split = 0; split <= text.size(); ++split) {
        EXPECT_EQ(decode(text, split), want) << split;
    }
}

TEST(ChunkDecoder, PayloadIsNotCopied) {
    const std::string text = "3\r\nabc\r\n0\r\n\r\n";
    ChunkDecoder decoder;
    HeaderIndex trailers;
    const auto step = decoder.next(text, trailers);
    EXPECT_EQ(step.payload.data(), text.data() + 3);
    EXPECT_EQ(step.consumed, 6U);
}

struct BadChunks {
    const char* name;
    std::string_view text;
    ChunkFault want;
};

TEST(ChunkDecoder, RefusesEachKindOfMalformedBody) {
    const BadChunks rows[] = {
        {"an empty size", "\r\nabc\r\n0\r\n\r\n"sv, ChunkFault::bad_size},
        {"a size with a prefix", "0x3\r\nabc\r\n0\r\n\r\n"sv, ChunkFault::bad_size},
        {"a size with a plus", "+3\r\nabc\r\n0\r\n\r\n"sv, ChunkFault::bad_size},
        {"a negative size", "-1\r\nabc\r\n0\r\n\r\n"sv, ChunkFault::bad_size},
        {"a size behind a space", " 3\r\nabc\r\n0\r\n\r\n"sv, ChunkFault::bad_size},
        {"a size before a space", "3 \r\nabc\r\n0\r\n\r\n"sv, ChunkFault::bad_size},
        {"a size before a tab", "3\t\r\nabc\r\n0\r\n\r\n"sv, ChunkFault::bad_size},
        {"a size with an underscore", "1_0\r\nabc\r\n0\r\n\r\n"sv, ChunkFault::bad_size},
        {"a size with a NUL", "3\0\r\nabc\r\n0\r\n\r\n"sv, ChunkFault::bad_size},
        {"a size of seventeen digits", "00000000000000003\r\nabc\r\n0\r\n\r\n"sv,
         ChunkFault::bad_size},
        {"a size of 2^63", "8000000000000000\r\nabc"sv, ChunkFault::bad_size},
        {"an extension", "3;a=b\r\nabc\r\n0\r\n\r\n"sv, ChunkFault::extension},
        {"an extension with a bare LF", "3;a\nabc\r\n0\r\n\r\n"sv, ChunkFault::extension},
        {"an extension on the last chunk", "0;x\r\n\r\n"sv, ChunkFault::extension},
        {"a bare LF after the size", "3\nabc\r\n0\r\n\r\n"sv, ChunkFault::bad_line_end},
        {"a bare CR after the size", "3\rabc\r\n0\r\n\r\n"sv, ChunkFault::bad_line_end},
        {"a bare LF after the data", "3\r\nabc\n0\r\n\r\n"sv, ChunkFault::bad_line_end},
        {"data longer than the size", "3\r\nabcd\r\n0\r\n\r\n"sv, ChunkFault::bad_line_end},
        {"no line end after the data", "3\r\nabc0\r\n\r\n"sv, ChunkFault::bad_line_end},
        {"a folded trailer", "0\r\n a: b\r\n\r\n"sv, ChunkFault::bad_trailers},
        {"a trailer that frames", "0\r\nContent-Length: 3\r\n\r\n"sv, ChunkFault::bad_trailers},
        {"a trailer that encodes", "0\r\nTransfer-Encoding: chunked\r\n\r\n"sv,
         ChunkFault::bad_trailers},
        {"a trailer that routes", "0\r\nHost: b\r\n\r\n"sv, ChunkFault::bad_trailers},
        {"bytes after the last chunk", "0\r\nGET / HTTP/1.1\r\nHost: a\r\n\r\n"sv,
         ChunkFault::bad_trailers},
    };
    for (const BadChunks& row : rows) {
        for (std::size_t split = 0; split <= row.text.size(); ++split) {
            const Decoded got = decode(row.text, split);
            EXPECT_EQ(got.end, ChunkEvent::bad) << row.name << " at " << split;
            EXPECT_EQ(fault_text(got.fault), fault_text(row.want)) << row.name << " at " << split;
        }
    }
}

TEST(ChunkDecoder, KeepsItsLimitsExactly) {
    const std::string_view text = "3\r\nabc\r\n2\r\nde\r\n0\r\n\r\n"sv;
    EXPECT_EQ(decode(text, 0, ChunkDecoder(5)).body, "abcde");
    EXPECT_EQ(decode(text, 0, ChunkDecoder(4)).fault, ChunkFault::body_too_large);
    const std::string_view trailers = "0\r\na: b\r\nc: d\r\n\r\n"sv;
    EXPECT_EQ(decode(trailers, 0, ChunkDecoder(1, {.headers = 2})).end, ChunkEvent::done);
    EXPECT_EQ(decode(trailers, 0, ChunkDecoder(1, {.headers = 1})).trailer_fault,
              HeadFault::too_many_headers);
    EXPECT_EQ(decode(trailers, 0, ChunkDecoder(1, {.head_bytes = 13})).trailer_fault,
              HeadFault::head_too_large);
}

TEST(ChunkSizeLine, IsReadBack) {
    EXPECT_EQ(ChunkSizeLine(0x1f4).text(), "1f4\r\n");
    EXPECT_EQ(ChunkSizeLine(UINT64_MAX).text(), "ffffffffffffffff\r\n");
    const std::string text =
        std::string(ChunkSizeLine(11).text()) + "hello world" + std::string(chunk_end);
    EXPECT_EQ(decode(text + std::string(last_chunk), 0).body, "hello world");
}

TEST(HeadWriter, WritesWhatIsReadBack) {
    std::string out = "before";
    HeadWriter writer(out, 4096);
    writer.status_line(404)
        .field("Content-Length", std::uint64_t{12})
        .field("X-Name", "caf\xc3\xa9")
        .end();
    EXPECT_EQ(writer.fault(), WriteFault::none);
    EXPECT_EQ(out,
              "beforeHTTP/1.1 404 Not Found\r\nContent-Length: 12\r\nX-Name: caf\xc3\xa9\r\n\r\n");
    EXPECT_EQ(writer.text(), std::string_view(out).substr(6));

    ResponseHead head;
    EXPECT_EQ(parse_response_head(writer.text(), 0, {}, AnswerTo::other, head).progress,
              Progress::done);
}

TEST(HeadWriter, RefusesWhatWouldSplitTheMessage) {
    const std::string_view bad_values[] = {"a\r\nb"sv, "a\rb"sv, "a\nb"sv, "a\0b"sv,
                                           "\x01"sv,   " a"sv,   "a\t"sv,  "\x7f"sv};
    for (const std::string_view value : bad_values) {
        std::string out = "kept";
        HeadWriter writer(out, 4096);
        writer.request_line("GET", "/").field("A", value).field("B", "c").end();
        EXPECT_EQ(writer.fault(), WriteFault::bad_value) << value;
        EXPECT_EQ(out, "kept");
    }
    for (const std::string_view name : {""sv, "a b"sv, "a:"sv, "a\r\n"sv}) {
        std::string out;
        EXPECT_EQ(HeadWriter(out, 4096).field(name, "v").fault(), WriteFault::bad_value) << name;
    }
    std::string out;
    EXPECT_EQ(HeadWriter(out, 4096).request_line("GET", "/a b").fault(), WriteFault::bad_value);
    EXPECT_EQ(HeadWriter(out, 4096).request_line("G T", "/").fault(), WriteFault::bad_value);
    EXPECT_EQ(HeadWriter(out, 4096).status_line(99).fault(), WriteFault::bad_value);
    EXPECT_EQ(HeadWriter(out, 4096).status_line(200, "a\nb").fault(), WriteFault::bad_value);
}

TEST(HeadWriter, StopsAtTheEndOfItsSpace) {
    const std::string_view want = "GET / HTTP/1.1\r\nA: b\r\n\r\n";
    for (std::size_t size = 0; size <= want.size() + 1; ++size) {
        std::string space(size, '?');
        HeadWriter writer{std::span<char>(space)};
        writer.request_line("GET", "/").field("A", "b").end();
        EXPECT_EQ(writer.fault(), size < want.size() ? WriteFault::no_room : WriteFault::none);
        EXPECT_EQ(writer.text(), size < want.size() ? "" : want);
        std::string growing;
        EXPECT_EQ(HeadWriter(growing, size).request_line("GET", "/").field("A", "b").end().fault(),
                  size < want.size() ? WriteFault::no_room : WriteFault::none);
    }
}

TEST(HttpDate, IsTheFixedForm) {
    const auto text = [](std::int64_t second) {
        const HttpDate date = format_http_date(base::WallTime{second * 1'000'000'000});
        return std::string(date.data(), date.size());
    };
    EXPECT_EQ(text(784'111'777), "Sun, 06 Nov 1994 08:49:37 GMT");
    EXPECT_EQ(text(0), "Thu, 01 Jan 1970 00:00:00 GMT");
    EXPECT_EQ(text(1'709'208'000), "Thu, 29 Feb 2024 12:00:00 GMT");
    EXPECT_EQ(text(-5), "Thu, 01 Jan 1970 00:00:00 GMT");
    DateCache cache;
    EXPECT_EQ(cache.text(base::WallTime{784'111'777'000'000'000}), "Sun, 06 Nov 1994 08:49:37 GMT");
    EXPECT_EQ(cache.text(base::WallTime{784'111'778'999'999'999}), "Sun, 06 Nov 1994 08:49:38 GMT");
}

TEST(ReasonPhrase, KnowsTheRegisteredOnes) {
    EXPECT_EQ(reason_phrase(431), "Request Header Fields Too Large");
    EXPECT_EQ(reason_phrase(299), "");
}

}  // namespace
}  // namespace tidemill::wire
