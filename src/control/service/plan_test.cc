#include "control/service/plan.h"

#include <gtest/gtest.h>

#include "control/plan_fixture.h"

namespace tidemill::control {
namespace {

using model::KindId;

constexpr std::string_view shop = R"({
  "apiVersion": "serving.knative.dev/v1", "kind": "Service",
  "metadata": {"name": "shop",
    "labels": {"team": "sales"},
    "annotations": {"note": "hello", "serving.knative.dev/creator": "ann",
      "serving.knative.dev/lastModifier": "ann",
      "serving.knative.dev/rollout-duration": "10s",
      "kubectl.kubernetes.io/last-applied-configuration": "{}"}},
  "spec": {"template": {"metadata": {"annotations": {"t": "1"}},
                        "spec": {"containers": [{"name": "user-container", "image": "a"}]}},
           "traffic": [{"latestRevision": true, "percent": 100}]}})";

struct ServicePlan : testing::Test {
    PlanFixture world;

    void deploy(std::string_view text = shop) { world.put(PlanFixture::parse(text)); }
    void edit(const std::function<void(model::Object&)>& how) {
        auto next = *world.get(KindId::service, "shop");
        how(next);
        world.put(std::move(next));
    }
    void set_image(const char* image) {
        edit([&](model::Object& service) {
            service.body["spec"]
                .as_object()["template"]
                .as_object()["spec"]
                .as_object()["containers"]
                .as_array()[0]
                .as_object()["image"] = image;
        });
    }
    std::string ready() const { return world.condition(KindId::service, "shop"); }
    std::string_view status(std::initializer_list<std::string_view> path) const {
        held = world.get(KindId::service, "shop");
        return model::text_at(held->status(), path);
    }
    mutable ObjectPtr held;
};

TEST_F(ServicePlan, ChildrenGetLabelsAndAnnotationsByTheRules) {
    deploy();
    world.apply(plan_service(world.service_world("shop"), world.now));
    const auto service = world.get(KindId::service, "shop");
    const auto configuration = world.get(KindId::configuration, "shop");
    const auto route = world.get(KindId::route, "shop");
    ASSERT_TRUE(configuration && route);
    EXPECT_EQ(configuration->metadata.labels,
              (model::TextMap{{"serving.knative.dev/service", "shop"},
                              {"serving.knative.dev/serviceUID", service->metadata.uid},
                              {"team", "sales"}}));
    EXPECT_EQ(configuration->metadata.annotations,
              (model::TextMap{{"note", "hello"},
                              {"serving.knative.dev/creator", "ann"},
                              {"serving.knative.dev/lastModifier", "ann"},
                              {"serving.knative.dev/routes", "shop"}}));
    EXPECT_EQ(route->metadata.labels,
              (model::TextMap{{"serving.knative.dev/service", "shop"}, {"team", "sales"}}));
    EXPECT_EQ(route->metadata.annotations.count("serving.knative.dev/rollout-duration"), 1U);
    EXPECT_EQ(route->metadata.annotations.count("kubectl.kubernetes.io/last-applied-configuration"),
              0U);
    EXPECT_TRUE(is_controlled_by(*configuration, *service));
    EXPECT_TRUE(is_controlled_by(*route, *service));
    const auto traffic =
        model::read_traffic(model::find_member(route->spec(), {"traffic"})->as_array());
    EXPECT_EQ(traffic.at(0).configuration_name, "shop");
}

TEST_F(ServicePlan, BecomesReadyWithItsFirstRevision) {
    deploy();
    world.settle();
    EXPECT_EQ(ready(), "Unknown RevisionMissing") << "nothing runs yet";
    world.facts["shop-00001"] = PlanFixture::running(0);
    world.settle();
    EXPECT_EQ(ready(), "Unknown RevisionMissing");
    world.facts["shop-00001"] = PlanFixture::running(1);
    world.settle();
    EXPECT_EQ(ready(), "True");
    EXPECT_EQ(status({"latestReadyRevisionName"}), "shop-00001");
    EXPECT_EQ(status({"latestCreatedRevisionName"}), "shop-00001");
    EXPECT_EQ(status({"url"}), "http://shop.default.localhost");
    EXPECT_EQ(status({"address", "url"}), "http://shop.default.svc.cluster.local");
    EXPECT_TRUE(is_ready(*world.get(KindId::service, "shop")));
    EXPECT_FALSE(world.round()) << "planned again, nothing is left to do";
}

TEST_F(ServicePlan, ANewRevisionTakesTrafficOnlyWhenItIsReady) {
    deploy();
    world.facts["shop-00001"] = PlanFixture::running(1);
    world.settle();
    set_image("b");
    world.facts["shop-00002"] = PlanFixture::running(0);
    world.settle();
    EXPECT_EQ(status({"latestCreatedRevisionName"}), "shop-00002");
    EXPECT_EQ(status({"latestReadyRevisionName"}), "shop-00001");
    EXPECT_EQ(ready(), "Unknown") << "not ready while the new one is not";
    EXPECT_EQ(world.condition(KindId::route, "shop"), "True") << "the old one serves";
    const auto traffic = [&] {
        return model::read_traffic(
            model::find_member(world.get(KindId::route, "shop")->status(), {"traffic"})
                ->as_array());
    };
    EXPECT_EQ(traffic().at(0).revision_name, "shop-00001");
    world.facts["shop-00002"] = PlanFixture::running(1);
    world.settle();
    EXPECT_EQ(traffic().at(0).revision_name, "shop-00002");
    EXPECT_EQ(ready(), "True");
}

