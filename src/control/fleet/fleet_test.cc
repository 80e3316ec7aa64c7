#include "control/fleet/fleet.h"

#include <fmt/format.h>
#include <gtest/gtest.h>

#include "control/plan_fixture.h"

namespace tidemill::control {
namespace {

using namespace std::chrono_literals;
using link::InstanceState;

constexpr const char* name = "default/shop-1";

// A fleet whose clock a test moves by hand.
struct FleetTest : testing::Test {
    Fleet fleet{FleetLimits{}};
    model::PlatformConfig platform;
    base::Instant now{1'000'000'000'000};

    Moment moment() const { return {now, base::WallTime{1'700'000'000'000'000'000 + now.ns}}; }
    void pass(base::Duration span) { now = now + span; }

    static model::Object revision(const char* uid, int initial_scale) {
        auto object = PlanFixture::parse(fmt::format(
            R"({{"apiVersion": "serving.knative.dev/v1", "kind": "Revision",
                 "metadata": {{"name": "shop-1",
                   "labels": {{"serving.knative.dev/routingState": "active"}},
                   "annotations": {{"autoscaling.knative.dev/initial-scale": "{}"}}}},
                 "spec": {{"containerConcurrency": 7, "containers": [{{"image": "shop"}}]}}}})",
            initial_scale));
        object.metadata.uid = uid;
        return object;
    }
    void take(int initial_scale, const char* uid = "u1") {
        platform.autoscaler.allow_zero_initial_scale = true;
        fleet.take(revision(uid, initial_scale), platform, moment());
    }
    void image() { fleet.set_image(name, {}, "shop@sha256:1"); }
    void agent() {
        fleet.agent_connected();
        fleet.agent_heard(now);
    }
    // Every instance in one of these states.
    void runs(std::vector<InstanceState> states) {
        link::RevisionEndpoints endpoints{name, {}};
        for (const auto state : states) {
            endpoints.endpoints.push_back(
                {fmt::format("{}-{}", name, endpoints.endpoints.size()), "127.0.0.1:1", state});
        }
        fleet.endpoints(endpoints);
    }
    bool load(double concurrency, std::uint32_t waiting = 0) {
        return fleet.stats({name, moment().wall, concurrency, concurrency, waiting, 0}, now);
    }
    std::int32_t decide() {
        fleet.decide(name, moment());
        return fleet.facts(name).wanted;
    }
    // Lets the autoscaler look every two seconds for so long; what it wants then.
    std::int32_t decide_for(base::Duration span) {
        for (const auto end = now + span; now < end; pass(2s)) {
            decide();
        }
        return decide();
    }
    // What agents are told: how many of which, or who is gone.
    std::string told() {
        const auto untold = fleet.take_untold(now);
        if (!untold) {
            return "held back";
        }
        std::string text;
        for (const auto& put : untold->puts) {
            text += fmt::format("{} x{} ", put.revision, put.instances);
        }
        for (const auto& gone : untold->gone) {
            text += fmt::format("{} gone ", gone.revision);
        }
        return text;
    }
};

TEST_F(FleetTest, decides_nothing_before_the_image_and_the_agent_are_known) {
    struct Case {
        const char* name;
        bool has_image;
        bool has_agent;
        std::int32_t want;  // -1: nobody knows
    };
    const Case cases[] = {
        {"neither", false, false, -1},
        {"an image, but nobody said what runs", true, false, -1},
        {"an agent, but nothing to run", false, true, -1},
        {"both", true, true, 1},
    };
    for (const auto& c : cases) {
        fleet = Fleet{FleetLimits{}};
        take(1);
        if (c.has_image) {
            image();
        }
        if (c.has_agent) {
            agent();
        }
        EXPECT_EQ(decide(), c.want) << c.name;
    }
}

TEST_F(FleetTest, agents_are_told_what_changed_and_nothing_twice) {
    EXPECT_EQ(told(), "held back");  // nobody said what runs
    take(1);
    image();
    agent();
    decide();
    EXPECT_EQ(told(), "default/shop-1 x1 ");
    EXPECT_EQ(told(), "");
    runs({InstanceState::ready});
    decide();
    EXPECT_EQ(told(), "");  // the number is the same
    fleet.drop(name);
    EXPECT_EQ(told(), "default/shop-1 gone ");
    EXPECT_EQ(told(), "");
}

