#include "control/route/references.h"

#include <fmt/format.h>
#include <gtest/gtest.h>

#include "control/plan_fixture.h"

namespace tidemill::control {
namespace {

using model::KindId;
using Names = std::set<std::string>;

model::Object route(std::string_view name, std::string_view wanted, std::string_view actual = "") {
    return PlanFixture::parse(fmt::format(
        R"({{"apiVersion": "serving.knative.dev/v1", "kind": "Route", "metadata": {{"name": "{}"}},
             "spec": {{"traffic": [{}]}}, "status": {{"traffic": [{}]}}}})",
        name, wanted, actual));
}

model::Object revision(std::string_view name, std::string_view configuration,
                       std::string_view routes = "") {
    auto object = PlanFixture::parse(fmt::format(
        R"({{"apiVersion": "serving.knative.dev/v1", "kind": "Revision",
             "metadata": {{"name": "{}",
                           "labels": {{"serving.knative.dev/configuration": "{}"}}}}}})",
        name, configuration));
    if (!routes.empty()) {
        object.metadata.annotations[std::string(serving::routes)] = routes;
    }
    return object;
}

struct References : testing::Test {
    RouteReferences references;

    Names written_on(const std::string& name) const {
        Names names;
        for (const auto& key : references.written_on("default", name)) {
            names.insert(key.name);
        }
        return names;
    }
};

TEST_F(References, a_revision_finds_the_routes_that_concern_it) {
    references.put(route("latest", R"({"configurationName": "shop", "percent": 100})"));
    references.put(route("pinned", R"({"revisionName": "shop-1", "percent": 100})"));
    references.put(route("was", R"({"configurationName": "other", "percent": 100})",
                         R"({"revisionName": "shop-1", "percent": 100})"));
    references.put(route("none", R"({"configurationName": "other", "percent": 100})"));
    struct Case {
        const char* name;
        model::Object target;
        Names want;
    };
    const Case cases[] = {
        {"named by name, as actual, and by its Configuration",
         revision("shop-1", "shop"),
         {"latest", "pinned", "was"}},
        {"its Configuration alone", revision("shop-2", "shop"), {"latest"}},
        {"written on it", revision("x-1", "x", "gone,none"), {"gone", "none"}},
        {"nothing", revision("x-1", "x"), {}},
    };
    for (const auto& c : cases) {
        EXPECT_EQ(references.routes_of(c.target), c.want) << c.name;
    }
    auto elsewhere = revision("shop-1", "shop");
    elsewhere.metadata.namespace_name = "elsewhere";
    EXPECT_EQ(references.routes_of(elsewhere), Names());
}

TEST_F(References, what_a_route_no_longer_names_does_not_find_it) {
    references.put(route("shop", R"({"revisionName": "shop-1", "percent": 100})"));
    references.put(route("shop", R"({"revisionName": "shop-2", "percent": 100})"));
    EXPECT_EQ(references.routes_of(revision("shop-1", "")), Names());
    EXPECT_EQ(references.routes_of(revision("shop-2", "")), Names{"shop"});
    references.erase({KindId::route, "default", "shop"});
    EXPECT_EQ(references.routes_of(revision("shop-2", "")), Names());
}

TEST_F(References, a_route_finds_what_it_is_written_on_even_when_it_is_gone) {
    references.put(revision("shop-1", "shop", "shop,canary"));
    references.put(revision("shop-2", "shop", "shop"));
    EXPECT_EQ(written_on("shop"), (Names{"shop-1", "shop-2"}));
    EXPECT_EQ(written_on("canary"), Names{"shop-1"});
    references.put(revision("shop-1", "shop", "canary"));
    references.erase({KindId::revision, "default", "shop-2"});
    EXPECT_EQ(written_on("shop"), Names());
    EXPECT_EQ(written_on("canary"), Names{"shop-1"});
}

TEST_F(References, forgets_one_kind_alone) {
    references.put(route("shop", R"({"revisionName": "shop-1", "percent": 100})"));
    references.put(revision("shop-1", "shop", "shop"));
    references.forget(KindId::route);
    EXPECT_EQ(references.routes_of(revision("shop-1", "")), Names());
    EXPECT_EQ(written_on("shop"), Names{"shop-1"});
    references.forget(KindId::revision);
    EXPECT_EQ(written_on("shop"), Names());
}

}  // namespace
}  // namespace tidemill::control
