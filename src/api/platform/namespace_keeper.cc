#include "api/platform/namespace_keeper.h"

#include <algorithm>
#include <set>

#include "api/bootstrap.h"
#include "async/deadline.h"

namespace tidemill::api {
namespace {

using Type = store::WatchEvent::Type;

// How often a namespace is looked at again whose content waits for finalizers, or whose step
// failed.
constexpr auto retry_every = std::chrono::seconds(1);

}  // namespace

async::Task<void> NamespaceKeeper::run() {
    for (;;) {
        auto watch = store_.watch({.kind = model::KindId::core_namespace},
                                  {.initial = store::WatchOptions::Initial::objects});
        if (!watch) {
            co_await async::sleep_for(host_.loop, retry_every);
            continue;
        }
        std::set<std::string> unfinished;
        for (;;) {
            auto due = base::Instant::never();
            if (!unfinished.empty()) {
                due = host_.loop.now() + retry_every;
            }
            const auto event = co_await async::with_deadline(host_.loop, due, (*watch)->next());
            std::set<std::string> look;
            if (event) {
                if (event->object && event->type != Type::deleted) {
                    look.insert(event->object->metadata.name);
                }
            } else if (event.error().code == base::Code::deadline) {
                look = std::exchange(unfinished, {});
            } else {
                break;  // expired, or the store is closing: begin again
            }
            for (const auto& name : look) {
                const auto space = store_.get({model::KindId::core_namespace, "", name});
                if (space && !co_await keep(*space)) {
                    unfinished.insert(name);
                }
            }
        }
        co_await async::sleep_for(host_.loop, retry_every);
    }
}

async::Task<base::Status> NamespaceKeeper::keep(store::ObjectPtr space) {
    const auto& metadata = space->metadata;
    const std::string_view phase = metadata.deletion_timestamp ? "Terminating" : "Active";
    if (model::text_at(space->status(), {"phase"}) != phase) {
        auto next = *space;
        model::object_at(next.body, "status")["phase"] = model::as_json(phase);
        next.metadata.resource_version = 0;
        CO_CHECK_OK(co_await store_.update_status(std::move(next), {}));
    }
    if (!metadata.deletion_timestamp) {
        co_return co_await ensure_service_account(store_, metadata.name);
    }
    CO_TRY(const auto left, co_await empty(metadata.name));
    if (left > 0) {
        co_return base::fail(base::Code::unavailable, "namespace {}: {} objects are still there",
                             metadata.name, left);
    }
    const auto take_finalizer = [](model::Object& object) -> base::Status {
        std::erase(object.metadata.finalizers, namespace_finalizer);
        return base::ok;
    };
    const auto released = co_await store_.change(space->key(), take_finalizer, {});
    if (!released && released.error().code != base::Code::not_found) {
        co_return std::unexpected(released.error());
    }
    co_return base::ok;
}

async::Task<base::Result<std::size_t>> NamespaceKeeper::empty(std::string name) {
    for (const auto& kind : model::all_kinds()) {
        if (!kind.namespaced || kind.origin == model::Origin::view) {
            continue;
        }
        CO_TRY(const auto page, store_.list({.kind = kind.id, .namespace_name = name}, {}));
        for (const auto& object : page.items) {
            if (!object->metadata.deletion_timestamp) {
                const auto removed = co_await store_.remove(object->key(), {});
                if (!removed && removed.error().code != base::Code::not_found) {
                    co_return std::unexpected(removed.error());
                }
            }
        }
    }
    std::size_t left = 0;
    for (const auto& kind : model::all_kinds()) {
        if (kind.namespaced && kind.origin != model::Origin::view) {
            CO_TRY(const auto page, store_.list({.kind = kind.id, .namespace_name = name}, {}));
            left += page.items.size();
        }
    }
    co_return left;
}

}  // namespace tidemill::api
