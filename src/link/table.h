// A set of values that one role keeps and others mirror.
#pragma once

#include <cstdint>
#include <map>
#include <optional>
#include <set>
#include <string>
#include <vector>

#include "base/result.h"
#include "link/messages.h"

namespace tidemill::link {

class Connection;

// The sender's side: values by key, and who mirrors them. A connection that falls behind is sent
// each key's latest value, however often it changed, so nothing grows with a slow peer. One thread.
class Table {
public:
    Table() = default;
    Table(const Table&) = delete;
    Table& operator=(const Table&) = delete;
    ~Table();

    // Takes effect, for all followers at once, at commit(). Equal values are no change.
    void put(const Message& value);
    // The key as key_of() gives it; ok if it is not there.
    void erase(const std::string& key);
    void commit();
    // Makes the table equal to `values` with the fewest changes, and commits.
    void replace(const std::vector<Message>& values);
    std::uint64_t version() const { return version_; }
    std::size_t size() const { return values_.size(); }

private:
    friend class Connection;
    std::map<std::string, std::string> values_;  // encoded once, for every follower
    std::set<std::string> changed_;
    std::vector<Connection*> followers_;  // in the order they came: a run replays
    std::uint64_t version_ = 0;
};

// The receiver's side of one connection: gathers a table's messages until they are whole.
class TableReceiver {
public:
    // What one Commit makes true, all at once.
    struct Change {
        Begin::Mode mode = Begin::Mode::change;  // replace: forget all keys that are not in `puts`
        std::uint64_t version = 0;
        std::vector<Message> puts;
        std::vector<Message> deletes;  // the Delete messages themselves
    };
    // `changes_max` bounds what one Begin may gather.
    explicit TableReceiver(std::size_t changes_max) : changes_max_(changes_max) {}

    // A whole change at a Commit, nothing before. Errors: invalid (out of order), exhausted.
    base::Result<std::optional<Change>> take(Message message);
    // True for the messages that take() is for.
    static bool is_table_message(const Message& message);

private:
    std::size_t changes_max_;
    std::optional<Change> open_;
};

}  // namespace tidemill::link
