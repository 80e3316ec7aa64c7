#include "wire/http1.h"

#include <fmt/format.h>
#include <gtest/gtest.h>

#include <memory>
#include <string>

#include "wire/http1_writer.h"

namespace tidemill::wire {
namespace {

using namespace std::literals;

HeadOutcome parse_request(std::string_view text, RequestHead& head, const HeadLimits& limits = {}) {
    return parse_request_head(text, 0, limits, head);
}

struct BadRequest {
    const char* name;
    std::string_view text;
    HeadFault want;
};

// Each payload is a class of request smuggling or of sloppy parsing; sources: RFC 9112, and the
// classes in the HTTP Garden project's list of found bugs.
const BadRequest bad_requests[] = {
    {"no method", " / HTTP/1.1\r\nHost: a\r\n\r\n"sv, HeadFault::bad_method},
    {"an empty line before the request", "\r\nGET / HTTP/1.1\r\nHost: a\r\n\r\n"sv,
     HeadFault::bad_method},
    {"a method with a separator", "GE(T / HTTP/1.1\r\nHost: a\r\n\r\n"sv, HeadFault::bad_method},
    {"a method with a NUL", "GE\0T / HTTP/1.1\r\nHost: a\r\n\r\n"sv, HeadFault::bad_method},
    {"a method with a byte above 127", "G\xc3\xa9T / HTTP/1.1\r\nHost: a\r\n\r\n"sv,
     HeadFault::bad_method},
    {"an endless method", "AAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAA / HTTP/1.1\r\nHost: a\r\n\r\n"sv,
     HeadFault::bad_method},
    {"a tab after the method", "GET\t/ HTTP/1.1\r\nHost: a\r\n\r\n"sv, HeadFault::bad_method},
    {"a TLS hello on a plain port", "\x16\x03\x01\x02\x00"sv, HeadFault::bad_method},
    {"two spaces before the target", "GET  / HTTP/1.1\r\nHost: a\r\n\r\n"sv, HeadFault::bad_target},
    {"no target", "GET HTTP/1.1\r\nHost: a\r\n\r\n"sv, HeadFault::bad_version},
    {"a target with a tab", "GET /a\tb HTTP/1.1\r\nHost: a\r\n\r\n"sv, HeadFault::bad_target},
    {"a target with a NUL", "GET /a\0b HTTP/1.1\r\nHost: a\r\n\r\n"sv, HeadFault::bad_target},
    {"a target with a fragment", "GET /a#b HTTP/1.1\r\nHost: a\r\n\r\n"sv, HeadFault::bad_target},
    {"a path with a backslash", "GET /..\\a HTTP/1.1\r\nHost: a\r\n\r\n"sv, HeadFault::bad_target},
    {"a target with raw UTF-8", "GET /\xc3\xa9 HTTP/1.1\r\nHost: a\r\n\r\n"sv,
     HeadFault::bad_target},
    {"a target without a slash", "GET a HTTP/1.1\r\nHost: a\r\n\r\n"sv, HeadFault::bad_target},
    {"an asterisk for GET", "GET * HTTP/1.1\r\nHost: a\r\n\r\n"sv, HeadFault::bad_target},
    {"an absolute target of another scheme", "GET ftp://a/ HTTP/1.1\r\nHost: a\r\n\r\n"sv,
     HeadFault::bad_target},
    {"an absolute target with user information", "GET http://u@a/ HTTP/1.1\r\nHost: a\r\n\r\n"sv,
     HeadFault::bad_target},
    {"an absolute target without a host", "GET http:///b HTTP/1.1\r\nHost: a\r\n\r\n"sv,
     HeadFault::bad_target},
    {"a space inside the target", "GET /a b HTTP/1.1\r\nHost: a\r\n\r\n"sv, HeadFault::bad_version},
    {"HTTP/0.9", "GET /\r\n\r\n"sv, HeadFault::bad_version},
    {"no version after the space", "GET / \r\n\r\n"sv, HeadFault::bad_version},
    {"a version in lower case", "GET / http/1.1\r\nHost: a\r\n\r\n"sv, HeadFault::bad_version},
    {"a minor version of two digits", "GET / HTTP/1.32\r\nHost: a\r\n\r\n"sv,
     HeadFault::bad_version},
    {"a major version of two digits", "GET / HTTP/11.1\r\nHost: a\r\n\r\n"sv,
     HeadFault::bad_version},
    {"a version without a point", "GET / HTTP/11\r\nHost: a\r\n\r\n"sv, HeadFault::bad_version},
    {"a space after the version", "GET / HTTP/1.1 \r\nHost: a\r\n\r\n"sv, HeadFault::bad_version},
    {"HTTP/1.2", "GET / HTTP/1.2\r\nHost: a\r\n\r\n"sv, HeadFault::unsupported_version},
    {"HTTP/2.0 as text", "GET / HTTP/2.0\r\nHost: a\r\n\r\n"sv, HeadFault::unsupported_version},
    {"the preface of HTTP/2", "PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n"sv, HeadFault::http2_preface},
    {"a bare LF after the request line", "GET / HTTP/1.1\nHost: a\r\n\r\n"sv, HeadFault::bare_lf},
    {"a bare CR after the request line", "GET / HTTP/1.1\rHost: a\r\n\r\n"sv, HeadFault::bare_cr},
    {"a bare LF after a field", "GET / HTTP/1.1\r\nHost: a\n\r\n"sv, HeadFault::bare_lf},
    {"a bare LF at the end", "GET / HTTP/1.1\r\nHost: a\r\n\n"sv, HeadFault::bare_lf},
    {"a bare CR at the end", "GET / HTTP/1.1\r\nHost: a\r\n\rX"sv, HeadFault::bare_cr},
    {"a bare CR in a value", "GET / HTTP/1.1\r\nHost: a\r\nB: c\rd\r\n\r\n"sv, HeadFault::bare_cr},
    {"two CR before LF", "GET / HTTP/1.1\r\nHost: a\r\r\n\r\n"sv, HeadFault::bare_cr},
    {"a NUL in a value", "GET / HTTP/1.1\r\nHost: a\r\nB: c\0d\r\n\r\n"sv, HeadFault::bad_value},
    {"a vertical tab in a value", "GET / HTTP/1.1\r\nHost: a\r\nB: c\vd\r\n\r\n"sv,
     HeadFault::bad_value},
    {"a DEL in a long value",
     "GET / HTTP/1.1\r\nHost: a\r\nB: 0123456789012345678901234567890123\x7f\r\n\r\n"sv,
     HeadFault::bad_value},
    {"a space before the colon", "GET / HTTP/1.1\r\nHost : a\r\n\r\n"sv,
     HeadFault::space_before_colon},
    {"a tab before the colon", "POST / HTTP/1.1\r\nHost: a\r\nContent-Length\t: 5\r\n\r\n"sv,
     HeadFault::space_before_colon},
    {"a folded line", "GET / HTTP/1.1\r\nHost: a\r\nB: c\r\n d\r\n\r\n"sv, HeadFault::folded_line},
    {"a line folded with a tab", "GET / HTTP/1.1\r\nHost: a\r\nB: c\r\n\td\r\n\r\n"sv,
     HeadFault::folded_line},
    {"white space before the first field", "GET / HTTP/1.1\r\n Host: a\r\n\r\n"sv,
     HeadFault::folded_line},
    {"an empty name", "GET / HTTP/1.1\r\nHost: a\r\n: b\r\n\r\n"sv, HeadFault::empty_name},
    {"a name with a separator", "GET / HTTP/1.1\r\nHost: a\r\nB(c): d\r\n\r\n"sv,
     HeadFault::bad_name},
    {"a name with a NUL", "GET / HTTP/1.1\r\nHost: a\r\nB\0: d\r\n\r\n"sv, HeadFault::bad_name},
    {"a name with a byte above 127", "GET / HTTP/1.1\r\nHost: a\r\n\xffZ: d\r\n\r\n"sv,
     HeadFault::bad_name},
    {"a line without a colon", "GET / HTTP/1.1\r\nHost: a\r\nfoo\r\n\r\n"sv,
     HeadFault::missing_colon},
    {"no Host", "GET / HTTP/1.1\r\nAccept: a\r\n\r\n"sv, HeadFault::missing_host},
    {"two Hosts", "GET / HTTP/1.1\r\nHost: a\r\nHost: b\r\n\r\n"sv, HeadFault::duplicate_host},
    {"the same Host twice", "GET / HTTP/1.1\r\nHost: a\r\nX: y\r\nhost: a\r\n\r\n"sv,
     HeadFault::duplicate_host},
    {"an empty Host", "GET / HTTP/1.1\r\nHost:\r\n\r\n"sv, HeadFault::bad_host},
    {"a list of Hosts", "GET / HTTP/1.1\r\nHost: a, b\r\n\r\n"sv, HeadFault::bad_host},
    {"a Host with a path", "GET / HTTP/1.1\r\nHost: a/b\r\n\r\n"sv, HeadFault::bad_host},
    {"a Host with user information", "GET / HTTP/1.1\r\nHost: u@a\r\n\r\n"sv, HeadFault::bad_host},
    {"a Host with a port out of range", "GET / HTTP/1.1\r\nHost: a:65536\r\n\r\n"sv,
     HeadFault::bad_host},
    {"a Host with an empty port", "GET / HTTP/1.1\r\nHost: a:\r\n\r\n"sv, HeadFault::bad_host},
    {"a Host with a signed port", "GET / HTTP/1.1\r\nHost: a:+80\r\n\r\n"sv, HeadFault::bad_host},
    {"a Host with an open bracket", "GET / HTTP/1.1\r\nHost: [::1\r\n\r\n"sv, HeadFault::bad_host},
    {"a Host with a bad address", "GET / HTTP/1.1\r\nHost: [::1::]\r\n\r\n"sv, HeadFault::bad_host},
    {"a bad Host in HTTP/1.0", "GET / HTTP/1.0\r\nHost: a b\r\n\r\n"sv, HeadFault::bad_host},
    {"a Host other than the target's", "GET http://a/ HTTP/1.1\r\nHost: b\r\n\r\n"sv,
     HeadFault::host_differs_from_target},
    {"length and encoding",
     "POST / HTTP/1.1\r\nHost: a\r\nContent-Length: 5\r\nTransfer-Encoding: chunked\r\n\r\n"sv,
     HeadFault::length_and_encoding},
    {"encoding and length",
     "POST / HTTP/1.1\r\nHost: a\r\nTransfer-Encoding: chunked\r\nContent-Length: 0\r\n\r\n"sv,
     HeadFault::length_and_encoding},
    {"two lengths that differ",
     "POST / HTTP/1.1\r\nHost: a\r\nContent-Length: 5\r\nContent-Length: 6\r\n\r\n"sv,
     HeadFault::duplicate_content_length},
    {"two lengths that agree",
     "POST / HTTP/1.1\r\nHost: a\r\nContent-Length: 5\r\ncontent-length: 5\r\n\r\n"sv,
     HeadFault::duplicate_content_length},
    {"a list of lengths", "POST / HTTP/1.1\r\nHost: a\r\nContent-Length: 5, 5\r\n\r\n"sv,
     HeadFault::bad_content_length},
    {"a length with a plus", "POST / HTTP/1.1\r\nHost: a\r\nContent-Length: +5\r\n\r\n"sv,
     HeadFault::bad_content_length},
    {"a length with a minus", "POST / HTTP/1.1\r\nHost: a\r\nContent-Length: -5\r\n\r\n"sv,
     HeadFault::bad_content_length},
    {"a length in hexadecimal", "POST / HTTP/1.1\r\nHost: a\r\nContent-Length: 0x5\r\n\r\n"sv,
     HeadFault::bad_content_length},
    {"a length with an underscore", "POST / HTTP/1.1\r\nHost: a\r\nContent-Length: 1_0\r\n\r\n"sv,
     HeadFault::bad_content_length},
    {"an empty length", "POST / HTTP/1.1\r\nHost: a\r\nContent-Length: \r\n\r\n"sv,
     HeadFault::bad_content_length},
    {"a length with a space inside", "POST / HTTP/1.1\r\nHost: a\r\nContent-Length: 1 0\r\n\r\n"sv,
     HeadFault::bad_content_length},
    {"a length with a fraction", "POST / HTTP/1.1\r\nHost: a\r\nContent-Length: 5.0\r\n\r\n"sv,
     HeadFault::bad_content_length},
    {"a length of 2^63",
     "POST / HTTP/1.1\r\nHost: a\r\nContent-Length: 9223372036854775808\r\n\r\n"sv,
     HeadFault::bad_content_length},
    {"a length of 2^64 plus 5",
     "POST / HTTP/1.1\r\nHost: a\r\nContent-Length: 18446744073709551621\r\n\r\n"sv,
     HeadFault::bad_content_length},
    {"a length with twenty digits",
     "POST / HTTP/1.1\r\nHost: a\r\nContent-Length: 00000000000000000005\r\n\r\n"sv,
     HeadFault::bad_content_length},
    {"an encoding other than chunked",
     "POST / HTTP/1.1\r\nHost: a\r\nTransfer-Encoding: identity\r\n\r\n"sv,
     HeadFault::bad_transfer_encoding},
    {"an empty encoding", "POST / HTTP/1.1\r\nHost: a\r\nTransfer-Encoding:\r\n\r\n"sv,
     HeadFault::bad_transfer_encoding},
    {"an encoding that only begins like chunked",
     "POST / HTTP/1.1\r\nHost: a\r\nTransfer-Encoding: chunkedx\r\n\r\n"sv,
     HeadFault::bad_transfer_encoding},
    {"an encoding in quotes",
     "POST / HTTP/1.1\r\nHost: a\r\nTransfer-Encoding: \"chunked\"\r\n\r\n"sv,
     HeadFault::bad_transfer_encoding},
    {"an encoding with a parameter",
     "POST / HTTP/1.1\r\nHost: a\r\nTransfer-Encoding: chunked;q=1\r\n\r\n"sv,
     HeadFault::bad_transfer_encoding},
    {"chunked twice in a list",
     "POST / HTTP/1.1\r\nHost: a\r\nTransfer-Encoding: chunked, chunked\r\n\r\n"sv,
     HeadFault::bad_transfer_encoding},
    {"chunked twice in two fields",
     "POST / HTTP/1.1\r\nHost: a\r\nTransfer-Encoding: chunked\r\n"
     "Transfer-Encoding: chunked\r\n\r\n"sv,
     HeadFault::bad_transfer_encoding},
    {"chunked not last", "POST / HTTP/1.1\r\nHost: a\r\nTransfer-Encoding: chunked, gzip\r\n\r\n"sv,
     HeadFault::bad_transfer_encoding},
    {"chunked with an empty element",
     "POST / HTTP/1.1\r\nHost: a\r\nTransfer-Encoding: ,chunked\r\n\r\n"sv,
     HeadFault::bad_transfer_encoding},
    {"chunked behind a coding that we do not know",
     "POST / HTTP/1.1\r\nHost: a\r\nTransfer-Encoding: gzip, chunked\r\n\r\n"sv,
     HeadFault::unsupported_transfer_encoding},
    {"an encoding in HTTP/1.0",
     "POST / HTTP/1.0\r\nHost: a\r\nTransfer-Encoding: chunked\r\n\r\n"sv,
     HeadFault::transfer_encoding_in_1_0},
    {"a Connection field that drops the length",
     "POST / HTTP/1.1\r\nHost: a\r\nConnection: close, Content-Length\r\n"
     "Content-Length: 1\r\n\r\n"sv,
     HeadFault::bad_connection},
    {"a Connection field that drops the host",
     "GET / HTTP/1.1\r\nHost: a\r\nConnection: host\r\n\r\n"sv, HeadFault::bad_connection},
    {"a Connection field with an empty option",
     "GET / HTTP/1.1\r\nHost: a\r\nConnection: close,\r\n\r\n"sv, HeadFault::bad_connection},
    {"an expectation that we cannot meet",
     "POST / HTTP/1.1\r\nHost: a\r\nExpect: 200-ok\r\nContent-Length: 1\r\n\r\n"sv,
     HeadFault::unsupported_expectation},
    {"CONNECT where it is not enabled", "CONNECT a:443 HTTP/1.1\r\nHost: a:443\r\n\r\n"sv,
     HeadFault::connect_refused},
};

TEST(RequestHead, RefusesEachKindOfMalformedHead) {
    const auto head = std::make_unique<RequestHead>();
    for (const BadRequest& row : bad_requests) {
        const HeadOutcome outcome = parse_request(row.text, *head);
        EXPECT_EQ(outcome.progress, Progress::bad) << row.name;
        EXPECT_EQ(fault_text(outcome.fault), fault_text(row.want)) << row.name;
        EXPECT_GE(fault_status(outcome.fault), 400) << row.name;
    }
}

TEST(RequestHead, RefusesTheSameWhereverTheInputIsSplit) {
    const auto head = std::make_unique<RequestHead>();
    for (const BadRequest& row : bad_requests) {
        // A head that drips in is looked at again when it ends, so it must end.
        const std::string text = std::string(row.text) + "\r\n\r\n";
        for (std::size_t split = 1; split < row.text.size(); ++split) {
            HeadOutcome outcome = parse_request(row.text.substr(0, split), *head);
            if (outcome.progress == Progress::need_more) {
                outcome = parse_request_head(text, split, {}, *head);
            }
            EXPECT_EQ(fault_text(outcome.fault), fault_text(row.want))
                << row.name << " at " << split;
        }
    }
}

constexpr std::string_view typical =
    "POST /cart/add?item=7&n=2 HTTP/1.1\r\n"
    "Host: shop.default.localhost:8080\r\n"
    "User-Agent: curl/8.0\r\n"
    "accept:*/*\r\n"
    "Content-Type:\t application/json \t\r\n"
    "Content-Length: 17\r\n"
    "Connection: keep-alive, X-Trace\r\n"
    "X-Trace: on\r\n"
    "X-Empty:\r\n"
    "X-Text: caf\xc3\xa9 \"x\"\tz\r\n"
    "Expect: 100-continue\r\n"
    "\r\n";

TEST(RequestHead, GivesViewsOfEveryPart) {
    const auto head = std::make_unique<RequestHead>();
    const std::string text = std::string(typical) + "{\"rest\": \"body\"}";
    const HeadOutcome outcome = parse_request(text, *head);
    ASSERT_EQ(outcome.progress, Progress::done);
    EXPECT_EQ(outcome.consumed, typical.size());
    EXPECT_EQ(head->method, Method::post);
    EXPECT_EQ(head->method_token, "POST");
    EXPECT_EQ(head->target, "/cart/add?item=7&n=2");
    EXPECT_EQ(head->path, "/cart/add");
    EXPECT_EQ(head->query, "item=7&n=2");
    EXPECT_EQ(head->host, "shop.default.localhost:8080");
    EXPECT_EQ(head->headers.size(), 10U);
    EXPECT_EQ(head->headers.value(HeaderId::accept), "*/*");
    EXPECT_EQ(head->headers.value(HeaderId::content_type), "application/json");
    EXPECT_EQ(head->headers.find("x-empty")->value, "");
    EXPECT_EQ(head->headers.find("X-TEXT")->value, "caf\xc3\xa9 \"x\"\tz");
    EXPECT_EQ(head->headers.find("content-TYPE")->value, "application/json");
    EXPECT_EQ(head->headers.find(HeaderId::authorization), nullptr);
    EXPECT_EQ(head->headers.find("x-none"), nullptr);
    EXPECT_EQ(head->framing, (Framing{BodyKind::length, 17}));
    EXPECT_TRUE(head->keep_alive);
    EXPECT_TRUE(head->expect_continue);
    EXPECT_FALSE(head->upgrade);
    EXPECT_GE(head->method_token.data(), text.data());
}

TEST(RequestHead, IsTheSameWhereverTheInputIsSplit) {
    const auto head = std::make_unique<RequestHead>();
    for (std::size_t split = 0; split < typical.size(); ++split) {
        ASSERT_EQ(parse_request(typical.substr(0, split), *head).progress, Progress::need_more)
            << split;
        const HeadOutcome outcome = parse_request_head(typical, split, {}, *head);
        ASSERT_EQ(outcome.progress, Progress::done) << split;
        ASSERT_EQ(outcome.consumed, typical.size());
        ASSERT_EQ(head->headers.size(), 10U);
    }
    // Byte by byte, with each call told what the last one saw.
    for (std::size_t size = 1; size < typical.size(); ++size) {
        ASSERT_EQ(parse_request_head(typical.substr(0, size), size - 1, {}, *head).progress,
                  Progress::need_more);
    }
    EXPECT_EQ(parse_request_head(typical, typical.size() - 1, {}, *head).progress, Progress::done);
}

struct GoodRequest {
    const char* name;
    std::string_view text;
    Framing framing;
    bool keep_alive;
    bool upgrade;
    std::string_view host;
    std::string_view path;
};

TEST(RequestHead, UnderstandsFramingConnectionAndTarget) {
    const GoodRequest rows[] = {
        {"a plain GET", "GET / HTTP/1.1\r\nHost: a\r\n\r\n", {}, true, false, "a", "/"},
        {"close",
         "GET / HTTP/1.1\r\nHost: a\r\nConnection: Close\r\n\r\n",
         {},
         false,
         false,
         "a",
         "/"},
        {"close wins over keep-alive",
         "GET / HTTP/1.1\r\nHost: a\r\nConnection: keep-alive\r\nConnection: close\r\n\r\n",
         {},
         false,
         false,
         "a",
         "/"},
        {"HTTP/1.0 closes", "GET / HTTP/1.0\r\nHost: a\r\n\r\n", {}, false, false, "a", "/"},
        {"HTTP/1.0 may keep alive",
         "GET / HTTP/1.0\r\nHost: a\r\nConnection: Keep-Alive\r\n\r\n",
         {},
         true,
         false,
         "a",
         "/"},
        {"HTTP/1.0 needs no Host", "GET /x HTTP/1.0\r\n\r\n", {}, false, false, "", "/x"},
        {"chunked in any case",
         "PUT / HTTP/1.1\r\nHost: a\r\nTransfer-Encoding: Chunked\r\n\r\n",
         {BodyKind::chunked, 0},
         true,
         false,
         "a",
         "/"},
        {"the longest length",
         "PUT / HTTP/1.1\r\nHost: a\r\nContent-Length: 9223372036854775807\r\n\r\n",
         {BodyKind::length, INT64_MAX},
         true,
         false,
         "a",
         "/"},
        {"an upgrade",
         "GET /ws HTTP/1.1\r\nHost: a\r\nConnection: keep-alive, Upgrade\r\nUpgrade: "
         "websocket\r\n\r\n",
         {},
         true,
         true,
         "a",
         "/ws"},
        {"Upgrade that Connection does not name",
         "GET /ws HTTP/1.1\r\nHost: a\r\nUpgrade: h2c\r\n\r\n",
         {},
         true,
         false,
         "a",
         "/ws"},
        {"an absolute target",
         "GET HTTP://A:80?q HTTP/1.1\r\nHost: a:80\r\n\r\n",
         {},
         true,
         false,
         "A:80",
         "/"},
        {"an asterisk for OPTIONS",
         "OPTIONS * HTTP/1.1\r\nHost: a\r\n\r\n",
         {},
         true,
         false,
         "a",
         "*"},
        {"an IPv6 host",
         "GET / HTTP/1.1\r\nHost: [2001:db8::1]:80\r\n\r\n",
         {},
         true,
         false,
         "[2001:db8::1]:80",
         "/"},
        {"a method of one's own",
         "purge /x HTTP/1.1\r\nHost: a\r\n\r\n",
         {},
         true,
         false,
         "a",
         "/x"},
        {"what browsers leave unescaped in a query",
         "GET /x?{}|^`\\'[] HTTP/1.1\r\nHost: a\r\n\r\n",
         {},
         true,
         false,
         "a",
         "/x"},
    };
    const auto head = std::make_unique<RequestHead>();
    for (const GoodRequest& row : rows) {
        const HeadOutcome outcome = parse_request(row.text, *head);
        ASSERT_EQ(outcome.progress, Progress::done) << row.name << fault_text(outcome.fault);
        EXPECT_EQ(head->framing, row.framing) << row.name;
        EXPECT_EQ(head->keep_alive, row.keep_alive) << row.name;
        EXPECT_EQ(head->upgrade, row.upgrade) << row.name;
        EXPECT_EQ(head->host, row.host) << row.name;
        EXPECT_EQ(head->path, row.path) << row.name;
    }
}

TEST(RequestHead, TellsAnEmptyQueryFromNone) {
    const auto head = std::make_unique<RequestHead>();
    ASSERT_EQ(parse_request("GET /a? HTTP/1.1\r\nHost: a\r\n\r\n", *head).progress, Progress::done);
    EXPECT_NE(head->query.data(), nullptr);
    ASSERT_EQ(parse_request("GET /a HTTP/1.1\r\nHost: a\r\n\r\n", *head).progress, Progress::done);
    EXPECT_EQ(head->query.data(), nullptr);
}

TEST(RequestHead, ConnectIsAnOption) {
    const auto head = std::make_unique<RequestHead>();
    const HeadLimits limits{.connect_method = ConnectMethod::accept};
    ASSERT_EQ(
        parse_request("CONNECT a:443 HTTP/1.1\r\nHost: a:443\r\n\r\n", *head, limits).progress,
        Progress::done);
    EXPECT_EQ(head->form, TargetForm::authority);
    EXPECT_EQ(head->host, "a:443");
    for (const char* target : {"a", "[::1]", "a:", "/", "http://a:443"}) {
        const std::string text = fmt::format("CONNECT {} HTTP/1.1\r\nHost: a\r\n\r\n", target);
        EXPECT_EQ(parse_request(text, *head, limits).fault, HeadFault::bad_target) << target;
    }
}

TEST(RequestHead, UnderscoresAreRefusedWhenAsked) {
    const auto head = std::make_unique<RequestHead>();
    const std::string_view text = "GET / HTTP/1.1\r\nHost: a\r\nX_Real_IP: b\r\n\r\n";
    EXPECT_EQ(parse_request(text, *head).progress, Progress::done);
    EXPECT_EQ(parse_request(text, *head, {.underscore_names = UnderscoreNames::refuse}).fault,
              HeadFault::underscore_name);
}

TEST(RequestHead, KeepsItsLimitsExactly) {
    const auto head = std::make_unique<RequestHead>();
    const std::string_view small = "GET /abc HTTP/1.1\r\nHost: a\r\nB: c\r\n\r\n";
    EXPECT_EQ(parse_request(small, *head, {.head_bytes = small.size()}).progress, Progress::done);
    EXPECT_EQ(parse_request(small, *head, {.head_bytes = small.size() - 1}).fault,
              HeadFault::head_too_large);
    EXPECT_EQ(parse_request(small, *head, {.target_bytes = 4}).progress, Progress::done);
    EXPECT_EQ(parse_request(small, *head, {.target_bytes = 3}).fault, HeadFault::target_too_long);
    EXPECT_EQ(parse_request(small, *head, {.headers = 2}).progress, Progress::done);
    EXPECT_EQ(parse_request(small, *head, {.headers = 1}).fault, HeadFault::too_many_headers);

    std::string many = "GET / HTTP/1.1\r\nHost: a\r\n";
    for (int i = 0; i < 99; ++i) {
        many += fmt::format("x-{}: {}\r\n", i, i);
    }
    EXPECT_EQ(parse_request(many + "\r\n", *head).progress, Progress::done);
    EXPECT_EQ(parse_request(many + "y: z\r\n\r\n", *head).fault, HeadFault::too_many_headers);
    EXPECT_EQ(fault_status(HeadFault::too_many_headers), 431);

    const std::string flood = "GET / HTTP/1.1\r\nHost: a\r\nB: " + std::string(70'000, 'x');
    EXPECT_EQ(parse_request(flood, *head).fault, HeadFault::head_too_large);
    EXPECT_EQ(parse_request_head(flood, flood.size() - 1, {}, *head).fault,
              HeadFault::head_too_large);
    EXPECT_EQ(parse_request("GET /" + std::string(9'000, 'x'), *head).fault,
              HeadFault::target_too_long);
}

TEST(RequestHead, HopByHopFieldsAreKnown) {
    const auto head = std::make_unique<RequestHead>();
    ASSERT_EQ(parse_request("GET / HTTP/1.1\r\nHost: a\r\nConnection: close, X-One, Cookie\r\n"
                            "X-One: 1\r\nX-Two: 2\r\nCookie: c\r\nTE: trailers\r\nUpgrade: h2c\r\n"
                            "Keep-Alive: 5\r\nTrailer: x\r\nClose: 1\r\n\r\n",
                            *head)
                  .progress,
              Progress::done);
    std::string dropped;
    for (const Header& header : head->headers) {
        if (head->headers.is_hop_by_hop(header)) {
            dropped += std::string(header.name) + " ";
        }
    }
    EXPECT_EQ(dropped, "Connection X-One Cookie TE Upgrade Keep-Alive Close ");
}

TEST(HeaderId, EveryNameIsFoundInAnyCase) {
    for (std::size_t i = 1; i < header_id_count; ++i) {
        const auto id = static_cast<HeaderId>(i);
        std::string name(header_name(id));
        EXPECT_EQ(header_id(name), id) << name;
        for (char& c : name) {
            c = c >= 'a' && c <= 'z' ? static_cast<char>(c - 32) : c;
        }
        EXPECT_EQ(header_id(name), id) << name;
        name.back() = name.back() == 'X' ? 'Y' : 'X';
        EXPECT_EQ(header_id(name), HeaderId::other) << name;
    }
    EXPECT_EQ(header_id(""), HeaderId::other);
    EXPECT_EQ(header_id("content\rtype"), HeaderId::other);
}

TEST(Host, Syntax) {
    for (const char* good :
         {"a", "a.b-c_d~e", "127.0.0.1:80", "[::]", "[::1]:8080", "a:0", "a:65535",
          "[1:2:3:4:5:6:7:8]", "[1::8]", "[::ffff:1.2.3.4]", "[fe80::]"}) {
        EXPECT_TRUE(is_host(good)) << good;
    }
    for (const char* bad :
         {"", ":80", "a:b", "a b", "a%41", "[1:2:3:4:5:6:7]", "[1:2:3:4:5:6:7:8:9]", "[:::]",
          "[::1]x", "[::1.2.3]", "[::1.2.3.256]", "[fe80::1%25eth0]", "[]", "a:123456", "a!",
          "[1:2:3:4:5:6:7::8]", "[::01.2.3.4]"}) {
        EXPECT_FALSE(is_host(bad)) << bad;
    }
}

struct Response {
    const char* name;
    AnswerTo to;
    std::string_view text;
    Framing framing;
    bool keep_alive;
};

TEST(ResponseHead, UnderstandsFraming) {
    const Response rows[] = {
        {"a length",
         AnswerTo::other,
         "HTTP/1.1 200 OK\r\nContent-Length: 5\r\n\r\n",
         {BodyKind::length, 5},
         true},
        {"chunked",
         AnswerTo::other,
         "HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n",
         {BodyKind::chunked, 0},
         true},
        {"neither", AnswerTo::other, "HTTP/1.1 200 OK\r\n\r\n", {BodyKind::until_close, 0}, false},
        {"HEAD has no body",
         AnswerTo::head,
         "HTTP/1.1 200 OK\r\nContent-Length: 5\r\n\r\n",
         {},
         true},
        {"304 has no body",
         AnswerTo::other,
         "HTTP/1.1 304 N\r\nContent-Length: 5\r\n\r\n",
         {},
         true},
        {"204 has no body", AnswerTo::other, "HTTP/1.1 204 N\r\n\r\n", {}, true},
        {"204 with a length of nothing",
         AnswerTo::other,
         "HTTP/1.1 204 N\r\nContent-Length: 0\r\n\r\n",
         {},
         true},
        {"100 has no body", AnswerTo::other, "HTTP/1.1 100 Continue\r\n\r\n", {}, true},
        {"101 ends HTTP",
         AnswerTo::other,
         "HTTP/1.1 101 S\r\nConnection: upgrade\r\n\r\n",
         {},
         false},
        {"CONNECT 200 ends HTTP", AnswerTo::connect, "HTTP/1.1 200 OK\r\n\r\n", {}, false},
        {"CONNECT 403 has a body",
         AnswerTo::connect,
         "HTTP/1.1 403 N\r\nContent-Length: 1\r\n\r\n",
         {BodyKind::length, 1},
         true},
        {"HTTP/1.0 closes",
         AnswerTo::other,
         "HTTP/1.0 200 OK\r\nContent-Length: 5\r\n\r\n",
         {BodyKind::length, 5},
         false},
        {"no reason",
         AnswerTo::other,
         "HTTP/1.1 200 \r\nContent-Length: 5\r\n\r\n",
         {BodyKind::length, 5},
         true},
        {"no space before the missing reason",
         AnswerTo::other,
         "HTTP/1.1 200\r\nContent-Length: 5\r\n\r\n",
         {BodyKind::length, 5},
         true},
        {"close",
         AnswerTo::other,
         "HTTP/1.1 200 OK\r\nContent-Length: 5\r\nConnection: close\r\n\r\n",
         {BodyKind::length, 5},
         false},
    };
    const auto head = std::make_unique<ResponseHead>();
    for (const Response& row : rows) {
        for (std::size_t split = 0; split < row.text.size(); ++split) {
            ASSERT_EQ(parse_response_head(row.text.substr(0, split), 0, {}, row.to, *head).progress,
                      Progress::need_more)
                << row.name << split;
            const HeadOutcome outcome = parse_response_head(row.text, split, {}, row.to, *head);
            ASSERT_EQ(outcome.progress, Progress::done) << row.name << fault_text(outcome.fault);
        }
        EXPECT_EQ(head->framing, row.framing) << row.name;
        EXPECT_EQ(head->keep_alive, row.keep_alive) << row.name;
    }
}

TEST(ResponseHead, RefusesMalformedHeads) {
    const BadRequest rows[] = {
        {"not HTTP", "SSH-2.0-OpenSSH\r\n"sv, HeadFault::bad_version},
        {"HTTP/2.0", "HTTP/2.0 200 OK\r\n\r\n"sv, HeadFault::unsupported_version},
        {"two spaces", "HTTP/1.1  200 OK\r\n\r\n"sv, HeadFault::bad_status_code},
        {"a code of two digits", "HTTP/1.1 20 OK\r\n\r\n"sv, HeadFault::bad_status_code},
        {"a code of four digits", "HTTP/1.1 2000 OK\r\n\r\n"sv, HeadFault::bad_status_line},
        {"a code below 100", "HTTP/1.1 099 OK\r\n\r\n"sv, HeadFault::bad_status_code},
        {"a code above 599", "HTTP/1.1 600 OK\r\n\r\n"sv, HeadFault::bad_status_code},
        {"a bare LF", "HTTP/1.1 200 OK\n\n"sv, HeadFault::bare_lf},
        {"a NUL in the reason", "HTTP/1.1 200 O\0K\r\n\r\n"sv, HeadFault::bad_status_line},
        {"length and encoding",
         "HTTP/1.1 200 OK\r\nContent-Length: 5\r\nTransfer-Encoding: chunked\r\n\r\n"sv,
         HeadFault::length_and_encoding},
        {"two lengths", "HTTP/1.1 200 OK\r\nContent-Length: 5\r\nContent-Length: 5\r\n\r\n"sv,
         HeadFault::duplicate_content_length},
        {"encoding in HTTP/1.0", "HTTP/1.0 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n"sv,
         HeadFault::transfer_encoding_in_1_0},
        {"204 with a body", "HTTP/1.1 204 N\r\nContent-Length: 5\r\n\r\n"sv,
         HeadFault::framing_not_allowed},
        {"101 that is chunked", "HTTP/1.1 101 S\r\nTransfer-Encoding: chunked\r\n\r\n"sv,
         HeadFault::framing_not_allowed},
        {"a folded line", "HTTP/1.1 200 OK\r\nA: b\r\n c\r\n\r\n"sv, HeadFault::folded_line},
    };
    const auto head = std::make_unique<ResponseHead>();
    for (const BadRequest& row : rows) {
        const HeadOutcome outcome = parse_response_head(row.text, 0, {}, AnswerTo::other, *head);
        EXPECT_EQ(outcome.progress, Progress::bad) << row.name;
        EXPECT_EQ(fault_text(outcome.fault), fault_text(row.want)) << row.name;
    }
}

}  // namespace
}  // namespace tidemill::wire
