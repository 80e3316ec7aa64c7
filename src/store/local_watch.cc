#include "store/local_watch.h"

#include <utility>

#include "base/mutant.h"

namespace tidemill::store {

using base::Code;
using base::fail;
using Type = WatchEvent::Type;

LocalWatch::LocalWatch(async::Loop& loop, WatchRegistry& registry, Query query,
                       std::uint64_t cursor, std::optional<std::deque<ObjectPtr>> initial,
                       base::Duration bookmark_every)
    : loop_(loop),
      registry_(&registry),
      number_(++registry.made),
      query_(std::move(query)),
      cursor_(cursor),
      synced_revision_(cursor),
      initial_(std::move(initial)),
      bookmark_every_(bookmark_every),
      changed_(loop) {
    registry.watches.emplace(number_, this);
    bookmark_timer_.owner = this;
    arm_bookmark();
}

LocalWatch::~LocalWatch() {
    if (registry_ != nullptr) {
        registry_->watches.erase(number_);
    }
}

void LocalWatch::arm_bookmark() {
    if (bookmark_every_ > base::Duration(0)) {
        bookmark_timer_.arm(loop_, loop_.now() + bookmark_every_);
    }
}

void LocalWatch::BookmarkTimer::fire() {
    owner->bookmark_due_ = true;
    owner->changed_.set();
}

void LocalWatch::published(std::uint64_t before, const std::set<model::KindId>& kinds) {
    const bool concerned =
        kinds.contains(query_.kind) && !TIDEMILL_MUTANT("store.quiet_watch_skips");
    if (cursor_ == before && !concerned) {
        cursor_ = registry_->history.last();
        return;
    }
    changed_.set();
}

void LocalWatch::end() {
    registry_ = nullptr;
    changed_.set();
}

bool LocalWatch::selects(const KeptPtr& object) const {
    if (object == nullptr || !query_.may_select(object->key())) {
        return false;
    }
    // By far the most watches ask for all of a kind: no object has to be opened to know that.
    return query_.selects_by_key() || query_.selects(*object->open());
}

// What the change means to one who sees only what the query selects.
std::optional<WatchEvent> LocalWatch::view(const Past& change) const {
    const bool was = selects(change.before);
    const bool is = selects(change.after);
    if (!was && !is) {
        return std::nullopt;
    }
    WatchEvent event;
    event.revision = change.revision;
    if (is) {
        event.type = was ? Type::modified : Type::added;
        event.object = change.after->open();
        return event;
    }
    event.type = Type::deleted;
    auto last = *change.before->open();
    last.metadata.resource_version = change.revision;
    event.object = std::make_shared<const model::Object>(std::move(last));
    return event;
}

base::Result<std::optional<WatchEvent>> LocalWatch::try_next() {
    if (registry_ == nullptr) {
        return fail(Code::cancelled, "watch: the store closed");
    }
    const auto tell = [&](WatchEvent event) {
        bookmark_due_ = false;
        arm_bookmark();
        return std::optional(std::move(event));
    };
    if (initial_) {
        if (!initial_->empty()) {
            auto object = std::move(initial_->front());
            initial_->pop_front();
            const auto revision = object->metadata.resource_version;
            return tell({Type::added, revision, std::move(object)});
        }
        initial_.reset();
        return tell({Type::synced, synced_revision_, nullptr});
    }
    const auto& history = registry_->history;
    while (cursor_ < history.last()) {
        const auto* const change = history.find(cursor_ + 1);
        if (change == nullptr) {
            if (TIDEMILL_MUTANT("store.slow_watch_jumps")) {
                cursor_ = history.floor();
                continue;
            }
            return fail(Code::expired,
                        "watch: at resourceVersion {}, but changes are kept only after {}; list "
                        "again and watch from there",
                        cursor_, history.floor());
        }
        ++cursor_;
        if (TIDEMILL_MUTANT("store.watch_tells_latest_only")) {
            const auto* const later = history.find(cursor_ + 1);
            if (later != nullptr && later->key() == change->key()) {
                continue;
            }
        }
        if (auto event = view(*change)) {
            return tell(*std::move(event));
        }
    }
    if (bookmark_due_) {
        return tell({Type::bookmark, cursor_, nullptr});
    }
    return std::nullopt;
}

async::Task<base::Result<WatchEvent>> LocalWatch::next() {
    for (;;) {
        changed_.reset();
        auto event = try_next();
        if (!event) {
            co_return std::unexpected(std::move(event).error());
        }
        if (*event) {
            co_return **std::move(event);
        }
        co_await changed_.wait();
    }
}

}  // namespace tidemill::store
