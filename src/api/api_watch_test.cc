#include <gtest/gtest.h>

#include "api/world_test.h"

namespace tidemill::api::test {
namespace {

using Frames = std::vector<std::string>;

model::Object pod(std::string name, std::string phase = "Running") {
    model::Object object;
    object.kind = KindId::pod;
    object.metadata.name = std::move(name);
    object.metadata.namespace_name = "default";
    object.metadata.labels["app"] = "shop";
    object.body["status"] = JsonObject{{"phase", model::as_json(phase)}};
    return object;
}

TEST(ApiWatch, GoesOnFromTheVersionOfAListAndTellsEachChangeOnce) {
    World world;
    world.post(maps, map_json("old"));
    const auto version = world.get(maps).at(".metadata.resourceVersion");
    Watching watch(world, fmt::format("{}?watch=true&resourceVersion={}", maps, version));
    EXPECT_EQ(watch.take(), Frames{});
    world.post(maps, map_json("a"));
    world.patch(std::string(maps) + "/a", "merge-patch+json", R"({"data":{"v":"2"}})");
    world.remove(std::string(maps) + "/a");
    EXPECT_EQ(watch.take(), (Frames{"ADDED a", "MODIFIED a", "DELETED a"}));
}

TEST(ApiWatch, WithoutAVersionBeginsWithWhatIsThere) {
    World world;
    world.post(maps, map_json("a"));
    Watching watch(world, std::string(maps) + "?watch=true");
    EXPECT_EQ(watch.take(), Frames{"ADDED a"});
    Watching zero(world, std::string(maps) + "?watch=1&resourceVersion=0");
    EXPECT_EQ(zero.take(), Frames{"ADDED a"});
}

TEST(ApiWatch, InitialEventsEndWithTheirBookmark) {
    World world;
    world.post(maps, map_json("a"));
    Watching watch(world, std::string(maps) +
                              "?watch=true&sendInitialEvents=true&allowWatchBookmarks=true&"
                              "resourceVersionMatch=NotOlderThan&resourceVersion=0");
    EXPECT_EQ(watch.take(), (Frames{"ADDED a", "BOOKMARK"}));
    const auto* annotations = model::find_member(watch.last, {"object", "metadata", "annotations"});
    ASSERT_NE(annotations, nullptr);
    EXPECT_EQ(model::text_at(*annotations, {"k8s.io/initial-events-end"}), "true");
    EXPECT_EQ(model::text_at(watch.last, {"object", "kind"}), "ConfigMap");
    world.post(maps, map_json("b"));
    EXPECT_EQ(watch.take(), Frames{"ADDED b"});
    const auto refused = world.get(std::string(maps) + "?watch=true&sendInitialEvents=true");
    EXPECT_EQ(refused.status, 422);
    EXPECT_EQ(refused.at(".reason"), "Invalid");
}

TEST(ApiWatch, SelectorsTellObjectsThatComeAndGo) {
    World world;
    Watching watch(world, std::string(maps) + "?watch=true&labelSelector=x%3D1");
    world.post(maps, map_json("a", "1", R"({"x":"1"})"));
    world.post(maps, map_json("b"));
    world.patch(std::string(maps) + "/a", "merge-patch+json",
                R"({"metadata":{"labels":{"x":null}}})");
    EXPECT_EQ(watch.take(), (Frames{"ADDED a", "DELETED a"}));
    Watching named(world, std::string(maps) + "?watch=true&fieldSelector=metadata.name%3Db");
    EXPECT_EQ(named.take(), Frames{"ADDED b"});
}

TEST(ApiWatch, EndsCleanlyWhenItsTimeIsOver) {
    World world;
    Watching watch(world, std::string(maps) + "?watch=true&timeoutSeconds=3");
    EXPECT_FALSE(watch.ended);
    world.sim.loop.run_for(4s);
    EXPECT_TRUE(watch.ended);
}

TEST(ApiWatch, AVersionThatIsNoLongerKeptIsAnsweredExpired) {
    World world;
    world.post(maps, map_json("a"));
    const auto old = world.get(maps).at(".metadata.resourceVersion");
    world.post(maps, map_json("b"));
    // History does not outlive the process.
    world.sim.loop.run_for(2h);
    world.post(maps, map_json("c"));
    const auto reply = world.get(fmt::format("{}?watch=true&resourceVersion={}", maps, old));
    EXPECT_EQ(reply.status, 410) << reply.text;
    EXPECT_EQ(reply.at(".reason"), "Expired");
    EXPECT_EQ(world.get(std::string(maps) + "?watch=true&resourceVersion=99999999").status, 504);
}

TEST(ApiWatch, ATableComesWithItsColumnsOnce) {
    World world;
    Watching watch(world, std::string(maps) + "?watch=true",
                   "application/json;as=Table;v=v1;g=meta.k8s.io,application/json");
    world.post(maps, map_json("a"));
    watch.take();
    EXPECT_EQ(model::text_at(watch.last, {"object", "kind"}), "Table");
    const auto columns = [&] {
        return model::find_member(watch.last, {"object", "columnDefinitions"})->get_array().size();
    };
    EXPECT_EQ(columns(), 3U);
    world.post(maps, map_json("b"));
    watch.take();
    EXPECT_EQ(columns(), 0U);
    EXPECT_EQ(
        model::find_member(watch.last, {"object", "rows"})->at(0).at("cells").at(0).as_string(),
        "b");
}

TEST(ApiWatch, ViewsAreListedReadWatchedAndNotWritten) {
    World world;
    const std::string pods = "/api/v1/namespaces/default/pods";
    world.instances.put(pod("a"));
    EXPECT_EQ(world.get(pods + "/a").at(".status.phase"), "Running");
    EXPECT_EQ(world.get(pods + "/none").status, 404);
    const auto list = world.get(pods + "?labelSelector=app%3Dshop&limit=500");
    EXPECT_EQ(list.at(".items[0].metadata.name"), "a");
    world.instances.put(pod("between"));
    Watching watch(world, fmt::format("{}?watch=true&resourceVersion={}", pods,
                                      list.at(".metadata.resourceVersion")));
    EXPECT_EQ(watch.take(), Frames{"ADDED between"});
    world.instances.put(pod("a", "Failed"));
    world.instances.remove({KindId::pod, "default", "between"});
    const auto frames = watch.take();
    EXPECT_EQ(frames, (Frames{"MODIFIED a", "DELETED between"}));
    EXPECT_EQ(world.get(pods + "?watch=true&resourceVersion=3").status, 410);
    const auto refused = world.remove(pods + "/a");
    EXPECT_EQ(refused.status, 405);
    EXPECT_NE(refused.at(".message").find("TM-311"), std::string::npos);
    EXPECT_EQ(world.get("/apis/apps/v1/deployments").at(".kind"), "DeploymentList");
}

TEST(ApiLogs, AreTextWithTheParametersThatKubectlSends) {
    World world;
    world.instances.put(pod("a"));
    const std::string log = "/api/v1/namespaces/default/pods/a/log";
    const auto plain = world.ask({.target = log + "?follow=true&tailLines=7&sinceSeconds=60",
                                  .accept = "application/json, */*"});
    EXPECT_EQ(plain.status, 200);
    EXPECT_EQ(plain.text, "one\ntwo\n");
    EXPECT_EQ(plain.headers.get("Content-Type"), "text/plain");
    EXPECT_EQ(world.instances.last_query->mode, LogQuery::Mode::follow);
    EXPECT_EQ(world.instances.last_query->tail_lines, 7U);
    EXPECT_TRUE(world.instances.last_query->since);
    EXPECT_EQ(world.get(log + "?timestamps=true").text,
              "2027-01-15T08:00:00.5Z one\n2027-01-15T08:00:01.5Z two\n");
    EXPECT_EQ(world.get(log + "?limitBytes=5").text, "one\nt");
    world.get(log + "?previous=true");
    EXPECT_EQ(world.instances.last_query->which, LogQuery::Which::previous);
    EXPECT_EQ(world.get(log + "?container=nobody").status, 400);
    EXPECT_EQ(world.get(log + "?tailLines=x").status, 400);
    EXPECT_EQ(world.get("/api/v1/namespaces/default/pods/none/log").status, 404);
}

}  // namespace
}  // namespace tidemill::api::test
