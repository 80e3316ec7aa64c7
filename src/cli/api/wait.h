// Waiting until the platform has done what was asked.
#pragma once

#include <string>

#include "async/task.h"
#include "base/result.h"
#include "cli/api/documents.h"
#include "cli/api/session.h"

namespace tidemill::cli {

struct Settled {
    Verdict verdict = Verdict::waiting;
    wire::Json object;  // as it was last seen
};

// Watches one object until its newest generation is observed and Ready, or has been failing for
// `failing_stays` on end: a condition may turn False for a moment while others follow. `path` is
// that of its kind's list in one namespace, `object` what a write answered. The session outlives
// the task. Errors: deadline (says what it still waited for), not_found (deleted meanwhile), and
// those of the call.
async::Task<base::Result<Settled>> wait_until_settled(
    Session& session, std::string path, wire::Json object, base::Duration limit,
    base::Duration failing_stays = std::chrono::seconds(2));

// The last lines that instances of a revision wrote, at most `lines_max`; empty when there are none
// or they cannot be had. The session outlives the task.
async::Task<std::vector<std::string>> last_lines(Session& session, std::string space,
                                                 std::string revision, std::size_t lines_max);

// Says why an object is not Ready: reason and message, the last lines of its newest revision's log,
// and what to do.
async::Task<void> explain_failure(Session& session, wire::Json service);

}  // namespace tidemill::cli
