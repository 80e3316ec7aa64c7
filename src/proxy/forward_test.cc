// What goes through unchanged, what is added, what is taken away.
#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "proxy/world_test.h"

namespace tidemill::proxy::testing {
namespace {

using ::testing::HasSubstr;
using ::testing::Not;
using ::testing::StartsWith;

TEST(Forward, a_request_goes_to_the_instance_and_its_answer_comes_back) {
    World world;
    world.route();
    world.endpoints(1);
    auto client = world.connect();
    world.say(*client, simple_get);
    const auto seen = world.hear(world.instance(0));
    EXPECT_THAT(seen, StartsWith("GET /a?b=c HTTP/1.1\r\nHost: app.default.localhost\r\n"));
    EXPECT_THAT(seen, HasSubstr("\r\nX-Forwarded-For: 127.0.0.1\r\n"));
    EXPECT_THAT(seen, HasSubstr("\r\nX-Forwarded-Proto: http\r\n"));
    EXPECT_THAT(seen, HasSubstr("\r\nX-Forwarded-Host: app.default.localhost\r\n"));
    EXPECT_THAT(
        seen, HasSubstr("\r\nForwarded: for=127.0.0.1;host=app.default.localhost;proto=http\r\n"));
    EXPECT_THAT(seen, HasSubstr("\r\ntraceparent: 00-"));
    EXPECT_THAT(seen, HasSubstr("\r\nX-Request-Id: "));
    world.say(world.instance(0), simple_ok);
    EXPECT_EQ(world.hear(*client), simple_ok);
    EXPECT_FALSE(client->closed());
    EXPECT_THAT(world.log(), HasSubstr(R"("status":200)"));
}

TEST(Forward, the_next_request_uses_both_connections_again) {
    World world;
    world.route();
    world.endpoints(1);
    auto client = world.connect();
    for (int i = 0; i < 5; ++i) {
        world.say(*client, simple_get);
        EXPECT_THAT(world.hear(world.instance(0)), StartsWith("GET /a?b=c")) << i;
        world.say(world.instance(0), simple_ok);
        EXPECT_EQ(world.hear(*client), simple_ok) << i;
    }
    EXPECT_EQ(world.instance_connections(0), 1U);
}

TEST(Forward, what_clients_may_not_say_is_taken_away_and_what_proxies_said_is_kept) {
    World world;
    world.route();
    world.endpoints(1);
    auto client = world.connect();
    world.say(*client,
              "GET http://app.default.localhost/x HTTP/1.1\r\nHost: APP.default.localhost:8080\r\n"
              "Connection: close, X-Private\r\nX-Private: 1\r\nKeep-Alive: 5\r\nTE: trailers\r\n"
              "Proxy-Authorization: x\r\nK-Proxy-Request: activator\r\n"
              "Knative-Serving-Revision: other\r\nX-Tidemill-Reason: TM-1\r\n"
              "X-Forwarded-For: 203.0.113.7\r\nX-Forwarded-For: 10.0.0.1\r\n"
              "X-Forwarded-Proto: https\r\nX-Forwarded-Host: evil\r\n"
              "Forwarded: for=203.0.113.7\r\n"
              "traceparent: 00-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-01\r\n"
              "tracestate: a=b\r\nX-Request-Id: mine\r\n\r\n");
    EXPECT_EQ(world.network.connects, 0U);  // the two hosts differ
    auto second = world.connect();
    world.say(*second,
              "GET http://app.default.localhost?q HTTP/1.1\r\nHost: app.default.localhost\r\n"
              "Connection: close, X-Private\r\nX-Private: 1\r\nKeep-Alive: 5\r\nTE: trailers\r\n"
              "Proxy-Authorization: x\r\nK-Proxy-Request: activator\r\n"
              "Knative-Serving-Revision: other\r\nX-Tidemill-Reason: TM-1\r\n"
              "X-Forwarded-For: 203.0.113.7\r\nX-Forwarded-For: 10.0.0.1\r\n"
              "X-Forwarded-Proto: https\r\nX-Forwarded-Host: evil\r\n"
              "Forwarded: for=203.0.113.7\r\n"
              "traceparent: 00-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-01\r\n"
              "tracestate: a=b\r\nX-Request-Id: mine\r\n\r\n");
    const auto seen = world.hear(world.instance(0));
    EXPECT_THAT(seen, StartsWith("GET /?q HTTP/1.1\r\nHost: app.default.localhost\r\n"));
    for (const auto* gone : {"X-Private", "Keep-Alive", "TE:", "Proxy-Auth", "K-Proxy", "Knative-",
                             "X-Tidemill", "https", "evil", "Connection"}) {
        EXPECT_THAT(seen, Not(HasSubstr(gone)));
    }
    EXPECT_THAT(seen, HasSubstr("\r\nX-Forwarded-For: 203.0.113.7, 10.0.0.1, 127.0.0.1\r\n"));
    EXPECT_THAT(seen, HasSubstr("\r\nForwarded: for=203.0.113.7, for=127.0.0.1;"));
    EXPECT_THAT(seen, HasSubstr("\r\ntraceparent: 00-0af7651916cd43dd8448eb211c80319c-"));
    EXPECT_THAT(seen, Not(HasSubstr("b7ad6b7169203331")));
    EXPECT_THAT(seen, HasSubstr("\r\ntracestate: a=b\r\n"));
    EXPECT_THAT(seen, HasSubstr("\r\nX-Request-Id: mine\r\n"));
    world.say(world.instance(0), simple_ok);
    EXPECT_THAT(world.hear(*second), HasSubstr("\r\nConnection: close\r\n"));
    EXPECT_TRUE(second->closed());
}

TEST(Forward, a_trace_that_is_not_well_formed_is_begun_anew_without_its_state) {
    World world;
    world.route();
    world.endpoints(1);
    auto client = world.connect();
    world.say(*client,
              "GET / HTTP/1.1\r\nHost: app.default.localhost\r\n"
              "traceparent: 00-00000000000000000000000000000000-b7ad6b7169203331-01\r\n"
              "tracestate: a=b\r\nX-Request-Id: no spaces\r\n\r\n");
    const auto seen = world.hear(world.instance(0));
    EXPECT_THAT(seen, Not(HasSubstr("00-00000000000000000000000000000000")));
    EXPECT_THAT(seen, Not(HasSubstr("tracestate")));
    EXPECT_THAT(seen, Not(HasSubstr("no spaces")));
}

TEST(Forward, an_answer_without_a_date_gets_one_and_hop_by_hop_fields_end_here) {
    World world;
    world.route();
    world.endpoints(1);
    auto client = world.connect();
    world.say(*client, simple_get);
    world.say(world.instance(0),
              "HTTP/1.1 200 Fine\r\nContent-Length: 0\r\nConnection: keep-alive, X-Hop\r\n"
              "Keep-Alive: timeout=5\r\nX-Hop: 1\r\nSet-Cookie: a=b\r\nSet-Cookie: c=d\r\n\r\n");
    const auto heard = world.hear(*client);
    EXPECT_THAT(heard, StartsWith("HTTP/1.1 200 Fine\r\n"));
    EXPECT_THAT(heard, HasSubstr("\r\nDate: Tue, 14 Nov 2023 "));
    EXPECT_THAT(heard, HasSubstr("\r\nSet-Cookie: a=b\r\nSet-Cookie: c=d\r\n"));
    EXPECT_THAT(heard, Not(HasSubstr("X-Hop")));
    EXPECT_THAT(heard, Not(HasSubstr("Keep-Alive")));
    EXPECT_THAT(heard, Not(HasSubstr("Connection")));
}

TEST(Forward, a_warm_request_costs_one_read_and_one_write_on_each_side) {
    World world;
    world.route();
    world.endpoints(1);
    auto client = world.connect();
    std::uint64_t before = 0;
    for (int i = 0; i < 10; ++i) {
        world.say(*client, simple_get);
        world.hear(world.instance(0));
        world.say(world.instance(0), simple_ok);
        world.hear(*client);
        const auto now = world.network.attempts_made() + world.door->attempts_made();
        if (i > 1) {
            EXPECT_EQ(now - before, 4U) << i;
        }
        before = now;
    }
}

TEST(Forward, a_request_leaves_its_line_and_its_count) {
    World world;
    world.route();
    world.endpoints(1);
    auto client = world.connect();
    world.say(*client, simple_get);
    world.say(world.instance(0), simple_ok);
    world.hear(*client);
    world.say(*client, "GET /\"quoted\" HTTP/1.1\r\nHost: no.such\r\n\r\n");
    const auto line = world.log();
    for (const auto* part :
         {R"({"time":"2023-11-14T22:13:21.000000000Z","request_id":")", R"("method":"GET")",
          R"("host":"app.default.localhost")", R"("path":"/a")", R"("status":200)",
          R"("bytes_out":2)", R"("revision":"default/app-1")", R"("instance":"app-1-0")",
          R"("client":"127.0.0.1")", R"("total_us":0)"}) {
        EXPECT_THAT(line, HasSubstr(part));
    }
    const auto metrics = world.worker->snapshot().to_prometheus();
    EXPECT_THAT(metrics,
                HasSubstr("tidemill_proxy_requests_total{revision=\"default/app-1\",service="
                          "\"default/app\",class=\"2xx\"} 1\n"));
    EXPECT_THAT(metrics, HasSubstr("tidemill_proxy_request_duration_seconds_count{revision="
                                   "\"default/app-1\",service=\"default/app\"} 1\n"));
}

}  // namespace
}  // namespace tidemill::proxy::testing
