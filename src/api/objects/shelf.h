// One way to read objects, whether they are stored or views.
#pragma once

#include <cstdint>
#include <deque>
#include <map>
#include <memory>

#include "api/instances.h"
#include "async/loop.h"
#include "base/result.h"
#include "store/store.h"

namespace tidemill::api {

// Reads as store::Store does. Views have no history of their own, so the snapshots that were shown
// last are kept (shared objects, a bounded number), and a watch goes on from any of them.
class Shelf {
public:
    // `instances` may be null: then there are no views. All outlive it.
    Shelf(store::Store& store, async::Loop& loop, Instances* instances,
          std::size_t snapshots_max = 256);

    base::Result<store::ObjectPtr> get(const model::ObjectKey& key);
    // Views come whole, whatever the limit, which Kubernetes allows. Errors: as Store::list.
    base::Result<store::ListPage> list(const store::Query& query,
                                       const store::ListOptions& options);
    // Errors: as Store::watch.
    base::Result<std::unique_ptr<store::Watch>> watch(store::Query query,
                                                      store::WatchOptions options);
    // The newest version that a list of this kind can show.
    std::uint64_t revision(model::KindId kind) const;

private:
    friend class ViewWatch;
    using Views = std::map<model::ObjectKey, store::ObjectPtr>;
    struct Shown {
        std::uint64_t revision = 0;
        std::shared_ptr<const Views> views;
    };
    Shown snapshot(model::KindId kind);

    store::Store& store_;
    async::Loop& loop_;
    Instances* instances_;
    std::size_t snapshots_max_;
    std::map<model::KindId, std::deque<Shown>> shown_;
};

}  // namespace tidemill::api
