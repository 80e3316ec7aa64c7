// The place where wanted and observed objects live: versioned, watchable, durable.
#pragma once

#include <cstddef>
#include <cstdint>
#include <functional>
#include <memory>
#include <optional>
#include <string>
#include <vector>

#include "async/task.h"
#include "base/result.h"
#include "model/object/object.h"
#include "model/object/selector.h"
#include "store/watch.h"

namespace tidemill::store {

// What to do with a wish: carry it out, or say what would come of it and change nothing.
enum class Effect : std::uint8_t { write, dry_run };

struct WriteOptions {
    Effect effect = Effect::write;
};

// What becomes of the objects that the deleted one owns (metadata.ownerReferences).
enum class Propagation : std::uint8_t {
    background,  // they go after it
    foreground,  // they go first; it stays, being deleted, until those that block it are gone
    orphan,      // they stay and forget it
};

struct DeleteOptions {
    // Preconditions: the object is deleted only if it is still this one, in this version.
    std::optional<std::string> uid;
    std::optional<std::uint64_t> resource_version;
    // Nothing: as the object's own finalizers say, else background.
    std::optional<Propagation> propagation;
    Effect effect = Effect::write;
};

struct Deleted {
    // Its last state, or with finalizers left its state with a deletion timestamp.
    ObjectPtr object;
    enum class Outcome : std::uint8_t { gone, waits_for_finalizers } outcome = Outcome::gone;
};

struct ListOptions {
    // Objects a page may hold; 0 means all.
    std::size_t limit = 0;
    // From the page before; kind, namespace and selectors must be the same as then.
    std::string continue_token;
};

struct ListPage {
    std::vector<ObjectPtr> items;  // ordered by namespace, then name
    // The state they are all of, on every page of one list; watch from here.
    std::uint64_t revision = 0;
    std::string continue_token;  // empty on the last page
};

// Whether writes are accepted, and if not, why.
struct Health {
    std::uint64_t revision = 0;
    std::size_t objects = 0;
    base::Status writable = base::ok;
};

// One global revision counts every change; it is the resourceVersion of what was changed and never
// goes back, neither by deletes nor by restarts. Nothing is visible to get, list or watch before it
// is durable, and a write's task completes after that.
//
// Writes are decided in the order they were asked. Errors of all writes: exhausted (too many wait,
// the object is too large, or the disk is full: nothing was written), unavailable (the disk failed:
// the write may or may not be there), cancelled (the store is closing). Dropping a write's task
// does not undo it.
//
// Single-threaded: every method belongs to the loop's thread. An interface because on Kubernetes
// the store is the kube-apiserver; LocalStore (local_store.h) is the one on SQLite.
class Store {
public:
    Store() = default;
    Store(const Store&) = delete;
    Store& operator=(const Store&) = delete;
    virtual ~Store() = default;

    // Gives uid, creationTimestamp, resourceVersion and generation 1 (for kinds that count it);
    // whatever `object` says of these and of deletion is ignored, and so is its status where the
    // kind has a status subresource. metadata.name must be set (see model::generate_name).
    // Errors: conflict (it exists already), invalid (a resourceVersion was given).
    virtual async::Task<base::Result<ObjectPtr>> create(model::Object object,
                                                        WriteOptions options) = 0;
    // Replaces the object of the same key, but for its status where the kind has a status
    // subresource, and for uid, creationTimestamp, deletionTimestamp and generation, which are the
    // store's. A resourceVersion or uid in `object` is a precondition; 0 or empty means whichever
    // is there. Generation moves by model::changes_generation. What changes nothing writes nothing
    // and keeps its resourceVersion. An object being deleted goes with its last finalizer.
    // Errors: not_found, conflict (the stored version is another one; the message names both),
    // invalid (a finalizer added to an object being deleted).
    virtual async::Task<base::Result<ObjectPtr>> update(model::Object object,
                                                        WriteOptions options) = 0;
    // Replaces `status` alone; metadata and the rest of `object` serve as key and preconditions.
    // Unconditional status writes of one object that wait at the same time become one write, the
    // last; all their tasks complete when that is durable. Never moves generation. Errors: as
    // update; invalid for a kind without status subresource.
    virtual async::Task<base::Result<ObjectPtr>> update_status(model::Object object,
                                                               WriteOptions options) = 0;
    // Reads, lets `change` edit, and writes (body and metadata, status too) with nothing between:
    // there is no version to be stale. `change` runs on the loop when the write is decided, again
    // if it has to be decided anew; it must not call the store, and its error becomes this one's
    // and nothing is written. It outlives its asker: capture by value. Errors: as update, and
    // `change`'s own.
    using Change = std::move_only_function<base::Status(model::Object&)>;
    virtual async::Task<base::Result<ObjectPtr>> change(model::ObjectKey key, Change change,
                                                        WriteOptions options) = 0;
    // Errors: not_found, conflict (a precondition does not hold).
    virtual async::Task<base::Result<Deleted>> remove(model::ObjectKey key,
                                                      DeleteOptions options) = 0;

    // From memory; the objects are immutable and may be kept. Errors: not_found.
    virtual base::Result<ObjectPtr> get(const model::ObjectKey& key) const = 0;
    // Errors: invalid (a continue token that is none, or of another list), expired (the state that
    // the token continues is no longer kept: list again).
    virtual base::Result<ListPage> list(const Query& query, const ListOptions& options) const = 0;
    // The change stream of what `query` selects. Errors: expired (options.from is older than the
    // history, or newer than the store: list again), exhausted (too many watches).
    virtual base::Result<std::unique_ptr<Watch>> watch(Query query, WatchOptions options) = 0;
    virtual std::uint64_t revision() const = 0;
    virtual Health health() const = 0;
};

}  // namespace tidemill::store
