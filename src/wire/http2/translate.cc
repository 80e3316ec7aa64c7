#include "wire/http2/translate.h"

#include <algorithm>
#include <cstring>

#include "base/text.h"

namespace tidemill::wire {
namespace {

struct PseudoFields {
    std::string_view method;
    std::string_view path;
    std::string_view authority;
    std::string_view status;
    Http2Fields rest;
};

PseudoFields split(Http2Fields fields) {
    PseudoFields out;
    std::size_t at = 0;
    for (; at < fields.size() && fields[at].name.starts_with(':'); ++at) {
        const auto& [name, value] = fields[at];
        if (name == ":method") {
            out.method = value;
        } else if (name == ":path") {
            out.path = value;
        } else if (name == ":authority") {
            out.authority = value;
        } else if (name == ":status") {
            out.status = value;
        }
    }
    out.rest = fields.subspan(at);
    return out;
}

// A request without a body says so only when its method makes one expected (RFC 9110 section 8.6).
bool expects_body(std::string_view method) {
    return method == "POST" || method == "PUT" || method == "PATCH";
}

// Of the fields that HTTP/2 forbids, those that nghttp2 lets through in some direction.
bool is_of_http1(HeaderId id) {
    switch (id) {
        case HeaderId::connection:
        case HeaderId::keep_alive:
        case HeaderId::proxy_connection:
        case HeaderId::transfer_encoding:
        case HeaderId::upgrade:
            return true;
        default:
            return false;
    }
}

// Trailers behind a body of known length cannot be said in HTTP/1.1: who announces some wants them
// more than the length.
bool announces_trailers(Http2Fields fields) {
    return std::ranges::any_of(fields, [](const auto& field) { return field.name == "trailer"; });
}

std::uint16_t status_of(std::string_view text) {
    if (text.size() != 3 ||
        !std::ranges::all_of(text, [](char c) { return c >= '0' && c <= '9'; })) {
        return 0;
    }
    return static_cast<std::uint16_t>((text[0] - '0') * 100 + (text[1] - '0') * 10 +
                                      (text[2] - '0'));
}

}  // namespace

bool is_grpc(std::string_view content_type) {
    constexpr std::string_view grpc = "application/grpc";
    return content_type.size() >= grpc.size() &&
           base::equals_ignoring_case(content_type.substr(0, grpc.size()), grpc) &&
           (content_type.size() == grpc.size() || content_type[grpc.size()] == '+' ||
            content_type[grpc.size()] == ';' || content_type[grpc.size()] == ' ');
}

void Http2FieldList::clear() {
    fields_.clear();
    names_.clear();
}

void Http2FieldList::reserve(std::size_t bytes) {
    names_.reserve(bytes);
}

void Http2FieldList::add_lowered(std::string_view name, std::string_view value) {
    const auto upper = [](char c) { return c >= 'A' && c <= 'Z'; };
    if (std::ranges::none_of(name, upper)) {
        fields_.push_back({name, value});
        return;
    }
    if (names_.size() + name.size() > names_.capacity()) {
        return;
    }
    const auto begin = names_.size();
    for (const char c : name) {
        names_ += base::to_lower(c);
    }
    fields_.push_back({std::string_view(names_).substr(begin), value});
}

// To text
// ---------------------------------------------------------------------------------------

Http1Head write_request(HeadWriter& writer, Http2Fields fields, Http2Body body) {
    const auto pseudo = split(fields);
    Http1Head out;
    if (pseudo.method == "CONNECT" || pseudo.path.empty()) {
        out.fault = WriteFault::bad_value;
        return out;
    }
    writer.request_line(pseudo.method, pseudo.path);
    if (!pseudo.authority.empty()) {
        writer.field("host", pseudo.authority);
    }
    bool has_length = false;
    const bool drop_length = body == Http2Body::more && announces_trailers(pseudo.rest);
    bool one_cookie = true;
    std::string_view cookie;
    std::string cookies;
    for (const auto& field : pseudo.rest) {
        const auto id = header_id(field.name);
        if (is_of_http1(id)) {
            out.fault = WriteFault::bad_value;
            return out;
        }
        if (id == HeaderId::host && !pseudo.authority.empty()) {
            if (!base::equals_ignoring_case(field.value, pseudo.authority)) {
                out.fault = WriteFault::bad_value;
                return out;
            }
            continue;
        }
        if (id == HeaderId::cookie) {
            // HTTP/2 may split the field for its table; HTTP/1.1 has it once (RFC 9113 8.2.3).
            if (cookie.data() == nullptr) {
                cookie = field.value;
                continue;
            }
            if (one_cookie) {
                cookies = cookie;
                one_cookie = false;
            }
            cookies += "; ";
            cookies += field.value;
            continue;
        }
        if (id == HeaderId::content_length) {
            if (drop_length) {
                continue;
            }
            has_length = true;
        }
        writer.field(field.name, field.value);
    }
    if (cookie.data() != nullptr) {
        writer.field("cookie", one_cookie ? cookie : std::string_view(cookies));
    }
    if (body == Http2Body::more) {
        out.body = has_length ? BodyKind::length : BodyKind::chunked;
    }
    if (!has_length) {
        if (body == Http2Body::more) {
            writer.field("transfer-encoding", "chunked");
        } else if (expects_body(pseudo.method)) {
            writer.field("content-length", "0");
        }
    }
    writer.end();
    out.fault = writer.fault();
    return out;
}

Http1Head write_answer(HeadWriter& writer, Http2Fields fields, AnswerTo answer_to, Http2Body body) {
    const auto pseudo = split(fields);
    Http1Head out{.status = status_of(pseudo.status)};
    if (out.status < 100 || out.status == 101 || out.status > 599) {
        out.fault = WriteFault::bad_value;
        return out;
    }
    const bool interim = out.status < 200;
    const bool bodiless =
        interim || answer_to == AnswerTo::head || out.status == 204 || out.status == 304;
    writer.status_line(out.status);
    bool has_length = false;
    const bool drop_length =
        !bodiless && body == Http2Body::more && announces_trailers(pseudo.rest);
    for (const auto& field : pseudo.rest) {
        const auto id = header_id(field.name);
        if (is_of_http1(id)) {
            out.fault = WriteFault::bad_value;
            return out;
        }
        if (id == HeaderId::content_length) {
            if (interim || out.status == 204 || drop_length) {
                continue;  // RFC 9110 section 8.6
            }
            has_length = true;
        }
        writer.field(field.name, field.value);
    }
    if (!bodiless && !has_length) {
        if (body == Http2Body::here) {
            writer.field("content-length", "0");
        } else {
            writer.field("transfer-encoding", "chunked");
            out.body = BodyKind::chunked;
        }
    } else if (!bodiless) {
        out.body = BodyKind::length;
    }
    writer.end();
    out.fault = writer.fault();
    return out;
}

WriteFault write_trailers(HeadWriter& writer, Http2Fields trailers) {
    for (const auto& field : trailers) {
        switch (const auto id = header_id(field.name)) {
            case HeaderId::content_length:
            case HeaderId::host:
            case HeaderId::te:
            case HeaderId::trailer:
            case HeaderId::authorization:
            case HeaderId::expect:
                continue;
            default:
                if (!is_of_http1(id) && !field.name.starts_with(':')) {
                    writer.field(field.name, field.value);
                }
        }
    }
    writer.end();
    return writer.fault();
}

// From text
// -------------------------------------------------------------------------------------

void make_request_fields(const RequestHead& head, Http2FieldList& out) {
    std::size_t names = 0;
    for (const auto& header : head.headers) {
        names += header.name.size();
    }
    out.clear();
    out.reserve(names);
    out.add(":method", head.method_token);
    out.add(":scheme", "http");
    out.add(":authority", head.host);
    out.add(":path", head.target);
    for (const auto& header : head.headers) {
        if (header.id != HeaderId::host && header.id != HeaderId::te &&
            !head.headers.is_hop_by_hop(header) && header.name != "http2-settings") {
            out.add_lowered(header.name, header.value);
        }
    }
    if (is_grpc(head.headers.value(HeaderId::content_type))) {
        out.add("te", "trailers");
    }
}

void make_answer_fields(const ResponseHead& head, Http2StatusText& status_text,
                        Http2FieldList& out) {
    std::size_t names = 0;
    for (const auto& header : head.headers) {
        names += header.name.size();
    }
    out.clear();
    out.reserve(names);
    status_text.digits[0] = static_cast<char>('0' + head.status / 100);
    status_text.digits[1] = static_cast<char>('0' + head.status / 10 % 10);
    status_text.digits[2] = static_cast<char>('0' + head.status % 10);
    out.add(":status", {status_text.digits, sizeof status_text.digits});
    // A gRPC answer of trailers alone has no length in HTTP/2.
    const bool trailers_only = head.headers.find(HeaderId::grpc_status) != nullptr;
    for (const auto& header : head.headers) {
        if (head.headers.is_hop_by_hop(header) ||
            (trailers_only && header.id == HeaderId::content_length && header.value == "0")) {
            continue;
        }
        out.add_lowered(header.name, header.value);
    }
}

void make_trailer_fields(const HeaderIndex& trailers, Http2FieldList& out) {
    std::size_t names = 0;
    for (const auto& trailer : trailers) {
        names += trailer.name.size();
    }
    out.clear();
    out.reserve(names);
    for (const auto& trailer : trailers) {
        if (!trailers.is_hop_by_hop(trailer)) {
            out.add_lowered(trailer.name, trailer.value);
        }
    }
}

}  // namespace tidemill::wire
