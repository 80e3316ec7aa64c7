// One conversation between two roles.
#pragma once

#include <deque>
#include <map>
#include <memory>
#include <set>
#include <string>

#include "async/event.h"
#include "async/task.h"
#include "base/result.h"
#include "host/stream.h"
#include "link/messages.h"

namespace tidemill::link {

class Table;

// Frames over a stream. Sending never waits: what cannot go out yet is kept as the latest value per
// key, or in a bounded queue. One thread. handshake() first; then receive() in one task and write()
// in another, both owned by the caller.
class Connection {
public:
    struct Limits {
        std::size_t queue_max = 4096;  // messages without a key that may wait to be sent
    };
    Connection(std::unique_ptr<host::Stream> stream, Limits limits);
    Connection(const Connection&) = delete;
    Connection& operator=(const Connection&) = delete;
    ~Connection();

    // Says `mine`, reads the peer's. Errors: invalid (no common protocol: says both ranges),
    // unavailable, deadline.
    async::Task<base::Result<Hello>> handshake(Hello mine, base::Instant deadline);

    // The next message that this version knows; others are passed over. At most one waiter. Errors:
    // unavailable (the peer is gone), invalid (the peer talks nonsense; the connection is of no
    // use).
    async::Task<base::Result<Message>> receive();
    // Sends what there is to send until the connection ends; returns why it ended.
    async::Task<base::Status> write();

    // Sends `message`, replacing a waiting one of the same key; for kinds with a key.
    void set(const Message& message);
    // Sends `message` behind those that wait. Errors: exhausted (queue_max wait already).
    base::Status push(const Message& message);
    // Mirrors `table` to the peer from now on: first the whole, then its changes.
    void follow(Table& table);

    const host::Peer& peer() const { return stream_->peer(); }

private:
    friend class Table;
    struct Followed {
        bool whole_sent = false;
        std::set<std::string> dirty;
    };
    void mark(Table& table, const std::set<std::string>& keys);
    void forget(Table& table) { followed_.erase(&table); }
    // The next bytes to send; empty when there is nothing.
    std::string next_batch();

    std::unique_ptr<host::Stream> stream_;
    Limits limits_;
    async::Event pending_;
    std::map<std::string, std::string> latest_;  // key -> frame
    std::deque<std::string> queue_;              // frames
    std::map<Table*, Followed> followed_;
    std::string in_;
    std::size_t in_used_ = 0;
};

}  // namespace tidemill::link
