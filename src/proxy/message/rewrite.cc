#include "proxy/message/rewrite.h"

#include <array>
#include <cstring>

#include "base/text.h"

namespace tidemill::proxy {
namespace {

using wire::Header;
using wire::HeaderId;

// Text put together in a bounded space; what does not fit empties it, so that a field is left out
// rather than cut.
class Line {
public:
    Line& operator<<(std::string_view text) {
        if (size_ + text.size() > text_.size()) {
            overflow_ = true;
        } else if (!text.empty()) {
            std::memcpy(text_.data() + size_, text.data(), text.size());
            size_ += text.size();
        }
        return *this;
    }
    std::string_view text() const { return {text_.data(), overflow_ ? 0 : size_}; }
    bool empty() const { return size_ == 0; }

private:
    std::array<char, 4096> text_;
    std::size_t size_ = 0;
    bool overflow_ = false;
};

void append_to_list(Line& line, const wire::HeaderIndex& headers, HeaderId id) {
    if (headers.find(id) == nullptr) {
        return;
    }
    for (const Header& header : headers) {
        if (header.id == id && !header.value.empty()) {
            line << (line.empty() ? "" : ", ") << header.value;
        }
    }
}

// RFC 7239: an IPv6 address stands in brackets and quotes, and so does a host with a port.
void write_forwarded(wire::HeadWriter& writer, const wire::RequestHead& request,
                     const RequestMarks& marks) {
    Line line;
    append_to_list(line, request.headers, HeaderId::forwarded);
    line << (line.empty() ? "for=" : ", for=");
    if (marks.client_ip.empty()) {
        line << "unknown";
    } else if (marks.client_ip.find(':') != std::string_view::npos) {
        line << "\"[" << marks.client_ip << "]\"";
    } else {
        line << marks.client_ip;
    }
    if (!request.host.empty()) {
        const bool quoted = request.host.find_first_of(":[") != std::string_view::npos;
        line << (quoted ? ";host=\"" : ";host=") << request.host << (quoted ? "\"" : "");
    }
    line << ";proto=" << marks.proto;
    writer.field(Header{"Forwarded", line.text(), HeaderId::other});
}

void write_forwarded_for(wire::HeadWriter& writer, const wire::RequestHead& request,
                         const RequestMarks& marks) {
    if (request.headers.find(HeaderId::x_forwarded_for) == nullptr) {
        if (!marks.client_ip.empty()) {
            writer.field(Header{"X-Forwarded-For", marks.client_ip, HeaderId::other});
        }
        return;
    }
    Line line;
    append_to_list(line, request.headers, HeaderId::x_forwarded_for);
    if (!marks.client_ip.empty()) {
        line << (line.empty() ? "" : ", ") << marks.client_ip;
    }
    writer.field(Header{"X-Forwarded-For", line.text(), HeaderId::other});
}

}  // namespace

bool is_internal_name(std::string_view name) {
    const auto starts = [&](std::string_view prefix) {
        return name.size() >= prefix.size() &&
               base::equals_ignoring_case(name.substr(0, prefix.size()), prefix);
    };
    switch (base::to_lower(name.front())) {
        case 'k':
            return starts("k-proxy-") || starts("k-original-") || starts("k-network-") ||
                   starts("knative-serving-");
        case 'x':
            return starts("x-tidemill-");
        default:
            return false;
    }
}

bool may_upgrade(const wire::RequestHead& request) {
    if (!request.upgrade || request.framing.kind != wire::BodyKind::none) {
        return false;
    }
    for (const Header& header : request.headers) {
        if (header.id == HeaderId::upgrade &&
            (wire::list_contains(header.value, "h2c") || wire::list_contains(header.value, "h2"))) {
            return false;
        }
    }
    return true;
}

void write_request_head(wire::HeadWriter& writer, const wire::RequestHead& request,
                        const RequestMarks& marks) {
    const bool keep = marks.trust == RequestMarks::Trust::keep;
    // Of an absolute target the instance gets the path: it is no proxy.
    std::string_view target = request.target;
    if (request.form == wire::TargetForm::absolute) {
        const auto authority = target.find("://") + 3;
        const auto path = target.find_first_of("/?", authority);
        target = path == std::string_view::npos ? "/" : target.substr(path);
    }
    if (target.starts_with('?')) {
        std::array<char, 8 * 1024 + 1> slashed;  // a target is at most 8 KiB (wire::HeadLimits)
        if (target.size() < slashed.size()) {
            slashed[0] = '/';
            std::memcpy(slashed.data() + 1, target.data(), target.size());
            writer.request_line(request.method_token, {slashed.data(), target.size() + 1});
        }
    } else {
        writer.request_line(request.method_token, target);
    }
    bool has_forwarded_proto = false;
    bool has_forwarded_host = false;
    for (const Header& header : request.headers) {
        switch (header.id) {
            case HeaderId::x_forwarded_for:
            case HeaderId::forwarded:
            case HeaderId::trace_parent:
            case HeaderId::x_request_id:
            case HeaderId::grpc_timeout:
                continue;  // written below
            case HeaderId::x_forwarded_proto:
                if (!keep) {
                    continue;
                }
                has_forwarded_proto = true;
                break;
            case HeaderId::x_forwarded_host:
                if (!keep) {
                    continue;
                }
                has_forwarded_host = true;
                break;
            case HeaderId::trace_state:
                if (marks.trace_state == RequestMarks::TraceState::drop) {
                    continue;
                }
                break;
            case HeaderId::other:
                if (is_internal_name(header.name)) {
                    continue;
                }
                break;
            default:
                break;
        }
        if (!request.headers.is_hop_by_hop(header)) {
            writer.field(header);
        }
    }
    if (!request.host.empty() && request.headers.find(HeaderId::host) == nullptr) {
        writer.field(Header{"Host", request.host, HeaderId::other});  // HTTP/1.0, absolute target
    }
    if (request.framing.kind == wire::BodyKind::chunked) {
        writer.field(Header{"Transfer-Encoding", "chunked", HeaderId::other});
    }
    if (marks.upgrade == RequestMarks::Upgrade::pass) {
        writer.field(Header{"Connection", "upgrade", HeaderId::other});
        for (const Header& header : request.headers) {
            if (header.id == HeaderId::upgrade) {
                writer.field(header);
            }
        }
    }
    write_forwarded_for(writer, request, marks);
    if (!has_forwarded_proto) {
        writer.field(Header{"X-Forwarded-Proto", marks.proto, HeaderId::other});
    }
    if (!has_forwarded_host && !request.host.empty()) {
        writer.field(Header{"X-Forwarded-Host", request.host, HeaderId::other});
    }
    write_forwarded(writer, request, marks);
    writer.field(Header{"traceparent", marks.trace_parent, HeaderId::other});
    writer.field(Header{"X-Request-Id", marks.request_id, HeaderId::other});
    if (!marks.grpc_timeout.empty()) {
        writer.field(Header{"grpc-timeout", marks.grpc_timeout, HeaderId::other});
    }
    writer.end();
}

void write_answer_head(wire::HeadWriter& writer, const wire::ResponseHead& answer,
                       const AnswerMarks& marks) {
    writer.status_line(answer.status, answer.reason);
    bool has_date = false;
    for (const Header& header : answer.headers) {
        if (answer.headers.is_hop_by_hop(header)) {
            continue;
        }
        has_date = has_date || header.id == HeaderId::date;
        writer.field(header);
    }
    if (!has_date && !marks.date.empty()) {
        writer.field(Header{"Date", marks.date, HeaderId::other});
    }
    if (marks.framing == ClientFraming::chunked) {
        writer.field(Header{"Transfer-Encoding", "chunked", HeaderId::other});
    }
    switch (marks.connection) {
        case ClientConnection::implied:
            break;
        case ClientConnection::keep_alive:
            writer.field(Header{"Connection", "keep-alive", HeaderId::other});
            break;
        case ClientConnection::close:
            writer.field(Header{"Connection", "close", HeaderId::other});
            break;
        case ClientConnection::upgrade:
            writer.field(Header{"Connection", "upgrade", HeaderId::other});
            for (const Header& header : answer.headers) {
                if (header.id == HeaderId::upgrade) {
                    writer.field(header);
                }
            }
            break;
    }
    writer.end();
}

void write_interim_head(wire::HeadWriter& writer, const wire::ResponseHead& answer) {
    writer.status_line(answer.status, answer.reason);
    for (const Header& header : answer.headers) {
        if (!answer.headers.is_hop_by_hop(header)) {
            writer.field(header);
        }
    }
    writer.end();
}

}  // namespace tidemill::proxy
