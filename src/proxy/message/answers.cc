#include "proxy/message/answers.h"

#include <array>
#include <cstring>

#include "proxy/message/grpc.h"
#include "wire/http1_writer.h"

namespace tidemill::proxy {
namespace {

constexpr std::array<ReasonFacts, static_cast<std::size_t>(Reason::count_)> facts{{
    {"", 200, "", ""},
    {"TM-201", 400, "the request is not well-formed HTTP/1.1",
     "Correct the client; Tidemill refuses what servers read differently."},
    {"TM-202", 404, "no route for this host",
     "Compare the Host header with the URL that `tidemill ls` prints."},
    {"TM-203", 503, "pending request queue full",
     "Retry later, or raise max-scale or containerConcurrency of the service."},
    {"TM-204", 504, "request timeout",
     "No instance could take the request in time: see `tidemill explain` and the instance's logs."},
    {"TM-205", 504, "request timeout",
     "The instance did not answer in time: see its logs, or raise timeoutSeconds."},
    {"TM-206", 502, "the instance closed the connection without an answer",
     "See the instance's logs: it may have crashed, or closed a connection that was in use."},
    {"TM-207", 502, "the instance's answer is not well-formed HTTP",
     "Correct the application; Tidemill refuses what clients read differently."},
    {"TM-208", 408, "the request's head did not arrive in time", "Send the head at once."},
    {"TM-210", 400, "the request's body is not well-formed HTTP/1.1",
     "Correct the client; Tidemill refuses what servers read differently."},
    {"TM-211", 413, "the request's body is too large", "Send less, or raise the proxy's limit."},
    {"TM-212", 500, "a bug of Tidemill's proxy", "Please report it with the request id."},
    {"TM-213", 499, "the client went away", ""},
    {"TM-214", 502, "the instance ended its answer before it was whole", ""},
    {"TM-215", 504, "a timeout of the revision passed within the answer", ""},
    {"TM-216", 431, "the request's head is too large to forward", "Send fewer or shorter fields."},
    {"TM-217", 499, "the client stopped reading the answer", ""},
}};

// What stands for itself inside a JSON string. Bytes above 0x7e may be no UTF-8: they are escaped
// as Latin-1, so that the document stays well formed.
constexpr std::array<bool, 256> plain_in_json = [] {
    std::array<bool, 256> plain{};
    for (std::size_t c = 0x20; c < 0x7f; ++c) {
        plain[c] = c != '"' && c != '\\';
    }
    return plain;
}();

// True when all of eight bytes stand for themselves. May be false for some that do: then they are
// looked at one by one. Finding a zero byte in a word: Hacker's Delight, section 6-1.
bool eight_are_plain(const char* at) {
    constexpr auto all = [](std::uint64_t byte) { return byte * 0x0101010101010101U; };
    std::uint64_t word = 0;
    std::memcpy(&word, at, sizeof word);
    const auto has = [&](unsigned char byte) {
        const auto difference = word ^ all(byte);
        return (difference - all(1)) & ~difference;
    };
    const auto below_space = (word - all(0x20)) & ~word;
    return ((word | below_space | has('"') | has('\\') | has(0x7f)) & all(0x80)) == 0;
}

}  // namespace

const ReasonFacts& facts_of(Reason reason) {
    return facts[static_cast<std::size_t>(reason)];
}

void append_json_escaped(std::string& out, std::string_view text) {
    constexpr std::string_view digits = "0123456789abcdef";
    std::size_t plain = 0;
    // Most of what is logged is plain to its end: ids, names, paths.
    std::size_t i = 0;
    while (text.size() - i >= 8 && eight_are_plain(text.data() + i)) {
        i += 8;
    }
    for (; i < text.size(); ++i) {
        const auto c = static_cast<unsigned char>(text[i]);
        if (plain_in_json[c]) {
            continue;
        }
        out.append(text, plain, i - plain);
        plain = i + 1;
        if (c == '"' || c == '\\') {
            out += '\\';
            out += static_cast<char>(c);
        } else {
            out += "\\u00";
            out += digits[c >> 4U];
            out += digits[c & 15U];
        }
    }
    out.append(text, plain);
}

std::string write_answer(const OwnAnswer& answer) {
    const ReasonFacts& reason = facts_of(answer.reason);
    const bool grpc = answer.body == OwnAnswer::Body::grpc_status;
    std::string body = "{\"code\":\"";
    body += reason.code;
    body += "\",\"message\":\"";
    append_json_escaped(body, reason.title);
    body += "\",\"evidence\":\"";
    append_json_escaped(body, answer.evidence);
    body += "\",\"advice\":\"";
    append_json_escaped(body, reason.advice);
    body += "\",\"requestId\":\"";
    append_json_escaped(body, answer.request_id);
    body += "\"}\n";

    constexpr std::size_t head_bytes_max = 4096;
    std::string out;
    wire::HeadWriter writer(out, head_bytes_max);
    writer.status_line(grpc ? std::uint16_t{200} : answer.status);
    writer.field("Content-Type", grpc ? "application/grpc" : "application/json");
    writer.field("Content-Length", grpc ? 0 : std::uint64_t{body.size()});
    if (grpc) {
        writer.field("grpc-status", std::uint64_t{grpc_status_of(answer.reason)});
        std::string text(reason.title);
        if (!answer.evidence.empty()) {
            text += ": ";
            text += answer.evidence.substr(0, 512);
        }
        writer.field("grpc-message", grpc_message(text));
    }
    writer.field("X-Tidemill-Reason", reason.code);
    if (!answer.request_id.empty()) {
        writer.field("X-Request-Id", answer.request_id);
    }
    if (!answer.date.empty()) {
        writer.field("Date", answer.date);
    }
    if (answer.retry_after_seconds != 0) {
        writer.field("Retry-After", std::uint64_t{answer.retry_after_seconds});
    }
    if (answer.connection == OwnAnswer::Connection::close) {
        writer.field("Connection", "close");
    } else if (answer.connection == OwnAnswer::Connection::keep_1_0) {
        writer.field("Connection", "keep-alive");
    }
    writer.end();
    if (answer.body == OwnAnswer::Body::send) {
        out += body;
    }
    return out;
}

}  // namespace tidemill::proxy
