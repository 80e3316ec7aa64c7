// Requests that wait: for an instance, for a slot, and what ends their waiting.
#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <set>

#include "async/scope.h"
#include "proxy/world_test.h"

namespace tidemill::proxy::testing {
namespace {

using namespace std::chrono_literals;
using mesh::EndpointState;
using ::testing::ElementsAre;
using ::testing::HasSubstr;
using ::testing::IsEmpty;
using ::testing::Pair;
using ::testing::StartsWith;

mesh::RevisionRule rule(std::uint32_t concurrency, base::Duration timeout = 300s) {
    mesh::RevisionRule rule;
    rule.container_concurrency = concurrency;
    rule.timeout = timeout;
    return rule;
}

TEST(Hold, at_zero_a_request_wakes_its_revision_at_once_and_is_answered_when_it_is_ready) {
    World world;
    world.route();
    auto client = world.connect();
    world.say(*client, simple_get);
    EXPECT_THAT(world.reports.wakes, ElementsAre(Pair("default/app-1", 1U)));
    EXPECT_EQ(world.hear(*client), "");
    world.loop.run_for(50ms);
    world.endpoints(1);
    EXPECT_THAT(world.hear(world.instance(0)), StartsWith("GET /a?b=c"));
    world.loop.run_for(20ms);
    world.say(world.instance(0), simple_ok);
    EXPECT_EQ(world.hear(*client), simple_ok);
    ASSERT_EQ(world.reports.helds.size(), 1U);
    const auto& held = world.reports.helds[0];
    EXPECT_EQ(held.instance, "app-1-0");
    EXPECT_EQ(held.hold, 50ms);
    EXPECT_EQ(held.respond, 20ms);
    EXPECT_EQ(held.hold + held.connect + held.respond, held.total);
    EXPECT_THAT(world.log(), HasSubstr(R"("held_us":50000)"));
}

TEST(Hold, a_wake_is_repeated_until_an_instance_is_ready_and_not_after) {
    World world;
    world.route();
    auto client = world.connect();
    world.say(*client, simple_get);
    world.loop.run_for(1'050ms);
    EXPECT_EQ(world.reports.wakes.size(), 11U);
    world.endpoints(1);
    world.loop.run_for(5s);
    EXPECT_EQ(world.reports.wakes.size(), 11U);
}

TEST(Hold, a_growing_queue_is_told_each_time_that_it_has_doubled) {
    World world;
    world.route();
    std::vector<std::unique_ptr<Party>> clients;
    for (int i = 0; i < 9; ++i) {
        clients.push_back(world.connect());
        world.say(*clients.back(), simple_get);
    }
    std::vector<std::uint32_t> counts;
    for (const auto& [revision, count] : world.reports.wakes) {
        counts.push_back(count);
    }
    EXPECT_THAT(counts, ElementsAre(1U, 2U, 4U, 8U));
}

TEST(Hold, a_starting_instance_gets_nothing) {
    World world;
    world.route();
    world.endpoints(1, EndpointState::starting);
    auto client = world.connect();
    world.say(*client, simple_get);
    EXPECT_EQ(world.network.connects, 0U);
    EXPECT_EQ(world.reports.wakes.size(), 1U);
}

TEST(Hold, those_who_wait_are_served_in_the_order_they_came) {
    World world;
    world.route(rule(1));
    std::vector<std::unique_ptr<Party>> clients;
    for (int i = 0; i < 4; ++i) {
        clients.push_back(world.connect());
        world.say(*clients.back(),
                  "GET /" + std::to_string(i) + " HTTP/1.1\r\nHost: app.default.localhost\r\n\r\n");
    }
    world.endpoints(1);
    for (int i = 0; i < 4; ++i) {
        EXPECT_THAT(world.hear(world.instance(0)), StartsWith("GET /" + std::to_string(i) + " "));
        world.say(world.instance(0), simple_ok);
        EXPECT_EQ(world.hear(*clients[static_cast<std::size_t>(i)]), simple_ok);
    }
}

TEST(Hold, more_than_queue_max_are_refused_with_503_and_told_to_come_back) {
    World world;
    auto limited = rule(1);
    limited.queue_max = 2;
    world.route(limited);
    auto a = world.connect();
    auto b = world.connect();
    auto c = world.connect();
    world.say(*a, simple_get);
    world.say(*b, simple_get);
    world.say(*c, simple_get);
    const auto answer = world.hear(*c);
    EXPECT_THAT(answer, StartsWith("HTTP/1.1 503 Service Unavailable\r\n"));
    EXPECT_THAT(answer, HasSubstr("\r\nRetry-After: 1\r\n"));
    EXPECT_THAT(answer, HasSubstr("\r\nX-Tidemill-Reason: TM-203\r\n"));
    EXPECT_THAT(answer, HasSubstr("pending request queue full"));
    EXPECT_FALSE(c->closed());
    EXPECT_EQ(world.hear(*a), "");
}

TEST(Hold, waiting_counts_for_the_deadline) {
    World world;
    world.route(rule(0, 10s));
    auto client = world.connect();
    world.say(*client, simple_get);
    world.loop.run_for(9'999ms);
    EXPECT_EQ(world.hear(*client), "");
    world.loop.run_for(1ms);
    const auto answer = world.hear(*client);
    EXPECT_THAT(answer, StartsWith("HTTP/1.1 504 Gateway Timeout\r\n"));
    EXPECT_THAT(answer, HasSubstr("TM-204"));
    EXPECT_THAT(answer, HasSubstr("request timeout"));
    world.endpoints(1);
    world.loop.run_for(1s);
    EXPECT_EQ(world.network.connects, 0U);
}

TEST(Hold, a_client_that_goes_leaves_the_queue_at_once) {
    World world;
    world.route(rule(1));
    auto a = world.connect();
    auto b = world.connect();
    world.say(*a, simple_get);
    world.say(*b, "GET /second HTTP/1.1\r\nHost: app.default.localhost\r\n\r\n");
    a->close();
    world.loop.run_ready();
    world.endpoints(1);
    EXPECT_THAT(world.hear(world.instance(0)), StartsWith("GET /second"));
    EXPECT_THAT(world.log(), HasSubstr("TM-213"));
}

TEST(Hold, an_instance_that_refuses_is_not_the_end_of_a_request) {
    World world;
    world.route();
    world.endpoints(1);
    world.network.close(World::address(0));
    auto client = world.connect();
    world.say(*client, simple_get);
    EXPECT_EQ(world.hear(*client), "");
    EXPECT_EQ(world.reports.wakes.size(), 1U);
    world.network.open(World::address(0));
    world.loop.run_for(100ms);  // its ejection ends
    EXPECT_THAT(world.hear(world.instance(0)), StartsWith("GET /a"));
    world.say(world.instance(0), simple_ok);
    EXPECT_EQ(world.hear(*client), simple_ok);
}

TEST(Hold, an_instance_that_refuses_is_passed_over_for_another) {
    World world;
    world.route();
    world.endpoints(2);
    world.network.close(World::address(0));
    for (int i = 0; i < 10; ++i) {
        auto client = world.connect();
        world.say(*client, simple_get);
        world.say(world.instance(1, static_cast<std::size_t>(0)), simple_ok);
        EXPECT_EQ(world.hear(*client), simple_ok);
        world.hear(world.instance(1));
    }
    EXPECT_LE(world.network.connects, 3U);
}

TEST(Drain, a_draining_instance_gets_nothing_new_and_is_reported_when_its_last_request_ends) {
    World world;
    world.route();
    world.endpoints(1);
    auto busy = world.connect();
    world.say(*busy, simple_get);
    world.endpoints(1, EndpointState::draining);
    EXPECT_THAT(world.reports.drains, IsEmpty());
    auto late = world.connect();
    world.say(*late, simple_get);
    EXPECT_EQ(world.instance_connections(0), 1U);
    world.say(world.instance(0), simple_ok);
    EXPECT_EQ(world.hear(*busy), simple_ok);
    EXPECT_THAT(world.reports.drains, ElementsAre("app-1-0"));
    EXPECT_TRUE(world.instance(0).closed());
}

TEST(Drain, an_idle_instance_is_reported_at_once_and_its_idle_connections_closed) {
    World world;
    world.route();
    world.endpoints(1);
    auto client = world.connect();
    world.say(*client, simple_get);
    world.say(world.instance(0), simple_ok);
    world.endpoints(1, EndpointState::draining);
    world.loop.run_ready();
    EXPECT_THAT(world.reports.drains, ElementsAre("app-1-0"));
    EXPECT_TRUE(world.instance(0).closed());
}

TEST(Drain, an_instance_that_is_gone_may_still_finish_what_it_has) {
    World world;
    world.route();
    world.endpoints(1);
    auto client = world.connect();
    world.say(*client, simple_get);
    world.worker->set_endpoints("default/app-1", {});
    world.say(world.instance(0), simple_ok);
    EXPECT_EQ(world.hear(*client), simple_ok);
}

TEST(Stop, what_runs_is_finished_and_idle_connections_are_closed) {
    World world;
    world.route();
    world.endpoints(1);
    auto idle = world.connect();
    auto busy = world.connect();
    world.say(*busy, simple_get);
    async::Scope scope(world.loop, 1);
    ASSERT_TRUE(scope.spawn(world.worker->stop(world.loop.now() + 10s)));
    world.loop.run_ready();
    EXPECT_TRUE(idle->closed());
    EXPECT_FALSE(busy->closed());
    world.say(world.instance(0), simple_ok);
    EXPECT_THAT(world.hear(*busy), HasSubstr("\r\nConnection: close\r\n"));
    EXPECT_TRUE(busy->closed());
    EXPECT_EQ(scope.size(), 0U);
}

TEST(Stop, what_does_not_end_is_cut_off_at_the_deadline) {
    World world;
    world.route();
    world.endpoints(1);
    auto busy = world.connect();
    world.say(*busy, simple_get);
    async::Scope scope(world.loop, 1);
    ASSERT_TRUE(scope.spawn(world.worker->stop(world.loop.now() + 10s)));
    world.loop.run_for(10s);
    EXPECT_EQ(scope.size(), 0U);
    EXPECT_TRUE(busy->closed());
}

// Clients that come, ask, wait and sometimes leave; instances that come, go, and answer late. The
// promise: no instance has two requests at once, and every patient client is answered.
struct Crowd {
    explicit Crowd(std::uint64_t seed, std::uint32_t concurrency)
        : world(World::tested(), seed),
          dice({seed, 7, seed + 9, 3}),
          concurrency_max(concurrency),
          scope(world.loop, 1000) {
        world.route(rule(concurrency, 60s));
        world.network.on_accept = [this](const std::string& address, Party& party) {
            // Destroyed with the scope, before the parties.
            static_cast<void>(scope.spawn(serve(*this, address, party)));
        };
    }
    static async::Task<void> serve(Crowd& crowd, std::string address, Party& party) {
        std::string got;
        while (true) {
            char buffer[4096];
            const auto result = party.stream().try_read(buffer, sizeof buffer);
            if (result.kind == host::IoResult::Kind::blocked) {
                co_await party.stream().readable();
                continue;
            }
            if (!result.ok()) {
                if (crowd.busy_connections.erase(&party) > 0) {
                    crowd.running[address] -= 1;
                }
                co_return;
            }
            got.append(buffer, result.bytes);
            if (!got.ends_with("\r\n\r\n")) {
                continue;
            }
            got.clear();
            crowd.busy_connections.insert(&party);
            auto& running = crowd.running[address];
            running += 1;
            crowd.worst = std::max(crowd.worst, running);
            co_await async::sleep_for(crowd.world.loop,
                                      std::chrono::milliseconds(crowd.dice.next() % 20));
            // The slot ends with the answer: from here on the proxy may send the next.
            crowd.busy_connections.erase(&party);
            crowd.running[address] -= 1;
            party.send(simple_ok);
        }
    }
    static async::Task<void> ask(Crowd& crowd) {
        co_await async::sleep_for(crowd.world.loop,
                                  std::chrono::milliseconds(crowd.dice.next() % 100));
        auto client = MemoryListener::knock(crowd.world.loop, *crowd.world.door);
        for (int i = 0; i < 3; ++i) {
            client->send(simple_get);
            auto heard = client->take();
            while (heard.empty() && !client->closed()) {
                co_await client->stream().readable();
                heard = client->take();
            }
            crowd.answered += heard == simple_ok ? 1 : 0;
            crowd.strange += heard == simple_ok ? 0 : 1;
        }
    }

    World world;
    Dice dice;
    std::uint32_t concurrency_max;
    std::map<std::string, std::uint32_t> running;
    std::set<Party*> busy_connections;
    std::uint32_t worst = 0;
    int answered = 0;
    int strange = 0;
    async::Scope scope;
};

TEST(Concurrency, one_means_one_in_every_schedule) {
    constexpr std::uint64_t seeds = 2'000;
    for (std::uint64_t seed = 0; seed < seeds; ++seed) {
        Crowd crowd(seed, 1);
        constexpr int clients = 6;
        for (int i = 0; i < clients; ++i) {
            ASSERT_TRUE(crowd.scope.spawn(Crowd::ask(crowd)));
        }
        int instances = 0;
        for (int step = 0; step < 10; ++step) {
            crowd.world.loop.run_for(10ms);
            if (crowd.dice.next() % 2 == 0 && instances < 3) {
                crowd.world.endpoints(++instances);
            }
        }
        crowd.world.endpoints(3);
        crowd.world.loop.run_for(5s);
        ASSERT_EQ(crowd.worst, 1U) << "seed " << seed;
        ASSERT_EQ(crowd.answered, clients * 3) << "seed " << seed;
        ASSERT_EQ(crowd.strange, 0) << "seed " << seed;
        crowd.world.network.on_accept = nullptr;
        crowd.scope.cancel();
    }
}

TEST(Concurrency, a_limit_of_five_is_used_and_kept) {
    for (std::uint64_t seed = 0; seed < 50; ++seed) {
        Crowd crowd(seed, 5);
        for (int i = 0; i < 40; ++i) {
            ASSERT_TRUE(crowd.scope.spawn(Crowd::ask(crowd)));
        }
        crowd.world.endpoints(2);
        crowd.world.loop.run_for(20s);
        ASSERT_EQ(crowd.worst, 5U) << "seed " << seed;
        ASSERT_EQ(crowd.answered, 120) << "seed " << seed;
        crowd.world.network.on_accept = nullptr;
        crowd.scope.cancel();
    }
}

TEST(Activity, concurrency_is_averaged_over_time_and_a_last_report_says_rest) {
    World world;
    world.route();
    world.endpoints(1);
    auto client = world.connect();
    world.say(*client, simple_get);
    world.loop.run_for(500ms);
    world.say(world.instance(0), simple_ok);
    world.loop.run_for(3s);
    ASSERT_EQ(world.reports.activities.size(), 2U);
    EXPECT_NEAR(world.reports.activities[0].activity.concurrency_average, 0.5, 0.001);
    EXPECT_EQ(world.reports.activities[0].activity.requests, 1U);
    EXPECT_EQ(world.reports.activities[1].activity.concurrency_average, 0.0);
}

}  // namespace
}  // namespace tidemill::proxy::testing
