#include "control/route/plan.h"

#include <gtest/gtest.h>

#include "control/plan_fixture.h"
#include "control/route/labels.h"
#include "control/route_table/route_table.h"

namespace tidemill::control {
namespace {

using model::KindId;

// A Service "shop" with three revisions: 1 and 2 ready, 3 not.
struct RoutePlan : testing::Test {
    PlanFixture world;

    RoutePlan() {
        world.put(PlanFixture::parse(R"({"apiVersion": "serving.knative.dev/v1",
          "kind": "Service", "metadata": {"name": "shop"},
          "spec": {"template": {"spec": {"containers": [{"image": "1"}]}},
                   "traffic": [{"latestRevision": true, "percent": 100}]}})"));
        for (const char* image : {"1", "2", "3"}) {
            auto next = *world.get(KindId::service, "shop");
            next.body["spec"]
                .as_object()["template"]
                .as_object()["spec"]
                .as_object()["containers"] = model::JsonArray{model::JsonObject{{"image", image}}};
            world.put(std::move(next));
            const auto name = std::string("shop-0000") + image;
            world.facts[name] = PlanFixture::running(image[0] == '3' ? 0 : 1);
            world.settle();
        }
    }
    void traffic(std::string_view text) {
        auto next = *world.get(KindId::service, "shop");
        next.body["spec"].as_object()["traffic"] = boost::json::parse(model::as_json(text));
        world.put(std::move(next));
        world.settle();
    }
    ObjectPtr route() const { return world.get(KindId::route, "shop"); }
    std::string text() const {
        std::string result;
        const auto* list = model::find_member(route()->status(), {"traffic"});
        for (const auto& target : model::read_traffic(list->as_array())) {
            result += target.revision_name + ":" + std::to_string(target.percent.value_or(-1));
            result += target.tag.empty() ? " " : "@" + target.tag + "=" + target.url + " ";
        }
        return result;
    }
    std::string assigned() const {
        return world.condition(KindId::route, "shop", "AllTrafficAssigned");
    }
    std::string message() const {
        const auto conditions = conditions_of(*route());
        return model::find_condition(conditions, "AllTrafficAssigned")->message;
    }
    std::string table() const {
        std::string result;
        for (const auto& host : host_routes(*route(), world.settings)) {
            result += host.host + " ->";
            for (const auto& target : host.targets) {
                result += " " + target.revision + ":" + std::to_string(target.percent);
            }
            result += "\n";
        }
        return result;
    }
    std::string state(const std::string& revision) const {
        return std::string(text_of(world.get(KindId::revision, revision)->metadata.labels,
                                   serving::routing_state));
    }
};

TEST_F(RoutePlan, LatestIsTheNewestThatIsReady) {
    EXPECT_EQ(text(), "shop-00002:100 ");
    EXPECT_EQ(assigned(), "True");
    EXPECT_EQ(table(),
              "shop.default.localhost -> default/shop-00002:100\n"
              "shop.default.svc.cluster.local -> default/shop-00002:100\n");
}

TEST_F(RoutePlan, SplitsAndTagsAreResolved) {
    traffic(R"([{"latestRevision": true, "percent": 10, "tag": "latest"},
                {"revisionName": "shop-00001", "percent": 90, "latestRevision": false},
                {"revisionName": "shop-00001", "percent": 0, "tag": "old",
                 "latestRevision": false}])");
    EXPECT_EQ(text(),
              "shop-00002:10@latest=http://latest-shop.default.localhost shop-00001:90 "
              "shop-00001:0@old=http://old-shop.default.localhost ");
    EXPECT_EQ(table(),
              "shop.default.localhost -> default/shop-00002:10 default/shop-00001:90\n"
              "shop.default.svc.cluster.local -> default/shop-00002:10 default/shop-00001:90\n"
              "latest-shop.default.localhost -> default/shop-00002:100\n"
              "latest-shop.default.svc.cluster.local -> default/shop-00002:100\n"
              "old-shop.default.localhost -> default/shop-00001:100\n"
              "old-shop.default.svc.cluster.local -> default/shop-00001:100\n");
    EXPECT_EQ(world.condition(KindId::service, "shop", "RoutesReady"), "True");
}

TEST_F(RoutePlan, TheSameRevisionTwiceIsOneTarget) {
    traffic(R"([{"revisionName": "shop-00001", "percent": 40, "latestRevision": false},
                {"revisionName": "shop-00001", "percent": 60, "latestRevision": false}])");
    EXPECT_EQ(text(), "shop-00001:100 ");
}

