#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <array>
#include <string>
#include <vector>

#include "mesh/balance.h"
#include "mesh/patience.h"
#include "mesh/route_table.h"

namespace tidemill::mesh {
namespace {

using namespace std::chrono_literals;
using ::testing::HasSubstr;

RevisionRule revision(const char* name) {
    RevisionRule rule;
    rule.name = name;
    return rule;
}
HostSpec host(const char* name, std::vector<HostSpec::Share> shares) {
    return {name, "default/app", "app", "", std::move(shares)};
}

TEST(RouteTable, a_host_is_found_in_any_case_with_a_port_or_a_final_dot) {
    TableBuilder builder;
    builder.begin(1, TableBuilder::Mode::replace);
    builder.put(revision("a/r1"));
    builder.put(host("app.a.localhost", {{"a/r1", 100}}));
    builder.put(host("[::1]", {{"a/r1", 100}}));
    const auto table = *builder.commit(1);
    for (const auto* name : {"app.a.localhost", "APP.a.LocalHost", "app.a.localhost:8080",
                             "app.a.localhost.", "app.a.localhost.:80", "[::1]:8080"}) {
        EXPECT_NE(table->find(name), nullptr) << name;
    }
    for (const auto* name : {"", "app", "app.a.localhostx", "xapp.a.localhost", "[::2]"}) {
        EXPECT_EQ(table->find(name), nullptr) << name;
    }
    EXPECT_EQ(table->find(std::string(400, 'a')), nullptr);
    EXPECT_EQ(RouteTable().find("app"), nullptr);
}

TEST(RouteTable, ten_thousand_hosts_are_each_found) {
    TableBuilder builder;
    builder.begin(1, TableBuilder::Mode::replace);
    builder.put(revision("a/r1"));
    for (int i = 0; i < 10'000; ++i) {
        builder.put(host(("s" + std::to_string(i) + ".a.localhost").c_str(), {{"a/r1", 100}}));
    }
    const auto table = *builder.commit(1);
    for (int i = 0; i < 10'000; ++i) {
        const auto name = "s" + std::to_string(i) + ".a.localhost";
        ASSERT_NE(table->find(name), nullptr);
        ASSERT_EQ(table->find(name)->host, name);
    }
}

TEST(RouteTable, a_change_is_taken_whole_or_not_at_all) {
    TableBuilder builder;
    builder.begin(1, TableBuilder::Mode::replace);
    builder.put(revision("a/r1"));
    builder.put(host("x", {{"a/r1", 100}}));
    ASSERT_TRUE(builder.commit(1));
    struct Case {
        const char* name;
        HostSpec bad;
        const char* says;
    };
    const Case cases[] = {
        {"percents must sum to 100", host("y", {{"a/r1", 99}}), "percents sum to 99"},
        {"a target must be a revision", host("y", {{"a/r2", 100}}), "a/r2 is not a revision"},
        {"a host has no port", host("y:80", {{"a/r1", 100}}), "y:80"},
        {"a host is lower case", host("Y", {{"a/r1", 100}}), "\"Y\""},
        {"a host has a name", host("", {{"a/r1", 100}}), "\"\""},
    };
    std::uint64_t version = 2;
    for (const auto& c : cases) {
        builder.begin(version, TableBuilder::Mode::change);
        builder.put(host("z", {{"a/r1", 100}}));
        builder.put(c.bad);
        const auto result = builder.commit(version++);
        ASSERT_FALSE(result) << c.name;
        EXPECT_THAT(result.error().message, HasSubstr(c.says)) << c.name;
    }
    builder.begin(version, TableBuilder::Mode::change);
    const auto table = *builder.commit(version);
    EXPECT_NE(table->find("x"), nullptr);
    EXPECT_EQ(table->find("z"), nullptr);
    EXPECT_FALSE(builder.commit(version));  // begun once, committed once
}

TEST(RouteTable, a_change_adds_and_takes_away_and_a_replacement_begins_anew) {
    TableBuilder builder;
    builder.begin(1, TableBuilder::Mode::replace);
    builder.put(revision("a/r1"));
    builder.put(host("x", {{"a/r1", 100}}));
    builder.put(host("y", {{"a/r1", 100}}));
    ASSERT_TRUE(builder.commit(1));
    builder.begin(2, TableBuilder::Mode::change);
    builder.erase_host("x");
    builder.erase_revision("a/r0");
    auto table = *builder.commit(2);
    EXPECT_EQ(table->find("x"), nullptr);
    EXPECT_NE(table->find("y"), nullptr);
    builder.begin(3, TableBuilder::Mode::change);
    builder.erase_revision("a/r1");
    EXPECT_FALSE(builder.commit(3));  // y still needs it
    builder.begin(4, TableBuilder::Mode::replace);
    table = *builder.commit(4);
    EXPECT_EQ(table->find("y"), nullptr);
}

TEST(RouteTable, a_revision_keeps_its_place_and_a_change_says_which_places_differ) {
    TableBuilder builder;
    builder.begin(1, TableBuilder::Mode::replace);
    for (int i = 0; i < 200; ++i) {
        builder.put(revision(("a/r" + std::to_string(i)).c_str()));
    }
    builder.put(host("x", {{"a/r7", 100}}));
    const auto first = *builder.commit(1);
    EXPECT_EQ(first->places_changed_since(RouteTable()).size(), 200);
    EXPECT_EQ(first->host_count(), 1);
    const auto place = first->find("x")->targets.front().revision;
    ASSERT_EQ(first->revision(place)->name, "a/r7");

    builder.begin(2, TableBuilder::Mode::change);
    auto slower = revision("a/r7");
    slower.timeout = 7s;
    builder.put(slower);
    builder.erase_revision("a/r8");
    const auto second = *builder.commit(2);
    EXPECT_EQ(second->places_changed_since(*first).size(), 2);
    EXPECT_EQ(second->revision(place)->timeout, 7s);
    EXPECT_EQ(first->revision(place)->timeout, 300s);  // who still reads it sees what it was
    EXPECT_EQ(second->find("x"), first->find("x"));    // shared, since it is the same

    // A place that became free is given again; those who look at the difference see who is new.
    builder.begin(3, TableBuilder::Mode::change);
    builder.put(revision("b/r1"));
    builder.put(host("y", {{"b/r1", 100}}));
    const auto third = *builder.commit(3);
    const auto changed = third->places_changed_since(*second);
    ASSERT_EQ(changed.size(), 1);
    EXPECT_EQ(third->revision(changed.front())->name, "b/r1");
    EXPECT_EQ(third->find("y")->targets.front().revision, changed.front());
    EXPECT_EQ(third->places(), second->places());

    // The same again, as from a control that began anew: every place is as it was.
    builder.begin(4, TableBuilder::Mode::replace);
    builder.put(revision("a/r7"));
    builder.put(host("x", {{"a/r7", 100}}));
    const auto fourth = *builder.commit(4);
    EXPECT_EQ(fourth->find("x")->targets.front().revision, place);
    EXPECT_EQ(fourth->find("y"), nullptr);
    EXPECT_EQ(fourth->revision(changed.front()), nullptr);
}

TEST(RouteTable, a_revision_goes_with_its_last_host_or_after_it) {
    TableBuilder builder;
    builder.begin(1, TableBuilder::Mode::replace);
    builder.put(revision("a/r1"));
    builder.put(revision("a/r2"));
    builder.put(host("x", {{"a/r1", 50}, {"a/r2", 50}}));
    builder.put(host("y", {{"a/r1", 100}}));
    ASSERT_TRUE(builder.commit(1));
    std::uint64_t version = 2;
    const auto change = [&](std::vector<HostSpec> hosts, std::vector<const char*> gone_hosts) {
        builder.begin(version, TableBuilder::Mode::change);
        for (auto& it : hosts) {
            builder.put(std::move(it));
        }
        for (const auto* name : gone_hosts) {
            builder.erase_host(name);
        }
        builder.erase_revision("a/r1");
        return builder.commit(version++).has_value();
    };
    EXPECT_FALSE(change({}, {}));
    EXPECT_FALSE(change({}, {"x"}));                            // y stays
    EXPECT_FALSE(change({host("x", {{"a/r2", 100}})}, {}));     // y stays
    EXPECT_FALSE(change({host("x", {{"a/r1", 100}})}, {"y"}));  // x still leads to it
    EXPECT_TRUE(change({host("x", {{"a/r2", 100}})}, {"y"}));   // nobody does
    EXPECT_TRUE(change({}, {"x"}));                             // gone twice is gone
}

TEST(RouteTable, a_table_has_a_largest_size) {
    TableBuilder builder(1, 1);
    builder.begin(1, TableBuilder::Mode::replace);
    builder.put(revision("a/r1"));
    builder.put(host("x", {{"a/r1", 100}}));
    builder.put(host("y", {{"a/r1", 100}}));
    EXPECT_EQ(builder.commit(1).error().code, base::Code::exhausted);
}

TEST(Split, ten_to_ninety_is_kept_within_five_standard_deviations) {
    HostRule rule;
    rule.targets = {{0, 10}, {1, 90}};
    std::uint64_t state = 42;
    int first = 0;
    constexpr int draws = 100'000;
    for (int i = 0; i < draws; ++i) {
        // splitmix64, https://prng.di.unimi.it/splitmix64.c
        std::uint64_t z = (state += 0x9e3779b97f4a7c15U);
        z = (z ^ (z >> 30U)) * 0xbf58476d1ce4e5b9U;
        z = (z ^ (z >> 27U)) * 0x94d049bb133111ebU;
        first += choose_target(rule, z ^ (z >> 31U)).revision == 0 ? 1 : 0;
    }
    EXPECT_NEAR(first, 10'000, 5 * 95);  // sqrt(100000 * 0.1 * 0.9) = 95
}

TEST(Split, nothing_goes_to_zero_percent) {
    HostRule rule;
    rule.targets = {{0, 0}, {1, 100}, {2, 0}};
    for (const std::uint64_t random : {std::uint64_t{0}, UINT64_MAX, UINT64_MAX / 2}) {
        EXPECT_EQ(choose_target(rule, random).revision, 1U);
    }
}

std::optional<std::size_t> pick_of(const std::vector<Load>& loads, std::uint32_t concurrency,
                                   std::uint64_t random, std::uint32_t turn) {
    std::vector<const Load*> pointers;
    for (const auto& load : loads) {
        pointers.push_back(&load);
    }
    return pick(pointers, concurrency, base::Instant{1000}, random, turn);
}
Load ready(std::uint32_t in_flight) {
    return {.state = EndpointState::ready, .in_flight = in_flight};
}

TEST(Balance, Table) {
    const Load starting{.state = EndpointState::starting};
    const Load draining{.state = EndpointState::draining};
    Load ejected = ready(0);
    ejected.ejected_until = base::Instant{1001};
    Load readmitted = ready(0);
    readmitted.ejected_until = base::Instant{1000};
    struct Case {
        const char* name;
        std::vector<Load> loads;
        std::uint32_t concurrency;
        std::uint32_t turn;
        std::optional<std::size_t> want;
    };
    const Case cases[] = {
        {"nobody is there", {}, 0, 0, {}},
        {"one is ready", {ready(9)}, 0, 0, 0},
        {"starting gets nothing", {starting}, 0, 0, {}},
        {"draining gets nothing", {draining, draining}, 0, 0, {}},
        {"ejected gets nothing", {ejected, ejected}, 0, 0, {}},
        {"an ejection ends at its time", {readmitted}, 0, 0, 0},
        {"the only ready one is found among others",
         {starting, draining, ready(3), ejected},
         0,
         0,
         2},
        {"the less busy of two", {ready(5), ready(4)}, 0, 0, 1},
        {"one is full at its concurrency", {ready(1)}, 1, 0, {}},
        {"up to three: the first that is free", {ready(1), ready(0), ready(0)}, 1, 2, 1},
        {"up to three: the first even if busier", {ready(2), ready(0)}, 3, 1, 0},
        {"above three: the least busy", {ready(3), ready(1), ready(2)}, 10, 0, 1},
        {"above three: equals take turns", {ready(1), ready(1), ready(1)}, 10, 4, 1},
        {"above three: full ones are passed over", {ready(4), ready(4), ready(3)}, 4, 0, 2},
    };
    for (const auto& c : cases) {
        for (const std::uint64_t random : {0ULL, 1ULL << 32U, (7ULL << 32U) + 5, ~0ULL}) {
            EXPECT_EQ(pick_of(c.loads, c.concurrency, random, c.turn), c.want) << c.name;
        }
    }
}

TEST(Balance, two_choices_reach_every_endpoint) {
    std::array<int, 4> hits{};
    const std::vector<Load> loads(4, ready(0));
    for (std::uint64_t i = 0; i < 1000; ++i) {
        hits[*pick_of(loads, 0, i * 0x9e3779b97f4a7c15U, 0)] += 1;
    }
    for (const int hit : hits) {
        EXPECT_GT(hit, 100);
    }
}

TEST(Balance, an_ejection_doubles_up_to_ten_seconds_and_ends_with_an_answer) {
    Load load = ready(0);
    eject(load, base::Instant{0});
    EXPECT_EQ(load.ejected_until, base::Instant{0} + 100ms);
    eject(load, base::Instant{0});
    EXPECT_EQ(load.ejected_until, base::Instant{0} + 200ms);
    for (int i = 0; i < 50; ++i) {
        eject(load, base::Instant{0});
    }
    EXPECT_EQ(load.ejected_until, base::Instant{0} + 10s);
    readmit(load);
    EXPECT_TRUE(may_serve(load, 0, base::Instant{0}));
}

TEST(Retry, Table) {
    using F = FailedAttempt;
    struct Case {
        const char* name;
        F attempt;
        bool want;
    };
    const Case cases[] = {
        {"no connection came about", {.stage = F::Stage::connect, .attempts = 99}, true},
        {"a POST that was not written", {.stage = F::Stage::before_answer}, true},
        {"a GET whose connection ended without an answer",
         {.stage = F::Stage::before_answer, .bytes_sent = 9, .effect = F::Effect::idempotent},
         true},
        {"a GET that two instances died with",
         {.stage = F::Stage::before_answer,
          .bytes_sent = 9,
          .effect = F::Effect::idempotent,
          .attempts = 2},
         true},
        {"a GET that three instances died with",
         {.stage = F::Stage::before_answer,
          .bytes_sent = 9,
          .effect = F::Effect::idempotent,
          .attempts = 3},
         false},
        {"a POST that was written may have run",
         {.stage = F::Stage::before_answer, .bytes_sent = 9, .effect = F::Effect::may_change},
         false},
        {"the answer had begun",
         {.stage = F::Stage::within_answer, .effect = F::Effect::idempotent},
         false},
        {"the body is no longer here",
         {.stage = F::Stage::before_answer, .effect = F::Effect::idempotent, .copy = F::Copy::lost},
         false},
        {"three times is enough", {.stage = F::Stage::before_answer, .attempts = 3}, false},
    };
    for (const auto& c : cases) {
        RetryBudget budget;
        EXPECT_EQ(may_retry(c.attempt, 3, budget, base::Instant{0}), c.want) << c.name;
    }
}

TEST(Retry, the_first_re_send_is_free_and_further_ones_have_a_budget) {
    using F = FailedAttempt;
    F attempt{.stage = F::Stage::before_answer, .bytes_sent = 9, .effect = F::Effect::idempotent};
    RetryBudget budget;
    const base::Instant begin{0};
    for (int i = 0; i < 1000; ++i) {
        EXPECT_TRUE(may_retry(attempt, 3, budget, begin));
    }
    attempt.attempts = 2;
    const auto granted_at = [&](base::Instant now) {
        int granted = 0;
        while (may_retry(attempt, 3, budget, now)) {
            ++granted;
        }
        return granted;
    };
    EXPECT_EQ(granted_at(begin), 100);
    EXPECT_EQ(granted_at(begin + std::chrono::seconds(1)), 10);
    EXPECT_EQ(granted_at(begin + std::chrono::hours(1)), 100);
    attempt.stage = F::Stage::connect;
    EXPECT_TRUE(may_retry(attempt, 3, budget, begin + std::chrono::hours(1)));
}

TEST(Patience, each_clock_counts_from_the_first_moment_and_the_idle_one_from_the_last_byte) {
    RevisionRule rule;
    rule.timeout = 10s;
    rule.response_start_timeout = 5s;
    rule.idle_timeout = 2s;
    const base::Instant begun{1'000'000'000};
    Patience patience(rule, begun);
    using Clock = Patience::Clock;
    EXPECT_EQ(patience.next(begun), begun + 2s);
    EXPECT_EQ(patience.expired(begun + 2s, begun), Clock::idle);
    EXPECT_EQ(patience.next(begun + 4s), begun + 5s);
    EXPECT_EQ(patience.expired(begun + 5s, begun + 4s), Clock::response_start);
    patience.answer_began();
    EXPECT_EQ(patience.expired(begun + 5s, begun + 4s), Clock::none);
    EXPECT_EQ(patience.next(begun + 9s), begun + 10s);
    EXPECT_EQ(patience.expired(begun + 10s, begun + 9s), Clock::whole);
    patience.upgraded();
    EXPECT_EQ(patience.expired(begun + 1h, begun + 1h - 1s), Clock::none);
    EXPECT_EQ(patience.expired(begun + 1h, begun + 1h - 2s), Clock::idle);
}

}  // namespace
}  // namespace tidemill::mesh
