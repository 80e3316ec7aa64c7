#include <gtest/gtest.h>

#include <optional>

#include "base/bytes.h"
#include "host_sim/sim_host.h"
#include "store/local_store.h"

namespace tidemill::store {
namespace {

using namespace std::chrono_literals;
using base::Code;
using model::KindId;
using Type = WatchEvent::Type;

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
            return base::fail(Code::invalid, "sealed in another context");
        }
        return text.substr(prefix.size());
    }
};

model::Object make(KindId kind, std::string name, std::string namespace_name = "default") {
    model::Object object;
    object.kind = kind;
    object.metadata.name = std::move(name);
    if (model::kind_of(kind).namespaced) {
        object.metadata.namespace_name = std::move(namespace_name);
    }
    return object;
}

model::Object config(std::string name, int value = 0) {
    auto object = make(KindId::config_map, std::move(name));
    object.body["data"] = model::JsonObject{{"value", std::to_string(value)}};
    return object;
}

model::Object service(std::string name, int value = 0) {
    auto object = make(KindId::service, std::move(name));
    object.body["spec"] = model::JsonObject{{"value", value}};
    return object;
}

model::Object owned(model::Object object, const model::Object& owner) {
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

Query all(KindId kind) {
    Query query;
    query.kind = kind;
    return query;
}

// Everything that a watch has to tell now: "+a ~a -a *" with * for bookmarks and = for synced.
std::string told(Watch& watch) {
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

TEST(Store, CreateGivesIdentityAndAVersion) {
    Rig rig;
    auto wish = service("shop", 1);
    wish.metadata.uid = "mine";
    wish.metadata.generation = 7;
    wish.body["status"] = model::JsonObject{{"ready", true}};
    const auto made = rig.create(wish);
    ASSERT_TRUE(made) << made.error().message;
    const auto& metadata = (*made)->metadata;
    EXPECT_EQ(metadata.uid.size(), 36U);
    EXPECT_EQ(metadata.resource_version, 1U);
    EXPECT_EQ(metadata.generation, 1);
    EXPECT_EQ(metadata.creation_timestamp->ns % 1'000'000'000, 0);
    EXPECT_FALSE((*made)->body.contains("status")) << "a status comes by update_status only";
    EXPECT_EQ(rig.get(wish.key()), *made);
}

TEST(Store, CreateRefusesWhatCannotBe) {
    Rig rig;
    ASSERT_TRUE(rig.create(config("a")));
    EXPECT_EQ(rig.create(config("a")).error().code, Code::conflict);
    auto versioned = config("b");
    versioned.metadata.resource_version = 3;
    EXPECT_EQ(rig.create(versioned).error().code, Code::invalid);
    EXPECT_EQ(rig.create(config("")).error().code, Code::invalid);
    EXPECT_EQ(rig.create(make(KindId::pod, "p")).error().code, Code::invalid);
    EXPECT_EQ(rig.create(make(KindId::config_map, "c", "")).error().code, Code::invalid);
    auto homeless = make(KindId::core_namespace, "n");
    homeless.metadata.namespace_name = "default";
    EXPECT_EQ(rig.create(homeless).error().code, Code::invalid);
    EXPECT_EQ(rig.store->revision(), 1U) << "a refusal changes nothing";
}

TEST(Store, AnObjectThatIsTooLargeIsRefusedWithTheLimit) {
    LocalStoreOptions options;
    options.object_bytes_max = 1000;
    Rig rig(options);
    auto big = config("a");
    big.body["data"] = model::JsonObject{{"x", std::string(1000, 'x')}};
    const auto refused = rig.create(big);
    EXPECT_EQ(refused.error().code, Code::exhausted);
    EXPECT_NE(refused.error().message.find("limit is 1000"), std::string::npos);
}

TEST(Store, UpdateMovesGenerationOnlyWithTheSpec) {
    Rig rig;
    auto object = **rig.create(service("shop", 1));
    object.metadata.labels["a"] = "b";
    auto labelled = rig.update(object);
    EXPECT_EQ((*labelled)->metadata.generation, 1);
    EXPECT_EQ((*labelled)->metadata.resource_version, 2U);
    object = **labelled;
    object.body["spec"].as_object()["value"] = 2;
    EXPECT_EQ((*rig.update(object))->metadata.generation, 2);
}

TEST(Store, AStaleVersionIsRefusedWithBothVersions) {
    Rig rig;
    const auto first = **rig.create(config("a", 1));
    auto change = first;
    change.body = config("a", 2).body;
    ASSERT_TRUE(rig.update(change));
    change.body = config("a", 3).body;
    const auto stale = rig.update(change);
    EXPECT_EQ(stale.error().code, Code::conflict);
    EXPECT_NE(stale.error().message.find("resourceVersion 1"), std::string::npos);
    EXPECT_NE(stale.error().message.find("to 2"), std::string::npos);
    change.metadata.resource_version = 0;
    EXPECT_TRUE(rig.update(change)) << "no version is no precondition";
    change.metadata.uid = "another";
    EXPECT_EQ(rig.update(change).error().code, Code::conflict);
    EXPECT_EQ(rig.update(config("none")).error().code, Code::not_found);
}

TEST(Store, WhatChangesNothingKeepsItsVersion) {
    Rig rig;
    const auto first = **rig.create(config("a", 1));
    const auto watch = rig.watch(all(KindId::config_map));
    EXPECT_EQ((*rig.update(first))->metadata.resource_version, 1U);
    EXPECT_EQ(rig.store->revision(), 1U);
    EXPECT_EQ(told(*watch), "");
}

TEST(Store, SpecAndStatusDoNotOverwriteEachOther) {
    Rig rig;
    const auto first = **rig.create(service("shop", 1));
    auto status = first;
    status.body = {{"status", model::JsonObject{{"ready", true}}}};
    status.metadata.labels["ignored"] = "yes";
    const auto with_status = rig.update_status(status);
    ASSERT_TRUE(with_status);
    EXPECT_EQ((*with_status)->spec().at("value"), 1);
    EXPECT_TRUE((*with_status)->metadata.labels.empty());
    EXPECT_EQ((*with_status)->metadata.generation, 1);
    auto spec = service("shop", 2);
    const auto with_spec = rig.update(spec);
    ASSERT_TRUE(with_spec);
    EXPECT_EQ((*with_spec)->status().at("ready"), true);
    EXPECT_EQ(rig.update_status(first).error().code, Code::conflict) << "stale";
    EXPECT_EQ(rig.update_status(config("a")).error().code, Code::not_found);
    ASSERT_TRUE(rig.create(config("a")));
    EXPECT_EQ(rig.update_status(config("a")).error().code, Code::invalid) << "has no status";
}

TEST(Store, ChangeSeesTheLatestAndCannotTouchIdentity) {
    Rig rig;
    const auto first = **rig.create(service("shop", 1));
    const auto edit = [](model::Object& object) -> base::Status {
        object.body["spec"].as_object()["value"] = 2;
        object.metadata.uid = "stolen";
        return base::ok;
    };
    const auto changed = rig.wait(rig.store->change(first.key(), edit, {}));
    ASSERT_TRUE(changed);
    EXPECT_EQ((*changed)->metadata.uid, first.metadata.uid);
    EXPECT_EQ((*changed)->metadata.generation, 2);
    const auto refuse = [](model::Object&) -> base::Status {
        return base::fail(Code::denied, "no");
    };
    EXPECT_EQ(rig.wait(rig.store->change(first.key(), refuse, {})).error().code, Code::denied);
    const auto rename = [](model::Object& object) -> base::Status {
        object.metadata.name = "other";
        return base::ok;
    };
    EXPECT_EQ(rig.wait(rig.store->change(first.key(), rename, {})).error().code, Code::invalid);
}

TEST(Store, ADryRunAnswersAndChangesNothing) {
    Rig rig;
    const WriteOptions dry{.effect = Effect::dry_run};
    EXPECT_TRUE(rig.create(config("a"), dry));
    EXPECT_EQ(rig.get(config("a").key()), nullptr);
    ASSERT_TRUE(rig.create(config("a", 1)));
    EXPECT_EQ(rig.create(config("a"), dry).error().code, Code::conflict);
    EXPECT_EQ((*rig.update(config("a", 2), dry))->metadata.resource_version, 2U);
    DeleteOptions remove;
    remove.effect = Effect::dry_run;
    EXPECT_TRUE(rig.remove(config("a").key(), remove));
    EXPECT_EQ(rig.store->revision(), 1U);
    rig.restart();
    EXPECT_EQ(rig.get(config("a").key())->metadata.resource_version, 1U);
}

TEST(Store, DeleteHonoursItsPreconditions) {
    Rig rig;
    const auto first = **rig.create(config("a"));
    DeleteOptions other_uid;
    other_uid.uid = "another";
    EXPECT_EQ(rig.remove(first.key(), other_uid).error().code, Code::conflict);
    DeleteOptions other_version;
    other_version.resource_version = 9;
    EXPECT_EQ(rig.remove(first.key(), other_version).error().code, Code::conflict);
    DeleteOptions exact;
    exact.uid = first.metadata.uid;
    exact.resource_version = 1;
    const auto gone = rig.remove(first.key(), exact);
    ASSERT_TRUE(gone);
    EXPECT_EQ(gone->outcome, Deleted::Outcome::gone);
    EXPECT_EQ(gone->object->metadata.resource_version, 2U);
    EXPECT_EQ(rig.remove(first.key()).error().code, Code::not_found);
}

TEST(Store, AnObjectGoesWithItsLastFinalizer) {
    Rig rig;
    auto wish = service("shop");
    wish.metadata.finalizers = {"a.dev/x", "a.dev/y"};
    ASSERT_TRUE(rig.create(wish));
    const auto waiting = rig.remove(wish.key());
    ASSERT_TRUE(waiting);
    EXPECT_EQ(waiting->outcome, Deleted::Outcome::waits_for_finalizers);
    EXPECT_TRUE(waiting->object->metadata.deletion_timestamp);
    EXPECT_EQ(waiting->object->metadata.generation, 2);
    EXPECT_EQ(rig.remove(wish.key())->object->metadata.resource_version, 2U) << "idempotent";
    auto next = *waiting->object;
    next.metadata.finalizers = {"a.dev/y", "a.dev/z"};
    EXPECT_EQ(rig.update(next).error().code, Code::invalid) << "no new finalizer";
    next.metadata.finalizers = {"a.dev/y"};
    next.metadata.deletion_timestamp.reset();
    const auto kept = rig.update(next);
    ASSERT_TRUE(kept);
    EXPECT_TRUE((*kept)->metadata.deletion_timestamp) << "deletion cannot be taken back";
    next = **kept;
    next.metadata.finalizers.clear();
    const auto watch = rig.watch(all(KindId::service));
    ASSERT_TRUE(rig.update(next));
    EXPECT_EQ(rig.get(wish.key()), nullptr);
    EXPECT_EQ(told(*watch), "-shop");
}

struct Family {
    explicit Family(Rig& rig) {
        shop = **rig.create(service("shop"));
        auto configuration = make(KindId::configuration, "shop");
        middle = **rig.create(owned(configuration, shop));
        leaf = **rig.create(owned(make(KindId::revision, "shop-1"), middle));
    }
    model::Object shop;
    model::Object middle;
    model::Object leaf;
};

TEST(Garbage, BackgroundTakesTheWholeTreeAfterTheOwner) {
    Rig rig;
    const Family family(rig);
    const auto services = rig.watch(all(KindId::service));
    ASSERT_TRUE(rig.remove(family.shop.key()));
    rig.sim.loop.run_for(1s);
    EXPECT_EQ(rig.store->health().objects, 0U);
    rig.restart();
    EXPECT_EQ(rig.store->health().objects, 0U);
}

TEST(Garbage, ForegroundTakesTheOwnerLast) {
    Rig rig;
    const Family family(rig);
    auto held = family.leaf;
    held.metadata.finalizers = {"a.dev/hold"};
    const auto holding = rig.update(held);
    ASSERT_TRUE(holding);
    DeleteOptions foreground;
    foreground.propagation = Propagation::foreground;
    EXPECT_EQ(rig.remove(family.shop.key(), foreground)->outcome,
              Deleted::Outcome::waits_for_finalizers);
    rig.sim.loop.run_for(1s);
    EXPECT_EQ(rig.store->health().objects, 3U);
    EXPECT_TRUE(rig.get(family.leaf.key())->metadata.deletion_timestamp);
    rig.restart();
    auto freed = *rig.get(family.leaf.key());
    freed.metadata.finalizers.clear();
    ASSERT_TRUE(rig.update(freed));
    rig.sim.loop.run_for(1s);
    EXPECT_EQ(rig.store->health().objects, 0U);
}

TEST(Garbage, OrphanLeavesDependentsWithoutTheOwner) {
    Rig rig;
    const Family family(rig);
    DeleteOptions orphan;
    orphan.propagation = Propagation::orphan;
    ASSERT_TRUE(rig.remove(family.shop.key(), orphan));
    rig.sim.loop.run_for(1s);
    EXPECT_EQ(rig.get(family.shop.key()), nullptr);
    ASSERT_NE(rig.get(family.middle.key()), nullptr);
    EXPECT_TRUE(rig.get(family.middle.key())->metadata.owner_references.empty());
    EXPECT_NE(rig.get(family.leaf.key()), nullptr);
}

TEST(Garbage, AnObjectWithAnotherOwnerStaysAndForgetsTheOneThatIsGone) {
    Rig rig;
    const Family family(rig);
    const auto second = **rig.create(service("second"));
    auto shared = family.middle;
    shared.metadata.owner_references.push_back(model::controller_reference(second));
    ASSERT_TRUE(rig.update(shared));
    ASSERT_TRUE(rig.remove(family.shop.key()));
    rig.sim.loop.run_for(1s);
    ASSERT_NE(rig.get(family.middle.key()), nullptr);
    EXPECT_EQ(rig.get(family.middle.key())->metadata.owner_references.size(), 1U);
}

TEST(Garbage, AnObjectOfAnOwnerThatNeverWasGoes) {
    Rig rig;
    auto ghost = service("ghost");
    ghost.metadata.uid = "00000000-0000-4000-8000-000000000000";
    ASSERT_TRUE(rig.create(owned(make(KindId::configuration, "c"), ghost)));
    rig.sim.loop.run_for(1s);
    EXPECT_EQ(rig.store->health().objects, 0U);
}

TEST(Garbage, ATreeLargerThanABatchGoesInSeveral) {
    LocalStoreOptions options;
    options.batch_changes_max = 10;
    Rig rig(options);
    const auto shop = **rig.create(service("shop"));
    for (int i = 0; i < 35; ++i) {
        ASSERT_TRUE(rig.create(owned(config("c" + std::to_string(i)), shop)));
    }
    ASSERT_TRUE(rig.remove(shop.key()));
    rig.sim.loop.run_for(1s);
    EXPECT_EQ(rig.store->health().objects, 0U);
}

TEST(List, NarrowsByNamespaceLabelAndField) {
    Rig rig;
    auto a = config("a");
    a.metadata.labels = {{"app", "x"}};
    auto b = config("b");
    b.metadata.labels = {{"app", "y"}};
    ASSERT_TRUE(rig.create(b));
    ASSERT_TRUE(rig.create(a));
    ASSERT_TRUE(rig.create(make(KindId::config_map, "c", "other")));
    ASSERT_TRUE(rig.create(service("s")));
    EXPECT_EQ(rig.names(all(KindId::config_map)), "a b c");
    auto query = all(KindId::config_map);
    query.namespace_name = "default";
    EXPECT_EQ(rig.names(query), "a b");
    query.labels = *model::LabelSelector::parse("app=y");
    EXPECT_EQ(rig.names(query), "b");
    query.labels = *model::LabelSelector::parse("app in (x,y)");
    EXPECT_EQ(rig.names(query), "a b");
    query.labels = *model::LabelSelector::parse("app=none");
    EXPECT_EQ(rig.names(query), "");
    query = all(KindId::config_map);
    query.fields =
        *model::FieldSelector::parse(model::kind_of(KindId::config_map), "metadata.name=c");
    EXPECT_EQ(rig.names(query), "c");
    query = all(KindId::config_map);
    query.namespace_name = "other";
    query.name = "c";
    EXPECT_EQ(rig.names(query), "c");
    a.metadata.labels = {{"app", "z"}};
    ASSERT_TRUE(rig.update(a));
    query = all(KindId::config_map);
    query.labels = *model::LabelSelector::parse("app=x");
    EXPECT_EQ(rig.names(query), "") << "the label index forgot to forget";
}

TEST(List, PagesAreAllOfTheStateOfTheFirst) {
    Rig rig;
    for (const char* name : {"a", "b", "c", "d", "e"}) {
        ASSERT_TRUE(rig.create(config(name)));
    }
    ListOptions options;
    options.limit = 2;
    auto page = *rig.store->list(all(KindId::config_map), options);
    EXPECT_EQ(page.revision, 5U);
    ASSERT_TRUE(rig.remove(config("c").key()));
    ASSERT_TRUE(rig.create(config("ca")));
    ASSERT_TRUE(rig.update(config("d", 7)));
    ASSERT_TRUE(rig.remove(config("e").key()));
    ASSERT_TRUE(rig.create(config("e", 9)));
    std::string rest;
    while (!page.continue_token.empty()) {
        options.continue_token = page.continue_token;
        page = *rig.store->list(all(KindId::config_map), options);
        EXPECT_EQ(page.revision, 5U);
        for (const auto& object : page.items) {
            rest += object->metadata.name + std::to_string(object->metadata.resource_version) + " ";
        }
    }
    EXPECT_EQ(rest, "c3 d4 e5 ");
}

TEST(List, ATokenThatIsNoneOrTooOldIsRefused) {
    LocalStoreOptions limits;
    limits.history_changes_max = 2;
    Rig rig(limits);
    for (const char* name : {"a", "b", "c"}) {
        ASSERT_TRUE(rig.create(config(name)));
    }
    ListOptions options;
    options.limit = 1;
    const auto page = *rig.store->list(all(KindId::config_map), options);
    options.continue_token = page.continue_token;
    EXPECT_EQ(rig.names(all(KindId::secret), options), "invalid") << "of another list";
    options.continue_token = "rubbish";
    EXPECT_EQ(rig.names(all(KindId::config_map), options), "invalid");
    for (int i = 0; i < 5; ++i) {
        ASSERT_TRUE(rig.update(config("a", i + 1)));
    }
    options.continue_token = page.continue_token;
    EXPECT_EQ(rig.names(all(KindId::config_map), options), "expired");
}

TEST(Watch, TellsEveryChangeInOrder) {
    Rig rig;
    const auto watch = rig.watch(all(KindId::config_map));
    ASSERT_TRUE(rig.create(config("a", 1)));
    ASSERT_TRUE(rig.create(service("unseen")));
    ASSERT_TRUE(rig.update(config("a", 2)));
    ASSERT_TRUE(rig.remove(config("a").key()));
    EXPECT_EQ(told(*watch), "+a ~a -a");
    const auto since = rig.watch(all(KindId::config_map), {.from = 1});
    EXPECT_EQ(told(*since), "~a -a");
    EXPECT_EQ(rig.store->watch(all(KindId::service), {.from = 5}).error().code, Code::expired)
        << "from the future";
}

TEST(Watch, ASelectorSeesObjectsComeAndGoByTheirLabels) {
    Rig rig;
    auto query = all(KindId::config_map);
    query.labels = *model::LabelSelector::parse("app=x");
    const auto watch = rig.watch(query);
    auto object = config("a");
    ASSERT_TRUE(rig.create(object));
    object.metadata.labels = {{"app", "x"}};
    ASSERT_TRUE(rig.update(object));
    object.metadata.labels = {{"app", "y"}};
    ASSERT_TRUE(rig.update(object));
    ASSERT_TRUE(rig.remove(object.key()));
    auto event = rig.wait(watch->next());
    EXPECT_EQ(event->type, Type::added);
    event = rig.wait(watch->next());
    EXPECT_EQ(event->type, Type::deleted);
    EXPECT_EQ(event->object->metadata.labels.at("app"), "x") << "the last state that it saw";
    EXPECT_EQ(event->object->metadata.resource_version, 3U);
    EXPECT_EQ(told(*watch), "");
}

TEST(Watch, InitialObjectsComeFirstAndThenASyncedMark) {
    Rig rig;
    ASSERT_TRUE(rig.create(config("a")));
    ASSERT_TRUE(rig.create(config("b")));
    const auto watch =
        rig.watch(all(KindId::config_map), {.initial = WatchOptions::Initial::objects});
    ASSERT_TRUE(rig.create(config("c")));
    EXPECT_EQ(told(*watch), "+a +b = +c");
}

TEST(Watch, ASlowOneIsCutAndAQuietOneIsNot) {
    LocalStoreOptions limits;
    limits.history_changes_max = 3;
    Rig rig(limits);
    const auto slow = rig.watch(all(KindId::config_map));
    const auto quiet = rig.watch(all(KindId::secret));
    for (int i = 0; i < 5; ++i) {
        ASSERT_TRUE(rig.create(config("a" + std::to_string(i))));
    }
    ASSERT_TRUE(rig.create(make(KindId::secret, "s")));
    EXPECT_EQ(told(*slow), "!expired");
    EXPECT_EQ(told(*quiet), "+s");
    EXPECT_EQ(rig.store->watch(all(KindId::secret), {.from = 2}).error().code, Code::expired);
}

TEST(Watch, HistoryAgesAndIsBoundedInBytes) {
    LocalStoreOptions limits;
    limits.history_age_max = 10s;
    Rig rig(limits);
    ASSERT_TRUE(rig.create(config("a")));
    rig.sim.loop.run_for(11s);
    ASSERT_TRUE(rig.create(config("b")));
    EXPECT_EQ(rig.store->watch(all(KindId::secret), {.from = 1}).has_value(), true);
    ASSERT_TRUE(rig.create(config("c")));
    rig.sim.loop.run_for(11s);
    ASSERT_TRUE(rig.create(config("d")));
    EXPECT_EQ(rig.store->watch(all(KindId::secret), {.from = 1}).error().code, Code::expired);

    LocalStoreOptions small;
    small.history_bytes_max = 1500;
    Rig other(small);
    for (int i = 0; i < 20; ++i) {
        ASSERT_TRUE(other.create(config("a" + std::to_string(i))));
    }
    EXPECT_EQ(other.store->watch(all(KindId::secret), {.from = 1}).error().code, Code::expired);
}

TEST(Watch, BookmarksComeWhenNothingElseDoes) {
    Rig rig;
    const auto watch = rig.watch(all(KindId::secret), {.bookmark_every = 10s});
    ASSERT_TRUE(rig.create(config("a")));
    const auto began = rig.sim.loop.now();
    const auto event = rig.wait(watch->next());
    ASSERT_TRUE(event);
    EXPECT_EQ(event->type, Type::bookmark);
    EXPECT_EQ(event->revision, 1U) << "it says how far nothing happened";
    EXPECT_GE(rig.sim.loop.now() - began, 9s);
    EXPECT_EQ(told(*watch), "");
}

TEST(Watch, EndsWithTheStoreAndMayOutliveIt) {
    Rig rig;
    const auto watch = rig.watch(all(KindId::secret));
    rig.wait(rig.store->close());
    EXPECT_EQ(told(*watch), "!cancelled");
    EXPECT_EQ(rig.create(config("late")).error().code, Code::cancelled);
    rig.kill();
    EXPECT_EQ(told(*watch), "!cancelled");
}

TEST(Watch, TheirNumberHasALimit) {
    LocalStoreOptions limits;
    limits.watches_max = 1;
    Rig rig(limits);
    auto watch = rig.watch(all(KindId::secret));
    EXPECT_EQ(rig.store->watch(all(KindId::secret), {}).error().code, Code::exhausted);
    watch.reset();
    EXPECT_TRUE(rig.store->watch(all(KindId::secret), {}));
}

TEST(Writing, ManyWritesShareACommit) {
    Rig rig;
    async::Scope scope(rig.sim.loop, 200);
    int done = 0;
    const auto write = [](LocalStore& store, model::Object object,
                          int& count) -> async::Task<void> {
        EXPECT_TRUE(co_await store.create(std::move(object), {}));
        ++count;
    };
    ASSERT_TRUE(rig.create(config("first")));
    const auto before = rig.sim.disk.operations();
    ASSERT_TRUE(rig.create(config("second")));
    const auto one = rig.sim.disk.operations() - before;
    for (int i = 0; i < 100; ++i) {
        ASSERT_TRUE(scope.spawn(write(*rig.store, config("c" + std::to_string(i)), done)));
    }
    EXPECT_EQ(rig.get(config("c0").key()), nullptr) << "not visible before it is durable";
    rig.sim.loop.run_for(1s);
    EXPECT_EQ(done, 100);
    EXPECT_LT(rig.sim.disk.operations() - before, 30 * one);
}

TEST(Writing, StatusesOfOneObjectThatWaitBecomeOne) {
    Rig rig;
    ASSERT_TRUE(rig.create(service("shop")));
    async::Scope scope(rig.sim.loop, 20);
    std::vector<std::uint64_t> versions;
    const auto write = [](LocalStore& store, int value,
                          std::vector<std::uint64_t>& into) -> async::Task<void> {
        auto object = service("shop");
        object.body["status"] = model::JsonObject{{"value", value}};
        const auto done = co_await store.update_status(std::move(object), {});
        EXPECT_TRUE(done);
        into.push_back((*done)->metadata.resource_version);
    };
    for (int i = 0; i < 10; ++i) {
        ASSERT_TRUE(scope.spawn(write(*rig.store, i, versions)));
    }
    EXPECT_TRUE(versions.empty()) << "acknowledged before it was durable";
    rig.sim.loop.run_for(1s);
    EXPECT_EQ(versions, std::vector<std::uint64_t>(10, 2));
    EXPECT_EQ(rig.get(service("shop").key())->status().at("value"), 9);
}

TEST(Writing, TheQueueHasALimit) {
    LocalStoreOptions limits;
    limits.writes_waiting_max = 2;
    Rig rig(limits);
    async::Scope scope(rig.sim.loop, 10);
    int refused = 0;
    const auto write = [](LocalStore& store, std::string name, int& count) -> async::Task<void> {
        const auto done = co_await store.create(config(std::move(name)), {});
        count += !done && done.error().code == Code::exhausted ? 1 : 0;
    };
    for (int i = 0; i < 5; ++i) {
        ASSERT_TRUE(scope.spawn(write(*rig.store, "c" + std::to_string(i), refused)));
    }
    rig.sim.loop.run_for(1s);
    EXPECT_EQ(refused, 3);
}

TEST(Disk, WhatWasAcknowledgedSurvivesAndRevisionsGoOn) {
    Rig rig;
    ASSERT_TRUE(rig.create(config("a", 1)));
    ASSERT_TRUE(rig.create(config("b", 1)));
    ASSERT_TRUE(rig.remove(config("b").key()));
    const auto before = rig.get(config("a").key());
    rig.power_cut();
    EXPECT_EQ(*rig.get(config("a").key()), *before);
    EXPECT_EQ(rig.store->revision(), 3U) << "the deletion's number must not be given again";
    EXPECT_EQ((*rig.create(config("c")))->metadata.resource_version, 4U);
    rig.wait(rig.store->close());
    rig.restart();
    EXPECT_EQ(rig.names(all(KindId::config_map)), "a c");
}

TEST(Disk, AWatchGoesOnOverARestartOnlyFromTheNewest) {
    Rig rig;
    ASSERT_TRUE(rig.create(config("a")));
    ASSERT_TRUE(rig.create(config("b")));
    rig.restart();
    EXPECT_EQ(rig.store->watch(all(KindId::config_map), {.from = 1}).error().code, Code::expired);
    EXPECT_TRUE(rig.store->watch(all(KindId::config_map), {.from = 2}));
}

TEST(Disk, ASecretIsNotReadableOnDisk) {
    Rig rig;
    auto secret = make(KindId::secret, "s");
    secret.body["data"] = model::JsonObject{{"password", "aHVudGVyMg=="}};
    secret.metadata.annotations["last-applied"] = "aHVudGVyMg==";
    ASSERT_TRUE(rig.create(secret));
    auto plain = config("c");
    plain.body["data"] = model::JsonObject{{"x", "findable"}};
    ASSERT_TRUE(rig.create(plain));
    std::string bytes;
    const auto names = rig.sim.disk.list("/data/store");
    for (const auto& name : *names) {
        bytes += *host::read_file(rig.sim.disk, "/data/store/" + name, 1U << 26);
    }
    EXPECT_EQ(bytes.find("aHVudGVyMg=="), std::string::npos);
    EXPECT_NE(bytes.find("findable"), std::string::npos);
    rig.restart();
    EXPECT_EQ(rig.get(secret.key())->body.at("data").at("password"), "aHVudGVyMg==");
}

TEST(Disk, TwoStoresDoNotShareADirectory) {
    Rig rig;
    host_sim::SimOffload offload(rig.sim.loop, 2);
    LocalStoreOptions options;
    options.directory = "/data/store";
    const auto second = LocalStore::open(
        {rig.sim.loop, rig.sim.clock, rig.sim.random, rig.sim.disk, offload, rig.sealer}, options);
    ASSERT_FALSE(second);
    EXPECT_EQ(second.error().code, Code::conflict);
    EXPECT_NE(second.error().message.find("process 1"), std::string::npos);
    EXPECT_TRUE(rig.create(config("a"))) << "the first is not disturbed";
}

TEST(Disk, ANewerFormatIsRefusedNamingBothVersions) {
    LocalStoreOptions options;
    options.build = "9.8.7";
    Rig rig(options);
    ASSERT_TRUE(rig.create(config("a")));
    rig.wait(rig.store->close());
    rig.kill();
    // PRAGMA user_version is a big-endian number at byte 60 of the file (sqlite.org/fileformat2).
    {
        auto file = rig.sim.disk.open("/data/store/objects.db", host::Disk::Open::read_write, 0600);
        ASSERT_TRUE((*file)->write_at(60, std::string_view("\0\0\0\x07", 4)));
    }
    const auto before = *host::read_file(rig.sim.disk, "/data/store/objects.db", 1U << 20);
    const auto refused = rig.start();
    ASSERT_FALSE(refused);
    EXPECT_EQ(refused.error().code, Code::invalid);
    for (const char* part : {"9.8.7", "format 7", "up to 1"}) {
        EXPECT_NE(refused.error().message.find(part), std::string::npos) << refused.error().message;
    }
    EXPECT_EQ(*host::read_file(rig.sim.disk, "/data/store/objects.db", 1U << 20), before);
}

TEST(Disk, DamageIsNoticedWhereverItIs) {
    Rig rig;
    for (int i = 0; i < 20; ++i) {
        ASSERT_TRUE(rig.create(config("object-" + std::to_string(i), i)));
    }
    rig.wait(rig.store->close());
    rig.kill();
    const std::string path = "/data/store/objects.db";
    const auto whole = *host::read_file(rig.sim.disk, path, 1U << 22);
    for (const std::string_view part : {"SQLite format", "object-7", "\"value\":\"13\"", "0.1.0"}) {
        const auto at = whole.find(part);
        ASSERT_NE(at, std::string::npos) << part;
        rig.sim.disk.corrupt(path, at);
        const auto damaged = rig.start();
        if (part == "0.1.0") {
            EXPECT_TRUE(damaged) << "the build's name is only for people";
            rig.kill();
        } else {
            ASSERT_FALSE(damaged) << part;
            EXPECT_EQ(damaged.error().code, Code::invalid) << damaged.error().message;
            EXPECT_NE(damaged.error().message.find("backup"), std::string::npos)
                << damaged.error().message;
            rig.kill();
            rig.sim.disk.corrupt(path, at);
        }
    }
}

TEST(Disk, AFullDiskRefusesWritesWholeTakesDeletesAndRecovers) {
    host_sim::SimOptions machine;
    machine.disk.capacity_bytes = 2U << 20;
    LocalStoreOptions options;
    options.checkpoint_pages = 50;
    Rig rig(options, machine);
    auto big = config("x");
    big.body["data"] = model::JsonObject{{"x", std::string(20'000, 'x')}};
    std::vector<std::string> there;
    base::Result<ObjectPtr> last = nullptr;
    for (int i = 0; i < 200 && last; ++i) {
        big.metadata.name = "c" + std::to_string(i);
        last = rig.create(big);
        if (last) {
            there.push_back(big.metadata.name);
        }
    }
    ASSERT_FALSE(last);
    EXPECT_EQ(last.error().code, Code::exhausted);
    EXPECT_NE(last.error().message.find("only deletes"), std::string::npos) << last.error().message;
    EXPECT_EQ(rig.get(big.key()), nullptr);
    EXPECT_FALSE(rig.store->health().writable);
    EXPECT_EQ(rig.update(config(there[0])).error().code, Code::exhausted);
    // While full, deletes commit, and a restart finds what was acknowledged.
    ASSERT_TRUE(rig.remove(config(there[0]).key()));
    rig.power_cut();
    EXPECT_EQ(rig.store->health().objects, there.size() - 1);
    for (std::size_t i = 1; i + 1 < there.size(); ++i) {
        ASSERT_TRUE(rig.remove(config(there[i]).key())) << i;
    }
    auto options_now = rig.sim.disk.options();
    options_now.capacity_bytes *= 2;
    rig.sim.disk.set_options(options_now);
    rig.sim.loop.run_for(5s);
    EXPECT_TRUE(rig.store->health().writable);
    EXPECT_TRUE(rig.create(config("after")));
}

// SQLite's own method: the same scenario with the 1st, 2nd, 3rd ... operation failing.
TEST(Disk, EveryFailingOperationLeavesTheStoreRightOrSaysSo) {
    bool injected = true;
    int refused_starts = 0;
    for (std::uint64_t nth = 0; injected; ++nth) {
        Rig rig;
        ASSERT_TRUE(rig.create(config("a", 1)));
        rig.kill();
        rig.sim.disk.fail_operation(nth);
        if (!rig.start()) {
            ++refused_starts;
            rig.restart();
        }
        const auto first = rig.update(config("a", 2));
        const auto second = rig.create(config("b"));
        const auto third = rig.remove(config("b").key());
        injected = !rig.sim.disk.failure_pending();
        EXPECT_TRUE(first || first.error().code == Code::unavailable) << nth;
        if (second && third) {
            EXPECT_EQ(rig.get(config("b").key()), nullptr) << nth;
        }
        rig.power_cut();
        const auto value = rig.get(config("a").key())->body.at("data").at("value");
        if (first) {
            EXPECT_EQ(value, "2") << nth;
        }
        if (second && third) {
            EXPECT_EQ(rig.get(config("b").key()), nullptr) << nth;
        }
    }
    EXPECT_GT(refused_starts, 5) << "nothing was injected while opening";
}

}  // namespace
}  // namespace tidemill::store
