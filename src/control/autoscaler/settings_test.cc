#include "control/autoscaler/settings.h"

#include <gtest/gtest.h>

namespace tidemill::control {
namespace {

using namespace std::chrono_literals;
using model::TextMap;

TextMap annotated(std::initializer_list<std::pair<const char*, const char*>> pairs) {
    TextMap all;
    for (const auto& [name, value] : pairs) {
        all.emplace("autoscaling.knative.dev/" + std::string(name), value);
    }
    return all;
}

struct TargetCase {
    const char* name;
    TextMap annotations;
    std::int64_t container_concurrency;
    double fraction;
    double target_default;
    double want_target;
    double want_total;
};

// Figures: knative/serving pkg/reconciler/autoscaling/resources/target_test.go.
TEST(ResolveScaling, TargetTable) {
    const TargetCase cases[] = {
        {"the default", {}, 0, 1, 100, 100, 100},
        {"the default at 80 %", {}, 0, 0.8, 100, 80, 100},
        {"another default and percentage", {}, 0, 0.3, 2, 0.6, 2},
        {"a revision's percentage counts before the platform's",
         annotated({{"target-utilization-percentage", "75"}}), 12, 0.8, 100, 9, 12},
        {"container concurrency is the total", {}, 10, 0.8, 100, 8, 10},
        {"a target below one", {}, 1, 0.8, 100, 0.8, 1},
        {"a revision's target", annotated({{"target", "1"}}), 0, 1, 100, 1, 1},
        {"a target is at least 0.01", annotated({{"target", "1"}}), 0, 0.001, 100, 0.01, 1},
        {"a revision's target at 75 %", annotated({{"target", "10"}}), 0, 0.75, 100, 7.5, 10},
        {"a target below container concurrency", annotated({{"target", "1"}}), 10, 1, 100, 1, 1},
        {"a target above the default", annotated({{"target", "500"}}), 0, 1, 100, 500, 500},
        {"a target above container concurrency is cut to it", annotated({{"target", "10"}}), 1, 1,
         100, 1, 1},
        {"requests per second by default", annotated({{"metric", "rps"}}), 1, 1, 100, 140, 200},
        {"requests per second with a target", annotated({{"metric", "rps"}, {"target", "1"}}), 0, 1,
         100, 0.7, 1},
        {"requests per second at 75 %",
         annotated({{"metric", "rps"}, {"targetUtilizationPercentage", "75"}}), 0, 1, 100, 150,
         200},
        {"requests per second are not cut to container concurrency",
         annotated({{"metric", "rps"}, {"target", "300"}}), 1, 1, 100, 210, 300},
    };
    for (const auto& c : cases) {
        model::PlatformConfig config;
        config.autoscaler.container_concurrency_target_fraction = c.fraction;
        config.autoscaler.container_concurrency_target_default = c.target_default;
        const auto scaling = resolve_scaling(c.annotations, c.container_concurrency,
                                             Reachability::reachable, config);
        EXPECT_EQ(scaling.decider.target_value, c.want_target) << c.name;
        EXPECT_EQ(scaling.decider.total_value, c.want_total) << c.name;
    }
}

TEST(ResolveScaling, ReadsEveryAnnotation) {
    auto annotations = annotated({{"min-scale", "2"},
                                  {"maxScale", "9"},
                                  {"initial-scale", "3"},
                                  {"activation-scale", "4"},
                                  {"window", "45s"},
                                  {"panic-window-percentage", "20"},
                                  {"panicThresholdPercentage", "150"},
                                  {"scale-down-delay", "2m"},
                                  {"scale-to-zero-pod-retention-period", "1m1s"},
                                  {"target-burst-capacity", "-1"},
                                  {"metric-aggregation-algorithm", "weighted-exponential"}});
    annotations.emplace("serving.knative.dev/progress-deadline", "33s");
    const auto scaling = resolve_scaling(annotations, 0, Reachability::unreachable, {});
    EXPECT_EQ(scaling.scaler.scale_min, 2);
    EXPECT_EQ(scaling.scaler.scale_max, 9);
    EXPECT_EQ(scaling.scaler.initial_scale, 3);
    EXPECT_EQ(scaling.decider.initial_scale, 3);
    EXPECT_EQ(scaling.decider.activation_scale, 4);
    EXPECT_EQ(scaling.decider.stable_window, 45s);
    EXPECT_EQ(scaling.scaler.stable_window, 45s);
    EXPECT_EQ(scaling.decider.panic_window, 9s);
    EXPECT_EQ(scaling.decider.panic_threshold, 1.5);
    EXPECT_EQ(scaling.decider.scale_down_delay, 2min);
    EXPECT_EQ(scaling.scaler.retention_period, 61s);
    EXPECT_EQ(scaling.decider.burst_capacity, -1);
    EXPECT_EQ(scaling.scaler.burst_capacity, -1);
    EXPECT_EQ(scaling.aggregation, Aggregation::weighted_exponential);
    EXPECT_EQ(scaling.scaler.progress_deadline, 33s);
    EXPECT_FALSE(scaling.decider.reachable);
}

TEST(ResolveScaling, PanicWindowIsRoundedToSecondsAndAtLeastOne) {
    const auto window_of = [](const char* window, const char* percentage) {
        return resolve_scaling(
                   annotated({{"window", window}, {"panic-window-percentage", percentage}}), 0,
                   Reachability::reachable, {})
            .decider.panic_window;
    };
    EXPECT_EQ(window_of("60s", "10"), 6s);
    EXPECT_EQ(window_of("6s", "1"), 1s);
    EXPECT_EQ(window_of("15s", "10"), 2s);
    EXPECT_EQ(window_of("14s", "10"), 1s);
}

TEST(ResolveScaling, InitialScaleZeroNeedsPermission) {
    const auto wish = annotated({{"initial-scale", "0"}});
    model::PlatformConfig config;
    EXPECT_EQ(resolve_scaling(wish, 0, Reachability::unknown, config).scaler.initial_scale, 1);
    config.autoscaler.allow_zero_initial_scale = true;
    EXPECT_EQ(resolve_scaling(wish, 0, Reachability::unknown, config).scaler.initial_scale, 0);
}

}  // namespace
}  // namespace tidemill::control
