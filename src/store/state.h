// All objects in memory, in order, with the indexes that reads and garbage collection need.
#pragma once

#include <boost/container/flat_set.hpp>
#include <cstdint>
#include <functional>
#include <map>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include "model/object/object.h"
#include "store/kept.h"
#include "store/watch.h"

namespace tidemill::store {

// The committed objects. Iteration follows model::ObjectKey, never an address.
class State {
public:
    // open_bytes_max: see Keeper.
    explicit State(std::size_t open_bytes_max) : keeper_(open_bytes_max) {}

    // Null if there is none.
    ObjectPtr find(const model::ObjectKey& key) const;
    bool contains(const model::ObjectKey& key) const { return objects_.contains(key); }
    KeptPtr kept(const model::ObjectKey& key) const;
    // Null if no object has this uid.
    const model::ObjectKey* find_uid(const std::string& uid) const;
    // The objects that name this uid as an owner.
    std::vector<model::ObjectKey> owned_by(const std::string& uid) const;
    std::size_t size() const { return objects_.size(); }
    // The XOR of all objects' row digests, and that of one (0 if there is none).
    std::uint64_t digest() const { return digest_; }
    std::uint64_t digest_of(const model::ObjectKey& key) const;

    // An object as memory keeps it, not yet put anywhere. `document`: the object as JSON.
    KeptPtr keep(ObjectPtr object, std::string_view document) {
        return keeper_.keep(std::move(object), document);
    }
    // Puts it in the place of whatever has its key. digest: of its row.
    void put(KeptPtr object, std::uint64_t digest);
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
    // Keys of objects_, whose nodes do not move. Flat: most values of a label are of one object.
    using Keys = boost::container::flat_set<const model::ObjectKey*, KeyLess>;
    // A label's name, of one kind.
    using Label = std::pair<model::KindId, std::string>;

    struct Entry {
        KeptPtr kept;
        std::uint64_t digest = 0;
    };

    void index(const model::ObjectKey& key, const model::Object& object);
    void unindex(const model::ObjectKey& key, const model::Object& object);

    Keeper keeper_;
    std::map<model::ObjectKey, Entry> objects_;
    std::uint64_t digest_ = 0;
    std::map<Label, std::map<std::string, Keys>> labels_;
    std::map<std::string, Keys> owners_;
    std::map<std::string, const model::ObjectKey*> uids_;
};

}  // namespace tidemill::store
