// What the proxy says by itself: stable codes, and why.
#pragma once

#include <cstdint>
#include <string>
#include <string_view>

namespace tidemill::proxy {

// Why a request did not simply get its instance's answer. The code never changes its meaning; each
// has a page under docs/errors.
enum class Reason : std::uint8_t {
    none,                // the instance answered
    malformed_request,   // TM-201
    unknown_host,        // TM-202
    queue_full,          // TM-203
    held_too_long,       // TM-204: the deadline passed while no instance could take the request
    answer_too_late,     // TM-205: an instance had it, and did not answer in time
    instance_closed,     // TM-206: it closed or reset the connection instead of answering
    malformed_answer,    // TM-207
    head_too_slow,       // TM-208: the client did not finish its head in time
    malformed_body,      // TM-210
    body_too_large,      // TM-211
    proxy_bug,           // TM-212
    client_gone,         // TM-213: only in the log, nobody is there to be told
    answer_cut,          // TM-214: only in the log, the answer had begun
    answer_cut_late,     // TM-215: only in the log, a deadline passed within the answer
    head_not_forwarded,  // TM-216: the head with our fields added does not fit
    client_stalled,      // TM-217: only in the log, the client stopped reading
    count_,
};

struct ReasonFacts {
    std::string_view code;   // "TM-202"
    std::uint16_t status;    // of the answer; for those only in the log, what the log says
    std::string_view title;  // "no route for this host"
    std::string_view advice;
};
const ReasonFacts& facts_of(Reason reason);

// A whole answer. Text that came from outside is escaped.
struct OwnAnswer {
    Reason reason = Reason::proxy_bug;
    std::uint16_t status = 500;
    std::string_view evidence;  // what exactly was seen
    std::string_view request_id;
    std::uint32_t retry_after_seconds = 0;  // 0: no Retry-After
    enum class Connection : std::uint8_t { keep, keep_1_0, close } connection = Connection::close;
    enum class Body : std::uint8_t {
        send,
        head_only,
        grpc_status,  // what gRPC reads: status 200, and why in grpc-status and grpc-message
    } body = Body::send;
    std::string_view date;
};
std::string write_answer(const OwnAnswer& answer);

// Appends `text` as the inside of a JSON string.
void append_json_escaped(std::string& out, std::string_view text);

}  // namespace tidemill::proxy
