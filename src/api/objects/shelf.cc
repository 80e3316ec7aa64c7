#include "api/objects/shelf.h"

#include <vector>

#include "async/deadline.h"

namespace tidemill::api {
namespace {

using base::Code;
using Type = store::WatchEvent::Type;

bool is_view(model::KindId kind) {
    return model::kind_of(kind).origin == model::Origin::view;
}

}  // namespace

// Tells the differences between snapshots, one after the other.
class ViewWatch final : public store::Watch {
public:
    ViewWatch(Shelf& shelf, store::Query query, base::Duration bookmark_every)
        : shelf_(shelf), query_(std::move(query)), bookmark_every_(bookmark_every) {}

    // What the watcher knows already.
    void begin_from(Shelf::Shown shown) { shown_ = std::move(shown); }
    // Tells all that is there first.
    void begin_with(const Shelf::Shown& shown) {
        shown_ = {.revision = shown.revision, .views = std::make_shared<Shelf::Views>()};
        compare(shown);
        events_.push_back({.type = Type::synced, .revision = shown.revision, .object = nullptr});
    }

    async::Task<base::Result<store::WatchEvent>> next() override {
        for (;;) {
            CO_TRY(auto event, try_next());
            if (event) {
                co_return *std::move(event);
            }
            auto change = wait(shelf_, query_.kind, shown_.revision);
            if (bookmark_every_ == base::Duration(0)) {
                CO_CHECK_OK(co_await std::move(change));
                continue;
            }
            const auto waited = co_await async::with_deadline(
                shelf_.loop_, shelf_.loop_.now() + bookmark_every_, std::move(change));
            if (!waited) {
                co_return store::WatchEvent{
                    .type = Type::bookmark, .revision = shown_.revision, .object = nullptr};
            }
        }
    }

    base::Result<std::optional<store::WatchEvent>> try_next() override {
        if (events_.empty()) {
            compare(shelf_.snapshot(query_.kind));
        }
        if (events_.empty()) {
            return std::nullopt;
        }
        auto event = std::move(events_.front());
        events_.pop_front();
        return event;
    }

private:
    static async::Task<base::Status> wait(Shelf& shelf, model::KindId kind, std::uint64_t seen) {
        co_await shelf.instances_->changed(kind, seen);
        co_return base::ok;
    }

    void compare(const Shelf::Shown& now) {
        for (const auto& [key, object] : *now.views) {
            const auto old = shown_.views->find(key);
            const bool was = old != shown_.views->end() && query_.selects(*old->second);
            const bool is = query_.selects(*object);
            const bool same =
                old != shown_.views->end() &&
                old->second->metadata.resource_version == object->metadata.resource_version;
            if (is && !(was && same)) {
                push(was ? Type::modified : Type::added, object, object->metadata.resource_version);
            } else if (was && !is) {
                push(Type::deleted, old->second, now.revision);
            }
        }
        for (const auto& [key, object] : *shown_.views) {
            if (!now.views->contains(key) && query_.selects(*object)) {
                push(Type::deleted, object, now.revision);
            }
        }
        shown_ = now;
    }

    void push(Type type, const store::ObjectPtr& object, std::uint64_t revision) {
        auto told = object;
        if (object->metadata.resource_version != revision) {
            auto copy = std::make_shared<model::Object>(*object);
            copy->metadata.resource_version = revision;
            told = std::move(copy);
        }
        events_.push_back({.type = type, .revision = revision, .object = std::move(told)});
    }

    Shelf& shelf_;
    store::Query query_;
    base::Duration bookmark_every_;
    Shelf::Shown shown_;
    std::deque<store::WatchEvent> events_;  // at most the differences of two snapshots
};

Shelf::Shelf(store::Store& store, async::Loop& loop, Instances* instances,
             std::size_t snapshots_max)
    : store_(store), loop_(loop), instances_(instances), snapshots_max_(snapshots_max) {}

Shelf::Shown Shelf::snapshot(model::KindId kind) {
    auto& shown = shown_[kind];
    if (instances_ == nullptr) {
        return {.revision = 1, .views = std::make_shared<Views>()};
    }
    auto now = instances_->views(kind);
    if (!shown.empty() && shown.back().revision == now.revision) {
        return shown.back();
    }
    auto views = std::make_shared<Views>();
    for (auto& object : now.objects) {
        auto key = object->key();
        views->emplace(std::move(key), std::move(object));
    }
    shown.push_back({.revision = now.revision, .views = std::move(views)});
    if (shown.size() > snapshots_max_) {
        shown.pop_front();
    }
    return shown.back();
}

base::Result<store::ObjectPtr> Shelf::get(const model::ObjectKey& key) {
    if (!is_view(key.kind)) {
        return store_.get(key);
    }
    const auto shown = snapshot(key.kind);
    const auto found = shown.views->find(key);
    if (found == shown.views->end()) {
        return base::fail(Code::not_found, "{} not found", model::describe(key));
    }
    return found->second;
}

base::Result<store::ListPage> Shelf::list(const store::Query& query,
                                          const store::ListOptions& options) {
    if (!is_view(query.kind)) {
        return store_.list(query, options);
    }
    if (!options.continue_token.empty()) {
        return base::fail(Code::invalid, "continue: lists of {} have one page",
                          model::kind_of(query.kind).plural);
    }
    const auto shown = snapshot(query.kind);
    store::ListPage page;
    page.revision = shown.revision;
    for (const auto& [key, object] : *shown.views) {
        if (query.selects(*object)) {
            page.items.push_back(object);
        }
    }
    return page;
}

base::Result<std::unique_ptr<store::Watch>> Shelf::watch(store::Query query,
                                                         store::WatchOptions options) {
    if (!is_view(query.kind)) {
        return store_.watch(std::move(query), options);
    }
    if (instances_ == nullptr) {
        return base::fail(Code::unavailable, "no instances run here");
    }
    const auto now = snapshot(query.kind);
    auto watch = std::make_unique<ViewWatch>(*this, query, options.bookmark_every);
    if (options.initial == store::WatchOptions::Initial::objects) {
        watch->begin_with(now);
        return watch;
    }
    const auto from = options.from.value_or(0);
    if (from == 0) {
        watch->begin_from(now);
        return watch;
    }
    for (const auto& shown : shown_[query.kind]) {
        if (shown.revision == from) {
            watch->begin_from(shown);
            return watch;
        }
    }
    return base::fail(Code::expired, "too old resource version: {} ({})", from, now.revision);
}

std::uint64_t Shelf::revision(model::KindId kind) const {
    if (!is_view(kind)) {
        return store_.revision();
    }
    return instances_ == nullptr ? 1 : instances_->views(kind).revision;
}

}  // namespace tidemill::api
