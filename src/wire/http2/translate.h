// The same message in HTTP/2's fields and as an HTTP/1.1 head (RFC 9113 section 8). An HTTP/2
// request that was written as text is read by the one strict parser that reads all requests, so no
// rule exists twice.
#pragma once

#include <string>
#include <vector>

#include "wire/http1.h"
#include "wire/http1_writer.h"
#include "wire/http2/session.h"

namespace tidemill::wire {

// A list of fields that is written once and sent. Views into what it was made of, which must
// outlive it; names in lower case of its own. Kept and used again.
class Http2FieldList {
public:
    void clear();
    // Room for `bytes` of names in all; more is refused.
    void reserve(std::size_t bytes);
    void add(std::string_view name, std::string_view value) { fields_.push_back({name, value}); }
    // Writes `name` in lower case.
    void add_lowered(std::string_view name, std::string_view value);
    Http2Fields fields() const { return fields_; }

private:
    std::vector<Http2Field> fields_;
    std::string names_;
};

// Whether DATA follows the head.
using Http2Body = Http2End;

struct Http1Head {
    WriteFault fault = WriteFault::none;
    BodyKind body = BodyKind::none;  // how what follows stands in the text
    std::uint16_t status = 0;        // of an answer
};
// Writes a request's head; chunked when a body follows without a length, or with trailers that are
// announced (the length is left out then: HTTP/1.1 has no trailers behind one). bad_value: it
// cannot be said in HTTP/1.1 (CONNECT, a path with a space, an authority that the Host field
// contradicts).
Http1Head write_request(HeadWriter& writer, Http2Fields fields, Http2Body body);
// Writes an answer's head, interim or final. bad_value also for status 101, which HTTP/2 has not.
Http1Head write_answer(HeadWriter& writer, Http2Fields fields, AnswerTo answer_to, Http2Body body);
// Writes trailers as they stand behind the line of the last chunk. Fields that parse_trailers()
// would refuse are left out.
WriteFault write_trailers(HeadWriter& writer, Http2Fields trailers);

// The other way. Fields of one hop (Connection and those it names, Transfer-Encoding, Upgrade, Host
// but as :authority) are left out. `te: trailers` is added to a gRPC request: those servers demand
// it (gRPC over HTTP/2, "Requests").
void make_request_fields(const RequestHead& head, Http2FieldList& out);
// status_text: room for three digits, which `out` points into.
struct Http2StatusText {
    char digits[3];
};
void make_answer_fields(const ResponseHead& head, Http2StatusText& status_text,
                        Http2FieldList& out);
void make_trailer_fields(const HeaderIndex& trailers, Http2FieldList& out);

// True for a media type of gRPC: "application/grpc", "application/grpc+proto"; not grpc-web.
bool is_grpc(std::string_view content_type);

}  // namespace tidemill::wire
