// Clients that err, dawdle or attack, and what they are told.
#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "proxy/world_test.h"

namespace tidemill::proxy::testing {
namespace {

using namespace std::chrono_literals;
using ::testing::HasSubstr;
using ::testing::Not;
using ::testing::StartsWith;

struct Limits : ::testing::Test {
    Limits() {
        world.route();
        world.endpoints(1);
        client = world.connect();
    }
    World world;
    std::unique_ptr<Party> client;
};

TEST_F(Limits, a_malformed_request_is_refused_with_its_rule_and_the_connection_closed) {
    struct Case {
        const char* name;
        std::string request;
        const char* status;
    };
    const std::string host = "Host: app.default.localhost\r\n";
    const Case cases[] = {
        {"length and encoding",
         "POST / HTTP/1.1\r\n" + host + "Content-Length: 3\r\nTransfer-Encoding: chunked\r\n\r\n",
         "400"},
        {"two lengths",
         "POST / HTTP/1.1\r\n" + host + "Content-Length: 3\r\nContent-Length: 3\r\n\r\n", "400"},
        {"chunked twice",
         "POST / HTTP/1.1\r\n" + host + "Transfer-Encoding: chunked, chunked\r\n\r\n", "400"},
        {"space before the colon", "GET / HTTP/1.1\r\n" + host + "A : b\r\n\r\n", "400"},
        {"folded line", "GET / HTTP/1.1\r\n" + host + "A: b\r\n c\r\n\r\n", "400"},
        {"bare line feed", "GET / HTTP/1.1\n" + host + "\r\n", "400"},
        {"no host", "GET / HTTP/1.1\r\n\r\n", "400"},
        {"two hosts", "GET / HTTP/1.1\r\n" + host + host + "\r\n", "400"},
        {"a version to come", "GET / HTTP/3.0\r\n" + host + "\r\n", "505"},
        {"connect", "CONNECT a:1 HTTP/1.1\r\n" + host + "\r\n", "501"},
        {"a target too long", "GET /" + std::string(9000, 'a') + " HTTP/1.1\r\n" + host + "\r\n",
         "414"},
        {"a head too large",
         "GET / HTTP/1.1\r\n" + host + "A: " + std::string(30'000, 'a') + "\r\n\r\n", "431"},
    };
    for (const auto& c : cases) {
        auto party = world.connect();
        world.say(*party, c.request);
        const auto answer = world.hear(*party);
        EXPECT_THAT(answer, StartsWith(std::string("HTTP/1.1 ") + c.status + " ")) << c.name;
        EXPECT_THAT(answer, HasSubstr("\r\nX-Tidemill-Reason: TM-201\r\n")) << c.name;
        EXPECT_THAT(answer, HasSubstr("\r\nConnection: close\r\n")) << c.name;
        EXPECT_TRUE(party->closed()) << c.name;
    }
    EXPECT_EQ(world.network.connects, 0U);
}

TEST_F(Limits, an_unknown_host_is_404_with_the_host_named_and_the_connection_stays) {
    world.say(*client, "GET / HTTP/1.1\r\nHost: \r\n\r\n");
    auto other = world.connect();
    world.say(*other, "GET / HTTP/1.1\r\nHost: no.such\r\n\r\n");
    const auto answer = world.hear(*other);
    EXPECT_THAT(answer, StartsWith("HTTP/1.1 404 Not Found\r\n"));
    EXPECT_THAT(answer, HasSubstr("\r\nX-Tidemill-Reason: TM-202\r\n"));
    EXPECT_THAT(answer, HasSubstr("Host: no.such"));
    EXPECT_FALSE(other->closed());
    world.say(*other, simple_get);
    world.say(world.instance(0), simple_ok);
    EXPECT_EQ(world.hear(*other), simple_ok);
}

TEST_F(Limits, a_body_of_a_refused_request_is_not_taken_for_the_next_request) {
    world.say(
        *client,
        "POST / HTTP/1.1\r\nHost: no.such\r\nContent-Length: 18\r\n\r\nGET / HTTP/1.1\r\n\r\n");
    EXPECT_THAT(world.hear(*client), HasSubstr("TM-202"));
    EXPECT_FALSE(client->closed());
    world.say(*client, simple_get);
    EXPECT_THAT(world.hear(world.instance(0)), StartsWith("GET /a?b=c"));
    auto partial = world.connect();
    world.say(*partial, "POST / HTTP/1.1\r\nHost: no.such\r\nContent-Length: 18\r\n\r\nGET /");
    EXPECT_THAT(world.hear(*partial), HasSubstr("\r\nConnection: close\r\n"));
    EXPECT_TRUE(partial->closed());
}

TEST_F(Limits, pipelined_requests_are_answered_in_order) {
    world.say(*client,
              "GET /1 HTTP/1.1\r\nHost: app.default.localhost\r\n\r\n"
              "GET /2 HTTP/1.1\r\nHost: no.such\r\n\r\n"
              "GET /3 HTTP/1.1\r\nHost: app.default.localhost\r\n\r\n");
    EXPECT_THAT(world.hear(world.instance(0)), StartsWith("GET /1 "));
    EXPECT_EQ(world.hear(*client), "");
    world.say(world.instance(0), simple_ok);
    EXPECT_THAT(world.hear(world.instance(0)), StartsWith("GET /3 "));
    const auto two = world.hear(*client);
    EXPECT_THAT(two, StartsWith(std::string(simple_ok) + "HTTP/1.1 404 "));
    world.say(world.instance(0), simple_ok);
    EXPECT_EQ(world.hear(*client), simple_ok);
}

TEST_F(Limits, a_head_that_drips_has_ten_seconds_in_all) {
    world.say(*client, "GET / HTTP/1.1\r\n");
    for (int i = 0; i < 9; ++i) {
        world.loop.run_for(1s);
        world.say(*client, "A: b\r\n");
    }
    EXPECT_FALSE(client->closed());
    world.loop.run_for(1s);
    EXPECT_THAT(world.hear(*client), StartsWith("HTTP/1.1 408 "));
    EXPECT_TRUE(client->closed());
}

TEST_F(Limits, an_idle_connection_is_closed_after_a_minute_without_a_word) {
    world.say(*client, simple_get);
    world.say(world.instance(0), simple_ok);
    world.hear(*client);
    world.loop.run_for(59s);
    EXPECT_FALSE(client->closed());
    world.loop.run_for(1s);
    EXPECT_TRUE(client->closed());
    EXPECT_EQ(world.hear(*client), "");
}

TEST(LimitsOf, connections_above_the_limit_wait_to_be_accepted) {
    auto options = World::tested();
    options.connections_max = 2;
    World world(options);
    world.route();
    world.endpoints(1);
    auto a = world.connect();
    auto b = world.connect();
    auto c = world.connect();
    world.say(*c, simple_get);
    EXPECT_EQ(world.worker->connections(), 2U);
    EXPECT_EQ(world.network.connects, 0U);
    a->close();
    world.loop.run_ready();
    EXPECT_THAT(world.hear(world.instance(0)), StartsWith("GET /a"));
}

TEST(LimitsOf, a_body_above_the_limit_is_413_whether_it_was_announced_or_not) {
    auto options = World::tested();
    options.body_bytes_max = 4;
    World world(options);
    world.route();
    world.endpoints(1);
    auto a = world.connect();
    world.say(*a, "POST / HTTP/1.1\r\nHost: app.default.localhost\r\nContent-Length: 5\r\n\r\n");
    EXPECT_THAT(world.hear(*a), StartsWith("HTTP/1.1 413 "));
    auto b = world.connect();
    world.say(*b,
              "POST / HTTP/1.1\r\nHost: app.default.localhost\r\nTransfer-Encoding: "
              "chunked\r\n\r\n5\r\nhello\r\n0\r\n\r\n");
    EXPECT_THAT(world.hear(*b), StartsWith("HTTP/1.1 413 "));
}

TEST_F(Limits, an_http_1_0_client_is_answered_and_closed_unless_it_asks_to_stay) {
    world.say(*client, "GET / HTTP/1.0\r\nHost: app.default.localhost\r\n\r\n");
    world.say(world.instance(0), simple_ok);
    EXPECT_THAT(world.hear(*client), HasSubstr("\r\nConnection: close\r\n"));
    EXPECT_TRUE(client->closed());
    auto stays = world.connect();
    world.say(*stays,
              "GET / HTTP/1.0\r\nHost: app.default.localhost\r\nConnection: keep-alive\r\n\r\n");
    world.say(world.instance(0), simple_ok);
    EXPECT_THAT(world.hear(*stays), HasSubstr("\r\nConnection: keep-alive\r\n"));
    EXPECT_FALSE(stays->closed());
}

}  // namespace
}  // namespace tidemill::proxy::testing
