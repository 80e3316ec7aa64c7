#include "host_sim/sim_launcher.h"

#include <gtest/gtest.h>

#include <optional>

#include "host_sim/sim_host.h"

namespace tidemill::host_sim {
namespace {

using namespace std::chrono_literals;
using base::Code;
using Kind = host::LauncherEvent::Kind;

host::LaunchPlan plan(std::string name) {
    host::LaunchPlan plan;
    plan.instance = std::move(name);
    plan.argv = {"/bin/app"};
    plan.note = "note of " + plan.instance;
    plan.listen_path = "/run/" + plan.instance;
    return plan;
}

struct Rig {
    explicit Rig(InstanceOptions options = {}) : table(sim.loop, sim.clock, 1, sim.trace, options) {
        agent.emplace(table);
    }
    base::Result<host::Launched> launch(std::string name,
                                        base::Instant deadline = base::Instant::never()) {
        return sim.loop.run(agent->launch(plan(std::move(name)), deadline));
    }
    SimHost sim{1};
    SimInstances table;
    std::optional<SimLauncher> agent;
};

TEST(SimLauncher, AnInstanceOutlivesItsAgentAndIsFoundAgain) {
    Rig rig;
    const auto launched = rig.launch("a");
    ASSERT_TRUE(launched);
    rig.agent.reset();
    rig.sim.loop.run_for(1s);
    rig.agent.emplace(rig.table);
    const auto known = rig.sim.loop.run(rig.agent->scan());
    ASSERT_EQ(known->size(), 1U);
    EXPECT_EQ((*known)[0].note, "note of a");
    EXPECT_EQ((*known)[0].process, launched->process);
    EXPECT_EQ(rig.launch("a").error().code, Code::conflict);
    EXPECT_EQ(rig.sim.loop.run(rig.agent->inspect("a"))->listening[0].address, "/run/a");
}

TEST(SimLauncher, ALaunchGoesOnWhenItsAgentDied) {
    Rig rig;
    {
        async::Scope scope(rig.sim.loop, 1);
        const auto begin = [](SimLauncher& launcher) -> async::Task<void> {
            static_cast<void>(co_await launcher.launch(plan("a"), base::Instant::never()));
        };
        ASSERT_TRUE(scope.spawn(begin(*rig.agent)));
    }
    rig.agent.reset();
    EXPECT_EQ(rig.table.running(), 0U);
    rig.sim.loop.run_for(1s);
    EXPECT_EQ(rig.table.running(), 1U);
}

TEST(SimLauncher, ALaunchThatWasNotAcknowledgedRunsAllTheSame) {
    InstanceOptions options;
    options.unacknowledged_ppm = 1'000'000;
    Rig rig(options);
    EXPECT_EQ(rig.launch("a").error().code, Code::unavailable);
    EXPECT_TRUE(rig.table.runs("a"));
    EXPECT_EQ(rig.sim.loop.run(rig.agent->next_event()).kind, Kind::lost);
}

TEST(SimLauncher, AFailedOrLateLaunchLeavesNothing) {
    InstanceOptions options;
    options.launch_min = options.launch_max = 50ms;
    Rig rig(options);
    EXPECT_EQ(rig.launch("late", rig.sim.loop.now() + 10ms).error().code, Code::deadline);
    options.fails_ppm = 1'000'000;
    rig.table.set_options(options);
    EXPECT_EQ(rig.launch("a").error().code, Code::exhausted);
    EXPECT_TRUE(rig.table.known().empty());
    options.fails_ppm = 0;
    options.instances_max = 0;
    rig.table.set_options(options);
    EXPECT_EQ(rig.launch("a").error().code, Code::exhausted);
}

TEST(SimLauncher, AStubbornInstanceNeedsAKillAndAFrozenOneAThaw) {
    InstanceOptions options;
    options.stubborn_ppm = 1'000'000;
    Rig rig(options);
    ASSERT_TRUE(rig.launch("stubborn"));
    EXPECT_TRUE(rig.sim.loop.run(rig.agent->signal("stubborn", 15)));
    rig.sim.loop.run_for(1min);
    EXPECT_TRUE(rig.table.runs("stubborn"));
    EXPECT_TRUE(rig.sim.loop.run(rig.agent->kill("stubborn")));
    auto event = rig.sim.loop.run(rig.agent->next_event());
    EXPECT_EQ(event.kind, Kind::ended);
    EXPECT_EQ(event.exit.signal, 9);
    EXPECT_EQ(rig.sim.loop.run(rig.agent->kill("stubborn")).error().code, Code::not_found);
    rig.table.set_options({});
    ASSERT_TRUE(rig.launch("cold"));
    ASSERT_TRUE(rig.sim.loop.run(rig.agent->freeze("cold", SimLauncher::Freeze::frozen)));
    EXPECT_TRUE(rig.table.is_frozen("cold"));
    EXPECT_TRUE(rig.sim.loop.run(rig.agent->signal("cold", 15)));
    rig.sim.loop.run_for(1min);
    EXPECT_TRUE(rig.table.runs("cold"));
    ASSERT_TRUE(rig.sim.loop.run(rig.agent->freeze("cold", SimLauncher::Freeze::thawed)));
    event = rig.sim.loop.run(rig.agent->next_event());
    EXPECT_EQ(event.instance, "cold");
    EXPECT_EQ(event.exit.signal, 15);
}

TEST(SimLauncher, AStoppedInstanceHearsSigtermWhenItGoesOnAndNotBefore) {
    Rig rig;
    ASSERT_TRUE(rig.launch("a"));
    EXPECT_TRUE(rig.table.stop("a"));
    EXPECT_EQ(rig.sim.loop.run(rig.agent->next_event()).kind, Kind::stopped);
    EXPECT_TRUE(rig.sim.loop.run(rig.agent->signal("a", 15)));
    ASSERT_TRUE(rig.sim.loop.run(rig.agent->freeze("a", SimLauncher::Freeze::frozen)));
    EXPECT_FALSE(rig.table.resume("a")) << "a frozen one takes no signal";
    ASSERT_TRUE(rig.sim.loop.run(rig.agent->freeze("a", SimLauncher::Freeze::thawed)));
    rig.sim.loop.run_for(1min);
    EXPECT_TRUE(rig.table.rests("a"));
    EXPECT_TRUE(rig.table.resume("a"));
    EXPECT_EQ(rig.sim.loop.run(rig.agent->next_event()).kind, Kind::resumed);
    EXPECT_EQ(rig.sim.loop.run(rig.agent->next_event()).exit.signal, 15);
    EXPECT_FALSE(rig.table.stop("a")) << "it has ended";
}

TEST(SimLauncher, AFreezeMayBeRefusedOrUnanswered) {
    InstanceOptions options;
    options.freeze_fails_ppm = 1'000'000;
    Rig rig(options);
    ASSERT_TRUE(rig.launch("a"));
    const auto freeze = [&] {
        return rig.sim.loop.run(rig.agent->freeze("a", SimLauncher::Freeze::frozen));
    };
    EXPECT_EQ(freeze().error().code, Code::invalid);
    EXPECT_FALSE(rig.table.is_frozen("a"));
    options = {};
    options.unanswered_ppm = 1'000'000;
    rig.table.set_options(options);
    bool was_done = false;
    for (int i = 0; i < 20; ++i) {
        EXPECT_EQ(freeze().error().code, Code::unavailable);
        was_done = was_done || rig.table.is_frozen("a");
    }
    EXPECT_TRUE(was_done) << "it may be frozen, though nobody said so";
}

TEST(SimLauncher, WhatEndedIsKnownUntilItIsForgotten) {
    InstanceOptions options;
    options.dies_ppm = 1'000'000;
    Rig rig(options);
    std::vector<std::string> log;
    rig.table.on_start = [&](const host::LaunchPlan& started) {
        log.push_back("+" + started.instance);
    };
    rig.table.on_end = [&](const host::LaunchPlan& ended) { log.push_back("-" + ended.instance); };
    ASSERT_TRUE(rig.launch("a"));
    EXPECT_EQ(rig.sim.loop.run(rig.agent->forget("a")).error().code, Code::conflict);
    rig.sim.loop.run_for(1min);
    ASSERT_EQ(rig.table.known().size(), 1U);
    EXPECT_TRUE(rig.table.known()[0].exit);
    EXPECT_TRUE(rig.sim.loop.run(rig.agent->forget("a")));
    EXPECT_TRUE(rig.table.known().empty());
    EXPECT_EQ(log, (std::vector<std::string>{"+a", "-a"}));
}

TEST(SimLauncher, ARebootForgetsEverything) {
    Rig rig;
    ASSERT_TRUE(rig.launch("a"));
    rig.table.reboot();
    EXPECT_TRUE(rig.table.known().empty());
    EXPECT_TRUE(rig.launch("a"));
    EXPECT_EQ(rig.table.started(), 2U);
    EXPECT_TRUE(rig.table.end("a", {}));
    EXPECT_FALSE(rig.table.end("a", {}));
}

}  // namespace
}  // namespace tidemill::host_sim
