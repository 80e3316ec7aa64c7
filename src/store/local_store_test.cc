#include "store/store_rig_test.h"

namespace tidemill::store {
namespace {

using base::Code;
using model::KindId;

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
