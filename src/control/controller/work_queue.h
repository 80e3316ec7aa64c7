// Which objects are to be looked at.
#pragma once

#include <cstdint>
#include <map>
#include <optional>
#include <set>

#include "async/event.h"
#include "async/loop.h"
#include "async/task.h"
#include "base/time.h"
#include "model/object/object.h"

namespace tidemill::control {

// Keys, each at most once: waiting, or being worked on, or both. A key that fails comes back after
// a pause that doubles. Grows with the number of objects, never with that of events. One thread.
class WorkQueue {
public:
    struct Pauses {
        base::Duration first = std::chrono::milliseconds(5);
        base::Duration longest = std::chrono::seconds(30);
    };
    WorkQueue(async::Loop& loop, Pauses pauses);

    // Wants the key looked at after everything that happened until now.
    void add(const model::ObjectKey& key);
    // The same, not before `at`.
    void add_at(const model::ObjectKey& key, base::Instant at);
    // Waits for a key that nobody works on; it is the taker's until done().
    async::Task<model::ObjectKey> take();
    enum class Outcome : std::uint8_t { settled, failed };
    void done(const model::ObjectKey& key, Outcome outcome);

    bool idle() const { return ready_.empty() && working_.empty(); }
    std::size_t size() const { return ready_.size() + later_.size(); }

private:
    struct Alarm final : async::Timer {
        WorkQueue* queue = nullptr;
        void fire() override { queue->ripen(); }
    };
    void ripen();
    void set_alarm();

    async::Loop& loop_;
    Pauses pauses_;
    async::Event available_;
    std::set<model::ObjectKey> ready_;
    std::set<model::ObjectKey> working_;
    std::set<model::ObjectKey> again_;  // added while worked on
    std::map<model::ObjectKey, base::Instant> later_;
    std::set<std::pair<base::Instant, model::ObjectKey>> by_time_;
    std::map<model::ObjectKey, base::Duration> pause_;
    Alarm alarm_;
};

}  // namespace tidemill::control
