// Asking an instance whether it serves.
#pragma once

#include <functional>

#include "async/task.h"
#include "host/host.h"
#include "link/messages.h"

namespace tidemill::agent {

// One question. ok: it serves. Errors say what stood in the way: unavailable (refused, reset),
// deadline, invalid (it answered, and the answer is no: the status is in the message).
//
// A Unix socket exists before its program does, so connecting proves nothing; a request is sent and
// waits in the backlog until the program answers. Any answer below 500 counts there: a program that
// does not know the path serves all the same.
//
// Kind::exec is asked as tcp: a Launcher runs no command inside an instance that is there already.
async::Task<base::Status> probe_once(host::Host& host, host::Address address, link::ProbeSpec probe,
                                     base::Instant deadline);

// Asks until the answer is yes, `successes` times in a row. Between questions it waits 1 ms,
// doubling to 50 ms (Knative's aggressive probe asks every 50 ms), or `probe.period` if that is
// set. Nothing is waited for on a Unix socket: the first question is answered the moment the
// program serves. Given up when `is_wanted` says no. Errors: deadline, with the last answer;
// cancelled.
async::Task<base::Status> probe_until_ready(host::Host& host, host::Address address,
                                            link::ProbeSpec probe, base::Instant deadline,
                                            std::move_only_function<bool()> is_wanted);

}  // namespace tidemill::agent
