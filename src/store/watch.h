// Which objects are meant, and how their changes come.
#pragma once

#include <cstdint>
#include <memory>
#include <optional>
#include <string>

#include "async/task.h"
#include "base/result.h"
#include "base/time.h"
#include "model/object/object.h"
#include "model/object/selector.h"

namespace tidemill::store {

// A stored state of an object; never changes, shared by all who hold it.
using ObjectPtr = std::shared_ptr<const model::Object>;

// The objects of one kind, narrowed by everything that is set.
struct Query {
    model::KindId kind{};
    std::string namespace_name;  // empty: all
    std::string name;            // empty: all
    model::LabelSelector labels;
    model::FieldSelector fields;

    bool selects(const model::Object& object) const;
    // False: no object of this key is selected, whatever it holds.
    bool may_select(const model::ObjectKey& key) const;
    // The key alone decides.
    bool selects_by_key() const;
};

struct WatchEvent {
    enum class Type : std::uint8_t {
        added,     // new, or now selected by the query
        modified,  // selected before and after
        deleted,   // gone, or no longer selected; `object` is its last selected state, with the
                   // resourceVersion of the change
        bookmark,  // everything up to `revision` has been told; `object` is null
        synced,    // the bookmark that ends the objects of Initial::objects
    };
    Type type = Type::bookmark;
    std::uint64_t revision = 0;
    ObjectPtr object;
};

struct WatchOptions {
    // Tells changes after this revision (0 counts as not given); nothing: changes from now on.
    std::optional<std::uint64_t> from;
    // objects: first each selected object as `added`, then `synced`; `from` must not be given.
    enum class Initial : std::uint8_t { none, objects } initial = Initial::none;
    // A bookmark when nothing was told for so long; 0 means none.
    base::Duration bookmark_every = base::Duration(0);
};

// A change stream: every change after the beginning, in order, once. It has no queue of its own: it
// walks the store's bounded history, and one that falls out of it is told `expired` and has ended.
// May outlive the store, and ends with it. One waiter at a time.
class Watch {
public:
    Watch() = default;
    Watch(const Watch&) = delete;
    Watch& operator=(const Watch&) = delete;
    virtual ~Watch() = default;

    // Waits for the next event. Cancelled by dropping, without loss. Errors: expired (fell behind
    // the history: list and watch again), cancelled (the store closed).
    virtual async::Task<base::Result<WatchEvent>> next() = 0;
    // The next event if there is one already. Same errors.
    virtual base::Result<std::optional<WatchEvent>> try_next() = 0;
};

}  // namespace tidemill::store
