#include "store/store_rig_test.h"

namespace tidemill::store {
namespace {

using base::Code;
using model::KindId;

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

}  // namespace
}  // namespace tidemill::store