TEST_F(FleetTest, agents_are_told_limits_of_the_revision) {
    take(2);
    image();
    agent();
    decide();
    const auto untold = fleet.take_untold(now);
    ASSERT_TRUE(untold && untold->puts.size() == 1);
    EXPECT_EQ(untold->puts.front().instances, 2);
    EXPECT_EQ(untold->puts.front().container_concurrency, 7);
}

TEST_F(FleetTest, after_a_restart_what_runs_is_not_stopped_before_its_image_is_found) {
    auto known = revision("u1", 1);
    known.body["status"] = boost::json::parse(R"({"desiredReplicas": 1, "conditions":
            [{"type": "Active", "status": "True", "lastTransitionTime": "2023-11-14T00:00:00Z"}]})");
    runs({InstanceState::ready});
    agent();
    fleet.take(known, platform, moment());
    EXPECT_EQ(told(), "held back");
    pass(FleetLimits().image_patience - 1s);
    EXPECT_EQ(told(), "held back");
    image();
    decide();
    EXPECT_EQ(told(), "default/shop-1 x1 ");

    // Where nothing finds it in time, the others must not wait for ever.
    fleet = Fleet{FleetLimits{}};
    runs({InstanceState::ready});
    agent();
    fleet.take(known, platform, moment());
    EXPECT_EQ(told(), "held back");
    pass(FleetLimits().image_patience);
    EXPECT_EQ(told(), "default/shop-1 gone ");
}

TEST_F(FleetTest, counts_as_ready_what_may_be_given_requests) {
    take(1);
    image();
    agent();
    decide();
    struct Case {
        const char* name;
        std::vector<InstanceState> states;
        std::int32_t want;
    };
    const Case cases[] = {
        {"none", {}, 0},
        {"one that starts is not ready", {InstanceState::starting}, 0},
        {"one of two", {InstanceState::ready, InstanceState::starting}, 1},
        {"those that go are not", {InstanceState::draining, InstanceState::stopping}, 0},
        {"two", {InstanceState::ready, InstanceState::ready}, 2},
    };
    for (const auto& c : cases) {
        runs(c.states);
        EXPECT_EQ(fleet.facts(name).ready, c.want) << c.name;
    }
}

TEST_F(FleetTest, a_failure_stays_known_until_an_instance_is_ready) {
    take(1);
    image();
    agent();
    decide();
    runs({InstanceState::starting});
    link::InstanceReport report;
    report.revision = name;
    report.instance = fmt::format("{}-0", name);
    report.reason = "ExitCode3";
    fleet.report(report);
    runs({});  // it is gone, and its machine with it
    ASSERT_TRUE(fleet.facts(name).failure);
    EXPECT_EQ(fleet.facts(name).failure->reason, "ExitCode3");
    EXPECT_EQ(fleet.instances(name).size(), 1);
    runs({InstanceState::ready});
    EXPECT_FALSE(fleet.facts(name).failure);
    EXPECT_EQ(fleet.instances(name).size(), 0);
}

TEST_F(FleetTest, an_end_that_is_told_again_is_the_same_end) {
    take(1);
    image();
    agent();
    decide();
    runs({InstanceState::starting});
    link::InstanceReport report;
    report.revision = name;
    report.instance = fmt::format("{}-gone", name);
    report.state = InstanceState::ended;
    report.reason = "ExitCode3";
    for (int i = 0; i < 2; ++i) {
        fleet.report(report);
        ASSERT_TRUE(fleet.facts(name).failure);
        EXPECT_EQ(fleet.instances(name).size(), 1) << "no replica, only how the last one ended";
    }
    runs({InstanceState::ready});
    fleet.report(report);
    EXPECT_FALSE(fleet.facts(name).failure) << "it serves: how one ended before is old news";
    EXPECT_EQ(fleet.instances(name).size(), 0);
}

