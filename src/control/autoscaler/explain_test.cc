#include "control/autoscaler/explain.h"

#include <gtest/gtest.h>

#include <random>

namespace tidemill::control {
namespace {

using namespace std::chrono_literals;

constexpr base::Instant start{1'000'000'000'000'000'000};

// A life with everything in it: surges, silence, routes that come and go.
std::vector<AutoscalerDecision> a_life(std::uint64_t seed) {
    std::mt19937_64 random(seed);
    const auto dice = [&](std::uint64_t sides) { return random() % sides; };
    model::TextMap annotations;
    if (dice(2) == 0) {
        annotations["autoscaling.knative.dev/scale-down-delay"] = "20s";
    }
    if (dice(2) == 0) {
        annotations["autoscaling.knative.dev/window"] = "6s";
    }
    annotations["autoscaling.knative.dev/max-scale"] = std::to_string(dice(9));
    annotations["autoscaling.knative.dev/activation-scale"] = std::to_string(dice(4));
    RevisionAutoscaler scaler(
        resolve_scaling(annotations, static_cast<std::int64_t>(dice(3)), Reachability::reachable,
                        {}),
        Past{{{Activity::activating, start, false}, false}, static_cast<std::int32_t>(dice(3))},
        start);
    std::vector<AutoscalerDecision> decisions;
    std::int32_t ready = 0;
    double load = 0;
    for (int step = 0; step < 200; ++step) {
        const auto now = start + step * 1s;
        if (dice(10) == 0) {
            load = dice(3) == 0 ? 0 : static_cast<double>(dice(400)) / 3;
        }
        if (dice(4) != 0) {
            scaler.record(now, load, load * 2);
        }
        const auto reach = dice(20) == 0 ? Reachability::unreachable : Reachability::reachable;
        const auto decision =
            scaler.decide({now, ready, reach,
                           dice(2) == 0 ? RevisionAutoscaler::Observation::Silence::no_load
                                        : RevisionAutoscaler::Observation::Silence::unknown});
        if (decision.scaler.apply) {
            ready = decision.scaler.wanted;
        }
        decisions.push_back(decision);
    }
    return decisions;
}

TEST(Explain, EveryDecisionIsRecomputedFromItsRecord) {
    for (std::uint64_t seed = 1; seed <= 40; ++seed) {
        for (const auto& decision : a_life(seed)) {
            const auto record = explain_json(decision, base::WallTime{0});
            const auto read = decision_from_json(record);
            ASSERT_TRUE(read) << read.error().message;
            EXPECT_EQ(*read, decision) << "seed " << seed;
            EXPECT_EQ(recompute(*read), decision) << "seed " << seed;
        }
    }
}

TEST(Explain, ATamperedRecordDoesNotAgreeWithItself) {
    for (auto decision : a_life(7)) {
        if (!decision.scale || decision.scale->desired == 0) {
            continue;
        }
        decision.scale->inputs.stable_value += 1000;
        EXPECT_NE(recompute(decision), decision);
        return;
    }
    FAIL() << "that life had no load";
}

TEST(Explain, ARecordWithAMissingOrWrongMemberIsRefusedByName) {
    auto record = explain_json(a_life(1).front(), base::WallTime{0});
    record["scaler"].as_object()["inputs"].as_object()["spec"].as_object()["scaleMin"] = "two";
    auto read = decision_from_json(record);
    ASSERT_FALSE(read);
    EXPECT_EQ(read.error().message, "scaler.inputs.spec.scaleMin: of a wrong type");
    record["scaler"].as_object().erase("wanted");
    record["scaler"].as_object()["inputs"].as_object()["spec"].as_object()["scaleMin"] = 2;
    read = decision_from_json(record);
    ASSERT_FALSE(read);
    EXPECT_EQ(read.error().message, "scaler.wanted: missing");
}

TEST(Explain, TheTextHasTheFiguresThatMatter) {
    RevisionScaling scaling;
    RevisionAutoscaler scaler(scaling, Past{{{Activity::active, start, false}, true}, 1}, start);
    scaler.record(start, 150, 150);
    const auto text = explain_text(scaler.decide(
        {start, 1, Reachability::reachable, RevisionAutoscaler::Observation::Silence::no_load}));
    EXPECT_EQ(text,
              "load     150.000 requests at once over 1m, 150.000 over 6s; target 70.000 an "
              "instance\n"
              "needs    ceil(150.000 / 70.000) = 3, and 3 for the short window; with 1 ready at "
              "least 0 and at most 1000 may be asked for\n"
              "panic    since 0s ago: never below 3\n"
              "asks     3 instances; burst capacity left -261\n"
              "bounds   min 0, max none, initial 1 (reached): 3\n"
              "was      active for 0s, 1 ready\n"
              "result   3: the load, within the revision's bounds\n");
}

}  // namespace
}  // namespace tidemill::control
