// The rows of the first table are those of knative/serving
// pkg/reconciler/autoscaling/kpa/scaler_test.go: stable window 5 min, grace 60 s, progress
// deadline 121 s (+ 30 s), nothing but the buffer in the path known to it.
#include "control/autoscaler/scaler.h"

#include <gtest/gtest.h>

namespace tidemill::control {
namespace {

using namespace std::chrono_literals;

constexpr base::Instant now{1'000'000'000'000'000'000};
constexpr auto window = 5min;
constexpr auto grace = 60s;

ScalerInputs inputs_of(std::int32_t desired) {
    ScalerInputs inputs;
    inputs.now = now;
    inputs.spec.stable_window = window;
    inputs.spec.grace_period = grace;
    inputs.spec.progress_deadline = 121s;
    inputs.spec.burst_capacity = 200;
    inputs.desired = desired;
    inputs.activity = {Activity::activating, now, false};
    return inputs;
}

ScalerInputs was(Activity activity, base::Duration ago, std::int32_t desired = 0) {
    auto inputs = inputs_of(desired);
    inputs.activity = {activity, now - ago, false};
    return inputs;
}

ScalerInputs with(ScalerInputs inputs, void (*edit)(ScalerInputs&)) {
    edit(inputs);
    return inputs;
}

struct Case {
    const char* name;
    ScalerInputs inputs;
    std::int32_t want;
    bool want_apply;
    ScalerReason want_reason;
};

TEST(Scaler, Table) {
    using Reason = ScalerReason;
    const auto active = Activity::active;
    const auto inactive = Activity::inactive;
    const auto activating = Activity::activating;
    const Case cases[] = {
        {"just before the idle period ends one stays", was(active, window - 1s), 1, true,
         Reason::cooling_down},
        {"a revision's own shorter window counts",
         with(was(active, 44s), [](auto& i) { i.spec.stable_window = 45s; }), 1, true,
         Reason::cooling_down},
        {"after the idle period it is inactive first", was(active, window), 0, false,
         Reason::deactivate},
        {"after a revision's own window too",
         with(was(active, 45s), [](auto& i) { i.spec.stable_window = 45s; }), 0, false,
         Reason::deactivate},
        {"after the grace period it goes to zero", was(inactive, grace), 0, true, Reason::zero},
        {"the last instance is retained",
         with(was(inactive, grace), [](auto& i) { i.spec.retention_period = 2 * grace; }), 0, false,
         Reason::retention},
        {"and goes after its retention",
         with(was(inactive, grace), [](auto& i) { i.spec.retention_period = grace; }), 0, true,
         Reason::zero},
        {"just before the grace period it stays", was(inactive, grace - 1s), 0, false,
         Reason::grace},
        {"also when buffered for less than it",
         with(was(inactive, grace - 1s), [](auto& i) { i.buffered_since = now - (grace - 1s); }), 0,
         false, Reason::grace},
        {"but goes when buffered for longer",
         with(was(inactive, grace - 1s), [](auto& i) { i.buffered_since = now - grace; }), 0, true,
         Reason::zero},
        {"also with a retention that is over",
         with(was(inactive, grace - 1s),
              [](auto& i) {
                  i.buffered_since = now - grace;
                  i.spec.retention_period = 42s;
              }),
         0, true, Reason::zero},
        {"always buffered needs no proof",
         with(was(inactive, grace),
              [](auto& i) {
                  i.spec.burst_capacity = -1;
                  i.buffer_in_path = false;
              }),
         0, true, Reason::zero},
        {"without proof that requests are buffered it stays",
         with(was(inactive, grace), [](auto& i) { i.buffer_in_path = false; }), 0, false,
         Reason::buffer_unproven},
        {"while activating it stays", was(activating, 75s), -1, false, Reason::activating},
        {"until the deadline has passed", was(activating, 152s), 0, true,
         Reason::activation_timeout},
        {"or a revision's own deadline",
         with(was(activating, 36s), [](auto& i) { i.spec.progress_deadline = 5s; }), 0, true,
         Reason::activation_timeout},
        {"not below min before the grace period",
         with(was(inactive, grace - 1s),
              [](auto& i) {
                  i.spec.scale_min = 2;
                  i.reachability = Reachability::reachable;
              }),
         2, true, Reason::load},
        {"not below min after it",
         with(was(inactive, grace),
              [](auto& i) {
                  i.spec.scale_min = 2;
                  i.reachability = Reachability::reachable;
              }),
         2, true, Reason::load},
        {"without a route retention does not count",
         with(was(inactive, grace),
              [](auto& i) {
                  i.reachability = Reachability::unreachable;
                  i.spec.retention_period = 10 * grace;
              }),
         0, true, Reason::zero},
        {"but the grace period does",
         with(was(inactive, grace - 1s),
              [](auto& i) {
                  i.reachability = Reachability::unreachable;
                  i.spec.retention_period = 10 * grace;
              }),
         0, false, Reason::grace},
        {"without a route min does not count",
         with(was(inactive, grace),
              [](auto& i) {
                  i.reachability = Reachability::unreachable;
                  i.spec.scale_min = 2;
              }),
         0, true, Reason::zero},
        {"where reachability is unknown min counts",
         with(was(inactive, grace), [](auto& i) { i.spec.scale_min = 2; }), 2, true, Reason::load},
        {"up", inputs_of(10), 10, true, Reason::load},
        {"up to max", with(inputs_of(10), [](auto& i) { i.spec.scale_max = 8; }), 8, true,
         Reason::load},
        {"up from inactive", was(inactive, grace / 2, 10), 10, true, Reason::load},
        {"unknown load does not start an inactive one", was(inactive, 0s, -1), -1, false,
         Reason::no_data},
        {"unknown load does not stop an active one", was(active, 0s, -1), -1, false,
         Reason::no_data},
        {"one", inputs_of(1), 1, true, Reason::load},
        {"initial scale once reached does not count",
         with(was(active, 2min),
              [](auto& i) {
                  i.initialized = true;
                  i.spec.initial_scale = 2;
              }),
         1, true, Reason::cooling_down},
        {"initial scale not yet reached counts",
         with(was(activating, 0s, 1), [](auto& i) { i.spec.initial_scale = 2; }), 2, true,
         Reason::load},
        {"also while no load is known",
         with(was(activating, 0s, -1), [](auto& i) { i.spec.initial_scale = 5; }), 5, true,
         Reason::load},
        {"initial scale zero waits for its grace",
         with(was(inactive, 0s), [](auto& i) { i.spec.initial_scale = 0; }), 0, false,
         Reason::grace},
        {"without a route initial scale does not count",
         with(was(active, 2min),
              [](auto& i) {
                  i.spec.initial_scale = 2;
                  i.reachability = Reachability::unreachable;
              }),
         1, true, Reason::cooling_down},
        {"switched off, one stays",
         with(was(active, 0s), [](auto& i) { i.spec.scale_to_zero = false; }), 1, true,
         Reason::scale_to_zero_off},
        {"switched off with min two, two stay",
         with(was(active, 0s),
              [](auto& i) {
                  i.spec.scale_to_zero = false;
                  i.spec.scale_min = 2;
              }),
         2, true, Reason::load},
        {"switched off, unknown load changes nothing",
         with(was(active, 0s, -1), [](auto& i) { i.spec.scale_to_zero = false; }), -1, false,
         Reason::no_data},
    };
    for (const auto& c : cases) {
        const auto decision = decide_wanted(c.inputs);
        EXPECT_EQ(decision.wanted, c.want) << c.name;
        EXPECT_EQ(decision.apply, c.want_apply) << c.name;
        EXPECT_EQ(decision.reason, c.want_reason) << c.name << ": " << reason_text(decision.reason);
        EXPECT_FALSE(reason_text(decision.reason).empty()) << c.name;
    }
}

TEST(Scaler, SaysWhenToLookAgain) {
    EXPECT_EQ(decide_wanted(was(Activity::active, window - 7s)).again_after, 7s);
    EXPECT_EQ(decide_wanted(was(Activity::inactive, grace - 7s)).again_after, grace);
    auto buffered = was(Activity::active, window);
    buffered.buffered_since = now - 1min;
    EXPECT_EQ(decide_wanted(buffered).again_after, 3s);
    EXPECT_EQ(decide_wanted(inputs_of(3)).again_after, std::nullopt);
}

TEST(Scaler, RequestsAreBufferedUnlessCapacityIsToSpare) {
    EXPECT_TRUE(serves_directly(1, 0));
    EXPECT_FALSE(serves_directly(1, -1));
    EXPECT_FALSE(serves_directly(0, 5));
    EXPECT_FALSE(serves_directly(-1, 5));
}

struct ActivityCase {
    const char* name;
    std::int32_t wanted;
    std::int32_t ready;
    Activity before;
    std::int32_t scale_min;
    std::int32_t initial_scale;
    bool initialized;
    Activity want;
    bool want_initialized = true;
    bool want_timed_out = false;
};

// Source of the rows: the table above computeActiveCondition in kpa.go.
TEST(Activity, Table) {
    const auto active = Activity::active;
    const auto inactive = Activity::inactive;
    const auto activating = Activity::activating;
    const ActivityCase cases[] = {
        {"nothing wanted: inactive", 0, 1, active, 0, 1, true, inactive},
        {"nothing wanted while it never came up: timed out", 0, 0, activating, 0, 1, false,
         inactive, false, true},
        {"wanted and too few ready: activating", 2, 1, inactive, 2, 1, true, activating},
        {"wanted and enough ready: active", 1, 1, activating, 0, 1, false, active},
        {"unknown and too few ready: an inactive one stays so", -1, 0, inactive, 0, 1, true,
         inactive},
        {"unknown and too few ready: still activating", -1, 0, activating, 0, 1, false, activating,
         false},
        {"unknown and too few ready: an active one is activating", -1, 0, active, 0, 1, true,
         activating},
        {"unknown and enough ready: an inactive one stays so", -1, 1, inactive, 0, 1, true,
         inactive},
        {"unknown and enough ready: active", -1, 1, activating, 0, 1, false, active},
        {"unknown and enough ready: stays active", -1, 1, active, 0, 1, true, active},
        {"initial scale zero is initialized at once and inactive", -1, 0, activating, 0, 0, false,
         inactive},
        {"initial scale zero with somebody waiting", 1, 0, inactive, 0, 0, true, activating},
        {"before the initial scale was reached it is the threshold", 3, 2, activating, 0, 3, false,
         activating, false},
        {"after that one is enough", 3, 2, activating, 0, 3, true, active},
    };
    for (const auto& c : cases) {
        ScalerSpec spec;
        spec.scale_min = c.scale_min;
        spec.initial_scale = c.initial_scale;
        const ActivityStep before{{c.before, now - 10s, false}, c.initialized};
        const auto after =
            next_activity(before, spec, {c.wanted, c.ready, Reachability::reachable, now});
        EXPECT_EQ(after.state.activity, c.want) << c.name;
        EXPECT_EQ(after.initialized, c.want_initialized) << c.name;
        EXPECT_EQ(after.state.timed_out, c.want_timed_out) << c.name;
        EXPECT_EQ(after.state.since, c.want == c.before ? now - 10s : now) << c.name;
    }
}

TEST(Activity, RemembersThatItTimedOutUntilItIsActive) {
    ActivityStep step{{Activity::inactive, now, true}, false};
    const ScalerSpec spec;
    step = next_activity(step, spec, {0, 0, Reachability::reachable, now});
    EXPECT_TRUE(step.state.timed_out);
    step = next_activity(step, spec, {1, 0, Reachability::reachable, now});
    EXPECT_EQ(step.state.activity, Activity::activating);
    step = next_activity(step, spec, {1, 1, Reachability::reachable, now});
    EXPECT_FALSE(step.state.timed_out);
    EXPECT_TRUE(step.initialized);
}

TEST(Activity, WithoutARouteMinIsNoThreshold) {
    ScalerSpec spec;
    spec.scale_min = 3;
    EXPECT_EQ(active_threshold(spec, Reachability::unreachable, true), 1);
    EXPECT_EQ(active_threshold(spec, Reachability::reachable, true), 3);
}

}  // namespace
}  // namespace tidemill::control
