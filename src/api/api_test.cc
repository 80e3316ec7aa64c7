#include <gtest/gtest.h>

#include "api/world_test.h"
#include "base/text.h"

namespace tidemill::api::test {
namespace {

// Discovery -------------------------------------------------------------------------------------

TEST(ApiDiscovery, SaysWhichKindsThereAreInBothFormsThatClientsAskFor) {
    World world;
    EXPECT_EQ(world.get("/api").at(".versions[0]"), "v1");
    const auto groups = world.get("/apis");
    EXPECT_EQ(groups.at(".kind"), "APIGroupList");
    EXPECT_NE(groups.text.find("\"serving.knative.dev/v1\""), std::string::npos);
    EXPECT_EQ(world.get("/apis/apps").at(".preferredVersion.version"), "v1");
    const auto serving = world.get("/apis/serving.knative.dev/v1");
    EXPECT_EQ(serving.at(".groupVersion"), "serving.knative.dev/v1");
    EXPECT_NE(serving.text.find("\"ksvc\""), std::string::npos);
    EXPECT_NE(serving.text.find("\"services/status\""), std::string::npos);
    EXPECT_NE(world.get("/api/v1").text.find("\"pods/log\""), std::string::npos);
    EXPECT_EQ(world.get("/apis/none.dev/v1").status, 404);
    for (const std::string version : {"v2", "v2beta1"}) {
        const auto reply =
            world.ask({.target = "/apis",
                       .accept = "application/json;g=apidiscovery.k8s.io;v=" + version +
                                 ";as=APIGroupDiscoveryList,application/json"});
        EXPECT_EQ(reply.at(".apiVersion"), "apidiscovery.k8s.io/" + version);
        EXPECT_EQ(reply.headers.get("Content-Type"), "application/json;g=apidiscovery.k8s.io;v=" +
                                                         version + ";as=APIGroupDiscoveryList");
        EXPECT_NE(reply.text.find("\"responseKind\""), std::string::npos);
    }
}

TEST(ApiDiscovery, TellsItsVersionAndHealthToEverybodyAndKindsToThoseItKnows) {
    World world;
    for (const char* page : {"/version", "/healthz", "/livez", "/readyz"}) {
        EXPECT_EQ(world.ask({.target = page, .token = "none"}).status, 200) << page;
    }
    EXPECT_TRUE(world.get("/version").at(".gitVersion").starts_with("v1.34."));
    EXPECT_EQ(world.ask({.target = "/apis", .token = "none"}).status, 401);
    EXPECT_EQ(world.ask({.target = "/apis", .token = world.token({.user = "zed"})}).status, 200);
}

TEST(ApiDiscovery, OpenApiLetsOldAndNewKubectlGoOn) {
    World world;
    const auto old =
        world.ask({.target = "/openapi/v2",
                   .accept = "application/com.github.proto-openapi.spec.v2@v1.0+protobuf"});
    EXPECT_EQ(old.status, 200);
    EXPECT_TRUE(old.text.starts_with(std::string("\x0a\x03") + "2.0\x12"));
    EXPECT_EQ(old.headers.get("Content-Type"), "application/octet-stream");
    // PathItem.patch (8) of the ksvc, with dryRun among its query parameters (3 in 2 in 1).
    EXPECT_NE(old.text.find("/services/{name}"), std::string::npos);
    EXPECT_NE(old.text.find(std::string("\x12\x05query\x22\x06") + "dryRun"), std::string::npos);
    const auto second = world.get("/openapi/v2");
    EXPECT_EQ(second.at(".swagger"), "2.0");
    EXPECT_EQ(second.at(".definitions['dev.knative.serving.v1.Service']"
                        "['x-kubernetes-group-version-kind'][0].kind"),
              "Service");
    EXPECT_EQ(model::text_at(second.json, {"definitions", "io.k8s.api.core.v1.ConfigMap",
                                           "properties", "metadata", "$ref"}),
              "#/definitions/io.k8s.apimachinery.pkg.apis.meta.v1.ObjectMeta");
    const auto index = world.get("/openapi/v3");
    const auto url =
        model::text_at(index.json, {"paths", "apis/serving.knative.dev/v1", "serverRelativeURL"});
    const auto document = world.get(std::string(url));
    EXPECT_EQ(document.status, 200);
    const auto* path = model::find_member(
        document.json,
        {"paths", "/apis/serving.knative.dev/v1/namespaces/{namespace}/services/{name}", "patch"});
    ASSERT_NE(path, nullptr);
    EXPECT_EQ(model::text_at(*path, {"x-kubernetes-group-version-kind", "kind"}), "Service");
    EXPECT_NE(wire::write_json(*path).find("fieldValidation"), std::string::npos);
    EXPECT_EQ(world.get("/openapi/v3/apis/none/v1").status, 404);
}

TEST(ApiDiscovery, KindsOfKnativeHaveDefinitions) {
    World world;
    const std::string all = "/apis/apiextensions.k8s.io/v1/customresourcedefinitions";
    const auto list = world.get(all);
    EXPECT_EQ(list.at(".items[0].metadata.name"), "services.serving.knative.dev");
    EXPECT_EQ(list.at(".items[0].spec.names.kind"), "Service");
    EXPECT_EQ(list.at(".items[0].spec.versions[0].additionalPrinterColumns[0].jsonPath"),
              ".status.url");
    EXPECT_EQ(world.get(all + "?labelSelector=duck.knative.dev/source=true").at(".items"), "[]");
    EXPECT_EQ(world.get(all + "?labelSelector=a=b=c").status, 400);
    EXPECT_EQ(world.get(all + "/routes.serving.knative.dev").at(".spec.names.plural"), "routes");
    EXPECT_EQ(world.get(all + "/shops.example.com").status, 404);
    EXPECT_EQ(world.get(all + "?watch=true").status, 405);
    EXPECT_EQ(world.post(all, "{}").status, 405);
}

// What a schema says of the member at a path: the members of objects and of elements of lists.
const model::Json* schema_at(const model::Json& schema, std::string_view path) {
    const auto* at = &schema;
    for (const auto step : base::split(path, '.')) {
        if (const auto* items = model::find_member(*at, {"items"})) {
            at = items;
        }
        at = model::find_member(*at, {"properties", step});
        if (at == nullptr) {
            return nullptr;
        }
    }
    return at;
}

TEST(ApiDiscovery, SchemasAreThoseOfTheTablesOfFields) {
    World world;
    const auto document = world.get("/openapi/v3/apis/serving.knative.dev/v1");
    const auto* service = model::find_member(
        document.json, {"components", "schemas", "dev.knative.serving.v1.Service"});
    ASSERT_NE(service, nullptr);
    struct Case {
        const char* path;
        const char* key;
        const char* want;
    };
    constexpr Case cases[] = {
        {"spec.template.spec.timeoutSeconds", "format", R"("int64")"},
        {"spec.template.spec.containers", "x-kubernetes-list-map-keys", R"(["name"])"},
        {"spec.template.spec.containers.ports", "x-kubernetes-list-map-keys",
         R"(["containerPort","protocol"])"},
        {"spec.template.spec.containers.env", "x-kubernetes-patch-merge-key", R"("name")"},
        {"spec.template.spec.containers.command", "x-kubernetes-list-type", R"("atomic")"},
        {"spec.template.spec.containers.resources.limits", "type", R"("object")"},
        {"spec.template.spec.containers.stdin", "description",
         R"("Refused: instances have no terminal and read an empty input.")"},
        {"spec.template.spec", "required", R"(["containers"])"},
        {"spec.traffic.percent", "type", R"("integer")"},
        {"spec.traffic", "x-kubernetes-list-type", R"("atomic")"},
        {"status.url", "description",
         R"("The address that is called from outside. Written by the platform.")"},
    };
    for (const auto& c : cases) {
        const auto* found = schema_at(*service, c.path);
        const auto* value = found == nullptr ? nullptr : model::find_member(*found, {c.key});
        EXPECT_EQ(value == nullptr ? "nothing" : wire::write_json(*value), c.want) << c.path;
    }
}

// Objects ---------------------------------------------------------------------------------------

TEST(ApiObjects, AServiceIsMadeReadChangedAndDeleted) {
    World world;
    const auto missing = world.get(std::string(services) + "/shop");
    EXPECT_EQ(missing.status, 404);
    EXPECT_EQ(missing.at(".reason"), "NotFound");
    EXPECT_EQ(missing.at(".message"), "services.serving.knative.dev \"shop\" not found");
    EXPECT_EQ(missing.at(".details.group"), "serving.knative.dev");

    const auto made = world.post(services, service_json("shop"));
    ASSERT_EQ(made.status, 201) << made.text;
    EXPECT_EQ(made.at(".metadata.generation"), "1");
    EXPECT_EQ(made.at(".metadata.annotations['serving.knative.dev/creator']"), "admin");
    EXPECT_EQ(made.at(".spec.template.spec.timeoutSeconds"), "300");
    EXPECT_EQ(made.at(".spec.traffic[0].percent"), "100");
    const auto again = world.post(services, service_json("shop"));
    EXPECT_EQ(again.status, 409);
    EXPECT_EQ(again.at(".reason"), "AlreadyExists");

    const auto url = std::string(services) + "/shop";
    auto changed = made.json;
    model::object_at(changed.get_object().at("spec").get_object().at("template").get_object(),
                     "metadata")["labels"] = JsonObject{{"a", "b"}};
    const auto put = world.ask({.method = "PUT", .target = url, .body = wire::write_json(changed)});
    ASSERT_EQ(put.status, 200) << put.text;
    EXPECT_EQ(put.at(".metadata.generation"), "2");
    EXPECT_EQ(put.at(".metadata.uid"), made.at(".metadata.uid"));
    const auto stale =
        world.ask({.method = "PUT", .target = url, .body = wire::write_json(made.json)});
    EXPECT_EQ(stale.status, 409);
    EXPECT_EQ(stale.at(".reason"), "Conflict");

    const auto gone =
        world.remove(url, R"({"kind":"DeleteOptions","apiVersion":"v1","propagationPolicy":)"
                          R"("Background"})");
    EXPECT_EQ(gone.status, 200) << gone.text;
    EXPECT_EQ(gone.at(".status"), "Success");
    EXPECT_EQ(gone.at(".details.uid"), made.at(".metadata.uid"));
    EXPECT_EQ(world.get(url).status, 404);
    EXPECT_EQ(world.remove(url).status, 404);
}

}  // namespace
}  // namespace tidemill::api::test
