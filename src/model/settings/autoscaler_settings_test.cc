#include "model/settings/autoscaler_settings.h"

#include <gtest/gtest.h>

namespace tidemill::model {
namespace {

using namespace std::chrono_literals;

std::string prefixed(std::string_view name) {
    return "autoscaling.knative.dev/" + std::string(name);
}

TEST(AutoscalingAnnotations, AreReadUnderBothNames) {
    const TextMap given = {{prefixed("class"), "kpa.autoscaling.knative.dev"},
                           {prefixed("metric"), "rps"},
                           {prefixed("target"), "150"},
                           {prefixed("targetUtilizationPercentage"), "80"},
                           {prefixed("target-burst-capacity"), "-1"},
                           {prefixed("minScale"), "1"},
                           {prefixed("max-scale"), "10"},
                           {prefixed("initial-scale"), "2"},
                           {prefixed("activation-scale"), "3"},
                           {prefixed("window"), "40s"},
                           {prefixed("panic-window-percentage"), "20"},
                           {prefixed("panicThresholdPercentage"), "150"},
                           {prefixed("scale-down-delay"), "15m"},
                           {prefixed("scale-to-zero-pod-retention-period"), "1m5s"},
                           {prefixed("metric-aggregation-algorithm"), "weighted-exponential"}};
    const auto read = read_autoscaling_annotations(given, {}, "a");
    EXPECT_TRUE(read.problems.empty()) << render(read.problems, Severity::error);
    const AutoscalingSettings want{.class_name = "kpa.autoscaling.knative.dev",
                                   .metric = "rps",
                                   .target = 150,
                                   .target_utilization_percentage = 80,
                                   .target_burst_capacity = -1,
                                   .min_scale = 1,
                                   .max_scale = 10,
                                   .initial_scale = 2,
                                   .activation_scale = 3,
                                   .window = 40s,
                                   .panic_window_percentage = 20,
                                   .panic_threshold_percentage = 150,
                                   .scale_down_delay = 15min,
                                   .scale_to_zero_pod_retention_period = 65s,
                                   .aggregation = AggregationAlgorithm::weighted_exponential};
    EXPECT_EQ(read.settings, want);
}

TEST(AutoscalingAnnotations, OutOfRangeAreRefused) {
    AutoscalerConfig limited;
    limited.max_scale_limit = 5;
    limited.max_scale = 5;
    AutoscalerConfig zero;
    zero.allow_zero_initial_scale = true;
    struct Case {
        TextMap annotations;
        std::string want;
        AutoscalerConfig config = {};
    };
    const std::string p = "a.autoscaling.knative.dev/";
    const Case cases[] = {
        {{{"class", "hpa.autoscaling.knative.dev"}},
         "invalid value: hpa.autoscaling.knative.dev: " + p +
             "class\nthe only autoscaler here is kpa.autoscaling.knative.dev"},
        {{{"min-scale", "-1"}}, "expected 0 <= -1 <= 2147483647: " + p + "min-scale"},
        {{{"min-scale", "x"}}, "invalid value: x: " + p + "min-scale"},
        {{{"min-scale", "3000000000"}},
         "expected 0 <= 3000000000 <= 2147483647: " + p + "min-scale"},
        {{{"max-scale", "-1"}}, "expected 0 <= -1 <= 2147483647: " + p + "max-scale"},
        {{{"max-scale", "1"}, {"min-scale", "2"}},
         "max-scale=1 is less than min-scale=2: " + p + "max-scale, " + p + "min-scale"},
        {{{"max-scale", "0"}, {"min-scale", "2"}}, ""},
        {{{"max-scale", "6"}}, "expected 1 <= 6 <= 5: " + p + "max-scale", limited},
        {{{"max-scale", "0"}},
         "max-scale=0 (unlimited), must be less than 5: " + p + "max-scale",
         limited},
        {{{"activation-scale", "1"}},
         "activation-scale=1 must be greater than 1: " + p + "activation-scale"},
        {{{"activation-scale", "two"}}, "invalid value: two: " + p + "activation-scale"},
        {{{"activation-scale", "2"}, {"min-scale", "3"}},
         "min-scale=3 is greater than activation-scale=2: " + p + "activation-scale"},
        {{{"activation-scale", "4"}, {"max-scale", "3"}},
         "max-scale=3 is less than activation-scale=4: " + p + "activation-scale"},
        {{{"panic-window-percentage", "0.9"}},
         "expected 1 <= 0.9 <= 100: " + p + "panic-window-percentage"},
        {{{"panic-window-percentage", "x"}}, "invalid value: x: " + p + "panic-window-percentage"},
        {{{"panic-threshold-percentage", "109"}},
         "expected 110 <= 109 <= 1000: " + p + "panic-threshold-percentage"},
        {{{"panic-threshold-percentage", "1001"}},
         "expected 110 <= 1001 <= 1000: " + p + "panic-threshold-percentage"},
        {{{"target", "0.001"}}, "target 0.001 should be at least 0.01: " + p + "target"},
        {{{"target", "much"}}, "invalid value: much: " + p + "target"},
        {{{"target-utilization-percentage", "101"}},
         "expected 1 <= 101 <= 100: " + p + "target-utilization-percentage"},
        {{{"target-burst-capacity", "-2"}}, "invalid value: -2: " + p + "target-burst-capacity"},
        {{{"target-burst-capacity", "0"}}, ""},
        {{{"window", "5s"}}, "expected 6s <= 5s <= 1h0m0s: " + p + "window"},
        {{{"window", "2h"}}, "expected 6s <= 2h <= 1h0m0s: " + p + "window"},
        {{{"window", "6500ms"}},
         "must be specified with at most second precision: " + p + "window"},
        {{{"window", "60"}}, "invalid value: 60: " + p + "window"},
        {{{"scale-down-delay", "-1s"}}, "expected 0s <= -1s <= 1h0m0s: " + p + "scale-down-delay"},
        {{{"scale-down-delay", "1500ms"}},
         "must be specified with at most second precision: " + p + "scale-down-delay"},
        {{{"scale-to-zero-pod-retention-period", "61m"}},
         "expected 0s <= 61m <= 1h0m0s: " + p + "scale-to-zero-pod-retention-period"},
        {{{"scale-to-zero-pod-retention-period", "1500ms"}}, ""},
        {{{"metric", "cpu"}}, "invalid value: cpu: " + p + "metric"},
        {{{"metric-aggregation-algorithm", "mean"}},
         "invalid value: mean: " + p + "metric-aggregation-algorithm"},
        {{{"initial-scale", "x"}}, "invalid value: x: " + p + "initial-scale"},
        {{{"initial-scale", "-1"}},
         "invalid value: -1: " + p + "initial-scale must be greater than 0"},
        {{{"initial-scale", "0"}},
         "invalid value: 0: " + p + "initial-scale=0 not allowed by cluster"},
        {{{"initial-scale", "0"}}, "", zero},
    };
    for (const auto& c : cases) {
        TextMap annotations;
        for (const auto& [name, value] : c.annotations) {
            annotations[prefixed(name)] = value;
        }
        const auto read = read_autoscaling_annotations(annotations, c.config, "a");
        EXPECT_EQ(render(read.problems, Severity::error), c.want);
    }
}

TEST(ScalingPolicy, TargetsAreThoseOfKnative) {
    struct Case {
        const char* name;
        AutoscalingSettings settings;
        std::int64_t concurrency;
        double total;
        double target;
    };
    const Case cases[] = {
        {"unlimited: the default of 100 at 70 %", {}, 0, 100, 70},
        {"limited: the limit at 70 %", {}, 10, 10, 7},
        {"a target replaces the default", {.target = 50}, 0, 50, 35},
        {"a target below the limit holds", {.target = 5}, 10, 5, 3.5},
        {"a target above the limit is the limit", {.target = 50}, 10, 10, 7},
        {"utilization", {.target_utilization_percentage = 100}, 10, 10, 10},
        {"requests per second: 200 at 70 %", {.metric = "rps"}, 10, 200, 140},
        {"requests per second know no concurrency", {.metric = "rps", .target = 500}, 10, 500, 350},
        {"no target falls below a hundredth",
         {.target = 0.01, .target_utilization_percentage = 1},
         0,
         0.01,
         0.01},
    };
    for (const auto& c : cases) {
        const auto policy = scaling_policy(c.settings, {}, c.concurrency);
        EXPECT_DOUBLE_EQ(policy.total_value, c.total) << c.name;
        EXPECT_DOUBLE_EQ(policy.target_value, c.target) << c.name;
    }
}

TEST(ScalingPolicy, AnnotationsGoBeforeConfiguration) {
    AutoscalerConfig config;
    config.min_scale = 1;
    config.max_scale = 8;
    const auto plain = scaling_policy({}, config, 0);
    EXPECT_EQ(plain.min_scale, 1);
    EXPECT_EQ(plain.max_scale, 8);
    EXPECT_EQ(plain.initial_scale, 1);
    EXPECT_EQ(plain.stable_window, 60s);
    EXPECT_EQ(plain.panic_window, 6s);
    EXPECT_EQ(plain.panic_threshold, 2);
    EXPECT_EQ(plain.target_burst_capacity, 211);
    EXPECT_EQ(plain.scale_to_zero_grace_period, 30s);
    EXPECT_TRUE(plain.scale_to_zero);
    const auto own = scaling_policy({.target_burst_capacity = 0,
                                     .min_scale = 0,
                                     .max_scale = 2,
                                     .initial_scale = 0,
                                     .activation_scale = 2,
                                     .window = 6s,
                                     .panic_window_percentage = 1,
                                     .scale_down_delay = 1min},
                                    config, 0);
    EXPECT_EQ(own.min_scale, 0);
    EXPECT_EQ(own.max_scale, 2);
    EXPECT_EQ(own.initial_scale, 1) << "zero is not allowed here any more";
    EXPECT_EQ(own.activation_scale, 2);
    EXPECT_EQ(own.panic_window, 1s) << "never shorter than one bucket";
    EXPECT_EQ(own.target_burst_capacity, 0);
    EXPECT_EQ(own.scale_down_delay, 1min);
}

}  // namespace
}  // namespace tidemill::model
