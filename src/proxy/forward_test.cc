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

}  // namespace
}  // namespace tidemill::proxy::testing
