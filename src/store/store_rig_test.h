// A machine with a store, and a small language to use it; for this room's tests.
#pragma once

#include <gtest/gtest.h>

#include <algorithm>
#include <memory>
#include <optional>
#include <string>
#include <string_view>

#include "base/bytes.h"
#include "host_sim/sim_host.h"
#include "store/local_store.h"

namespace tidemill::store {

using namespace std::chrono_literals;

// Reversible and bound to its context; hides the text from a search of the disk.
class TestSealer final : public Sealer {
public:
    base::Result<std::string> seal(std::string_view plain, std::string_view context) override {
        return base::to_hex(base::as_bytes(std::string(context) + "\n" + std::string(plain)));
    }
    base::Result<std::string> unseal(std::string_view sealed, std::string_view context) override {
        TRY(const auto text, base::from_hex(sealed));
        const auto prefix = std::string(context) + "\n";
        if (!text.starts_with(prefix)) {
            return base::fail(base::Code::invalid, "sealed in another context");
        }
        return text.substr(prefix.size());
    }
};

inline model::Object make(model::KindId kind, std::string name,
                          std::string namespace_name = "default") {
    model::Object object;
    object.kind = kind;
    object.metadata.name = std::move(name);
    if (model::kind_of(kind).namespaced) {
        object.metadata.namespace_name = std::move(namespace_name);
    }
    return object;
}

inline model::Object config(std::string name, int value = 0) {
    auto object = make(model::KindId::config_map, std::move(name));
    object.body["data"] = model::JsonObject{{"value", std::to_string(value)}};
    return object;
}

inline model::Object service(std::string name, int value = 0) {
    auto object = make(model::KindId::service, std::move(name));
    object.body["spec"] = model::JsonObject{{"value", value}};
    return object;
}

inline model::Object owned(model::Object object, const model::Object& owner) {
    object.metadata.owner_references.push_back(model::controller_reference(owner));
    return object;
}

// A machine with a store, and a small language to use it.
class Rig {
public:
    explicit Rig(LocalStoreOptions options = {},
                 host_sim::SimOptions machine = host_sim::SimOptions::calm())
        : sim(1, machine), options_(std::move(options)) {
        options_.directory = "/data/store";
        options_.build = options_.build.empty() ? "0.1.0" : options_.build;
        options_.ballast_bytes = std::min<std::size_t>(options_.ballast_bytes, 256U << 10);
        const auto status = start();
        EXPECT_TRUE(status) << status.error().message;
    }

    base::Status start() {
        offload.emplace(sim.loop, 1U);
        auto opened = LocalStore::open(
            {sim.loop, sim.clock, sim.random, sim.disk, *offload, sealer}, options_);
        if (!opened) {
            return std::unexpected(opened.error());
        }
        store = *std::move(opened);
        return base::ok;
    }
    // kill -9: nothing is closed, the disk keeps what was written.
    void kill() {
        store.reset();
        offload.reset();
    }
    void restart() {
        kill();
        const auto status = start();
        ASSERT_TRUE(status) << status.error().message;
    }
    void power_cut() {
        kill();
        sim.disk.crash();
        const auto status = start();
        ASSERT_TRUE(status) << status.error().message;
    }

    template <typename T>
    T wait(async::Task<T> task) {
        return sim.loop.run(std::move(task));
    }
    base::Result<ObjectPtr> create(model::Object object, WriteOptions options = {}) {
        return wait(store->create(std::move(object), options));
    }
    base::Result<ObjectPtr> update(model::Object object, WriteOptions options = {}) {
        return wait(store->update(std::move(object), options));
    }
    base::Result<ObjectPtr> update_status(model::Object object) {
        return wait(store->update_status(std::move(object), {}));
    }
    base::Result<Deleted> remove(const model::ObjectKey& key, DeleteOptions options = {}) {
        return wait(store->remove(key, std::move(options)));
    }
    ObjectPtr get(const model::ObjectKey& key) const { return store->get(key).value_or(nullptr); }
    std::string names(const Query& query, ListOptions options = {}) const {
        const auto page = store->list(query, options);
        if (!page) {
            return std::string(base::code_name(page.error().code));
        }
        std::string text;
        for (const auto& object : page->items) {
            text += (text.empty() ? "" : " ") + object->metadata.name;
        }
        return text;
    }
    std::unique_ptr<Watch> watch(Query query, WatchOptions options = {}) {
        auto made = store->watch(std::move(query), options);
        EXPECT_TRUE(made) << made.error().message;
        return *std::move(made);
    }

    host_sim::SimHost sim;
    TestSealer sealer;
    std::optional<host_sim::SimOffload> offload;
    std::unique_ptr<LocalStore> store;

private:
    LocalStoreOptions options_;
};

inline Query all(model::KindId kind) {
    Query query;
    query.kind = kind;
    return query;
}

// Everything that a watch has to tell now: "+a ~a -a *" with * for bookmarks and = for synced.
inline std::string told(Watch& watch) {
    std::string text;
    for (;;) {
        auto event = watch.try_next();
        if (!event) {
            return text + (text.empty() ? "!" : " !") + std::string(code_name(event.error().code));
        }
        if (!*event) {
            return text;
        }
        static constexpr std::string_view signs = "+~-*=";
        text += text.empty() ? "" : " ";
        text += signs[static_cast<std::size_t>((*event)->type)];
        text += (*event)->object == nullptr ? "" : (*event)->object->metadata.name;
    }
}

}  // namespace tidemill::store