TEST_F(RoutePlan, ThatThereIsNoCertificateIsSaidWhereverTheTrafficIs) {
    EXPECT_EQ(world.condition(KindId::route, "shop", "CertificateProvisioned"),
              "True TLSNotEnabled");
    world.put(PlanFixture::parse(R"({"apiVersion": "serving.knative.dev/v1", "kind": "Route",
        "metadata": {"name": "fresh"},
        "spec": {"traffic": [{"configurationName": "nothing", "percent": 100,
                              "latestRevision": true}]}})"));
    world.settle();
    EXPECT_EQ(world.condition(KindId::route, "fresh", "AllTrafficAssigned"),
              "False ConfigurationMissing");
    EXPECT_EQ(world.condition(KindId::route, "fresh", "CertificateProvisioned"),
              "True TLSNotEnabled");
}

struct Problem {
    const char* name;
    const char* traffic;
    const char* want;
    const char* want_message;
};

TEST_F(RoutePlan, ATargetThatCannotServeKeepsTheTrafficAsItWas) {
    world.put(PlanFixture::parse(R"({"apiVersion": "serving.knative.dev/v1", "kind": "Revision",
        "metadata": {"name": "foreign", "labels": {"serving.knative.dev/service": "bar"}},
        "spec": {}})"));
    world.put(PlanFixture::parse(R"({"apiVersion": "serving.knative.dev/v1", "kind": "Revision",
        "metadata": {"name": "loose"}, "spec": {}})"));
    auto failed = PlanFixture::running(0);
    failed.failure.emplace();
    failed.failure->exit_code = 1;
    const Problem problems[] = {
        {"a revision that is not there",
         R"([{"revisionName": "shop-00009", "percent": 100, "latestRevision": false}])",
         "False RevisionMissing", "Revision \"shop-00009\" referenced in traffic not found."},
        {"a revision that is not ready yet",
         R"([{"revisionName": "shop-00003", "percent": 100, "latestRevision": false}])",
         "Unknown RevisionMissing", "Revision \"shop-00003\" is not yet ready."},
        {"a revision of another service",
         R"([{"revisionName": "foreign", "percent": 100, "latestRevision": false}])",
         "False RevisionNotOwned",
         "Revision \"foreign\" belongs to Service \"bar\", not Service \"shop\"."},
        {"a revision of no service",
         R"([{"revisionName": "loose", "percent": 100, "latestRevision": false}])",
         "False RevisionNotOwned", "Revision \"loose\" does not belong to Service \"shop\"."},
        {"what fails is said before what waits",
         R"([{"revisionName": "shop-00009", "percent": 50, "latestRevision": false},
             {"revisionName": "shop-00003", "percent": 50, "latestRevision": false}])",
         "False RevisionMissing", "Revision \"shop-00009\" referenced in traffic not found."},
    };
    for (const auto& problem : problems) {
        traffic(problem.traffic);
        EXPECT_EQ(assigned(), problem.want) << problem.name;
        EXPECT_EQ(message(), problem.want_message) << problem.name;
        EXPECT_EQ(text(), "shop-00002:100 ") << problem.name;
    }
    traffic(R"([{"revisionName": "shop-00003", "percent": 100, "latestRevision": false}])");
    world.facts["shop-00003"] = failed;
    world.settle();
    EXPECT_EQ(message(), "Revision \"shop-00003\" failed to become ready.");
    world.facts["shop-00003"] = PlanFixture::running(1);
    world.settle();
    EXPECT_EQ(text(), "shop-00003:100 ") << "and moves when it can";
    EXPECT_EQ(assigned(), "True");
}

TEST_F(RoutePlan, BeforeAnythingIsReadyThereIsNoHost) {
    world.put(PlanFixture::parse(R"({"apiVersion": "serving.knative.dev/v1", "kind": "Service",
        "metadata": {"name": "new"},
        "spec": {"template": {"spec": {"containers": [{"image": "1"}]}},
                 "traffic": [{"latestRevision": true, "percent": 100}]}})"));
    world.settle();
    const auto route = world.get(KindId::route, "new");
    EXPECT_TRUE(host_routes(*route, world.settings).empty());
    const auto conditions = conditions_of(*route);
    EXPECT_EQ(model::find_condition(conditions, "Ready")->message,
              "Configuration \"new\" is waiting for a Revision to become ready.");
}