TEST_F(FleetTest, an_end_that_is_told_before_its_revision_is_taken_is_not_lost) {
    link::InstanceReport report;
    report.revision = name;
    report.instance = fmt::format("{}-gone", name);
    report.state = InstanceState::ended;
    report.reason = "ExitCode3";
    fleet.report(report);
    take(1);
    ASSERT_TRUE(fleet.facts(name).failure);
    EXPECT_EQ(fleet.facts(name).failure->reason, "ExitCode3");
}

TEST_F(FleetTest, load_at_zero_is_looked_at_at_once_and_starts_an_instance) {
    take(0);
    image();
    agent();
    fleet.proxy_connected(now);
    EXPECT_EQ(decide_for(90s), 0);
    EXPECT_FALSE(load(0)) << "no load is no reason to look";
    pass(1s);
    EXPECT_TRUE(load(0, 1)) << "a request that waits is load, whatever the average says";
    EXPECT_EQ(decide(), 1);
}

TEST_F(FleetTest, a_silent_proxy_ages_out_and_what_nobody_calls_goes_to_zero) {
    take(1);
    image();
    agent();
    fleet.proxy_connected(now);
    decide();
    runs({InstanceState::ready});
    for (int second = 0; second < 70; ++second) {
        load(3);
        decide();
        pass(1s);
    }
    const auto busy = decide();
    EXPECT_GE(busy, 1);
    // It is there and says nothing: there is nothing. Window, then grace.
    EXPECT_GE(decide_for(30s), 1) << "too early: the window is not over";
    EXPECT_EQ(decide_for(120s), 0);
}

TEST_F(FleetTest, without_a_proxy_silence_means_nothing) {
    take(1);
    image();
    agent();
    decide();
    runs({InstanceState::ready});
    EXPECT_EQ(decide_for(300s), 1);
    // One that came a moment ago may not have reported yet.
    fleet.proxy_connected(now);
    EXPECT_EQ(decide_for(2s), 1);
    fleet.proxy_disconnected();
    EXPECT_EQ(decide_for(300s), 1);
}

TEST_F(FleetTest, when_the_last_agent_is_gone_nothing_is_decided_and_what_ran_is_kept) {
    take(1);
    image();
    agent();
    fleet.proxy_connected(now);
    decide();
    runs({InstanceState::ready});
    EXPECT_EQ(decide(), 1);
    told();
    fleet.agent_disconnected();
    EXPECT_EQ(decide_for(300s), 1) << "instances outlive their agent";
    EXPECT_EQ(fleet.facts(name).ready, 1);
    EXPECT_EQ(told(), "held back");
    // It comes back, and its machine has lost them.
    agent();
    EXPECT_TRUE(fleet.no_endpoints(name));
    EXPECT_EQ(fleet.facts(name).ready, 0);
}

TEST_F(FleetTest, instances_of_an_earlier_revision_of_the_name_must_go_first) {
    take(1);
    image();
    agent();
    decide();
    runs({InstanceState::ready});
    fleet.drop(name);
    take(1, "u2");
    image();
    EXPECT_EQ(decide(), -1) << "they would answer for another program";
    EXPECT_EQ(fleet.facts(name).ready, 0);
    EXPECT_EQ(told(), "default/shop-1 gone ");
    EXPECT_TRUE(fleet.no_endpoints(name));
    EXPECT_EQ(decide(), 1);
    EXPECT_EQ(told(), "default/shop-1 x1 ");
}

TEST_F(FleetTest, keeps_the_latest_of_what_explains_it) {
    take(0);
    for (int i = 0; i < 40; ++i) {
        link::ColdStart start;
        start.revision = name;
        start.instance = std::to_string(i);
        fleet.cold_start(start);
    }
    const auto starts = fleet.cold_starts(name);
    ASSERT_EQ(starts.size(), FleetLimits().cold_starts_max);
    EXPECT_EQ(starts.back().instance, "39");
    EXPECT_EQ(fleet.cold_starts("default/other").size(), 0);
}

}  // namespace
}  // namespace tidemill::control
