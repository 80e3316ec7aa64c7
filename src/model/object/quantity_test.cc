#include "model/object/quantity.h"

#include <gtest/gtest.h>

namespace tidemill::model {
namespace {

TEST(Quantity, ReadsAndWritesCanonically) {
    struct Case {
        const char* text;
        const char* canonical;
        std::int64_t value;
        std::int64_t milli;
    };
    constexpr auto max = std::numeric_limits<std::int64_t>::max();
    const Case cases[] = {
        {"0", "0", 0, 0},
        {"1000m", "1", 1, 1000},
        {"1500m", "1500m", 2, 1500},
        {"1.5", "1500m", 2, 1500},
        {".5", "500m", 1, 500},
        {"5.", "5", 5, 5000},
        {"+1", "1", 1, 1000},
        {"-1.5", "-1500m", -1, -1500},
        {"128Mi", "128Mi", 134'217'728, 134'217'728'000},
        {"1.5Gi", "1536Mi", 1'610'612'736, 1'610'612'736'000},
        {"1024Mi", "1Gi", 1'073'741'824, 1'073'741'824'000},
        {"0.5Ki", "512", 512, 512'000},
        {"0.1Ki", "102400m", 103, 102'400},
        {"1025", "1025", 1025, 1'025'000},
        {"1k", "1k", 1000, 1'000'000},
        {"1000k", "1M", 1'000'000, 1'000'000'000},
        {"1e3", "1e3", 1000, 1'000'000},
        {"1E3", "1e3", 1000, 1'000'000},
        {"12e-1", "1200e-3", 2, 1200},
        {"100n", "100n", 1, 1},
        {"0.1n", "1n", 1, 1},
        {"1u", "1u", 1, 1},
        {"9E", "9E", 9'000'000'000'000'000'000, max},
        {"100E", "9223372036854775807", max, max},
        {"8Ei", "9223372036854775807", max, max},
        {"1e99", "9223372036854775807", max, max},
        {"1e-99", "1e-9", 1, 1},
    };
    for (const auto& c : cases) {
        const auto quantity = Quantity::parse(c.text);
        ASSERT_TRUE(quantity) << c.text << ": " << quantity.error().message;
        EXPECT_EQ(quantity->text(), c.canonical) << c.text;
        EXPECT_EQ(quantity->value(), c.value) << c.text;
        EXPECT_EQ(quantity->milli_value(), c.milli) << c.text;
    }
}

TEST(Quantity, WhatIsWrittenReadsTheSame) {
    for (const auto* text :
         {"1500m", "1536Mi", "1e3", "7", "102400m", "1n", "9223372036854775807"}) {
        EXPECT_EQ(Quantity::parse(text)->text(), text);
    }
}

TEST(Quantity, RefusesWhatIsNone) {
    for (const auto* text : {"", "m", "1 Mi", "1mi", "1.2.3", "--1", "1e", "1e1.5", "1KB", "0x1",
                             ".", "+", "1e+-2", "abc"}) {
        EXPECT_FALSE(Quantity::parse(text)) << text;
    }
    EXPECT_FALSE(Quantity::from_json(true));
}

TEST(Quantity, ComparesByAmount) {
    EXPECT_EQ(*Quantity::parse("1"), *Quantity::parse("1000m"));
    EXPECT_LT(*Quantity::parse("1G"), *Quantity::parse("1Gi"));
    EXPECT_EQ(Quantity::from_json(2)->text(), "2");
    EXPECT_EQ(Quantity::from_json(0.5)->text(), "500m");
}

}  // namespace
}  // namespace tidemill::model
