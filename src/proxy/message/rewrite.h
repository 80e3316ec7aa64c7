// Which fields go on, which are ours, which end here. Every head is written anew; no byte of the
// old one is passed on unread.
#pragma once

#include <cstdint>
#include <string_view>

#include "wire/http1.h"
#include "wire/http1_writer.h"

namespace tidemill::proxy {

// What the proxy knows about a request and tells the instance.
struct RequestMarks {
    std::string_view client_ip;  // "203.0.113.7", "2001:db8::1"; empty for a Unix peer
    std::string_view proto = "http";
    std::string_view trace_parent;
    std::string_view request_id;
    // keep: the peer is a proxy of ours or trusted, so its X-Forwarded-Proto and -Host stand.
    // replace: they are what we see ourselves. X-Forwarded-For and Forwarded are always added to.
    enum class Trust : std::uint8_t { replace, keep } trust = Trust::replace;
    enum class TraceState : std::uint8_t { pass, drop } trace_state = TraceState::pass;
    std::string_view grpc_timeout = {};  // what is left of the caller's; empty: none was sent
    enum class Upgrade : std::uint8_t { pass, drop } upgrade = Upgrade::drop;
};
void write_request_head(wire::HeadWriter& writer, const wire::RequestHead& request,
                        const RequestMarks& marks);

// True when the Upgrade that the request asks for may go on: not to HTTP/2, which would tunnel
// requests past us, and not with a body, behind which nobody agrees where the new protocol begins.
bool may_upgrade(const wire::RequestHead& request);

enum class ClientFraming : std::uint8_t {
    as_is,    // as the instance framed it, or no body
    chunked,  // we frame it
    close,    // the end of the connection ends it
};
enum class ClientConnection : std::uint8_t {
    implied,     // HTTP/1.1 goes on
    keep_alive,  // HTTP/1.0 must be told that it goes on
    close,
    upgrade,
};
struct AnswerMarks {
    ClientFraming framing = ClientFraming::as_is;
    ClientConnection connection = ClientConnection::implied;
    std::string_view date;  // used when the instance sent none
};
void write_answer_head(wire::HeadWriter& writer, const wire::ResponseHead& answer,
                       const AnswerMarks& marks);
// An interim answer (1xx but 101), passed on as it came.
void write_interim_head(wire::HeadWriter& writer, const wire::ResponseHead& answer);

// True for names that only the platform's own parts may send: they would speak for Knative's
// activator or for us.
bool is_internal_name(std::string_view name);

}  // namespace tidemill::proxy