TEST_F(ServicePlan, AFailedRevisionLeavesTheOldOneServing) {
    deploy();
    world.facts["shop-00001"] = PlanFixture::running(1);
    world.settle();
    set_image("b");
    auto failing = PlanFixture::running(0);
    failing.failure.emplace();
    failing.failure->exit_code = 5;
    failing.failure->message = "no such file";
    world.facts["shop-00002"] = failing;
    world.settle();
    EXPECT_EQ(ready(), "False RevisionFailed");
    EXPECT_EQ(status({"latestReadyRevisionName"}), "shop-00001");
    EXPECT_EQ(world.condition(KindId::route, "shop"), "True");
    EXPECT_EQ(world.condition(KindId::revision, "shop-00002"), "False ExitCode5");
    const auto conditions = conditions_of(*world.get(KindId::configuration, "shop"));
    EXPECT_EQ(model::find_condition(conditions, "Ready")->message,
              "Revision \"shop-00002\" failed with message: Container failed with: no such file.");
    EXPECT_FALSE(world.round());
}

TEST_F(ServicePlan, DriftIsOverwrittenAndWhatWasRemovedGoes) {
    deploy();
    world.settle();
    auto configuration = *world.get(KindId::configuration, "shop");
    configuration.metadata.labels["foreign"] = "x";
    configuration.metadata.annotations["serving.knative.dev/routes"] = "other,shop";
    world.put(configuration);
    auto route = *world.get(KindId::route, "shop");
    route.body["spec"].as_object()["traffic"].as_array().clear();
    world.put(route);
    edit([](model::Object& service) {
        service.metadata.labels.clear();
        service.metadata.annotations["note"] = "changed";
    });
    world.settle();
    const auto after = world.get(KindId::configuration, "shop");
    EXPECT_EQ(after->metadata.labels.count("foreign"), 0U);
    EXPECT_EQ(after->metadata.labels.count("team"), 0U);
    EXPECT_EQ(after->metadata.annotations.at("note"), "changed");
    EXPECT_EQ(after->metadata.generation, 1) << "metadata moves no generation";
    EXPECT_EQ(world.all(KindId::revision).size(), 1U) << "and makes no revision";
    EXPECT_EQ(model::find_member(world.get(KindId::route, "shop")->spec(), {"traffic"})
                  ->as_array()
                  .size(),
              1U);
}

TEST_F(ServicePlan, WhatBelongsToOthersIsLeftAlone) {
    world.put(PlanFixture::parse(R"({"apiVersion": "serving.knative.dev/v1",
        "kind": "Configuration", "metadata": {"name": "shop"}, "spec": {}})"));
    deploy();
    world.apply(plan_service(world.service_world("shop"), world.now));
    EXPECT_EQ(ready(), "False NotOwned");
    EXPECT_EQ(world.get(KindId::route, "shop"), nullptr);
}

TEST_F(ServicePlan, ARouteOfOthersIsLeftAloneToo) {
    world.put(PlanFixture::parse(R"({"apiVersion": "serving.knative.dev/v1",
        "kind": "Route", "metadata": {"name": "shop"}, "spec": {"traffic": []}})"));
    deploy();
    world.apply(plan_service(world.service_world("shop"), world.now));
    world.apply(plan_service(world.service_world("shop"), world.now));
    EXPECT_EQ(world.condition(KindId::service, "shop", "RoutesReady"), "False NotOwned");
}

TEST_F(ServicePlan, ANameThatAConflictingRevisionHasTakesNoTraffic) {
    world.put(PlanFixture::parse(R"({"apiVersion": "serving.knative.dev/v1",
        "kind": "Revision", "metadata": {"name": "shop-mine"}, "spec": {}})"));
    deploy();
    edit([](model::Object& service) {
        service.body["spec"].as_object()["template"].as_object()["metadata"].as_object()["name"] =
            "shop-mine";
    });
    world.settle();
    EXPECT_EQ(world.condition(KindId::service, "shop", "RoutesReady"), "False RevisionNameTaken");
    EXPECT_EQ(world.condition(KindId::configuration, "shop"), "False RevisionFailed");
    EXPECT_EQ(world.get(KindId::route, "shop"), nullptr);
}

TEST_F(ServicePlan, OneBeingDeletedIsLeftInPeace) {
    deploy();
    edit([&](model::Object& service) { service.metadata.deletion_timestamp = world.now; });
    EXPECT_TRUE(plan_service(world.service_world("shop"), world.now).changes.empty());
}

}  // namespace
}  // namespace tidemill::control
