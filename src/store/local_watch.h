// A cursor over the history.
#pragma once

#include <cstdint>
#include <deque>
#include <map>
#include <optional>
#include <set>

#include "async/event.h"
#include "async/loop.h"
#include "store/history.h"
#include "store/watch.h"

namespace tidemill::store {

class LocalWatch;

// The watches of one store and the history that they walk.
struct WatchRegistry {
    WatchRegistry(HistoryLimits limits, std::uint64_t revision) : history(limits, revision) {}

    History history;
    std::map<std::uint64_t, LocalWatch*> watches;  // by the order they were made in
    std::uint64_t made = 0;
};

class LocalWatch final : public Watch {
public:
    // Tells changes after `cursor`, and before them `initial`, if any list was asked for.
    LocalWatch(async::Loop& loop, WatchRegistry& registry, Query query, std::uint64_t cursor,
               std::optional<std::deque<ObjectPtr>> initial, base::Duration bookmark_every);
    ~LocalWatch() override;

    async::Task<base::Result<WatchEvent>> next() override;
    base::Result<std::optional<WatchEvent>> try_next() override;

    // The history has grown from `before`, by changes of kinds among which are `kinds`. One that
    // has seen everything and is not concerned moves along, so that a quiet watch never expires.
    void published(std::uint64_t before, const std::set<model::KindId>& kinds);
    // The store closes.
    void end();

private:
    struct BookmarkTimer final : async::Timer {
        LocalWatch* owner = nullptr;
        void fire() override;
    };
    bool selects(const KeptPtr& object) const;
    std::optional<WatchEvent> view(const Past& change) const;
    void arm_bookmark();

    async::Loop& loop_;
    WatchRegistry* registry_;  // null once the store is gone
    std::uint64_t number_;
    Query query_;
    std::uint64_t cursor_;  // everything up to here has been told
    std::uint64_t synced_revision_;
    std::optional<std::deque<ObjectPtr>> initial_;  // null once `synced` was told
    base::Duration bookmark_every_;
    bool bookmark_due_ = false;
    BookmarkTimer bookmark_timer_;
    async::Event changed_;
};

}  // namespace tidemill::store
