#include "agent/decider.h"

#include <gtest/gtest.h>

#include <ostream>

namespace tidemill::agent {
namespace {

using namespace std::chrono_literals;
using State = InstanceView::State;

constexpr base::Instant now{1'000'000'000'000};
const DeciderOptions options;

InstanceView view(const char* name, State state, base::Duration age = 100s) {
    return {.instance = name,
            .state = state,
            .started = now - age,
            .lease_until = {},
            .draining_since = now - age,
            .frozen_since = now - age,
            .stopping_since = now - age};
}
InstanceView leased(InstanceView of, base::Duration left) {
    of.lease_until = now + left;
    return of;
}
InstanceView sick(InstanceView of) {
    of.health = InstanceView::Health::bad;
    return of;
}
InstanceView quiet(InstanceView of) {
    of.requests = InstanceView::Requests::none;
    return of;
}

InstanceView served(InstanceView of) {
    of.idle = InstanceView::Idle::freeze;
    return of;
}

std::string text(const Plan& plan) {
    std::string line = "start " + std::to_string(plan.start);
    const auto add = [&](const char* verb, const std::vector<std::string>& names) {
        for (const auto& name : names) {
            line += std::string(", ") + verb + " " + name;
        }
    };
    add("thaw", plan.thaw);
    add("freeze", plan.freeze);
    add("drain", plan.drain);
    add("stop", plan.stop);
    add("kill", plan.kill);
    if (plan.again != base::Instant::never()) {
        line += ", again in " + base::format_duration(plan.again - now);
    }
    return line;
}

struct Case {
    const char* name;
    Wanted wanted;
    std::vector<InstanceView> running;
    struct Rest {
        std::uint32_t waiting = 0;
        base::Instant start_after;
        std::uint32_t budget = 100;
    } rest;
    const char* want;
};

TEST(PlanInstances, Table) {
    const Wanted none{};
    const Wanted one{.instances = 1};
    const Wanted two{.instances = 2};
    const Wanted single{.container_concurrency = 1};
    const Wanted single_max{.instances_max = 3, .container_concurrency = 1};
    const Wanted keep{.surplus = Wanted::Surplus::keep};
    const Wanted cold{.keep_frozen = 10min};
    const Wanted cold_one{.instances = 1, .keep_frozen = 10min};
    const Wanted cold_three{.instances = 3, .keep_frozen = 10min};
    const Wanted cold_keep{.keep_frozen = 10min, .surplus = Wanted::Surplus::keep};
    const Case cases[] = {
        {"nothing wanted, nothing there", none, {}, {}, "start 0"},
        {"what is wanted is started", two, {}, {}, "start 2"},
        {"idle, it is frozen",
         cold,
         {quiet(served(view("a", State::draining)))},
         {},
         "start 0, freeze a"},
        {"what has not served is not worth keeping",
         cold,
         {quiet(view("a", State::draining))},
         {},
         "start 0, stop a"},
        {"with requests it is not idle",
         cold,
         {served(view("a", State::draining, 0s))},
         {},
         "start 0, again in 10m"},
        {"the frozen wait", cold, {view("a", State::frozen, 1min)}, {}, "start 0, again in 9m"},
        {"frozen for long enough, it ends",
         cold,
         {view("a", State::frozen, 10min)},
         {},
         "start 0, stop a"},
        {"a revision that keeps nothing any more",
         none,
         {view("a", State::frozen, 1s)},
         {},
         "start 0, stop a"},
        {"without control the frozen stay",
         cold_keep,
         {view("a", State::frozen, 60min)},
         {},
         "start 0"},
        {"thawed before anything is started, the last first",
         cold_three,
         {view("a", State::frozen, 2min), view("b", State::frozen, 1min)},
         {},
         "start 1, thaw b, thaw a, again in 8m"},
        {"a wake thaws, back-off or not",
         cold,
         {view("a", State::frozen, 1min)},
         {.waiting = 1, .start_after = now + 5s},
         "start 0, thaw a, again in 9m"},
        {"one is enough",
         cold_one,
         {view("a", State::frozen, 1min), view("b", State::frozen, 1min)},
         {},
         "start 0, thaw a, again in 9m"},
        {"the frozen are no surplus",
         cold_one,
         {view("a", State::ready), view("b", State::frozen, 1min)},
         {},
         "start 0, again in 9m"},
        {"starting counts: no second start", two, {view("a", State::starting)}, {}, "start 1"},
        {"draining and stopping do not count",
         one,
         {view("a", State::draining, 0s), view("b", State::stopping, 0s)},
         {},
         "start 1, again in 5m"},
        {"the first request wakes one", none, {}, {.waiting = 1}, "start 1"},
        {"without a concurrency one is enough at first", none, {}, {.waiting = 99}, "start 1"},
        {"but not for hundreds", none, {}, {.waiting = 350}, "start 3"},
        {"a hundred waiting behind one starting is still one",
         none,
         {view("a", State::starting)},
         {.waiting = 199},
         "start 0"},
        {"two hundred behind one are worth a second",
         none,
         {view("a", State::starting)},
         {.waiting = 200},
         "start 1"},
        {"concurrency 1 needs one each", single, {}, {.waiting = 5}, "start 5"},
        {"those on their way count",
         single,
         {view("a", State::starting)},
         {.waiting = 5},
         "start 4"},
        {"those that are ready are busy",
         single,
         {view("a", State::ready)},
         {.waiting = 2},
         "start 2"},
        {"never more than the maximum",
         single_max,
         {view("a", State::ready)},
         {.waiting = 9},
         "start 2"},
        {"a wake repeated starts nothing twice",
         single,
         {view("a", State::starting), view("b", State::starting)},
         {.waiting = 2},
         "start 0"},
        {"a wake keeps what serves it", none, {view("a", State::ready)}, {.waiting = 1}, "start 0"},
        {"the machine's budget bounds all", two, {}, {.budget = 1}, "start 1"},
        {"a crash loop waits", one, {}, {.start_after = now + 1s}, "start 0, again in 1s"},
        {"and then goes on", one, {}, {.start_after = now}, "start 1"},
        {"surplus is drained, youngest first",
         one,
         {view("old", State::ready, 9s), view("young", State::ready, 1s)},
         {},
         "start 0, drain young"},
        {"what is not ready goes before what is",
         one,
         {view("starting", State::starting, 9s), view("ready", State::ready, 1s)},
         {},
         "start 0, drain starting"},
        {"a lease outlasts an older wanted number",
         none,
         {leased(view("a", State::ready), 3s)},
         {},
         "start 0, again in 3s"},
        {"and then it goes", none, {leased(view("a", State::ready), 0s)}, {}, "start 0, drain a"},
        {"without control nothing is stopped for a number",
         keep,
         {view("a", State::ready)},
         {},
         "start 0"},
        {"drained by every proxy: SIGTERM",
         none,
         {quiet(view("a", State::draining))},
         {},
         "start 0, stop a"},
        {"a proxy that never answers does not hold it for ever",
         none,
         {view("a", State::draining, 601s)},
         {},
         "start 0, stop a"},
        {"still draining", none, {view("a", State::draining, 100s)}, {}, "start 0, again in 8m20s"},
        {"grace has passed: SIGKILL",
         {.grace = 10s},
         {view("a", State::stopping, 10s)},
         {},
         "start 0, kill a"},
        {"grace has not passed",
         {.grace = 10s},
         {view("a", State::stopping, 9s)},
         {},
         "start 0, again in 1s"},
        {"what hangs is killed and replaced",
         one,
         {sick(view("a", State::ready))},
         {},
         "start 1, kill a"},
    };
    for (const auto& c : cases) {
        EXPECT_EQ(text(plan_instances(c.wanted, c.running, c.rest.waiting, c.rest.start_after,
                                      c.rest.budget, now, options)),
                  c.want)
            << c.name;
    }
}

TEST(RestartDelay, Table) {
    EXPECT_EQ(restart_delay(0), 0s);
    EXPECT_EQ(restart_delay(1), 0s) << "one crash costs no time";
    EXPECT_EQ(restart_delay(2), 10ms);
    EXPECT_EQ(restart_delay(3), 20ms);
    EXPECT_EQ(restart_delay(16), 163'840ms);
    EXPECT_EQ(restart_delay(17), 5min);
    EXPECT_EQ(restart_delay(1'000'000), 5min);
}

}  // namespace
}  // namespace tidemill::agent
