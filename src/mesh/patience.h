// When to give up, and when to try once more.
#pragma once

#include <algorithm>
#include <cstdint>

#include "base/time.h"
#include "mesh/route_table.h"

namespace tidemill::mesh {

// How one attempt to get an answer from an endpoint ended.
struct FailedAttempt {
    enum class Stage : std::uint8_t {
        connect,        // no connection came about: the endpoint saw nothing
        before_answer,  // the connection ended before the first byte of an answer
        within_answer,
    };
    enum class Effect : std::uint8_t { idempotent, may_change };  // RFC 9110 section 9.2.2

    Stage stage = Stage::connect;
    std::uint64_t bytes_sent = 0;  // of the request, on this connection
    Effect effect = Effect::may_change;
    // All that was sent is still held, so that it can be sent again as it was.
    enum class Copy : std::uint8_t { held, lost } copy = Copy::held;
    // Connections of this request that came about and ended without an answer, this one included.
    // Those that were refused are not counted: nobody saw the request.
    std::uint32_t attempts = 1;
};

// Bounds what re-sent requests add to a revision that is in trouble already, as a bucket: full at
// first, filled at a steady rate. The first re-send of a request is not counted: when an instance
// dies, all that it held goes to the next one. Further ones are, so that requests that kill their
// instances do not kill three each for ever.
struct RetryBudget {
    double tokens = 100;
    base::Instant filled{};

    // Takes one if there is one.
    bool take(base::Instant now);
};

// True when sending the request again does no harm:
// - no connection came about, or nothing was written to it; or
// - the connection ended before the first byte of an answer and the method is idempotent: it was
//   reused, and the endpoint closed it while it was idle, as HTTP allows at any time; or the
//   instance died with the request, maybe still in its backlog.
// Bounded by `attempts_max`, because a request that kills its instance must not go on to kill them
// all, but for connect, which the deadline bounds. From the second re-send on it takes from
// `budget`.
bool may_retry(const FailedAttempt& attempt, std::uint32_t attempts_max, RetryBudget& budget,
               base::Instant now);

// The three clocks of one request (knative.md 1.10), all from its first moment: waiting counts.
class Patience {
public:
    Patience() = default;
    Patience(const RevisionRule& rule, base::Instant begun);

    // The caller gives up at `at` (grpc-timeout): no later than that, whatever the rule says.
    void end_by(base::Instant at) { end_by_ = std::min(end_by_, at); }

    // The time by which something must have happened. last_progress: when the last byte was written
    // to the client, or `begun`.
    base::Instant next(base::Instant last_progress) const;
    // The first byte of the answer was written: only the whole and the idle time count from now on.
    void answer_began() { start_by_ = base::Instant::never(); }
    // The connection left HTTP (status 101): a session has no last byte, so the whole time no
    // longer counts; the idle time does.
    void upgraded() { end_by_ = start_by_ = base::Instant::never(); }

    enum class Clock : std::uint8_t { none, whole, response_start, idle };
    // Which clock has run out at `now`.
    Clock expired(base::Instant now, base::Instant last_progress) const;

private:
    base::Instant end_by_ = base::Instant::never();
    base::Instant start_by_ = base::Instant::never();
    base::Duration idle_{};
};

}  // namespace tidemill::mesh
