#include "wire/http2/translate.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

namespace tidemill::wire {
namespace {

using FieldVector = std::vector<Http2Field>;

std::string request_text(const FieldVector& fields, Http2Body body) {
    std::string out;
    HeadWriter writer(out, 4096);
    return write_request(writer, fields, body).fault == WriteFault::none ? out : "refused";
}

std::string answer_text(const FieldVector& fields, AnswerTo to, Http2Body body) {
    std::string out;
    HeadWriter writer(out, 4096);
    return write_answer(writer, fields, to, body).fault == WriteFault::none ? out : "refused";
}

FieldVector with(FieldVector more) {
    FieldVector out = {
        {":method", "GET"}, {":scheme", "http"}, {":path", "/a?b"}, {":authority", "h"}};
    out.insert(out.end(), more.begin(), more.end());
    return out;
}

TEST(Http2Translate, requests_become_text) {
    struct Row {
        const char* name;
        FieldVector fields;
        Http2Body body;
        std::string text;
    };
    const std::string front = "GET /a?b HTTP/1.1\r\nhost: h\r\n";
    const Row rows[] = {
        {"a plain request", with({{"accept", "*/*"}}), Http2Body::here,
         front + "accept: */*\r\n\r\n"},
        {"a body without a length is chunked", with({}), Http2Body::more,
         front + "transfer-encoding: chunked\r\n\r\n"},
        {"a body with a length keeps it", with({{"content-length", "3"}}), Http2Body::more,
         front + "content-length: 3\r\n\r\n"},
        {"a POST without a body says so",
         {{":method", "POST"}, {":path", "/"}, {":authority", "h"}},
         Http2Body::here,
         "POST / HTTP/1.1\r\nhost: h\r\ncontent-length: 0\r\n\r\n"},
        {"crumbs of a cookie become one field",
         with({{"cookie", "a=b"}, {"x", "y"}, {"cookie", "c=d"}, {"cookie", "e=f"}}),
         Http2Body::here, front + "x: y\r\ncookie: a=b; c=d; e=f\r\n\r\n"},
        {"a Host field that says the same is dropped", with({{"host", "H"}}), Http2Body::here,
         front + "\r\n"},
        {"a Host field alone is kept",
         {{":method", "GET"}, {":path", "/"}, {"host", "x"}},
         Http2Body::here,
         "GET / HTTP/1.1\r\nhost: x\r\n\r\n"},
        {"a Host field that says another host", with({{"host", "other"}}), Http2Body::here,
         "refused"},
        {"CONNECT", {{":method", "CONNECT"}, {":authority", "h:1"}}, Http2Body::more, "refused"},
        {"a path with a space",
         {{":method", "GET"}, {":path", "/a b"}, {":authority", "h"}},
         Http2Body::here,
         "refused"},
        {"a path with a line end",
         {{":method", "GET"}, {":path", "/ HTTP/1.1\r\nx: y"}, {":authority", "h"}},
         Http2Body::here,
         "refused"},
        {"a method that is no token",
         {{":method", "G T"}, {":path", "/"}, {":authority", "h"}},
         Http2Body::here,
         "refused"},
        {"an authority with a line end",
         {{":method", "GET"}, {":path", "/"}, {":authority", "h\r\nx: y"}},
         Http2Body::here,
         "refused"},
        {"a value with a line end", with({{"a", "b\nc"}}), Http2Body::here, "refused"},
        {"a field of one hop", with({{"transfer-encoding", "chunked"}}), Http2Body::here,
         "refused"},
    };
    for (const auto& row : rows) {
        EXPECT_EQ(request_text(row.fields, row.body), row.text) << row.name;
    }
}

TEST(Http2Translate, answers_become_text) {
    struct Row {
        const char* name;
        FieldVector fields;
        AnswerTo to;
        Http2Body body;
        std::string text;
    };
    const std::string fine = "HTTP/1.1 200 OK\r\n";
    const Row rows[] = {
        {"a length is kept",
         {{":status", "200"}, {"content-length", "3"}},
         AnswerTo::other,
         Http2Body::more,
         fine + "content-length: 3\r\n\r\n"},
        {"no length is chunked",
         {{":status", "200"}},
         AnswerTo::other,
         Http2Body::more,
         fine + "transfer-encoding: chunked\r\n\r\n"},
        {"announced trailers are chunked even if a length was given",
         {{":status", "200"}, {"content-length", "3"}, {"trailer", "x"}},
         AnswerTo::other,
         Http2Body::more,
         fine + "trailer: x\r\ntransfer-encoding: chunked\r\n\r\n"},
        {"no body is a length of 0",
         {{":status", "200"}, {"grpc-status", "5"}},
         AnswerTo::other,
         Http2Body::here,
         fine + "grpc-status: 5\r\ncontent-length: 0\r\n\r\n"},
        {"to HEAD nothing is added",
         {{":status", "200"}, {"content-length", "9"}},
         AnswerTo::head,
         Http2Body::here,
         fine + "content-length: 9\r\n\r\n"},
        {"204 has no length",
         {{":status", "204"}, {"content-length", "0"}},
         AnswerTo::other,
         Http2Body::here,
         "HTTP/1.1 204 No Content\r\n\r\n"},
        {"304 keeps what it is told",
         {{":status", "304"}, {"etag", "e"}},
         AnswerTo::other,
         Http2Body::here,
         "HTTP/1.1 304 Not Modified\r\netag: e\r\n\r\n"},
        {"an interim answer",
         {{":status", "103"}, {"link", "l"}},
         AnswerTo::other,
         Http2Body::more,
         "HTTP/1.1 103 Early Hints\r\nlink: l\r\n\r\n"},
        {"101", {{":status", "101"}}, AnswerTo::other, Http2Body::more, "refused"},
        {"a status of letters", {{":status", "abc"}}, AnswerTo::other, Http2Body::more, "refused"},
        {"a value with a line end",
         {{":status", "200"}, {"a", "b\r\nc"}},
         AnswerTo::other,
         Http2Body::here,
         "refused"},
    };
    for (const auto& row : rows) {
        EXPECT_EQ(answer_text(row.fields, row.to, row.body), row.text) << row.name;
    }
}

std::string listed(const Http2FieldList& list) {
    std::string out;
    for (const auto& field : list.fields()) {
        out += field.name;
        out += '=';
        out += field.value;
        out += '\n';
    }
    return out;
}

TEST(Http2Translate, text_becomes_a_request_without_the_fields_of_one_hop) {
    RequestHead head;
    const auto outcome = parse_request_head(
        "POST /a?b HTTP/1.1\r\nHost: Example\r\nConnection: x-hop, upgrade\r\nX-Hop: 1\r\n"
        "Upgrade: websocket\r\nTE: trailers\r\nKeep-Alive: 5\r\nTransfer-Encoding: chunked\r\n"
        "Content-Type: application/grpc+proto\r\nX-Mixed-Case: Value\r\nplain: p\r\n\r\n",
        0, {}, head);
    ASSERT_EQ(outcome.progress, Progress::done);
    Http2FieldList list;
    make_request_fields(head, list);
    EXPECT_EQ(listed(list),
              ":method=POST\n:scheme=http\n:authority=Example\n:path=/a?b\n"
              "content-type=application/grpc+proto\nx-mixed-case=Value\nplain=p\nte=trailers\n");
}

TEST(Http2Translate, text_becomes_an_answer_and_trailers_alone_have_no_length) {
    ResponseHead head;
    ASSERT_EQ(parse_response_head("HTTP/1.1 418 Odd\r\nConnection: close\r\nX-A: b\r\n"
                                  "Content-Length: 0\r\n\r\n",
                                  0, {}, AnswerTo::other, head)
                  .progress,
              Progress::done);
    Http2FieldList list;
    Http2StatusText status{};
    make_answer_fields(head, status, list);
    EXPECT_EQ(listed(list), ":status=418\nx-a=b\ncontent-length=0\n");
    ASSERT_EQ(parse_response_head("HTTP/1.1 200 OK\r\nGrpc-Status: 14\r\nContent-Length: 0\r\n\r\n",
                                  0, {}, AnswerTo::other, head)
                  .progress,
              Progress::done);
    make_answer_fields(head, status, list);
    EXPECT_EQ(listed(list), ":status=200\ngrpc-status=14\n");
}

TEST(Http2Translate, trailers_cross_both_ways_and_what_frames_a_message_does_not) {
    std::string out = "0\r\n";
    HeadWriter writer(out, 4096);
    const Http2Field trailers[] = {{"grpc-status", "0"},
                                   {"content-length", "1"},
                                   {"authorization", "x"},
                                   {"grpc-message", "ok"}};
    EXPECT_EQ(write_trailers(writer, trailers), WriteFault::none);
    EXPECT_EQ(out, "0\r\ngrpc-status: 0\r\ngrpc-message: ok\r\n\r\n");
    HeaderIndex parsed;
    ASSERT_EQ(parse_trailers(std::string_view(out).substr(3), 0, {}, parsed).progress,
              Progress::done);
    Http2FieldList list;
    make_trailer_fields(parsed, list);
    EXPECT_EQ(listed(list), "grpc-status=0\ngrpc-message=ok\n");
}

TEST(Http2Translate, media_types_of_grpc) {
    for (const auto* yes : {"application/grpc", "Application/gRPC+proto", "application/grpc;a=b"}) {
        EXPECT_TRUE(is_grpc(yes)) << yes;
    }
    for (const auto* no :
         {"", "application/grpc-web", "application/json", "text/application/grpc"}) {
        EXPECT_FALSE(is_grpc(no)) << no;
    }
}

}  // namespace
}  // namespace tidemill::wire
