// The state as it will be once the batch that is being made is durable.
#pragma once

#include <cstdint>
#include <map>
#include <optional>
#include <set>
#include <string>
#include <vector>

#include "base/result.h"
#include "base/time.h"
#include "host/clock.h"
#include "store/disk/database.h"
#include "store/history.h"
#include "store/state.h"

namespace tidemill::store {

// What the rules need from outside. `room` is false while the disk is full: only what makes
// objects go is then accepted.
struct DraftFacts {
    base::WallTime now;
    host::Random& random;
    Sealer& sealer;
    std::size_t object_bytes_max = 0;
    base::Status room;
};

// What one revision does to one object. A deletion has no `after`, but `told`: the last state with
// the revision of the deletion, which is what the deleter sees.
struct Change {
    std::uint64_t revision = 0;
    ObjectPtr before;       // null: it was created
    ObjectPtr after;        // null: it is gone
    ObjectPtr told;         // after, or the last state
    std::size_t bytes = 0;  // of the document, about

    model::ObjectKey key() const { return told->key(); }
};

// Changes on top of a State that does not know of them; each gets the next revision. Taken back
// whole (by being dropped) when the commit fails, or in part after a dry run.
class Draft {
public:
    // suspects: objects that the garbage collector has to look at; grows with what changes.
    Draft(const State& state, std::uint64_t revision, DraftFacts facts,
          std::set<model::ObjectKey> suspects)
        : state_(state), facts_(facts), revision_(revision), suspects_(std::move(suspects)) {}

    const DraftFacts& facts() const { return facts_; }
    std::uint64_t revision() const { return revision_; }
    const std::vector<Change>& changes() const { return changes_; }
    std::set<model::ObjectKey>& suspects() { return suspects_; }

    ObjectPtr find(const model::ObjectKey& key) const;
    // The object that has this uid now, or null.
    ObjectPtr find_uid(const std::string& uid) const;
    std::vector<ObjectPtr> owned_by(const std::string& uid) const;

    // Makes `object` the new state of its key and gives it its resourceVersion. Errors: exhausted
    // (too large), those of the sealer; then nothing changed.
    base::Result<ObjectPtr> put(model::Object object);
    // Precondition: it is there. The last state, with the revision of its end.
    ObjectPtr erase(const model::ObjectKey& key);

    // Takes back every change after the first `changes`.
    void undo_to(std::size_t changes);
    // What the database has to do.
    Batch batch() const;
    // What has become true once it has, in order. `to` is the state below.
    std::vector<Past> apply(State& to) const;

private:
    struct Entry {
        ObjectPtr object;  // null: gone
        std::optional<Row> row;
    };
    struct Undo {
        model::ObjectKey key;
        std::optional<Entry> before;
    };
    void record(Change change, Entry entry);
    void suspect_around(const Change& change);

    const State& state_;
    DraftFacts facts_;
    std::uint64_t revision_;
    std::set<model::ObjectKey> suspects_;
    std::map<model::ObjectKey, Entry> entries_;
    std::vector<Change> changes_;
    std::vector<Undo> undo_;
    // May name objects that no longer fit; whoever reads looks at the object itself.
    std::map<std::string, model::ObjectKey> uids_;
    std::map<std::string, std::set<model::ObjectKey>> owned_;
};

}  // namespace tidemill::store
