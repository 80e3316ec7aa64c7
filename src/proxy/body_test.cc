// Bodies in both directions, deadlines within answers, and connections that end too early.
#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "proxy/world_test.h"

namespace tidemill::proxy::testing {
namespace {

using namespace std::chrono_literals;
using ::testing::EndsWith;
using ::testing::HasSubstr;
using ::testing::Not;
using ::testing::StartsWith;

std::string post(std::string_view fields, std::string_view body = {}) {
    return "POST /p HTTP/1.1\r\nHost: app.default.localhost\r\n" + std::string(fields) + "\r\n" +
           std::string(body);
}
std::string body_of(const std::string& message) {
    return message.substr(message.find("\r\n\r\n") + 4);
}

struct Body : ::testing::Test {
    Body() {
        world.route();
        world.endpoints(1);
        client = world.connect();
    }
    World world;
    std::unique_ptr<Party> client;
};

TEST_F(Body, of_a_known_length_goes_as_it_is) {
    world.say(*client, post("Content-Length: 5\r\n", "hel"));
    auto seen = world.hear(world.instance(0));
    EXPECT_THAT(seen, HasSubstr("\r\nContent-Length: 5\r\n"));
    EXPECT_THAT(seen, EndsWith("\r\n\r\nhel"));
    world.say(*client, "lo");
    EXPECT_EQ(world.hear(world.instance(0)), "lo");
    world.say(world.instance(0), simple_ok);
    EXPECT_EQ(world.hear(*client), simple_ok);
}

TEST_F(Body, in_chunks_is_read_and_framed_anew_with_its_trailers) {
    world.say(*client, post("Transfer-Encoding: chunked\r\n",
                            "5\r\nhello\r\n1\r\n!\r\n0\r\nX-Sum: 6\r\n\r\n"));
    auto seen = world.hear(world.instance(0));
    EXPECT_THAT(seen, HasSubstr("\r\nTransfer-Encoding: chunked\r\n"));
    EXPECT_EQ(body_of(seen), "5\r\nhello\r\n1\r\n!\r\n0\r\nX-Sum: 6\r\n\r\n");
    world.say(world.instance(0),
              "HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n2\r\nok\r\n0\r\n\r\n");
    EXPECT_EQ(body_of(world.hear(*client)), "2\r\nok\r\n0\r\n\r\n");
}

TEST_F(Body, malformed_within_is_refused_and_the_connection_closed) {
    world.say(*client, post("Transfer-Encoding: chunked\r\n", "5;x=y\r\nhello\r\n0\r\n\r\n"));
    const auto answer = world.hear(*client);
    EXPECT_THAT(answer, StartsWith("HTTP/1.1 400 "));
    EXPECT_THAT(answer, HasSubstr("TM-210"));
    EXPECT_TRUE(client->closed());
}

TEST_F(Body, without_a_length_from_the_instance_becomes_chunks_and_the_connection_stays) {
    world.say(*client, simple_get);
    world.say(world.instance(0), "HTTP/1.0 200 OK\r\n\r\nhello");
    world.instance(0).close();
    const auto answer = world.hear(*client);
    EXPECT_THAT(answer, HasSubstr("\r\nTransfer-Encoding: chunked\r\n"));
    EXPECT_EQ(body_of(answer), "5\r\nhello\r\n0\r\n\r\n");
    EXPECT_FALSE(client->closed());
}

TEST_F(Body, in_chunks_for_an_http_1_0_client_ends_with_the_connection) {
    world.say(*client, "GET / HTTP/1.0\r\nHost: app.default.localhost\r\n\r\n");
    world.say(world.instance(0),
              "HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n2\r\nok\r\n0\r\n\r\n");
    const auto answer = world.hear(*client);
    EXPECT_THAT(answer, Not(HasSubstr("Transfer-Encoding")));
    EXPECT_EQ(body_of(answer), "ok");
    EXPECT_TRUE(client->closed());
}

TEST_F(Body, is_absent_where_http_says_so) {
    world.say(*client, "HEAD / HTTP/1.1\r\nHost: app.default.localhost\r\n\r\n");
    world.say(world.instance(0), "HTTP/1.1 200 OK\r\nContent-Length: 999\r\n\r\n");
    EXPECT_THAT(world.hear(*client), HasSubstr("\r\nContent-Length: 999\r\n"));
    for (const auto* status : {"204 No Content", "304 Not Modified"}) {
        world.say(*client, simple_get);
        world.say(world.instance(0), "HTTP/1.1 " + std::string(status) + "\r\n\r\n");
        EXPECT_THAT(world.hear(*client), EndsWith("\r\n\r\n")) << status;
    }
    EXPECT_EQ(world.instance_connections(0), 1U);
}

TEST_F(Body, waits_for_100_continue_from_the_instance_itself) {
    world.say(*client, post("Content-Length: 2\r\nExpect: 100-continue\r\n"));
    EXPECT_THAT(world.hear(world.instance(0)), HasSubstr("\r\nExpect: 100-continue\r\n"));
    EXPECT_EQ(world.hear(*client), "");
    world.say(world.instance(0), "HTTP/1.1 100 Continue\r\n\r\n");
    EXPECT_EQ(world.hear(*client), "HTTP/1.1 100 Continue\r\n\r\n");
    world.say(*client, "hi");
    EXPECT_EQ(world.hear(world.instance(0)), "hi");
    world.say(world.instance(0), simple_ok);
    EXPECT_EQ(world.hear(*client), simple_ok);
    EXPECT_FALSE(client->closed());
}

TEST_F(Body, that_is_refused_before_it_was_sent_ends_the_connection) {
    world.say(*client, post("Content-Length: 2\r\nExpect: 100-continue\r\n"));
    world.say(world.instance(0), "HTTP/1.1 403 Forbidden\r\nContent-Length: 0\r\n\r\n");
    const auto answer = world.hear(*client);
    EXPECT_THAT(answer, StartsWith("HTTP/1.1 403 Forbidden\r\n"));
    EXPECT_THAT(answer, HasSubstr("\r\nConnection: close\r\n"));
    EXPECT_TRUE(client->closed());
}

TEST_F(Body, early_hints_are_passed_on) {
    world.say(*client, simple_get);
    world.say(world.instance(0), "HTTP/1.1 103 Early Hints\r\nLink: </x>\r\n\r\n");
    EXPECT_EQ(world.hear(*client), "HTTP/1.1 103 Early Hints\r\nLink: </x>\r\n\r\n");
    world.say(world.instance(0), simple_ok);
    EXPECT_EQ(world.hear(*client), simple_ok);
}

TEST_F(Body, an_answer_may_come_while_the_request_is_still_sent) {
    world.say(*client, post("Transfer-Encoding: chunked\r\n", "1\r\na\r\n"));
    world.say(world.instance(0), "HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n1\r\nA\r\n");
    EXPECT_THAT(world.hear(*client), EndsWith("1\r\nA\r\n"));
    world.hear(world.instance(0));
    world.say(*client, "1\r\nb\r\n");
    EXPECT_EQ(world.hear(world.instance(0)), "1\r\nb\r\n");
    world.say(world.instance(0), "1\r\nB\r\n");
    EXPECT_EQ(world.hear(*client), "1\r\nB\r\n");
    world.say(*client, "0\r\n\r\n");
    world.say(world.instance(0), "0\r\n\r\n");
    EXPECT_EQ(world.hear(*client), "0\r\n\r\n");
}

TEST_F(Body, every_message_may_arrive_byte_by_byte) {
    for (const std::size_t bytes : {1U, 2U, 3U, 7U}) {
        PipeOptions slow{.read_bytes_max = bytes, .write_bytes_max = bytes};
        world.door->options = slow;
        world.network.options = slow;
        auto split = world.connect();
        world.worker->set_endpoints("default/app-1", {});
        world.endpoints(1);
        const auto before = world.instance_connections(0);
        const auto say_all = [&](Party& party, std::string_view text) {
            for (std::size_t at = 0; at < text.size(); at += bytes) {
                world.say(party, text.substr(at, bytes));
            }
        };
        const auto hear_all = [&](Party& party) {
            std::string all;
            for (auto more = world.hear(party); !more.empty(); more = world.hear(party)) {
                all += more;
            }
            return all;
        };
        say_all(*split,
                post("Transfer-Encoding: chunked\r\n", "5\r\nhello\r\n0\r\nX-Sum: 6\r\n\r\n"));
        auto& instance = world.instance(0, before);
        const auto seen = hear_all(instance);
        std::string payload;
        EXPECT_THAT(seen, EndsWith("0\r\nX-Sum: 6\r\n\r\n"));
        say_all(instance, simple_ok);
        EXPECT_EQ(hear_all(*split), simple_ok);
    }
}

TEST_F(Body, a_slow_reader_bounds_what_is_held_and_loses_nothing) {
    world.say(*client, simple_get);
    world.hear(world.instance(0));
    constexpr std::size_t total = 4 * 1024 * 1024;
    world.say(world.instance(0),
              "HTTP/1.1 200 OK\r\nContent-Length: " + std::to_string(total) + "\r\n\r\n");
    std::size_t sent = 0;
    const std::string piece(16 * 1024, 'x');
    // Until the proxy takes no more: the rest is the instance's to keep.
    while (sent < total && world.instance(0).send(piece)) {
        sent += piece.size();
        world.loop.run_ready();
    }
    const auto in_proxy = sent - client->stream().unread() - 64U * 1024;
    EXPECT_LT(in_proxy, 3 * BufferPool::block_bytes);
    EXPECT_LT(sent, 512U * 1024);
    std::string got;
    while (true) {
        const auto more = world.hear(*client);
        got += more;
        while (sent < total && world.instance(0).send(piece)) {
            sent += piece.size();
        }
        world.loop.run_ready();
        if (more.empty() && sent >= total) {
            break;
        }
    }
    EXPECT_GE(body_of(got).size() + piece.size(), total);
    EXPECT_FALSE(client->closed());
}

TEST_F(Body, a_slow_instance_stops_the_client) {
    world.say(*client, post("Content-Length: 10000000\r\n"));
    std::size_t sent = 0;
    const std::string piece(16 * 1024, 'x');
    while (client->send(piece)) {
        sent += piece.size();
        world.loop.run_ready();
        ASSERT_LT(sent, 1024U * 1024);
    }
    EXPECT_LT(sent, 512U * 1024);
}

TEST_F(Body, a_client_that_takes_nothing_is_cut_off) {
    world.say(*client, simple_get);
    world.say(world.instance(0), "HTTP/1.1 200 OK\r\nContent-Length: 100000000\r\n\r\n");
    const std::string piece(16 * 1024, 'x');
    while (world.instance(0).send(piece)) {
        world.loop.run_ready();
    }
    world.loop.run_for(61s);
    EXPECT_TRUE(client->was_reset());
    EXPECT_TRUE(world.instance(0).closed());
    EXPECT_THAT(world.log(), HasSubstr("TM-217"));
}

// Time

struct Timeouts : ::testing::Test {
    void open(base::Duration whole, base::Duration start, base::Duration idle) {
        mesh::RevisionRule rule;
        rule.timeout = whole;
        rule.response_start_timeout = start;
        rule.idle_timeout = idle;
        world.route(rule);
        world.endpoints(1);
        client = world.connect();
        world.say(*client, simple_get);
        world.hear(world.instance(0));
    }
    World world;
    std::unique_ptr<Party> client;
};

TEST_F(Timeouts, before_the_first_byte_the_answer_is_504_request_timeout) {
    open(10s, 0s, 0s);
    world.loop.run_for(10s);
    const auto answer = world.hear(*client);
    EXPECT_THAT(answer, StartsWith("HTTP/1.1 504 "));
    EXPECT_THAT(answer, HasSubstr("TM-205"));
    EXPECT_THAT(answer, HasSubstr("request timeout"));
    EXPECT_TRUE(world.instance(0).closed());
    EXPECT_FALSE(client->closed());
}

TEST_F(Timeouts, after_the_first_byte_the_status_stands_and_the_stream_is_cut) {
    open(10s, 0s, 0s);
    world.say(world.instance(0), "HTTP/1.1 200 OK\r\nContent-Length: 5\r\n\r\nhe");
    EXPECT_THAT(world.hear(*client), StartsWith("HTTP/1.1 200 OK\r\n"));
    world.loop.run_for(10s);
    EXPECT_TRUE(client->was_reset());
    EXPECT_THAT(world.log(), HasSubstr("TM-215"));
}

TEST_F(Timeouts, the_start_of_the_answer_has_its_own_clock) {
    open(100s, 5s, 0s);
    world.loop.run_for(5s);
    EXPECT_THAT(world.hear(*client), HasSubstr("responseStartTimeoutSeconds"));
}

TEST_F(Timeouts, an_answer_that_began_in_time_may_take_the_whole_time) {
    open(100s, 5s, 0s);
    world.say(world.instance(0), "HTTP/1.1 200 OK\r\nContent-Length: 5\r\n\r\nhe");
    world.loop.run_for(50s);
    world.say(world.instance(0), "llo");
    EXPECT_THAT(world.hear(*client), EndsWith("hello"));
    EXPECT_FALSE(client->closed());
}

TEST_F(Timeouts, the_idle_clock_begins_anew_with_every_byte) {
    open(100s, 0s, 5s);
    world.say(world.instance(0), "HTTP/1.1 200 OK\r\nContent-Length: 5\r\n\r\n");
    for (const auto* byte : {"h", "e", "l", "l"}) {
        world.loop.run_for(4s);
        world.say(world.instance(0), byte);
    }
    EXPECT_FALSE(client->closed());
    world.loop.run_for(5s);
    EXPECT_TRUE(client->was_reset());
}

// Endings

TEST_F(Body, an_instance_that_closes_without_an_answer_is_502_with_the_reason) {
    world.say(*client, simple_get);
    world.instance(0).close();
    world.loop.run_ready();
    ASSERT_EQ(world.instance_connections(0), 2U);  // a GET is sent again, not for ever
    world.instance(0, 1).close();
    world.loop.run_ready();
    ASSERT_EQ(world.instance_connections(0), 3U);
    world.instance(0, 2).close();
    const auto answer = world.hear(*client);
    EXPECT_THAT(answer, StartsWith("HTTP/1.1 502 "));
    EXPECT_THAT(answer, HasSubstr("TM-206"));
    EXPECT_FALSE(client->closed());
}

TEST_F(Body, a_reused_connection_that_died_is_replaced_without_the_client_knowing) {
    world.say(*client, simple_get);
    world.say(world.instance(0), simple_ok);
    world.hear(*client);
    world.hear(world.instance(0));
    world.say(*client, simple_get);  // on the connection that was idle
    world.instance(0).close();
    world.loop.run_ready();
    ASSERT_EQ(world.instance_connections(0), 2U);
    EXPECT_THAT(world.hear(world.instance(0, 1)), StartsWith("GET /a?b=c"));
    world.say(world.instance(0, 1), simple_ok);
    EXPECT_EQ(world.hear(*client), simple_ok);
}

TEST_F(Body, a_get_whose_instance_died_is_held_until_a_replacement_answers) {
    world.say(*client, simple_get);
    world.network.close(World::address(0));
    world.loop.run_for(3s);  // its end is not known here yet: every connection is refused
    EXPECT_EQ(world.hear(*client), "");
    EXPECT_FALSE(client->closed());
    world.endpoints(0);
    world.loop.run_for(3s);
    world.endpoints(1);
    EXPECT_THAT(world.hear(world.instance(0)), StartsWith("GET /a?b=c"));
    world.say(world.instance(0), simple_ok);
    EXPECT_EQ(world.hear(*client), simple_ok);
}

TEST_F(Body, a_post_whose_instance_died_is_not_held) {
    world.say(*client, post("Content-Length: 2\r\n", "hi"));
    world.network.close(World::address(0));
    world.loop.run_ready();
    EXPECT_THAT(world.hear(*client), StartsWith("HTTP/1.1 502 "));
}

TEST_F(Body, a_get_that_one_instance_dropped_goes_to_another) {
    world.endpoints(2);
    for (int round = 0; round < 20; ++round) {
        auto another = world.connect();
        const std::size_t before[] = {world.instance_connections(0), world.instance_connections(1)};
        world.say(*another, simple_get);
        const int first = world.instance_connections(0) > before[0] ? 0 : 1;
        const int other = 1 - first;
        world.instance(first, before[first]).close();
        world.loop.run_ready();
        ASSERT_EQ(world.instance_connections(other), before[other] + 1) << round;
        world.say(world.instance(other, before[other]),
                  "HTTP/1.1 200 OK\r\nContent-Length: 0\r\nConnection: close\r\n\r\n");
        EXPECT_THAT(world.hear(*another), StartsWith("HTTP/1.1 200 OK")) << round;
    }
}

TEST_F(Body, a_post_with_its_body_is_not_sent_twice) {
    world.say(*client, simple_get);
    world.say(world.instance(0), simple_ok);
    world.hear(*client);
    world.say(*client, post("Content-Length: 2\r\n", "hi"));
    world.instance(0).close();
    EXPECT_THAT(world.hear(*client), StartsWith("HTTP/1.1 502 "));
    EXPECT_EQ(world.instance_connections(0), 1U);
}

TEST_F(Body, a_put_with_its_body_is_sent_again_whole) {
    world.say(*client, simple_get);
    world.say(world.instance(0), simple_ok);
    world.hear(*client);
    world.say(*client,
              "PUT / HTTP/1.1\r\nHost: app.default.localhost\r\nContent-Length: 5\r\n\r\nhe");
    world.say(*client, "llo");
    world.instance(0).close();
    world.loop.run_ready();
    ASSERT_EQ(world.instance_connections(0), 2U);
    EXPECT_THAT(world.hear(world.instance(0, 1)), EndsWith("\r\n\r\nhello"));
}

TEST_F(Body, a_connection_that_was_closed_while_idle_is_not_used) {
    world.say(*client, simple_get);
    world.say(world.instance(0), simple_ok);
    world.hear(*client);
    world.instance(0).close();
    world.loop.run_ready();
    world.say(*client, post("Content-Length: 2\r\n", "hi"));
    ASSERT_EQ(world.instance_connections(0), 2U);
    world.say(world.instance(0, 1), simple_ok);
    EXPECT_EQ(world.hear(*client), simple_ok);
}

TEST_F(Body, an_idle_connection_is_given_up_before_the_instance_would) {
    world.say(*client, simple_get);
    world.say(world.instance(0), simple_ok);
    world.loop.run_for(5s);
    EXPECT_TRUE(world.instance(0).closed());
}

TEST_F(Body, an_answer_that_ends_too_early_is_cut_so_that_the_client_sees_it) {
    world.say(*client, simple_get);
    world.say(world.instance(0), "HTTP/1.1 200 OK\r\nContent-Length: 5\r\n\r\nhe");
    world.instance(0).close();
    world.loop.run_ready();
    EXPECT_TRUE(client->was_reset());
    EXPECT_THAT(world.log(), HasSubstr("TM-214"));
}

TEST_F(Body, an_answer_with_bytes_behind_it_costs_the_instance_its_connection) {
    world.say(*client, simple_get);
    world.say(world.instance(0), std::string(simple_ok) + "HTTP/1.1 200 OK\r\n\r\n");
    EXPECT_EQ(world.hear(*client), simple_ok);
    EXPECT_TRUE(world.instance(0).closed());
}

TEST_F(Body, a_malformed_answer_is_502) {
    for (const auto* bad : {"HTTP/1.1 200 OK\r\nContent-Length: 5\r\nContent-Length: 6\r\n\r\n",
                            "HTTP/1.1 200 OK\r\nContent-Length: 5\r\nTransfer-Encoding: "
                            "chunked\r\n\r\n",
                            "hello\r\n\r\n", "HTTP/1.1 101 Switching Protocols\r\n\r\n"}) {
        const auto before = world.instance_connections(0);
        world.say(*client, simple_get);
        world.say(world.instance(0, before), bad);
        EXPECT_THAT(world.hear(*client), HasSubstr("TM-207")) << bad;
        EXPECT_TRUE(world.instance(0, before).closed());
    }
}

TEST_F(Body, a_client_that_goes_ends_the_request_at_the_instance) {
    world.say(*client, simple_get);
    client->close();
    world.loop.run_ready();
    EXPECT_TRUE(world.instance(0).closed());
    EXPECT_THAT(world.log(), HasSubstr(R"("status":499)"));
}

// Upgrade

TEST_F(Body, an_upgrade_becomes_a_tunnel_both_ways_that_outlives_the_timeout) {
    world.say(*client,
              "GET /ws HTTP/1.1\r\nHost: app.default.localhost\r\nConnection: Upgrade\r\n"
              "Upgrade: websocket\r\nSec-WebSocket-Key: x\r\n\r\n");
    const auto seen = world.hear(world.instance(0));
    EXPECT_THAT(seen, HasSubstr("\r\nConnection: upgrade\r\nUpgrade: websocket\r\n"));
    world.say(world.instance(0),
              "HTTP/1.1 101 Switching Protocols\r\nConnection: Upgrade\r\nUpgrade: "
              "websocket\r\n\r\nfirst");
    const auto answer = world.hear(*client);
    EXPECT_THAT(answer, HasSubstr("\r\nConnection: upgrade\r\nUpgrade: websocket\r\n"));
    EXPECT_THAT(answer, EndsWith("first"));
    world.loop.run_for(400s);
    world.say(*client, std::string_view("\x00\x01\r\n", 4));
    EXPECT_EQ(world.hear(world.instance(0)), std::string("\x00\x01\r\n", 4));
    world.say(world.instance(0), "pong");
    EXPECT_EQ(world.hear(*client), "pong");
    client->shutdown();
    world.loop.run_ready();
    EXPECT_TRUE(world.instance(0).closed());
    world.say(world.instance(0), "bye");
    EXPECT_EQ(world.hear(*client), "bye");
    world.instance(0).close();
    world.loop.run_ready();
    EXPECT_TRUE(client->closed());
}

TEST_F(Body, an_upgrade_to_http_2_ends_here) {
    world.say(*client,
              "GET / HTTP/1.1\r\nHost: app.default.localhost\r\nConnection: Upgrade, "
              "HTTP2-Settings\r\nUpgrade: h2c\r\nHTTP2-Settings: AAA\r\n\r\n");
    const auto seen = world.hear(world.instance(0));
    EXPECT_THAT(seen, Not(HasSubstr("pgrade")));
    EXPECT_THAT(seen, Not(HasSubstr("HTTP2-Settings")));
}

}  // namespace
}  // namespace tidemill::proxy::testing
