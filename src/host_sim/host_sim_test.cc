#include <gtest/gtest.h>

#include <optional>

#include "host_sim/sim_host.h"

namespace tidemill::host_sim {
namespace {

using namespace std::chrono_literals;
using base::Code;
using Open = host::Disk::Open;

std::string content(host::Disk& disk, const std::string& path) {
    const auto bytes = host::read_file(disk, path, 1 << 20);
    return bytes ? *bytes : "(" + std::string(base::code_name(bytes.error().code)) + ")";
}

struct Machine {
    explicit Machine(std::uint64_t seed = 1, SimOptions options = SimOptions::calm())
        : sim(seed, options) {
        EXPECT_TRUE(sim.disk.make_directories("/d", 0700));
    }
    SimHost sim;
};

TEST(SimDisk, WhatWasSyncedSurvivesEveryCrash) {
    for (std::uint64_t seed = 0; seed < 50; ++seed) {
        Machine machine(seed);
        auto& disk = machine.sim.disk;
        ASSERT_TRUE(host::write_file_durably(disk, "/d/a", "old"));
        ASSERT_TRUE(host::write_file_durably(disk, "/d/a", "new"));
        disk.crash();
        EXPECT_EQ(content(disk, "/d/a"), "new") << seed;
    }
}

TEST(SimDisk, WhatWasNotSyncedMayBeLostKeptOrTorn) {
    std::set<std::string> outcomes;
    const std::string old(1024, 'o');
    const std::string fresh(1024, 'n');
    for (std::uint64_t seed = 0; seed < 200; ++seed) {
        Machine machine(seed);
        auto& disk = machine.sim.disk;
        ASSERT_TRUE(host::write_file_durably(disk, "/d/a", old));
        auto file = disk.open("/d/a", Open::read_write, 0600);
        ASSERT_TRUE((*file)->write_at(0, fresh));
        EXPECT_EQ(content(disk, "/d/a"), fresh);
        disk.crash();
        outcomes.insert(content(disk, "/d/a"));
        EXPECT_FALSE((*file)->write_at(0, "x")) << "a handle outlived its machine";
    }
    EXPECT_EQ(outcomes, (std::set<std::string>{old, fresh, fresh.substr(512) + old.substr(512),
                                               old.substr(512) + fresh.substr(512)}));
}

TEST(SimDisk, ANameIsDurableOnlyAfterItsDirectoryWasSynced) {
    std::set<std::string> outcomes;
    for (std::uint64_t seed = 0; seed < 100; ++seed) {
        Machine machine(seed);
        auto& disk = machine.sim.disk;
        auto file = disk.open("/d/a", Open::create, 0600);
        ASSERT_TRUE((*file)->write_at(0, "x"));
        ASSERT_TRUE((*file)->sync());
        disk.crash();
        outcomes.insert(content(disk, "/d/a"));
    }
    EXPECT_EQ(outcomes, (std::set<std::string>{"x", "(not_found)"}));
}

TEST(SimDisk, ARenameThatWasNotSyncedLeavesOldOrNewButAlwaysWhole) {
    std::set<std::string> outcomes;
    for (std::uint64_t seed = 0; seed < 100; ++seed) {
        Machine machine(seed);
        auto& disk = machine.sim.disk;
        ASSERT_TRUE(host::write_file_durably(disk, "/d/a", "old"));
        ASSERT_TRUE(host::write_file_durably(disk, "/d/b", "new"));
        ASSERT_TRUE(disk.rename("/d/b", "/d/a"));
        disk.crash();
        outcomes.insert(content(disk, "/d/a") + " " + content(disk, "/d/b"));
    }
    EXPECT_EQ(outcomes, (std::set<std::string>{"old new", "new (not_found)"}));
}

TEST(SimDisk, ASyncThatFailedIsNotMadeGoodByTheNext) {
    std::set<std::string> outcomes;
    for (std::uint64_t seed = 0; seed < 50; ++seed) {
        Machine machine(seed);
        auto& disk = machine.sim.disk;
        ASSERT_TRUE(host::write_file_durably(disk, "/d/a", "old"));
        auto file = disk.open("/d/a", Open::read_write, 0600);
        ASSERT_TRUE((*file)->write_at(0, "new"));
        disk.fail_operation(0);
        EXPECT_FALSE((*file)->sync());
        EXPECT_TRUE((*file)->sync());
        EXPECT_EQ(content(disk, "/d/a"), "new");
        disk.crash();
        outcomes.insert(content(disk, "/d/a"));
    }
    EXPECT_EQ(outcomes, (std::set<std::string>{"old", "new"}));
}

TEST(SimDisk, AFullDiskTakesWhatFitsAndSpaceReturnsWithTheLastHandle) {
    SimOptions options;
    options.disk.capacity_bytes = 1000;
    Machine machine(1, options);
    auto& disk = machine.sim.disk;
    auto file = disk.open("/d/a", Open::create, 0600);
    EXPECT_TRUE((*file)->write_at(0, std::string(900, 'x')));
    EXPECT_EQ((*file)->write_at(900, std::string(200, 'x')).error().code, Code::exhausted);
    EXPECT_EQ(*(*file)->size(), 1000U);
    EXPECT_TRUE((*file)->write_at(0, std::string(1000, 'y'))) << "overwriting needs no room";
    EXPECT_TRUE(disk.remove("/d/a"));
    EXPECT_EQ(disk.space("/d")->free_bytes, 0U);
    file->reset();
    EXPECT_EQ(disk.space("/d")->free_bytes, 1000U);
}

TEST(SimDisk, PowerOffStopsEverythingUntilTheCrashIsOver) {
    Machine machine;
    auto& disk = machine.sim.disk;
    ASSERT_TRUE(host::write_file_durably(disk, "/d/a", "x"));
    disk.power_off_after(1);
    EXPECT_TRUE(disk.space("/d"));
    EXPECT_EQ(disk.remove("/d/a").error().code, Code::unavailable);
    EXPECT_FALSE(disk.powered());
    disk.crash();
    EXPECT_EQ(content(disk, "/d/a"), "x");
}

TEST(SimDisk, ALockHasOneHolderAndDiesWithIt) {
    Machine machine;
    auto& disk = machine.sim.disk;
    auto held = disk.lock("/d/lock");
    ASSERT_TRUE(held);
    EXPECT_EQ(disk.lock("/d/lock").error().code, Code::conflict);
    held->reset();
    auto again = disk.lock("/d/lock");
    EXPECT_TRUE(again);
    ASSERT_TRUE(disk.sync_directory("/d"));
    disk.crash();
    EXPECT_TRUE(disk.lock("/d/lock")) << "a lock does not outlive the machine";
}

async::Task<std::string> read_all(host::Stream& stream, std::string until = {}) {
    std::string all;
    for (;;) {
        char buffer[100];
        const auto got = stream.try_read(buffer, sizeof buffer);
        if (got.ok()) {
            all.append(buffer, got.bytes);
            if (!until.empty() && all.ends_with(until)) {
                co_return all;
            }
            continue;
        }
        switch (got.kind) {
            case host::IoResult::Kind::blocked:
                co_await stream.readable();
                continue;
            case host::IoResult::Kind::eof:
                co_return all + "<end>";
            case host::IoResult::Kind::deadline:
                co_return all + "<deadline>";
            default:
                co_return all + "<failed>";
        }
    }
}

async::Task<bool> write_all(host::Stream& stream, std::string bytes) {
    std::string_view left = bytes;
    while (!left.empty()) {
        const auto put = stream.try_write(left);
        if (put.ok()) {
            left.remove_prefix(put.bytes);
        } else if (put.kind == host::IoResult::Kind::blocked) {
            co_await stream.writable();
        } else {
            co_return false;
        }
    }
    co_return true;
}

struct Pair {
    explicit Pair(SimHost& machine, const host::Address& at = host::IpAddress::loopback(80)) {
        auto server_host = machine.host("server");
        auto client_host = machine.host("client");
        listener = *server_host.network.listen(at, {});
        client = *machine.loop.run(
            client_host.network.connect(listener->local(), base::Instant::never()));
        server = *machine.loop.run(listener->accept());
    }
    std::unique_ptr<host::Listener> listener;
    std::unique_ptr<host::Stream> client;
    std::unique_ptr<host::Stream> server;
};

TEST(SimNetwork, BytesArriveInOrderHoweverTheyAreSplit) {
    for (std::uint64_t seed = 0; seed < 20; ++seed) {
        SimHost machine(seed, SimOptions::calm());
        Pair pair(machine);
        std::string sent;
        for (int i = 0; i < 30'000; ++i) {
            sent += std::to_string(i);
        }
        ASSERT_GT(sent.size(), machine.options().network.window_bytes);
        std::optional<std::string> got;
        async::Scope scope(machine.loop, 2);
        const auto send = [](host::Stream& out, std::string bytes) -> async::Task<void> {
            EXPECT_TRUE(co_await write_all(out, std::move(bytes)));
            out.shutdown_write();
        };
        const auto receive = [](host::Stream& in,
                                std::optional<std::string>& into) -> async::Task<void> {
            into = co_await read_all(in);
        };
        ASSERT_TRUE(scope.spawn(send(*pair.client, sent)));
        ASSERT_TRUE(scope.spawn(receive(*pair.server, got)));
        machine.loop.run_until_idle();
        EXPECT_EQ(got, sent + "<end>") << seed;
        // Half closed: the other direction still works.
        EXPECT_TRUE(machine.loop.run(write_all(*pair.server, "bye")));
        EXPECT_EQ(machine.loop.run(read_all(*pair.client, "bye")), "bye");
    }
}

TEST(SimNetwork, AnAbortedStreamBreaksThePeerAfterWhatHadArrived) {
    SimHost machine(3);
    Pair pair(machine);
    EXPECT_TRUE(machine.loop.run(write_all(*pair.client, "hello")));
    EXPECT_TRUE(pair.server->quiet());
    machine.loop.run_for(1s);
    EXPECT_FALSE(pair.server->quiet());
    pair.client->abort();
    pair.client.reset();
    machine.loop.run_for(1s);
    EXPECT_EQ(machine.loop.run(read_all(*pair.server)), "hello<failed>");
    EXPECT_FALSE(machine.loop.run(write_all(*pair.server, "x")));
}

TEST(SimNetwork, WritingToAClosedPeerFailsOnceItsResetCameBack) {
    SimHost machine(3);
    Pair pair(machine);
    pair.server.reset();
    EXPECT_TRUE(machine.loop.run(write_all(*pair.client, "into the void")));
    machine.loop.run_for(1s);
    EXPECT_FALSE(machine.loop.run(write_all(*pair.client, "x")));
}

TEST(SimNetwork, APartitionHoldsOneDirectionUntilItIsHealed) {
    SimHost machine(3);
    Pair pair(machine);
    machine.network.partition("client", "server");
    EXPECT_TRUE(machine.loop.run(write_all(*pair.client, "question")));
    EXPECT_TRUE(machine.loop.run(write_all(*pair.server, "answer")));
    EXPECT_EQ(machine.loop.run(read_all(*pair.client, "answer")), "answer");
    pair.server->set_read_deadline(machine.loop.now() + 10s);
    EXPECT_EQ(machine.loop.run(read_all(*pair.server)), "<deadline>");
    pair.server->set_read_deadline(base::Instant::never());
    auto client = machine.host("client");
    const auto late =
        machine.loop.run(client.network.connect(pair.listener->local(), machine.loop.now() + 5s));
    EXPECT_EQ(late.error().code, Code::deadline);
    machine.network.heal_all();
    EXPECT_EQ(machine.loop.run(read_all(*pair.server, "question")), "question");
}

TEST(SimNetwork, AnAddressHasOneListenerUnlessItIsShared) {
    SimHost machine(3);
    auto node = machine.host();
    const host::Address at = host::UnixAddress{"/d/x.sock"};
    auto first = node.network.listen(at, {});
    ASSERT_TRUE(first);
    EXPECT_EQ(node.network.listen(at, {}).error().code, Code::conflict);
    first->reset();
    const host::ListenOptions shared{.sharing = host::ListenOptions::Sharing::shared};
    auto one = node.network.listen(at, shared);
    EXPECT_TRUE(node.network.listen(at, shared));
    one->reset();
    const auto nobody = machine.loop.run(node.network.connect(at, base::Instant::never()));
    EXPECT_EQ(nobody.error().code, Code::unavailable);
}

TEST(SimNetwork, APassedSocketKeepsConnectionsWhileNobodyAccepts) {
    SimHost machine(3);
    auto node = machine.host("proxy");
    auto made = node.network.listen(host::IpAddress::loopback(0), {});
    ASSERT_TRUE(made);
    const auto at = (*made)->local();
    machine.network.pass("proxy", "http", **made);
    made->reset();
    auto client = machine.loop.run(node.network.connect(at, base::Instant::never()));
    ASSERT_TRUE(client);
    auto again = node.network.inherited("http");
    ASSERT_TRUE(again);
    EXPECT_TRUE(machine.loop.run((*again)->accept()));
    EXPECT_EQ(node.network.inherited("https").error().code, Code::not_found);
}

TEST(SimOffload, RunsInOrderAndDropsEverythingWhenItsProcessDies) {
    SimHost machine(3);
    std::string log;
    std::optional<SimOffload> offload;
    offload.emplace(machine.loop, 3U, OffloadOptions{.waiting_max = 2});
    ASSERT_TRUE(offload->submit([&] { log += "a"; }, [&] { log += "A"; }));
    ASSERT_TRUE(offload->submit([&] { log += "b"; }, [&] { log += "B"; }));
    EXPECT_EQ(offload->submit([] {}, [] {}).error().code, Code::exhausted);
    EXPECT_EQ(log, "");
    machine.loop.run_until_idle();
    EXPECT_EQ(log, "aAbB");
    ASSERT_TRUE(offload->submit([&] { log += "c"; }, [&] { log += "C"; }));
    offload.reset();
    machine.loop.run_until_idle();
    EXPECT_EQ(log, "aAbB");
}

TEST(SimClock, WallTimeFollowsTheLoopAndMayJump) {
    SimHost machine(3);
    const auto before = machine.clock.wall_now();
    machine.loop.run_for(5s);
    EXPECT_EQ(machine.clock.wall_now() - before, 5s);
    machine.clock.set_skew(-60s);
    EXPECT_EQ(machine.clock.wall_now() - before, -55s);
}

TEST(SimProcesses, AProgramEndsByItselfOrByASignalItDoesNotIgnore) {
    SimHost machine(3);
    SimProgram program;
    program.runs_for = 1h;
    program.ignores = {15};
    machine.processes.install("/bin/app", program);
    host::SpawnOptions options;
    options.argv = {"/bin/app"};
    auto app = machine.processes.spawn(options);
    ASSERT_TRUE(app);
    EXPECT_TRUE((*app)->signal(15));
    EXPECT_TRUE((*app)->signal(9));
    EXPECT_EQ(machine.loop.run((*app)->wait()).signal, 9);
    auto other = machine.processes.spawn(options);
    EXPECT_EQ(machine.loop.run((*other)->wait(), 2h).code, 0);
    options.argv = {"/bin/none"};
    EXPECT_EQ(machine.processes.spawn(options).error().code, Code::not_found);
}

TEST(SimResolver, KnowsLocalhostAndItsTable) {
    SimHost machine(3);
    machine.resolver.set("db", {host::IpAddress::loopback(0)});
    const auto resolve = [&](std::string name, base::Instant deadline) {
        return machine.loop.run(machine.resolver.resolve(std::move(name), deadline));
    };
    EXPECT_TRUE(resolve("shop.localhost", machine.loop.now()));
    EXPECT_TRUE(resolve("db", base::Instant::never()));
    EXPECT_EQ(resolve("other", base::Instant::never()).error().code, Code::not_found);
    EXPECT_EQ(resolve("db", machine.loop.now()).error().code, Code::deadline);
}

// What a seed does, told by everything that depends on it.
std::string tell(std::uint64_t seed) {
    SimHost machine(seed, SimOptions::swarm(seed));
    EXPECT_TRUE(machine.disk.make_directories("/d", 0700));
    machine.disk.set_options({});
    EXPECT_TRUE(host::write_file_durably(machine.disk, "/d/a", std::string(5000, 'a')));
    auto file = machine.disk.open("/d/a", Open::read_write, 0600);
    EXPECT_TRUE((*file)->write_at(0, std::string(5000, 'b')));
    machine.disk.crash();
    machine.network.set_options({});
    Pair pair(machine);
    EXPECT_TRUE(machine.loop.run(write_all(*pair.client, std::string(2000, 'c'))));
    machine.loop.run_for(1s);
    return fmt::format("{} {} {} {}", machine.options().text(), machine.trace_hash(),
                       content(machine.disk, "/d/a"), host::make_uuid(machine.random));
}

TEST(SimHost, TheSameSeedIsTheSameRunAndAnotherIsAnother) {
    std::set<std::string> stories;
    for (std::uint64_t seed = 0; seed < 20; ++seed) {
        const auto story = tell(seed);
        EXPECT_EQ(story, tell(seed)) << seed;
        stories.insert(story);
    }
    EXPECT_EQ(stories.size(), 20U);
}

}  // namespace
}  // namespace tidemill::host_sim
