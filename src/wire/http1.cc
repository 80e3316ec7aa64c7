#include "wire/http1.h"

#include <algorithm>
#include <array>
#include <cstring>
#include <optional>

#include "base/text.h"
#include "wire/http_scan.h"

namespace tidemill::wire {
namespace {

// A place in the head: where reading stands and how it ended.
struct Cursor {
    const char* begin;
    const char* at;
    const char* end;

    HeadOutcome need_more() const { return {Progress::need_more, HeadFault::none, 0}; }
    HeadOutcome bad(HeadFault fault) const {
        return {Progress::bad, fault, static_cast<std::size_t>(at - begin)};
    }
    HeadOutcome done() const {
        return {Progress::done, HeadFault::none, static_cast<std::size_t>(at - begin)};
    }
    std::size_t left() const { return static_cast<std::size_t>(end - at); }
};

// Steps over CRLF, which must be here. `otherwise` is the fault when this is not even a line end.
HeadOutcome read_line_end(Cursor& cursor, HeadFault otherwise) {
    if (cursor.at == cursor.end) {
        return cursor.need_more();
    }
    if (*cursor.at == '\n') {
        return cursor.bad(HeadFault::bare_lf);
    }
    if (*cursor.at != '\r') {
        return cursor.bad(otherwise);
    }
    if (cursor.left() < 2) {
        return cursor.need_more();
    }
    if (cursor.at[1] != '\n') {
        return cursor.bad(HeadFault::bare_cr);
    }
    cursor.at += 2;
    return cursor.done();
}

// Reads field lines up to and with the empty line that ends them.
HeadOutcome read_fields(Cursor& cursor, const HeadLimits& limits, HeaderIndex& out) {
    const std::size_t count_max = std::min(limits.headers, HeaderIndex::capacity);
    while (true) {
        if (cursor.at == cursor.end) {
            return cursor.need_more();
        }
        const char* name = cursor.at;
        if (*name == '\r' || *name == '\n') {
            return read_line_end(cursor, HeadFault::missing_colon);
        }
        const char* colon = scan::token_end(name, cursor.end);
        if (colon == cursor.end) {
            return cursor.need_more();
        }
        if (*colon != ':' || colon == name) {
            const bool blank = *colon == ' ' || *colon == '\t';
            if (colon == name) {
                return cursor.bad(blank           ? HeadFault::folded_line
                                  : *colon == ':' ? HeadFault::empty_name
                                                  : HeadFault::bad_name);
            }
            cursor.at = colon;
            return cursor.bad(blank                              ? HeadFault::space_before_colon
                              : *colon == '\r' || *colon == '\n' ? HeadFault::missing_colon
                                                                 : HeadFault::bad_name);
        }
        const std::string_view name_view(name, static_cast<std::size_t>(colon - name));
        if (limits.underscore_names == UnderscoreNames::refuse &&
            name_view.find('_') != std::string_view::npos) {
            return cursor.bad(HeadFault::underscore_name);
        }
        const char* value = colon + 1;
        while (value != cursor.end && (*value == ' ' || *value == '\t')) {
            ++value;
        }
        cursor.at = scan::value_end(value, cursor.end);
        const char* value_end = cursor.at;
        if (const auto line = read_line_end(cursor, HeadFault::bad_value);
            line.progress != Progress::done) {
            return line;
        }
        while (value_end != value && (value_end[-1] == ' ' || value_end[-1] == '\t')) {
            --value_end;
        }
        const Header header{name_view,
                            {value, static_cast<std::size_t>(value_end - value)},
                            header_id_of_token(name_view)};
        if (out.size() >= count_max || !out.add(header)) {
            cursor.at = name;
            return cursor.bad(HeadFault::too_many_headers);
        }
    }
}

// True when a head which was incomplete after `seen` bytes may be complete now, or can no longer be
// one.
bool may_have_ended(std::string_view buffer, std::size_t seen) {
    if (seen == 0) {
        return true;
    }
    for (std::size_t at = std::min(seen, buffer.size()) - 1; at < buffer.size(); ++at) {
        at = buffer.find('\n', at);
        if (at == std::string_view::npos) {
            return false;
        }
        const std::string_view before = buffer.substr(0, at);
        if (!before.ends_with('\r') || before.ends_with("\r\n\r") || before == "\r") {
            return true;
        }
    }
    return false;
}

// Calls `read` on no more than the bytes that a head may have, once they can be a whole head.
template <typename Read>
HeadOutcome read_within(std::string_view buffer, std::size_t seen, const HeadLimits& limits,
                        Read read) {
    const std::string_view head = buffer.substr(0, limits.head_bytes);
    const bool full = buffer.size() >= limits.head_bytes;
    Cursor cursor{head.data(), head.data(), head.data() + head.size()};
    if (!full && !may_have_ended(head, seen)) {
        return cursor.need_more();
    }
    const HeadOutcome outcome = read(cursor);
    if (outcome.progress == Progress::need_more && full) {
        cursor.at = cursor.end;
        return cursor.bad(HeadFault::head_too_large);
    }
    return outcome;
}

struct Version {
    std::uint8_t major = 1;
    std::uint8_t minor = 1;
};

// Reads "HTTP/d.d".
HeadOutcome read_version(Cursor& cursor, Version& out) {
    static constexpr std::string_view pattern = "HTTP/0.0";
    if (cursor.left() >= pattern.size() && std::memcmp(cursor.at, "HTTP/1.1", 8) == 0) {
        out = {1, 1};
        cursor.at += pattern.size();
        return cursor.done();
    }
    for (const char want : pattern) {
        if (cursor.at == cursor.end) {
            return cursor.need_more();
        }
        const bool fits = want == '0' ? scan::is_digit(*cursor.at) : *cursor.at == want;
        if (!fits) {
            return cursor.bad(HeadFault::bad_version);
        }
        ++cursor.at;
    }
    out = {static_cast<std::uint8_t>(cursor.at[-3] - '0'),
           static_cast<std::uint8_t>(cursor.at[-1] - '0')};
    return cursor.done();
}

bool is_supported(Version version) {
    return version.major == 1 && version.minor <= 1;
}

// What the fields say about the connection and the body, the same in both directions.
struct Meaning {
    bool close = false;
    bool keep_alive = false;
    bool upgrade = false;
    bool has_length = false;
    bool has_encoding = false;
    std::uint64_t length = 0;
};

HeadFault read_connection(std::string_view value, Meaning& meaning, HeaderIndex& headers) {
    while (true) {
        const std::size_t comma = value.find(',');
        const std::string_view option = base::trim(value.substr(0, comma));
        if (!is_token(option)) {
            return HeadFault::bad_connection;
        }
        if (base::equals_ignoring_case(option, "close")) {
            meaning.close = true;
        } else if (base::equals_ignoring_case(option, "keep-alive")) {
            meaning.keep_alive = true;
        } else {
            switch (header_id_of_token(option)) {
                // To drop one of these on the next hop would change where the message ends or goes.
                case HeaderId::host:
                case HeaderId::content_length:
                case HeaderId::transfer_encoding:
                    return HeadFault::bad_connection;
                case HeaderId::upgrade:
                    meaning.upgrade = true;
                    break;
                default:
                    break;
            }
            headers.nominate(option);
        }
        if (comma == std::string_view::npos) {
            return HeadFault::none;
        }
        value.remove_prefix(comma + 1);
    }
}

HeadFault read_length(std::string_view value, Meaning& meaning) {
    if (meaning.has_length) {
        return HeadFault::duplicate_content_length;
    }
    const auto length = base::parse_number<std::uint64_t>(value);
    if (!length || *length > INT64_MAX || value.size() > 19) {
        return HeadFault::bad_content_length;
    }
    meaning.has_length = true;
    meaning.length = *length;
    return HeadFault::none;
}

HeadFault read_encoding(std::string_view value, Meaning& meaning) {
    if (meaning.has_encoding) {
        return HeadFault::bad_transfer_encoding;
    }
    meaning.has_encoding = true;
    if (base::equals_ignoring_case(value, "chunked")) {
        return HeadFault::none;
    }
    // A list that ends with chunked frames the body in a way we could follow, did we know the
    // others.
    const std::size_t comma = value.rfind(',');
    if (comma != std::string_view::npos &&
        base::equals_ignoring_case(base::trim(value.substr(comma + 1)), "chunked") &&
        is_token(base::trim(value.substr(0, comma))) &&
        !list_contains(value.substr(0, comma), "chunked")) {
        return HeadFault::unsupported_transfer_encoding;
    }
    return HeadFault::bad_transfer_encoding;
}

HeadFault read_meaning(HeaderIndex& headers, std::uint8_t minor, Meaning& meaning) {
    for (const Header& header : headers) {
        HeadFault fault = HeadFault::none;
        switch (header.id) {
            case HeaderId::connection:
                fault = read_connection(header.value, meaning, headers);
                break;
            case HeaderId::content_length:
                fault = read_length(header.value, meaning);
                break;
            case HeaderId::transfer_encoding:
                fault = read_encoding(header.value, meaning);
                break;
            default:
                break;
        }
        if (fault != HeadFault::none) {
            return fault;
        }
    }
    if (meaning.has_encoding && meaning.has_length) {
        return HeadFault::length_and_encoding;
    }
    if (meaning.has_encoding && minor == 0) {
        return HeadFault::transfer_encoding_in_1_0;
    }
    return HeadFault::none;
}

bool keeps_alive(const Meaning& meaning, std::uint8_t minor) {
    return !meaning.close && (minor >= 1 || meaning.keep_alive);
}

// Splits the target into its parts; the characters were checked while scanning.
HeadFault read_target(RequestHead& out, const HeadLimits& limits) {
    const std::string_view target = out.target;
    out.scheme = {};
    out.path = {};
    out.query = {};
    out.host = {};
    if (out.method == Method::connect) {
        if (limits.connect_method == ConnectMethod::refuse) {
            return HeadFault::connect_refused;
        }
        if (!is_host(target) || target.ends_with(']') || !target.contains(':')) {
            return HeadFault::bad_target;
        }
        out.form = TargetForm::authority;
        out.host = target;
        return HeadFault::none;
    }
    std::string_view rest = target;
    if (target.front() == '/') {
        out.form = TargetForm::origin;
    } else if (target == "*") {
        out.form = TargetForm::asterisk;
        out.path = target;
        return out.method == Method::options ? HeadFault::none : HeadFault::bad_target;
    } else {
        out.form = TargetForm::absolute;
        const std::size_t colon = target.find("://");
        if (colon == std::string_view::npos) {
            return HeadFault::bad_target;
        }
        out.scheme = target.substr(0, colon);
        if (!base::equals_ignoring_case(out.scheme, "http") &&
            !base::equals_ignoring_case(out.scheme, "https")) {
            return HeadFault::bad_target;
        }
        rest.remove_prefix(colon + 3);
        out.host = rest.substr(0, rest.find_first_of("/?"));
        if (!is_host(out.host)) {
            return HeadFault::bad_target;
        }
        rest.remove_prefix(out.host.size());
    }
    const std::size_t mark = rest.find('?');
    out.path = rest.substr(0, mark);
    if (out.path.empty()) {
        out.path = "/";
    }
    if (out.path.contains('\\')) {
        return HeadFault::bad_target;
    }
    if (mark != std::string_view::npos) {
        out.query = rest.substr(mark + 1);
    }
    return HeadFault::none;
}

HeadFault read_host(RequestHead& out) {
    const Header* host = out.headers.find(HeaderId::host);
    if (host == nullptr) {
        return out.minor == 0 ? HeadFault::none : HeadFault::missing_host;
    }
    for (const Header* next = host + 1; next != out.headers.end(); ++next) {
        if (next->id == HeaderId::host) {
            return HeadFault::duplicate_host;
        }
    }
    if (!is_host(host->value)) {
        return HeadFault::bad_host;
    }
    if (out.form == TargetForm::absolute && !base::equals_ignoring_case(out.host, host->value)) {
        return HeadFault::host_differs_from_target;
    }
    if (out.host.empty()) {
        out.host = host->value;
    }
    return HeadFault::none;
}

HeadOutcome read_request_line(Cursor& cursor, const HeadLimits& limits, RequestHead& out) {
    // Longer than any registered method (RFC 9110 section 16.1).
    static constexpr std::size_t method_bytes_max = 24;
    const char* method = cursor.at;
    cursor.at = scan::token_end(method, cursor.end);
    const auto method_size = static_cast<std::size_t>(cursor.at - method);
    if (method_size > method_bytes_max) {
        return cursor.bad(HeadFault::bad_method);
    }
    if (cursor.at == cursor.end) {
        return cursor.need_more();
    }
    if (method_size == 0 || *cursor.at != ' ') {
        return cursor.bad(HeadFault::bad_method);
    }
    out.method_token = {method, method_size};
    out.method = method_of(out.method_token);

    const char* target = ++cursor.at;
    cursor.at = scan::target_end(target, cursor.end);
    out.target = {target, static_cast<std::size_t>(cursor.at - target)};
    if (out.target.size() > limits.target_bytes) {
        return cursor.bad(HeadFault::target_too_long);
    }
    if (cursor.at == cursor.end) {
        return cursor.need_more();
    }
    if (out.target.empty() || *cursor.at != ' ') {
        const bool line_ends = !out.target.empty() && (*cursor.at == '\r' || *cursor.at == '\n');
        return cursor.bad(line_ends ? HeadFault::bad_version : HeadFault::bad_target);
    }
    ++cursor.at;

    Version version;
    if (const auto read = read_version(cursor, version); read.progress != Progress::done) {
        return read;
    }
    if (const auto line = read_line_end(cursor, HeadFault::bad_version);
        line.progress != Progress::done) {
        return line;
    }
    if (!is_supported(version)) {
        const bool preface = version.major == 2 && out.method_token == "PRI" && out.target == "*";
        return cursor.bad(preface ? HeadFault::http2_preface : HeadFault::unsupported_version);
    }
    out.minor = version.minor;
    if (const HeadFault fault = read_target(out, limits); fault != HeadFault::none) {
        return cursor.bad(fault);
    }
    return cursor.done();
}

HeadOutcome read_request(Cursor& cursor, const HeadLimits& limits, RequestHead& out) {
    out.headers.clear();
    if (const auto line = read_request_line(cursor, limits, out); line.progress != Progress::done) {
        return line;
    }
    if (const auto fields = read_fields(cursor, limits, out.headers);
        fields.progress != Progress::done) {
        return fields;
    }
    if (const HeadFault fault = read_host(out); fault != HeadFault::none) {
        return cursor.bad(fault);
    }
    Meaning meaning;
    if (const HeadFault fault = read_meaning(out.headers, out.minor, meaning);
        fault != HeadFault::none) {
        return cursor.bad(fault);
    }
    out.framing = meaning.has_encoding ? Framing{BodyKind::chunked, 0}
                  : meaning.has_length ? Framing{BodyKind::length, meaning.length}
                                       : Framing{};
    out.keep_alive = keeps_alive(meaning, out.minor);
    out.upgrade =
        out.minor == 1 && meaning.upgrade && out.headers.find(HeaderId::upgrade) != nullptr;
    out.expect_continue = false;
    if (out.minor == 1 && out.headers.find(HeaderId::expect) != nullptr) {
        for (const Header& header : out.headers) {
            if (header.id == HeaderId::expect &&
                !base::equals_ignoring_case(header.value, "100-continue")) {
                return cursor.bad(HeadFault::unsupported_expectation);
            }
        }
        out.expect_continue = true;
    }
    return cursor.done();
}

HeadOutcome read_status_line(Cursor& cursor, ResponseHead& out) {
    Version version;
    if (const auto read = read_version(cursor, version); read.progress != Progress::done) {
        return read;
    }
    if (cursor.left() < 4) {
        return cursor.need_more();
    }
    if (!is_supported(version)) {
        return cursor.bad(HeadFault::unsupported_version);
    }
    out.minor = version.minor;
    const char* at = cursor.at;
    if (at[0] != ' ') {
        return cursor.bad(HeadFault::bad_status_line);
    }
    if (!scan::is_digit(at[1]) || !scan::is_digit(at[2]) || !scan::is_digit(at[3]) || at[1] < '1' ||
        at[1] > '5') {
        return cursor.bad(HeadFault::bad_status_code);
    }
    out.status = static_cast<std::uint16_t>((at[1] - '0') * 100 + (at[2] - '0') * 10 + at[3] - '0');
    cursor.at += 4;
    if (cursor.at == cursor.end) {
        return cursor.need_more();
    }
    out.reason = {};
    // A line that ends after the code, without the space that RFC 9112 asks for, is common and has
    // one meaning only.
    if (*cursor.at == ' ') {
        const char* reason = ++cursor.at;
        cursor.at = scan::value_end(reason, cursor.end);
        out.reason = {reason, static_cast<std::size_t>(cursor.at - reason)};
    }
    return read_line_end(cursor, HeadFault::bad_status_line);
}

HeadOutcome read_response(Cursor& cursor, const HeadLimits& limits, AnswerTo answer_to,
                          ResponseHead& out) {
    out.headers.clear();
    if (const auto line = read_status_line(cursor, out); line.progress != Progress::done) {
        return line;
    }
    if (const auto fields = read_fields(cursor, limits, out.headers);
        fields.progress != Progress::done) {
        return fields;
    }
    Meaning meaning;
    if (const HeadFault fault = read_meaning(out.headers, out.minor, meaning);
        fault != HeadFault::none) {
        return cursor.bad(fault);
    }
    const bool tunnel =
        out.status == 101 || (answer_to == AnswerTo::connect && out.status / 100 == 2);
    const bool never_has_body = out.status < 200 || out.status == 204 || tunnel;
    if (never_has_body && (meaning.has_encoding || meaning.length != 0)) {
        return cursor.bad(HeadFault::framing_not_allowed);
    }
    if (never_has_body || out.status == 304 || answer_to == AnswerTo::head) {
        out.framing = {};
    } else if (meaning.has_encoding) {
        out.framing = {BodyKind::chunked, 0};
    } else if (meaning.has_length) {
        out.framing = {BodyKind::length, meaning.length};
    } else {
        out.framing = {BodyKind::until_close, 0};
    }
    out.upgrade = out.status == 101;
    out.keep_alive =
        keeps_alive(meaning, out.minor) && !tunnel && out.framing.kind != BodyKind::until_close;
    return cursor.done();
}

}  // namespace

HeadOutcome parse_request_head(std::string_view buffer, std::size_t seen, const HeadLimits& limits,
                               RequestHead& out) {
    return read_within(buffer, seen, limits,
                       [&](Cursor& cursor) { return read_request(cursor, limits, out); });
}

HeadOutcome parse_response_head(std::string_view buffer, std::size_t seen, const HeadLimits& limits,
                                AnswerTo answer_to, ResponseHead& out) {
    return read_within(buffer, seen, limits, [&](Cursor& cursor) {
        return read_response(cursor, limits, answer_to, out);
    });
}

HeadOutcome parse_trailers(std::string_view buffer, std::size_t seen, const HeadLimits& limits,
                           HeaderIndex& out) {
    return read_within(buffer, seen, limits, [&](Cursor& cursor) {
        out.clear();
        const HeadOutcome outcome = read_fields(cursor, limits, out);
        for (const HeaderId id : {HeaderId::host, HeaderId::content_length, HeaderId::connection,
                                  HeaderId::transfer_encoding, HeaderId::upgrade, HeaderId::te,
                                  HeaderId::trailer, HeaderId::authorization, HeaderId::expect}) {
            if (outcome.progress == Progress::done && out.find(id) != nullptr) {
                return cursor.bad(HeadFault::framing_not_allowed);
            }
        }
        return outcome;
    });
}

Method method_of(std::string_view token) {
    switch (token.size()) {
        case 3:
            return token == "GET" ? Method::get : token == "PUT" ? Method::put : Method::other;
        case 4:
            return token == "POST" ? Method::post : token == "HEAD" ? Method::head : Method::other;
        case 5:
            return token == "PATCH"   ? Method::patch
                   : token == "TRACE" ? Method::trace
                                      : Method::other;
        case 6:
            return token == "DELETE" ? Method::delete_ : Method::other;
        case 7:
            return token == "OPTIONS"   ? Method::options
                   : token == "CONNECT" ? Method::connect
                                        : Method::other;
        default:
            return Method::other;
    }
}

bool is_token(std::string_view text) {
    const char* end = text.data() + text.size();
    return !text.empty() && scan::token_end(text.data(), end) == end;
}

bool is_field_value(std::string_view text) {
    const char* end = text.data() + text.size();
    return scan::value_end(text.data(), end) == end;
}

bool is_host(std::string_view text) {
    std::size_t name_size = 0;
    if (text.starts_with('[')) {
        const std::size_t close = text.find(']');
        if (close == std::string_view::npos || !scan::is_ipv6(text.substr(1, close - 1))) {
            return false;
        }
        name_size = close + 1;
    } else {
        while (name_size < text.size() && scan::is_host_character(text[name_size])) {
            ++name_size;
        }
        // 255: the longest DNS name (RFC 1035 section 2.3.4).
        if (name_size == 0 || name_size > 255) {
            return false;
        }
    }
    if (name_size == text.size()) {
        return true;
    }
    const std::string_view port = text.substr(name_size + 1);
    return text[name_size] == ':' && port.size() <= 5 &&
           base::parse_number<std::uint16_t>(port).has_value();
}

}  // namespace tidemill::wire
