#include "control/configuration/plan.h"

#include <gtest/gtest.h>

#include "control/plan_fixture.h"

namespace tidemill::control {
namespace {

using model::KindId;

struct ConfigurationPlan : testing::Test {
    PlanFixture world;

    ConfigurationPlan() {
        world.put(PlanFixture::parse(R"({"apiVersion": "serving.knative.dev/v1",
          "kind": "Configuration",
          "metadata": {"name": "shop", "labels": {"serving.knative.dev/service": "shop", "x": "y"},
            "annotations": {"serving.knative.dev/lastModifier": "ann", "own": "1",
                            "serving.knative.dev/routes": "shop"}},
          "spec": {"template": {"metadata": {"labels": {"l": "1"}, "annotations": {"a": "2"}},
                   "spec": {"containers": [{"image": "one"}]}}}})"));
    }
    void edit(const std::function<void(model::JsonObject&)>& how) {
        auto next = *world.get(KindId::configuration, "shop");
        how(next.body["spec"].as_object()["template"].as_object());
        world.put(std::move(next));
    }
    void image(const char* name) {
        edit([&](auto& it) {
            it["spec"].as_object()["containers"].as_array()[0].as_object()["image"] = name;
        });
    }
    void plan() { world.apply(plan_configuration(world.configuration_world("shop"), world.now)); }
    void ready(const std::string& revision, std::int32_t count = 1) {
        world.facts[revision] = PlanFixture::running(count);
        world.apply(plan_revision(*world.get(KindId::revision, revision), world.facts[revision],
                                  world.now));
    }
    std::string latest(std::string_view which) const {
        return std::string(
            model::text_at(world.get(KindId::configuration, "shop")->status(), {which}));
    }
    std::string latest_ready() const { return latest("latestReadyRevisionName"); }
};

TEST_F(ConfigurationPlan, MakesARevisionOfEachGenerationWithItsLabels) {
    plan();
    const auto revision = world.get(KindId::revision, "shop-00001");
    ASSERT_TRUE(revision);
    const auto configuration = world.get(KindId::configuration, "shop");
    EXPECT_EQ(revision->metadata.labels,
              (model::TextMap{
                  {"l", "1"},
                  {"serving.knative.dev/configuration", "shop"},
                  {"serving.knative.dev/configurationGeneration", "1"},
                  {"serving.knative.dev/configurationUID", configuration->metadata.uid},
                  {"serving.knative.dev/routingState", "active"},
                  {"serving.knative.dev/service", "shop"},
              }));
    EXPECT_EQ(revision->metadata.annotations,
              (model::TextMap{
                  {"a", "2"},
                  {"serving.knative.dev/creator", "ann"},
                  {"serving.knative.dev/routes", "shop"},
                  {"serving.knative.dev/routingStateModified", "2023-11-14T22:13:20Z"},
              }));
    EXPECT_EQ(latest("latestCreatedRevisionName"), "shop-00001");
    EXPECT_TRUE(is_controlled_by(*revision, *configuration));
    plan();
    EXPECT_TRUE(plan_configuration(world.configuration_world("shop"), world.now).changes.empty());
    image("two");
    plan();
    EXPECT_TRUE(world.get(KindId::revision, "shop-00002"));
}

TEST_F(ConfigurationPlan, LatestReadyGoesForwardOnly) {
    plan();
    image("two");
    plan();
    image("three");
    plan();
    ready("shop-00002");
    plan();
    EXPECT_EQ(latest_ready(), "shop-00002");
    EXPECT_EQ(world.condition(KindId::configuration, "shop"), "Unknown");
    ready("shop-00001");
    plan();
    EXPECT_EQ(latest_ready(), "shop-00002") << "an older one that is ready late changes nothing";
    ready("shop-00003");
    plan();
    EXPECT_EQ(latest_ready(), "shop-00003");
    EXPECT_EQ(world.condition(KindId::configuration, "shop"), "True");
}

TEST_F(ConfigurationPlan, ADeletedLatestReadyGivesWayToTheNewestThatIsThere) {
    plan();
    ready("shop-00001");
    plan();
    image("two");
    plan();
    ready("shop-00002");
    plan();
    ASSERT_EQ(latest_ready(), "shop-00002");
    world.drop(KindId::revision, "shop-00002");
    plan();
    EXPECT_TRUE(world.get(KindId::revision, "shop-00002")) << "made anew for this generation";
    plan();
    EXPECT_EQ(latest_ready(), "shop-00002") << "names the new one, which is not ready";
    ready("shop-00002");
    plan();
    EXPECT_EQ(world.condition(KindId::configuration, "shop"), "True");
}

TEST_F(ConfigurationPlan, FailureAndRecoveryAreSaid) {
    plan();
    auto failing = PlanFixture::running(0);
    failing.failure.emplace();
    failing.failure->exit_code = 0;
    world.apply(plan_revision(*world.get(KindId::revision, "shop-00001"), failing, world.now));
    plan();
    EXPECT_EQ(world.condition(KindId::configuration, "shop"), "False RevisionFailed");
    EXPECT_EQ(latest_ready(), "");
    ready("shop-00001");
    plan();
    EXPECT_EQ(world.condition(KindId::configuration, "shop"), "True");
    std::vector<std::string> reasons;
    for (const auto& notice : world.notices) {
        reasons.push_back(notice.reason);
    }
    EXPECT_EQ(reasons, (std::vector<std::string>{"Created", "LatestCreatedFailed",
                                                 "ConfigurationReady", "LatestReadyUpdate"}));
}

TEST_F(ConfigurationPlan, ANameGivenByTheUserIsTakenIfItFits) {
    edit([](auto& it) { it["metadata"].as_object()["name"] = "shop-mine"; });
    plan();
    ASSERT_TRUE(world.get(KindId::revision, "shop-mine"));
    ready("shop-mine");
    plan();
    EXPECT_EQ(latest_ready(), "shop-mine");
    // The same template under a newer generation is the same revision.
    edit([](auto& it) { it["metadata"].as_object()["labels"].as_object()["l"] = "2"; });
    plan();
    EXPECT_EQ(world.condition(KindId::configuration, "shop"), "True");
    EXPECT_EQ(world.all(KindId::revision).size(), 1U);
    // Another template under the same name is not.
    image("two");
    plan();
    EXPECT_EQ(world.condition(KindId::configuration, "shop"), "False RevisionFailed");
    EXPECT_EQ(world.all(KindId::revision).size(), 1U);
}

}  // namespace
}  // namespace tidemill::control
