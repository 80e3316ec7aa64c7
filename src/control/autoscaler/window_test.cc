#include "control/autoscaler/window.h"

#include <gtest/gtest.h>

#include <vector>

namespace tidemill::control {
namespace {

using namespace std::chrono_literals;

// Not on a whole second: nothing may depend on it.
constexpr base::Instant start{1'000'000'000'400'000'000};

LoadWindow filled(base::Duration span, Aggregation aggregation, int seconds) {
    LoadWindow window(span, aggregation);
    for (int second = 0; second < seconds; ++second) {
        window.record(start + second * 1s, second + 1);
    }
    return window;
}

// The figures of these tests are those of knative/serving pkg/autoscaler/aggregation tests.
TEST(LoadWindow, DividesByTheSecondsElapsedNotByTheWindow) {
    LoadWindow window(5s, Aggregation::linear);
    EXPECT_TRUE(window.empty(start));
    EXPECT_EQ(window.average(start), 0);
    window.record(start, 1);
    EXPECT_EQ(window.average(start), 1);
    window.record(start + 100ms, 10);
    EXPECT_EQ(window.average(start), 11);
}

TEST(LoadWindow, FollowsTheWindowThroughHolesAndLateReports) {
    auto window = filled(5s, Aggregation::linear, 5);
    EXPECT_EQ(window.average(start + 4s), 15.0 / 5);
    EXPECT_EQ(window.average(start + 3600ms), 15.0 / 5) << "asked for a moment before the last";
    EXPECT_EQ(window.average(start + 6s), (15.0 - 1 - 2) / (5 - 2)) << "two silent seconds";
    EXPECT_EQ(window.average(start + 10s), 0) << "silent for longer than the window";

    window.record(start + 6s, 91);
    EXPECT_EQ(window.average(start + 6s), (15.0 - 1 - 2 + 91) / 5) << "the hole counts as zero";

    auto now = start + 1min;
    window.record(now, 1984);
    EXPECT_EQ(window.average(now), 1984) << "after a whole silent window it begins anew";
    window.record(now - 3s, 4);
    EXPECT_EQ(window.average(now), (4.0 + 1984) / 4) << "a late report moves the beginning back";
    now = now + 1s;
    window.record(now, 5);
    EXPECT_EQ(window.average(now), (4.0 + 1984 + 5) / 5);
    window.record(now - 3s, 10);
    EXPECT_EQ(window.average(now), (4.0 + 10 + 1984 + 5) / 5);
    window.record(now - 6s, 10);
    window.record(now - 5s, 10);
    EXPECT_EQ(window.average(now), (4.0 + 10 + 1984 + 5) / 5) << "older than the window: ignored";
    window.record(now + 5s, 10);
    EXPECT_EQ(window.average(now + 5s), 10) << "silent for exactly the window";
}

TEST(LoadWindow, ReportsInDescendingOrderAverageTheSame) {
    LoadWindow window(5s, Aggregation::linear);
    for (int second = 8; second >= 0; --second) {
        window.record(start + second * 1s, 5);
    }
    EXPECT_EQ(window.average(start + 5s), 5);
}

TEST(LoadWindow, RoundsToSixDigits) {
    LoadWindow window(3s, Aggregation::linear);
    window.record(start, 1);
    window.record(start + 2s, 0);
    EXPECT_EQ(window.average(start + 2s), 0.333333);
}

TEST(LoadWindow, WeightsRecentSecondsMore) {
    const double m = smoothing_of(5);
    LoadWindow window(5s, Aggregation::weighted_exponential);
    window.record(start, 2);
    double want = 2 * m;
    EXPECT_EQ(window.average(start), want);
    want *= 1 - m;
    EXPECT_EQ(window.average(start + 1s), want) << "a silent second";
    window.record(start + 1s, 2);
    want += 2 * m;
    EXPECT_DOUBLE_EQ(window.average(start + 1s), want);
    for (int second = 2; second < 7; ++second) {
        window.record(start + second * 1s, second);
    }
    want = 0;
    double weight = m;
    for (int value = 6; value >= 2; --value) {
        want += value * weight;
        weight *= 1 - m;
    }
    EXPECT_DOUBLE_EQ(window.average(start + 6s), want);
    EXPECT_EQ(window.average(start + 16s), 0) << "silent for longer than the window";
}

TEST(LoadWindow, SmoothingFollowsTheWindowDownToItsLeast) {
    EXPECT_EQ(smoothing_of(100), 0.2);
    EXPECT_EQ(smoothing_of(60), 0.2);
    EXPECT_NEAR(smoothing_of(40), 0.20567, 1e-5);
    EXPECT_NEAR(smoothing_of(6), 0.78456, 1e-5);
}

TEST(LoadWindow, ResizingKeepsWhatFits) {
    auto window = filled(5s, Aggregation::linear, 6);
    auto now = start + 5s;
    EXPECT_EQ(window.average(now), 20.0 / 5);
    window.resize(10s, now);
    EXPECT_EQ(window.average(now), 20.0 / 5) << "the average does not change: still five seconds";
    now = now + 1s;
    window.record(now, 7);
    EXPECT_EQ(window.average(now), 27.0 / 6);
    window.resize(4s, now);
    EXPECT_EQ(window.average(now), (4.0 + 5 + 6 + 7) / 4);
    window.resize(20s, now + 1min);
    EXPECT_EQ(window.average(now + 1min), 0) << "nothing recent: nothing is kept";
    EXPECT_TRUE(window.empty(now + 1min));
}

TEST(LoadWindow, WorksFromTheFirstMomentsOfAClock) {
    LoadWindow window(5s, Aggregation::linear);
    window.record(base::Instant{0}, 3);
    window.record(base::Instant{1'000'000'000}, 5);
    window.resize(8s, base::Instant{1'000'000'000});
    EXPECT_EQ(window.average(base::Instant{1'000'000'000}), 8.0 / 5);
}

struct MaximumCase {
    const char* name;
    std::vector<std::int32_t> values;
    std::vector<std::int32_t> want;
    int pause_before = -1;  // this value comes three steps later
};

TEST(MaximumWindow, Table) {
    const MaximumCase cases[] = {
        {"one value", {1}, {1}},
        {"rising values", {1, 2}, {1, 2}},
        {"falling values", {2, 1}, {2, 2}},
        {"up, down, up", {1, 2, 1}, {1, 2, 2}},
        {"the largest leaves the window", {5, 6, 5, 5, 5, 5, 5}, {5, 6, 6, 6, 6, 6, 5}},
        {"the largest leaves in a pause", {6, 5, 2, 1}, {6, 6, 6, 2}, 3},
        {"a smaller peak takes over", {5, 8, 5, 7, 5, 5, 1}, {5, 8, 8, 8, 8, 8, 7}},
        {"a long row",
         {5, 8, 5, 7, 5, 5, 1, 4, 4, 4, 4, 9, 3, 4, 2, 1, 0},
         {5, 8, 8, 8, 8, 8, 7, 7, 5, 5, 4, 9, 9, 9, 9, 9, 4}},
    };
    for (const auto& c : cases) {
        MaximumWindow window(5s, 1s);
        std::vector<std::int32_t> got;
        for (std::size_t i = 0; i < c.values.size(); ++i) {
            const bool paused = c.pause_before >= 0 && static_cast<int>(i) >= c.pause_before;
            const auto at = start + static_cast<std::int64_t>(i + (paused ? 3 : 0)) * 1s;
            window.record(at, c.values[i]);
            got.push_back(window.current(at).value_or(-1));
        }
        EXPECT_EQ(got, c.want) << c.name;
    }
}

TEST(MaximumWindow, KeepsTheLargerOfOneStep) {
    MaximumWindow window(5s, 1s);
    window.record(start, 6);
    window.record(start + 500ms, 5);
    EXPECT_EQ(window.current(start + 500ms), 6);
    EXPECT_EQ(window.current(start + 6s), std::nullopt);
}

}  // namespace
}  // namespace tidemill::control
