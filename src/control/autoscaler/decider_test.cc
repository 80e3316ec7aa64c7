// The figures of these tables are those of knative/serving
// pkg/autoscaler/scaling/autoscaler_test.go.
#include "control/autoscaler/decider.h"

#include <gtest/gtest.h>

#include <cmath>
#include <vector>

#include "control/autoscaler/autoscaler.h"

namespace tidemill::control {
namespace {

using namespace std::chrono_literals;

constexpr base::Instant start{1'000'000'000'000'000'000};

DeciderSpec spec_of(double target, double burst) {
    DeciderSpec spec;
    spec.target_value = target;
    spec.total_value = target / 0.75;
    spec.burst_capacity = burst;
    spec.panic_threshold = 2;
    spec.scale_up_rate_max = 10;
    spec.scale_down_rate_max = 10;
    return spec;
}

double burst_of(double target, double burst, double load, double pods) {
    return std::floor(target / 0.75 * pods - burst - load);
}

struct Case {
    const char* name;
    double target;
    double burst;
    double stable;
    double panic;
    std::int32_t ready;
    std::int32_t want;
    void (*edit)(ScaleInputs&) = nullptr;
    std::optional<double> want_burst = std::nullopt;  // else as burst_of
};

void in_panic_at_5(ScaleInputs& inputs) {
    inputs.panic = {start - 5s, 5};
}

TEST(Decider, Table) {
    const Case cases[] = {
        {"no load asks for nothing", 10, 100, 0, 0, 1, 0},
        {"a target above the load keeps one", 181, -1, 21, 26, 1, 1, nullptr, -1},
        {"burst capacity zero is always had", 10, 0, 50, 49, 1, 5, nullptr, 0},
        {"load over target", 10, 100, 50, 50, 1, 5},
        {"in panic the stable value counts where it is larger", 1, 100, 50, 30, 5, 50,
         in_panic_at_5},
        {"in panic the panic value counts where it is larger", 1, 100, 20, 30, 5, 30,
         in_panic_at_5},
        {"what runs already is enough", 10, 100, 50, 50, 5, 5},
        {"a rate near one still lets it grow by one", 1, 1982, 3, 3.1, 2, 3,
         [](ScaleInputs& inputs) { inputs.spec.scale_up_rate_max = 1.1; }},
        {"a rate near one slows the way down", 10, 1982, 1, 1, 100, 90,
         [](ScaleInputs& inputs) { inputs.spec.scale_down_rate_max = 1.1; }},
        {"without a route the way down is not slowed", 10, 1982, 1, 1, 100, 1,
         [](ScaleInputs& inputs) {
             inputs.spec.scale_down_rate_max = 1.1;
             inputs.spec.reachable = false;
         }},
        {"the panic value takes precedence when it doubles", 10, 84, 50, 100, 1, 10},
        {"stable load with a small panic value", 10, 101, 50, 10, 1, 5},
        {"stable load twice as high", 10, 101, 100, 10, 1, 10},
        {"a little load and none now keeps one", 10, 75, 1, 0, 1, 1},
        {"no load at all scales to zero", 10, 75, 0, 0, 1, 0},
        {"the way up is limited to ten times", 10, 61, 1000, 1001, 1, 10},
        {"and again to ten times", 10, 61, 1000, 1001, 10, 100},
        {"the way down is limited to a tenth", 10, 61, 1, 1, 100, 10},
        {"and again to a tenth", 10, 61, 1, 1, 10, 1},
        {"none ready counts as one for the limits, not for the burst", 10, 81, 1000, 888, 0, 10},
        {"activation scale lifts a start", 10, 75, 1, 0, 1, 2,
         [](ScaleInputs& inputs) { inputs.spec.activation_scale = 2; }},
        {"activation scale does not start anything", 10, 75, 0, 0, 1, 0,
         [](ScaleInputs& inputs) { inputs.spec.activation_scale = 2; }},
        {"requests per second as any other load", 10, 101, 100, 99, 1, 10,
         [](ScaleInputs& inputs) { inputs.spec.metric = ScalingMetric::requests_per_second; }},
        {"a delayed larger wish holds the way down", 10, 100, 10, 10, 1, 4,
         [](ScaleInputs& inputs) {
             inputs.spec.scale_down_delay = 5min;
             inputs.delayed_max = 4;
         }},
        {"without a route no delay holds", 10, 100, 10, 10, 1, 1,
         [](ScaleInputs& inputs) {
             inputs.spec.scale_down_delay = 5min;
             inputs.spec.reachable = false;
             inputs.delayed_max = 4;
         }},
    };
    for (const auto& c : cases) {
        ScaleInputs inputs;
        inputs.now = start;
        inputs.spec = spec_of(c.target, c.burst);
        inputs.ready = c.ready;
        inputs.stable_value = c.stable;
        inputs.panic_value = c.panic;
        if (c.edit != nullptr) {
            c.edit(inputs);
        }
        const auto decision = decide_scale(inputs);
        EXPECT_EQ(decision.desired, c.want) << c.name;
        EXPECT_EQ(decision.excess_burst_capacity,
                  c.want_burst.value_or(burst_of(c.target, c.burst, c.panic, c.ready)))
            << c.name;
    }
}

// A row of decisions that hand their state on.
struct Step {
    const char* name;
    base::Duration at;
    std::int32_t ready;
    double stable;
    double panic;
    std::int32_t want;
    std::optional<base::Duration> want_panic_since;
};

void follow(const DeciderSpec& spec, const std::vector<Step>& steps) {
    PanicState panic;
    for (const auto& step : steps) {
        ScaleInputs inputs;
        inputs.now = start + step.at;
        inputs.spec = spec;
        inputs.ready = step.ready;
        inputs.stable_value = step.stable;
        inputs.panic_value = step.panic;
        inputs.panic = panic;
        const auto decision = decide_scale(inputs);
        EXPECT_EQ(decision.desired, step.want) << step.name;
        const auto since = step.want_panic_since;
        EXPECT_EQ(decision.panic.since, since ? std::optional(start + *since) : std::nullopt)
            << step.name;
        panic = decision.panic;
    }
}

TEST(Decider, PanicTracksExponentialGrowthAndStabilizes) {
    follow(spec_of(1, 101), {{"six at once", 0s, 1, 6, 6, 6, 0s},
                             {"six times that", 1s, 6, 36, 36, 36, 1s},
                             {"and again", 2s, 36, 216, 216, 216, 2s},
                             {"and again", 2s, 216, 1296, 1296, 1296, 2s},
                             {"steady now", 3s, 1296, 1296, 1296, 1296, 2s}});
}

TEST(Decider, PanicEndsAfterASlowIncrease) {
    follow(spec_of(1, 98),
           {{"the jump", 0s, 10, 11, 25, 25, 0s},
            {"growing slowly: not over the threshold", 30s, 40, 30, 41, 41, 0s},
            {"exactly a window later it still holds", 60s, 41, 30, 41, 41, 0s},
            {"a window and a tick later it ends", 62s, 55, 50, 56, 50, std::nullopt}});
}

TEST(Decider, PanicIsExtendedWhileTheSurgeLasts) {
    follow(spec_of(1, 98), {{"the jump", 0s, 10, 11, 25, 25, 0s},
                            {"still surging", 30s, 40, 30, 80, 80, 30s},
                            {"over, but within the window", 89s, 80, 30, 30, 80, 30s},
                            {"a window after the last surge", 91s, 80, 30, 30, 30, std::nullopt}});
}

TEST(Decider, PanicHoldsWhatItReachedUntilItEnds) {
    follow(spec_of(10, 93), {{"a surge", 0s, 1, 100, 100, 10, 0s},
                             {"ten times that", 1s, 10, 100, 1000, 100, 1s},
                             {"traffic dropped, still in panic", 31s, 10, 1, 1, 100, 1s},
                             {"over", 62s, 10, 1, 1, 1, std::nullopt}});
}

TEST(Decider, OneBornWithSeveralReadyStartsInPanic) {
    EXPECT_EQ(initial_panic(0, start), (PanicState{std::nullopt, 0}));
    EXPECT_EQ(initial_panic(1, start), (PanicState{std::nullopt, 1}));
    EXPECT_EQ(initial_panic(2, start), (PanicState{start, 2}));
}

TEST(Decider, BurstCapacityBeforeTheFirstDecision) {
    EXPECT_EQ(initial_burst_capacity(spec_of(75, 0)), 0);
    EXPECT_EQ(initial_burst_capacity(spec_of(75, -1)), -1);
    EXPECT_EQ(initial_burst_capacity(spec_of(75, 211)), 100 - 211);
}

// With state: windows, delay, activity.
RevisionScaling scaling_of(DeciderSpec decider) {
    RevisionScaling scaling;
    scaling.decider = decider;
    scaling.scaler.stable_window = decider.stable_window;
    return scaling;
}

RevisionAutoscaler::Observation at(base::Duration since, std::int32_t ready) {
    return {start + since, ready, Reachability::reachable,
            RevisionAutoscaler::Observation::Silence::no_load};
}

TEST(RevisionAutoscaler, ScaleDownDelayKeepsTheLargestOfItsWindow) {
    auto spec = spec_of(10, 0);
    spec.panic_threshold = 100;
    spec.scale_down_delay = 5min;
    spec.stable_window = spec.panic_window = 6s;
    RevisionAutoscaler scaler(scaling_of(spec), std::nullopt, start);
    struct {
        const char* name;
        base::Duration at;
        double load;
        std::int32_t want;
    } const steps[] = {
        {"scaled up", 2s, 40, 4},
        {"quiet for less than the delay", 5min, 0, 4},
        {"quiet for the delay", 5min + 2s, 0, 0},
        {"up again", 9min, 40, 4},
        {"less", 10min, 30, 4},
        {"none", 11min, 0, 4},
        {"the four left the window", 14min, 0, 3},
        {"everything left the window", 15min, 0, 0},
    };
    for (const auto& step : steps) {
        scaler.record(start + step.at, step.load, 0);
        const auto decision = scaler.decide(at(step.at, 0));
        ASSERT_TRUE(decision.scale) << step.name;
        EXPECT_EQ(decision.scale->desired, step.want) << step.name;
    }
}

TEST(RevisionAutoscaler, WithoutDelayTwoDecisionsOfOneStepDoNotHoldEachOther) {
    auto spec = spec_of(10, 0);
    spec.panic_threshold = 100;
    RevisionAutoscaler scaler(scaling_of(spec), std::nullopt, start);
    scaler.record(start, 40, 0);
    EXPECT_EQ(scaler.decide(at(0s, 0)).scale->desired, 4);
    scaler.record(start + 500ms, -20, 0);
    EXPECT_EQ(scaler.decide(at(500ms, 0)).scale->desired, 2);
}

TEST(RevisionAutoscaler, KnowsNothingUntilSomebodyReports) {
    RevisionAutoscaler scaler(scaling_of(spec_of(10, 0)), std::nullopt, start);
    auto unheard = at(0s, 3);
    unheard.silence = RevisionAutoscaler::Observation::Silence::unknown;
    const auto decision = scaler.decide(unheard);
    EXPECT_FALSE(decision.scale);
    EXPECT_FALSE(decision.scaler.apply);
    EXPECT_EQ(scaler.desired(), -1);
}

TEST(RevisionAutoscaler, ARestartKeepsWhatRunsForAWindow) {
    Past past;
    past.activity = {{Activity::active, start - 10min, false}, true};
    past.ready = 7;
    RevisionAutoscaler scaler(scaling_of(spec_of(10, 211)), past, start);
    scaler.record(start + 1s, 1, 1);
    EXPECT_EQ(scaler.decide(at(2s, 7)).scaler.wanted, 7);
    scaler.record(start + 61s, 1, 1);
    EXPECT_EQ(scaler.decide(at(62s, 7)).scaler.wanted, 1);
}

TEST(RevisionAutoscaler, IsPokedByTheFirstRequestAtZeroOnly) {
    RevisionAutoscaler scaler(scaling_of(spec_of(10, 211)), std::nullopt, start);
    EXPECT_TRUE(scaler.poked_by(1));
    EXPECT_FALSE(scaler.poked_by(0));
    scaler.record(start, 5, 5);
    (void)scaler.decide(at(0s, 0));
    EXPECT_FALSE(scaler.poked_by(1));
}

TEST(RevisionAutoscaler, GoesToZeroAndComesBack) {
    RevisionScaling scaling;  // the defaults: window 60 s, grace 30 s
    Past past;
    past.activity = {{Activity::active, start, false}, true};
    past.ready = 1;
    RevisionAutoscaler scaler(scaling, past, start);
    std::optional<base::Duration> inactive;
    std::optional<base::Duration> zero;
    scaler.record(start, 1, 1);
    for (auto now = 0s; now < 200s && !zero; now += 2s) {
        const auto decision = scaler.decide(at(now, 1));
        if (!inactive && decision.after.state.activity == Activity::inactive) {
            inactive = now;
        }
        if (decision.scaler.apply && decision.scaler.wanted == 0) {
            zero = now;
        }
    }
    // The window's last sample leaves after 60 s; buffered all along, so that no grace is left.
    EXPECT_EQ(inactive, 60s);
    EXPECT_EQ(zero, 62s);

    scaler.record(start + 300s, 1, 1);
    const auto decision = scaler.decide(at(300s, 0));
    EXPECT_EQ(decision.scaler.wanted, 1);
    EXPECT_EQ(decision.after.state.activity, Activity::activating);
    EXPECT_EQ(scaler.decide(at(301s, 1)).after.state.activity, Activity::active);
}

}  // namespace
}  // namespace tidemill::control
