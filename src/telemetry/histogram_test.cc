#include "telemetry/histogram.h"

#include <gtest/gtest.h>

#include <algorithm>
#include <cmath>
#include <random>
#include <vector>

namespace tidemill::telemetry {
namespace {

TEST(HistogramShape, BucketsTileAllValuesWithinTheErrorBound) {
    for (const unsigned precision : {1U, 5U, 6U, 7U}) {
        const HistogramShape shape{.precision_bits = precision, .value_bits = 20};
        std::uint64_t expected = 0;
        for (std::size_t i = 0; i < shape.bucket_count(); ++i) {
            const auto low = shape.lowest_of(i);
            const auto high = shape.highest_of(i);
            ASSERT_EQ(low, expected) << "bucket " << i;
            ASSERT_EQ(shape.bucket_of(low), i);
            ASSERT_EQ(shape.bucket_of(high), i);
            const double half = static_cast<double>(high - low) / 2;
            ASSERT_LE(half, static_cast<double>(low) / std::exp2(precision + 1));
            expected = high + 1;
        }
        EXPECT_EQ(expected, shape.value_max() + 1);
        EXPECT_EQ(shape.bucket_of(UINT64_MAX), shape.bucket_count() - 1);
    }
}

TEST(Histogram, QuantilesAreWithinOnePercentOfTheTruth) {
    std::mt19937_64 random(7);
    std::lognormal_distribution<double> spread(8, 2);
    Histogram histogram;
    std::vector<std::uint64_t> all;
    for (int i = 0; i < 50'000; ++i) {
        const auto value = static_cast<std::uint64_t>(spread(random));
        all.push_back(value);
        histogram.record(value);
    }
    std::ranges::sort(all);
    const auto snapshot = histogram.snapshot();
    for (const double q : {0.001, 0.1, 0.5, 0.9, 0.99, 0.999, 1.0}) {
        const auto rank = static_cast<std::size_t>(std::ceil(q * 50'000)) - 1;
        const auto truth = static_cast<double>(all[rank]);
        EXPECT_NEAR(static_cast<double>(snapshot.quantile(q)), truth, truth * 0.01) << q;
    }
    EXPECT_EQ(snapshot.count(), 50'000U);
    EXPECT_EQ(snapshot.max(), all.back());
    std::uint64_t sum = 0;
    for (const auto value : all) {
        sum += value;
    }
    EXPECT_EQ(snapshot.sum(), sum);
}

TEST(Histogram, MergingIsTheSameAsRecordingInOne) {
    std::mt19937_64 random(9);
    Histogram one;
    Histogram parts[3];
    for (int i = 0; i < 10'000; ++i) {
        const auto value = random() >> (random() % 64);
        one.record(value);
        parts[i % 3].record(value);
    }
    auto merged = parts[0].snapshot();
    merged.merge(parts[1].snapshot());
    merged.merge(parts[2].snapshot());
    const auto whole = one.snapshot();
    EXPECT_EQ(merged.count(), whole.count());
    EXPECT_EQ(merged.sum(), whole.sum());
    EXPECT_EQ(merged.max(), whole.max());
    for (double q = 0; q <= 1; q += 0.01) {
        EXPECT_EQ(merged.quantile(q), whole.quantile(q));
    }
}

TEST(Histogram, OfNothingHasZeros) {
    const auto empty = Histogram().snapshot();
    EXPECT_EQ(empty.quantile(0.5), 0U);
    EXPECT_EQ(empty.count_up_to(UINT64_MAX), 0U);
}

TEST(Histogram, AQuantileIsNeverAboveTheLargestValue) {
    Histogram histogram;
    histogram.record(1'000'001);
    EXPECT_LE(histogram.snapshot().quantile(1.0), 1'000'001U);
    EXPECT_GE(histogram.snapshot().quantile(1.0), 992'000U);
}

}  // namespace
}  // namespace tidemill::telemetry
