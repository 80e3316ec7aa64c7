#include "agent/eviction.h"

#include <gtest/gtest.h>

#include <algorithm>

namespace tidemill::agent {
namespace {

using namespace std::chrono_literals;
using Names = std::vector<std::string>;

constexpr std::uint64_t mib = 1 << 20;

TEST(Eviction, NothingGoesWhileAllFit) {
    Eviction eviction(100 * mib);
    eviction.add("a", {.bytes = 50 * mib});
    eviction.add("b", {.bytes = 50 * mib});
    EXPECT_EQ(eviction.take_surplus(), Names{});
    EXPECT_EQ(eviction.bytes(), 100 * mib);
}

TEST(Eviction, WhatIsWorthLeastPerByteGoesFirst) {
    struct Case {
        const char* name;
        Eviction::Frozen a;
        Eviction::Frozen b;
        Names want;
    };
    const Case cases[] = {
        {"the larger", {60 * mib, 1, 10ms}, {50 * mib, 1, 10ms}, {"a"}},
        {"the cheaper to start", {60 * mib, 1, 500ms}, {50 * mib, 1, 10ms}, {"b"}},
        {"the one used less", {60 * mib, 9, 10ms}, {50 * mib, 1, 10ms}, {"b"}},
    };
    for (const auto& each : cases) {
        Eviction eviction(100 * mib);
        eviction.add("a", each.a);
        eviction.add("b", each.b);
        EXPECT_EQ(eviction.take_surplus(), each.want) << each.name;
        EXPECT_EQ(eviction.take_surplus(), Names{}) << each.name;
    }
}

TEST(Eviction, WhatWasPopularOnceGoesInTheEnd) {
    Eviction eviction(2 * mib);
    eviction.add("old", {.bytes = mib, .uses = 20, .start_took = 10ms});
    int rounds = 0;
    for (bool is_there = true; is_there && rounds < 100; ++rounds) {
        eviction.add("new" + std::to_string(rounds), {.bytes = mib, .uses = 5, .start_took = 10ms});
        const auto gone = eviction.take_surplus();
        is_there = std::ranges::find(gone, "old") == gone.end();
    }
    EXPECT_GT(rounds, 2);
    EXPECT_LT(rounds, 20);
}

TEST(Eviction, OneLargerThanEverythingGoesAlone) {
    Eviction eviction(mib);
    eviction.add("huge", {.bytes = 9 * mib});
    EXPECT_EQ(eviction.take_surplus(), Names{"huge"});
    EXPECT_EQ(eviction.bytes(), 0U);
}

TEST(Eviction, TheForgottenAndTheRepeatedCountOnce) {
    Eviction eviction(10 * mib);
    eviction.add("a", {.bytes = 4 * mib});
    eviction.add("a", {.bytes = 6 * mib});
    EXPECT_EQ(eviction.bytes(), 6 * mib);
    eviction.forget("a");
    eviction.forget("a");
    EXPECT_EQ(eviction.bytes(), 0U);
    EXPECT_EQ(eviction.size(), 0U);
}

}  // namespace
}  // namespace tidemill::agent
