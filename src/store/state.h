// All objects in memory, in order, with the indexes that reads and garbage collection need.
#pragma once

#include <cstdint>
#include <functional>
#include <map>
#include <set>
#include <string>
#include <tuple>
#include <vector>

#include "model/object/object.h"
#include "store/watch.h"

namespace tidemill::store {

// What one revision did to one object. A deletion has no `after`, but `told`: the last state with
// the revision of the deletion, which is what watchers and the deleter see.
struct Change {
    std::uint64_t revision = 0;
    ObjectPtr before;       // null: it was created
    ObjectPtr after;        // null: it is gone
    ObjectPtr told;         // after, or the last state
    std::size_t bytes = 0;  // of the document, about

    model::ObjectKey key() const { return told->key(); }
};

// The committed objects. Iteration follows model::ObjectKey, never an address.
class State {
public:
    // Null if there is none.
    ObjectPtr find(const model::ObjectKey& key) const;
    // Null if no object has this uid.
    const model::ObjectKey* find_uid(const std::string& uid) const;
    // The objects that name this uid as an owner.
    std::vector<model::ObjectKey> owned_by(const std::string& uid) const;
    std::size_t size() const { return objects_.size(); }
    // The XOR of all objects' row digests, and that of one (0 if there is none).
    std::uint64_t digest() const { return digest_; }
    std::uint64_t digest_of(const model::ObjectKey& key) const;

    // Puts `object` in the place of whatever has its key. digest: of its row.
    void put(ObjectPtr object, std::uint64_t digest);
    void erase(const model::ObjectKey& key);

    // Visits, in order, what may match the query (by name, label index, or namespace) behind
    // `after` (nothing: from the beginning) until `visit` says false.
    void scan(const Query& query, const model::ObjectKey* after,
              const std::function<bool(const ObjectPtr&)>& visit) const;

private:
    struct KeyLess {
        bool operator()(const model::ObjectKey* a, const model::ObjectKey* b) const {
            return *a < *b;
        }
    };
    // Keys of objects_, whose nodes do not move.
    using Keys = std::set<const model::ObjectKey*, KeyLess>;
    using Label = std::tuple<model::KindId, std::string, std::string>;

    struct Entry {
        ObjectPtr object;
        std::uint64_t digest = 0;
    };

    void index(const model::ObjectKey& key, const model::Object& object);
    void unindex(const model::ObjectKey& key, const model::Object& object);

    std::map<model::ObjectKey, Entry> objects_;
    std::uint64_t digest_ = 0;
    std::map<Label, Keys> labels_;
    std::map<std::string, Keys> owners_;
    std::map<std::string, const model::ObjectKey*> uids_;
};

}  // namespace tidemill::store