TEST_F(RoutePlan, ReservesANamePerTagAndReleasesIt) {
    traffic(R"([{"latestRevision": true, "percent": 100, "tag": "now"}])");
    const auto tagged = world.get(KindId::core_service, "now-shop");
    ASSERT_TRUE(tagged && world.get(KindId::core_service, "shop"));
    EXPECT_EQ(text_of(tagged->metadata.labels, "serving.knative.dev/route"), "shop");
    EXPECT_EQ(text_of(tagged->metadata.labels, "serving.knative.dev/service"), "shop");
    traffic(R"([{"latestRevision": true, "percent": 100}])");
    EXPECT_EQ(world.get(KindId::core_service, "now-shop"), nullptr);
    EXPECT_TRUE(world.get(KindId::core_service, "shop"));
}

TEST_F(RoutePlan, LabelsTakenFromTheServiceStayOnTheReservedName) {
    auto next = *world.get(KindId::service, "shop");
    next.metadata.labels["juicy"] = "yes";
    next.metadata.annotations["juicy"] = "yes";
    world.put(next);
    world.settle();
    next = *world.get(KindId::service, "shop");
    next.metadata.labels.clear();
    next.metadata.annotations.clear();
    world.put(next);
    world.settle();
    EXPECT_EQ(text_of(route()->metadata.labels, "juicy"), "");
    const auto reserved = world.get(KindId::core_service, "shop");
    EXPECT_EQ(text_of(reserved->metadata.labels, "juicy"), "yes");
    EXPECT_EQ(text_of(reserved->metadata.annotations, "juicy"), "yes");
}

TEST_F(RoutePlan, AReservedNameOfOthersIsSaid) {
    world.put(PlanFixture::parse(R"({"apiVersion": "v1", "kind": "Service",
        "metadata": {"name": "mine-shop"}, "spec": {}})"));
    traffic(R"([{"latestRevision": true, "percent": 100, "tag": "mine"}])");
    EXPECT_EQ(world.condition(KindId::route, "shop", "IngressReady"), "False NotOwned");
}

TEST_F(RoutePlan, AClusterLocalRouteHasAnInsideNameOnly) {
    auto next = *world.get(KindId::service, "shop");
    next.metadata.labels["networking.knative.dev/visibility"] = "cluster-local";
    world.put(next);
    world.settle();
    EXPECT_EQ(model::text_at(route()->status(), {"url"}), "http://shop.default.svc.cluster.local");
    EXPECT_EQ(table(), "shop.default.svc.cluster.local -> default/shop-00002:100\n");
}

TEST_F(RoutePlan, RevisionsKnowTheirRoutes) {
    EXPECT_EQ(state("shop-00002"), "active") << "serves";
    EXPECT_EQ(state("shop-00003"), "active") << "will serve as soon as it is ready";
    EXPECT_EQ(state("shop-00001"), "reserve") << "no longer";
    traffic(R"([{"revisionName": "shop-00001", "percent": 100, "latestRevision": false}])");
    EXPECT_EQ(state("shop-00001"), "active");
    EXPECT_EQ(state("shop-00002"), "reserve");
}

TEST_F(RoutePlan, ARouteThatIsGoneIsForgottenButNotOneThatIsAboutToBeMade) {
    auto revision = *world.get(KindId::revision, "shop-00002");
    revision.metadata.annotations[std::string(serving::routes)] = "other,shop";
    world.put(revision);
    auto gone = world.label_world("other");
    gone.route = nullptr;
    gone.revisions = {world.get(KindId::revision, "shop-00002")};
    world.apply(plan_routing_labels(gone, world.now));
    const auto routes = [&](KindId kind, const char* name) {
        return std::string(text_of(world.get(kind, name)->metadata.annotations, serving::routes));
    };
    EXPECT_EQ(routes(KindId::revision, "shop-00002"), "shop");
    EXPECT_EQ(state("shop-00002"), "active");
    // The Service writes its Route on its Configuration first: who took that away would be answered
    // by the Service, and that without an end.
    auto not_yet = world.label_world("shop");
    not_yet.route = nullptr;
    EXPECT_EQ(plan_routing_labels(not_yet, world.now).changes.size(), 0U);
    EXPECT_EQ(routes(KindId::configuration, "shop"), "shop");
}

}  // namespace
}  // namespace tidemill::control
