// HTTP/1.1 heads: bytes in, views out. No I/O, no allocation; what is not exactly well formed is
// refused, never repaired (RFC 9112, and the smuggling payloads catalogued by the HTTP Garden
// project).
#pragma once

#include <cstddef>
#include <cstdint>
#include <string_view>

#include "wire/http_fields.h"

namespace tidemill::wire {

enum class UnderscoreNames : std::uint8_t { accept, refuse };
enum class ConnectMethod : std::uint8_t { refuse, accept };

// What one head may cost. `headers` above HeaderIndex::capacity counts as that.
struct HeadLimits {
    std::size_t head_bytes = std::size_t{60} * 1024;  // Envoy's default
    std::size_t target_bytes = std::size_t{8} * 1024;
    std::size_t headers = HeaderIndex::capacity;
    // `a_b` and `a-b` are one name to CGI-like applications: refuse at an edge that sets trusted
    // fields.
    UnderscoreNames underscore_names = UnderscoreNames::accept;
    ConnectMethod connect_method = ConnectMethod::refuse;
};

enum class Progress : std::uint8_t { done, need_more, bad };

// Why a message was refused; one per rule, so that logs and tests can tell them apart.
enum class HeadFault : std::uint8_t {
    none,
    bad_method,
    bad_target,
    target_too_long,
    bad_version,
    unsupported_version,
    http2_preface,  // "PRI * HTTP/2.0": the caller may hand the connection to HTTP/2
    bad_status_line,
    bad_status_code,
    head_too_large,
    too_many_headers,
    empty_name,
    bad_name,
    underscore_name,
    space_before_colon,
    missing_colon,
    folded_line,
    bare_cr,
    bare_lf,
    bad_value,
    missing_host,
    duplicate_host,
    bad_host,
    host_differs_from_target,
    bad_content_length,
    duplicate_content_length,
    length_and_encoding,
    bad_transfer_encoding,
    unsupported_transfer_encoding,
    transfer_encoding_in_1_0,
    framing_not_allowed,  // a body announced by a response that can have none
    bad_connection,
    unsupported_expectation,
    connect_refused,
};
// A sentence for the peer and the log: "two Content-Length fields".
std::string_view fault_text(HeadFault fault);
// The status with which a server answers a request with that fault before it closes.
std::uint16_t fault_status(HeadFault fault);

struct HeadOutcome {
    Progress progress = Progress::need_more;
    HeadFault fault = HeadFault::none;
    // Length of the head in bytes when done; the position of the fault when bad.
    std::size_t consumed = 0;
};

enum class BodyKind : std::uint8_t { none, length, chunked, until_close };
struct Framing {
    BodyKind kind = BodyKind::none;
    std::uint64_t length = 0;  // bytes, for BodyKind::length

    friend bool operator==(const Framing&, const Framing&) = default;
};

enum class Method : std::uint8_t {
    get,
    head,
    post,
    put,
    delete_,
    options,
    patch,
    connect,
    trace,
    other,
};
Method method_of(std::string_view token);

enum class TargetForm : std::uint8_t { origin, absolute, asterisk, authority };

struct RequestHead {
    Method method = Method::other;
    TargetForm form = TargetForm::origin;
    std::uint8_t minor = 1;  // HTTP/1.minor
    bool keep_alive = true;
    bool upgrade = false;  // Connection: upgrade, with an Upgrade field, in HTTP/1.1
    bool expect_continue = false;
    Framing framing;
    std::string_view method_token;
    std::string_view target;  // as sent
    std::string_view scheme;  // "http" or "https" in absolute form, else empty
    // Always begins with '/', but for asterisk ("*") and authority form (empty).
    std::string_view path;
    std::string_view query;  // without '?'; its data() is null when there was no '?'
    // Host and optional port that the request is for; empty only in HTTP/1.0 without a Host field.
    std::string_view host;
    HeaderIndex headers;
};

struct ResponseHead {
    std::uint16_t status = 0;
    std::uint8_t minor = 1;
    bool keep_alive = true;
    bool upgrade = false;  // status 101
    Framing framing;
    std::string_view reason;
    HeaderIndex headers;
};

// Reads the head at the front of `buffer`. `seen` is how many bytes of it were there when the last
// call answered need_more (0 at first), so that a head which drips in is not scanned from its start
// each time. When done, `out` holds views into `buffer`; otherwise its content means nothing.
HeadOutcome parse_request_head(std::string_view buffer, std::size_t seen, const HeadLimits& limits,
                               RequestHead& out);

// Which request a response answers: it decides whether a body follows (RFC 9112 section 6.3).
enum class AnswerTo : std::uint8_t { head, connect, other };

HeadOutcome parse_response_head(std::string_view buffer, std::size_t seen, const HeadLimits& limits,
                                AnswerTo answer_to, ResponseHead& out);

// Reads a trailer section (fields up to and with the empty line). Fields that frame or route the
// message are refused here. Same contract as above.
HeadOutcome parse_trailers(std::string_view buffer, std::size_t seen, const HeadLimits& limits,
                           HeaderIndex& out);

// True for HOST or HOST:PORT as a Host field may have it: a name of letters, digits, "-._~", or an
// IPv6 address in brackets; a port of 1 to 5 digits, at most 65535.
bool is_host(std::string_view text);
// True for 1*tchar (RFC 9110 section 5.6.2).
bool is_token(std::string_view text);
// True when text holds no CR, LF, NUL or other control character but the tab.
bool is_field_value(std::string_view text);

}  // namespace tidemill::wire
