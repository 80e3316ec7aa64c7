// Keeping conversations alive: who calls, who is called, and what happens when the other restarts.
#pragma once

#include <memory>

#include "async/scope.h"
#include "async/task.h"
#include "host/host.h"
#include "link/connection.h"

namespace tidemill::link {

// What a role does with a kind of peer. Called on the loop, never from two places at once for the
// same connection. A Connection& is valid from connected() until disconnected() returns.
class Session {
public:
    virtual ~Session() = default;
    virtual void connected(Connection& connection, const Hello& peer) = 0;
    // A failure ends the connection.
    virtual base::Status received(Connection& connection, Message message) = 0;
    virtual void disconnected(Connection& connection, const base::Error& why) = 0;
};

// Calls `address` and speaks with it by `session`; when that ends, calls again, after a pause that
// doubles from 5 ms to 500 ms and starts anew after each success. Ends only by being dropped.
async::Task<void> keep_calling(host::Host& host, host::Address address, Hello mine,
                               Session& session, Connection::Limits limits);

// Accepts callers at `listener`, at most `connections_max` at once, each by `session`. Ends only by
// being dropped.
async::Task<void> keep_answering(host::Host& host, host::Listener& listener, Hello mine,
                                 Session& session, Connection::Limits limits,
                                 std::size_t connections_max);

}  // namespace tidemill::link
