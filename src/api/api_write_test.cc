#include <gtest/gtest.h>

#include <algorithm>

#include "api/world_test.h"
#include "base/text.h"

namespace tidemill::api::test {
namespace {

std::vector<std::string> warnings_of(const Reply& reply) {
    std::vector<std::string> out;
    for (const auto& [name, value] : reply.headers) {
        if (base::equals_ignoring_case(name, "Warning")) {
            out.push_back(value);
        }
    }
    return out;
}

TEST(ApiPatch, EveryKindOfPatchChangesWhatItSays) {
    World world;
    world.post(maps, map_json("m"));
    const auto url = std::string(maps) + "/m";
    struct Case {
        const char* type;
        const char* body;
        const char* want;
    };
    for (const auto& c : {
             Case{"merge-patch+json", R"({"data":{"a":"1"}})", R"({"v":"1","a":"1"})"},
             Case{"merge-patch+json", R"({"data":{"a":null}})", R"({"v":"1"})"},
             Case{"strategic-merge-patch+json", R"({"data":{"b":"2"}})", R"({"v":"1","b":"2"})"},
             Case{"strategic-merge-patch+json", R"({"data":{"$patch":"replace","c":"3"}})",
                  R"({"c":"3"})"},
             Case{"json-patch+json", R"([{"op":"add","path":"/data/d","value":"4"}])",
                  R"({"c":"3","d":"4"})"},
         }) {
        const auto reply = world.patch(url, c.type, c.body);
        EXPECT_EQ(reply.status, 200) << reply.text;
        EXPECT_EQ(reply.at(".data"), c.want) << c.type << " " << c.body;
    }
    EXPECT_EQ(world.patch(url, "json", "{}").status, 415);
    EXPECT_EQ(world.patch(url, "merge-patch+json", "[]").status, 400);
    EXPECT_EQ(world.patch(url, "json-patch+json", R"([{"op":"remove","path":"/none"}])").status,
              422);
    EXPECT_EQ(world.patch(url, "merge-patch+json", R"({"metadata":{"name":"other"}})").status, 400);
    EXPECT_EQ(
        world.patch(url, "merge-patch+json", R"({"metadata":{"resourceVersion":"1"}})").status,
        409);
    world.post(services, service_json("shop"));
    EXPECT_EQ(
        world.patch(std::string(services) + "/shop", "strategic-merge-patch+json", "{}").status,
        415);
}

TEST(ApiPatch, NothingChangedKeepsTheVersion) {
    World world;
    const auto made = world.post(maps, map_json("m"));
    const auto same = world.patch(std::string(maps) + "/m", "merge-patch+json", "{}");
    EXPECT_EQ(same.at(".metadata.resourceVersion"), made.at(".metadata.resourceVersion"));
}

TEST(ApiApply, CreatesMergesRemovesAndTellsManagersApart) {
    World world;
    const auto apply = [&](const char* manager, const char* body, const char* more = "") {
        return world.patch(fmt::format("{}/m?fieldManager={}{}", maps, manager, more),
                           "apply-patch+yaml", body);
    };
    EXPECT_EQ(world.patch(std::string(maps) + "/m", "apply-patch+yaml", "{}").status, 422);
    const auto made = apply("ada", "apiVersion: v1\nkind: ConfigMap\ndata: {a: x, b: two}\n");
    EXPECT_EQ(made.status, 201) << made.text;
    EXPECT_EQ(made.at(".metadata.managedFields[0].manager"), "ada");
    const auto same = apply("ada", "apiVersion: v1\nkind: ConfigMap\ndata: {a: x, b: two}\n");
    EXPECT_EQ(same.at(".metadata.resourceVersion"), made.at(".metadata.resourceVersion"));
    const auto fewer = apply("ada", "apiVersion: v1\nkind: ConfigMap\ndata: {a: x}\n");
    EXPECT_EQ(fewer.at(".data"), R"({"a":"x"})");
    const auto refused = apply("bob", "apiVersion: v1\nkind: ConfigMap\ndata: {a: z}\n");
    EXPECT_EQ(refused.status, 409);
    EXPECT_EQ(refused.at(".details.causes[0].field"), ".data.a");
    const auto forced =
        apply("bob", "apiVersion: v1\nkind: ConfigMap\ndata: {a: z}\n", "&force=true");
    EXPECT_EQ(forced.status, 200) << forced.text;
    EXPECT_EQ(forced.at(".data.a"), "z");
}

TEST(ApiApply, TheSameServiceAgainIsNoChangeAlthoughDefaultsWerePutIn) {
    World world;
    const auto apply = [&] {
        return world.patch(std::string(services) + "/shop?fieldManager=kubectl", "apply-patch+yaml",
                           service_json("shop"));
    };
    const auto first = apply();
    ASSERT_EQ(first.status, 201) << first.text;
    world.sim.loop.run_for(5s);
    const auto second = apply();
    EXPECT_EQ(second.status, 200) << second.text;
    EXPECT_EQ(second.at(".metadata.resourceVersion"), first.at(".metadata.resourceVersion"));
}

TEST(ApiSettings, ConfigurationOfKnativeHoldsAtOnceAndBadOnesAreNotStored) {
    World world;
    const std::string config = "/api/v1/namespaces/knative-serving/configmaps";
    const auto timeout = [&] {
        return world.post(std::string(services) + "?dryRun=All", service_json("shop"))
            .at(".spec.template.spec.timeoutSeconds");
    };
    EXPECT_EQ(timeout(), "300");
    EXPECT_EQ(world
                  .post(config, R"({"metadata":{"name":"config-defaults"},"data":)"
                                R"({"revision-timeout-seconds":"soon"}})")
                  .status,
              400);
    EXPECT_EQ(world
                  .post(config, R"({"metadata":{"name":"config-defaults"},"data":)"
                                R"({"revision-timeout-seconds":"77"}})")
                  .status,
              201);
    EXPECT_EQ(timeout(), "77");
    world.remove(config + "/config-defaults");
    EXPECT_EQ(timeout(), "300");
}

TEST(ApiWrite, ATrialRunsEverythingAndStoresNothing) {
    World world;
    const auto trial = world.post(std::string(services) + "?dryRun=All", service_json("shop"));
    EXPECT_EQ(trial.status, 201);
    EXPECT_EQ(trial.at(".spec.template.spec.timeoutSeconds"), "300");
    EXPECT_EQ(world.get(std::string(services) + "/shop").status, 404);
    EXPECT_EQ(world.post(std::string(services) + "?dryRun=Some", service_json("shop")).status, 400);
    world.post(services, service_json("shop"));
    const auto url = std::string(services) + "/shop";
    EXPECT_EQ(world.remove(url + "?dryRun=All").status, 200);
    EXPECT_EQ(world.remove(url, R"({"dryRun":["All"]})").status, 200);
    EXPECT_EQ(world.get(url).status, 200);
}

TEST(ApiWrite, BadInputIsRefusedWholeWithItsReason) {
    World world;
    const std::string deep(200, '[');
    std::string bomb = "a: &a [x,x,x,x,x,x,x,x,x,x]\n";
    for (char c = 'b'; c < 'i'; ++c) {
        bomb += fmt::format("{0}: &{0} [*{1},*{1},*{1},*{1},*{1},*{1},*{1},*{1},*{1},*{1}]\n", c,
                            static_cast<char>(c - 1));
    }
    struct Case {
        const char* what;
        std::string body;
        int status;
        std::string_view says;
        std::string_view type = "application/json";
    };
    const Case cases[] = {
        {"no JSON", "{", 400, "not JSON"},
        {"no YAML", "a: [", 400, "not YAML", "application/yaml"},
        {"two documents", "a: 1\n---\nb: 2\n", 400, "2 YAML documents", "application/yaml"},
        {"an unknown type", "x", 415, "text/html", "text/html"},
        {"broken protobuf", "k8s", 400, "protobuf", "application/vnd.kubernetes.protobuf"},
        {"depth", deep, 400, "TM-305"},
        {"a bomb", bomb, 400, "TM-305", "application/yaml"},
        {"a large body", std::string(4U << 20, ' '), 413, "Request entity too large"},
        {"duplicate keys", R"({"metadata":{"name":"a","name":"b"}})", 400, "metadata"},
        {"another kind", R"({"apiVersion":"v1","kind":"Pod","metadata":{"name":"a"}})", 400, "Pod"},
        {"a wrong type",
         R"({"metadata":{"name":"a"},"spec":{"template":{"spec":{"timeoutSeconds":"x",)"
         R"("containers":[{"image":"dev.local/a/b"}]}}}})",
         422, "spec.template.spec.timeoutSeconds"},
        {"no DNS label", service_json("Shop"), 422, "metadata.name"},
        {"another namespace", R"({"metadata":{"name":"a","namespace":"bank"},"spec":{}})", 400,
         "namespace"},
        {"a version at birth", R"({"metadata":{"name":"a","resourceVersion":"7"}})", 400,
         "resourceVersion"},
        {"percentages",
         R"({"metadata":{"name":"a"},"spec":{"template":{"spec":{"containers":[{"image":"a"}]}},)"
         R"("traffic":[{"latestRevision":true,"percent":90}]}})",
         400, "admission webhook"},
        {"a reserved environment name",
         R"({"metadata":{"name":"a"},"spec":{"template":{"spec":{"containers":[{"image":"a",)"
         R"("env":[{"name":"PORT","value":"1"}]}]}}}})",
         400, "PORT"},
    };
    for (const auto& c : cases) {
        const auto reply = world.ask({.method = "POST",
                                      .target = services,
                                      .body = c.body,
                                      .content_type = std::string(c.type)});
        EXPECT_EQ(reply.status, c.status) << c.what << ": " << reply.text;
        EXPECT_EQ(reply.at(".kind"), "Status") << c.what;
        EXPECT_EQ(reply.at(".code"), std::to_string(c.status)) << c.what;
        EXPECT_NE(reply.at(".message").find(c.says), std::string::npos)
            << c.what << ": " << reply.text;
    }
    EXPECT_EQ(world.get(services).at(".items"), "[]");
}

TEST(ApiWrite, UnknownFieldsAreRefusedWarnedOfOrIgnoredAsAsked) {
    World world;
    const auto body = service_json("shop", R"(,"colour":"red")");
    const auto url = std::string(services) + "?dryRun=All&fieldValidation=";
    const auto strict = world.post(url + "Strict", body);
    EXPECT_EQ(strict.status, 400);
    EXPECT_EQ(strict.at(".message"),
              "Service in version \"v1\" cannot be handled as a Service: strict decoding error: "
              "unknown field \"spec.template.spec.colour\"");
    EXPECT_EQ(
        warnings_of(world.post(url + "Warn", body)),
        std::vector<std::string>{"299 - \"unknown field \\\"spec.template.spec.colour\\\"\""});
    EXPECT_EQ(warnings_of(world.post(url + "Ignore", body)), std::vector<std::string>{});
    EXPECT_EQ(world.post(url + "Loud", body).status, 400);
}

TEST(ApiWrite, AnUpdateWithoutUidMeansTheObjectOfThatName) {
    World world;
    world.post(maps, map_json("m"));
    const auto url = std::string(maps) + "/m";
    const auto before = world.get(url);
    const auto reply = world.ask(
        {.method = "PUT",
         .target = url,
         .body =
             R"({"apiVersion":"v1","kind":"ConfigMap","metadata":{"name":"m"},"data":{"v":"2"}})"});
    EXPECT_EQ(reply.status, 200) << reply.text;
    EXPECT_EQ(reply.at(".metadata.uid"), before.at(".metadata.uid"));
}

TEST(ApiWrite, WhatOldClientsSendOfSelfLinksIsDropped) {
    World world;
    const auto made = world.post("/api/v1/namespaces/default/configmaps",
                                 R"({"metadata":{"name":"a","selfLink":"/elsewhere"}})");
    EXPECT_EQ(made.status, 201);
    EXPECT_EQ(made.text.find("selfLink"), std::string::npos) << made.text;
}

TEST(ApiWrite, UnknownFieldsOfCoreKindsAreRefusedWarnedOfOrIgnoredAsAsked) {
    struct Case {
        const char* what;
        const char* collection;
        const char* body;
        const char* kind;
        const char* unknown;
    };
    constexpr Case cases[] = {
        {"beside the data of a ConfigMap", "/api/v1/namespaces/default/configmaps",
         R"({"kind":"ConfigMap","metadata":{"name":"a"},"daat":{"k":"v"}})", "ConfigMap", "daat"},
        {"in the metadata", "/api/v1/namespaces/default/configmaps",
         R"({"metadata":{"name":"a","label":{}}})", "ConfigMap", "metadata.label"},
        {"of a Secret", "/api/v1/namespaces/default/secrets",
         R"({"metadata":{"name":"a"},"stringdata":{"k":"v"}})", "Secret", "stringdata"},
        {"of a Namespace", "/api/v1/namespaces",
         R"({"metadata":{"name":"a"},"spec":{"finalizer":[]}})", "Namespace", "spec.finalizer"},
        {"of an element of a list", "/api/v1/namespaces/default/services",
         R"({"metadata":{"name":"a"},"spec":{"ports":[{"port":1,"prot":1}]}})", "Service",
         "spec.ports[0].prot"},
        {"of a ServiceAccount", "/api/v1/namespaces/default/serviceaccounts",
         R"({"metadata":{"name":"a"},"secret":[]})", "ServiceAccount", "secret"},
        {"of an Event", "/api/v1/namespaces/default/events",
         R"({"metadata":{"name":"a"},"involvedObject":{"nam":"b"}})", "Event",
         "involvedObject.nam"},
    };
    for (const auto& c : cases) {
        World world;
        const auto url = std::string(c.collection) + "?fieldValidation=";
        const auto strict = world.post(url + "Strict", c.body);
        EXPECT_EQ(strict.status, 400) << c.what;
        EXPECT_EQ(strict.at(".reason"), "BadRequest") << c.what;
        EXPECT_EQ(strict.at(".message"),
                  fmt::format("{0} in version \"v1\" cannot be handled as a {0}: strict decoding "
                              "error: unknown field \"{1}\"",
                              c.kind, c.unknown))
            << c.what;
        EXPECT_EQ(world.get(std::string(c.collection) + "/a").status, 404) << c.what;
        EXPECT_EQ(
            warnings_of(world.post(std::string(c.collection) + "?dryRun=All", c.body)),
            std::vector<std::string>{fmt::format("299 - \"unknown field \\\"{}\\\"\"", c.unknown)})
            << c.what;
        const auto made = world.post(url + "Ignore", c.body);
        EXPECT_EQ(made.status, 201) << c.what << made.text;
        EXPECT_EQ(warnings_of(made), std::vector<std::string>{}) << c.what;
        const auto name =
            std::string_view(c.unknown).substr(std::string_view(c.unknown).find_last_of('.') + 1);
        EXPECT_EQ(made.text.find(fmt::format("\"{}\"", name)), std::string::npos) << made.text;
    }
}

TEST(ApiWrite, StatusIsAPlaceOfItsOwn) {
    World world;
    const auto url = std::string(services) + "/shop";
    world.post(services, service_json("shop"));
    const auto ready = world.patch(url + "/status", "merge-patch+json",
                                   R"({"status":{"url":"http://x"},"spec":{"traffic":[]}})");
    EXPECT_EQ(ready.status, 200) << ready.text;
    EXPECT_EQ(ready.at(".status.url"), "http://x");
    EXPECT_EQ(ready.at(".spec.traffic[0].percent"), "100");
    EXPECT_EQ(ready.at(".metadata.generation"), "1");
    const auto spec =
        world.patch(url, "merge-patch+json",
                    R"({"status":{"url":"http://y"},"metadata":{"labels":{"a":"b"}}})");
    EXPECT_EQ(spec.at(".status.url"), "http://x");
    EXPECT_EQ(spec.at(".metadata.labels.a"), "b");
    EXPECT_EQ(world.get(url + "/status").at(".status.url"), "http://x");
    EXPECT_EQ(world.get(url + "/scale").status, 404);
}

TEST(ApiWrite, NamesAreGeneratedAndProtobufBodiesAreRead) {
    World world;
    const auto a = world.post(maps, R"({"metadata":{"generateName":"m-"}})");
    const auto b = world.post(maps, R"({"metadata":{"generateName":"m-"}})");
    EXPECT_EQ(a.at(".metadata.name").size(), 7U);
    EXPECT_NE(a.at(".metadata.name"), b.at(".metadata.name"));
    // `kubectl create namespace shop`: runtime.Unknown{TypeMeta{v1, Namespace}, raw ObjectMeta}.
    const std::string raw = std::string("\x0a\x06") + "\x0a\x04shop";
    const std::string unknown = std::string("\x0a\x0f") + "\x0a\x02v1\x12\x09Namespace" + "\x12" +
                                static_cast<char>(raw.size()) + raw;
    const auto space =
        world.ask({.method = "POST",
                   .target = "/api/v1/namespaces",
                   .body = std::string("k8s\0", 4) + unknown,
                   .content_type = "application/vnd.kubernetes.protobuf",
                   .accept = "application/vnd.kubernetes.protobuf,application/json"});
    EXPECT_EQ(space.status, 201) << space.text;
    EXPECT_EQ(space.at(".metadata.name"), "shop");
    EXPECT_EQ(
        world.ask({.target = "/api/v1/namespaces", .accept = "application/vnd.kubernetes.protobuf"})
            .status,
        406);
}

TEST(ApiNamespaces, HaveAnAccountAndGoWithAllThatIsInThem) {
    World world;
    EXPECT_EQ(world.post("/api/v1/namespaces", R"({"metadata":{"name":"shop"}})").status, 201);
    world.sim.loop.run_for(1s);
    const std::string inside = "/api/v1/namespaces/shop/configmaps";
    EXPECT_EQ(world.get("/api/v1/namespaces/shop/serviceaccounts/default").status, 200);
    EXPECT_EQ(world.get("/api/v1/namespaces/shop").at(".status.phase"), "Active");
    EXPECT_EQ(world.post(inside, map_json("m")).status, 201);
    EXPECT_EQ(world.post(inside, R"({"metadata":{"name":"held","finalizers":["a.b/c"]}})").status,
              201);
    EXPECT_EQ(world
                  .patch("/api/v1/namespaces/shop", "merge-patch+json",
                         R"({"metadata":{"finalizers":null}})")
                  .at(".metadata.finalizers[0]"),
              "tidemill.dev/namespace");
    EXPECT_EQ(world.remove("/api/v1/namespaces/shop").status, 200);
    world.sim.loop.run_for(3s);
    EXPECT_EQ(world.get("/api/v1/namespaces/shop").at(".status.phase"), "Terminating");
    EXPECT_EQ(world.get(inside + "/m").status, 404);
    const auto refused = world.post(inside, map_json("late"));
    EXPECT_EQ(refused.status, 403);
    EXPECT_EQ(refused.at(".details.causes[0].reason"), "NamespaceTerminating");
    world.patch(inside + "/held", "merge-patch+json", R"({"metadata":{"finalizers":null}})");
    world.sim.loop.run_for(3s);
    EXPECT_EQ(world.get("/api/v1/namespaces/shop").status, 404);
    const auto nowhere = world.post(inside, map_json("m"));
    EXPECT_EQ(nowhere.status, 404);
    EXPECT_EQ(nowhere.at(".message"), "namespaces \"shop\" not found");
    EXPECT_EQ(world.remove("/api/v1/namespaces/default").status, 403);
}

TEST(ApiPlatform, SourcesAreBuiltWithALiveLogAndExplainAnswers) {
    World world;
    const std::string source = "/apis/tidemill.dev/v1/namespaces/default/sources/shop";
    const auto send = [&](std::string body) {
        return world.ask({.method = "POST",
                          .target = source,
                          .body = std::move(body),
                          .content_type = "application/x-tar"});
    };
    const auto built = send(std::string(100'000, 'x'));
    EXPECT_EQ(built.status, 200);
    EXPECT_EQ(built.text,
              "{\"log\":\"it is a folder\"}\n"
              "{\"image\":\"dev.local/default/shop@sha256:100000\"}\n");
    EXPECT_EQ(send("bad").text,
              "{\"log\":\"it is a folder\"}\n"
              "{\"error\":{\"code\":\"invalid\",\"message\":\"nothing here is known\"}}\n");
    const std::string explain = "/apis/tidemill.dev/v1/namespaces/default/services/shop/explain";
    EXPECT_EQ(world.get(explain).status, 404);
    world.post(services, service_json("shop"));
    EXPECT_EQ(world.get(explain).at(".service"), "default/shop");
}

// A value of the field's type that is not unset.
Json sample(const model::Field& field) {
    using enum model::FieldType;
    switch (field.type) {
        case object:
        case any:
            return JsonObject{{"x", "y"}};
        case object_list:
            return model::JsonArray{JsonObject{{"x", "y"}}};
        case text:
            return "x";
        case text_list:
            return model::JsonArray{"x"};
        case text_map:
            return JsonObject{{"x", "y"}};
        case flag:
            return true;
        case int32:
        case int64:
        case int_or_text:
            return 7;
        case quantity:
            return "1";
    }
    return nullptr;
}

// Puts a value at "spec.template.spec.containers[].env[].name", making what is missing.
void put(JsonObject& into, std::string_view path, Json value) {
    JsonObject* at = &into;
    const auto steps = base::split(path, '.');
    for (std::size_t i = 0; i < steps.size(); ++i) {
        auto step = steps[i];
        const bool list = step.ends_with("[]");
        if (list) {
            step.remove_suffix(2);
        }
        auto& next = (*at)[step == "*" ? "x" : step];
        if (i + 1 == steps.size()) {
            next = std::move(value);
            return;
        }
        if (list) {
            if (!next.is_array()) {
                next = model::JsonArray{JsonObject()};
            }
            at = &next.get_array().front().get_object();
        } else {
            if (!next.is_object()) {
                next = JsonObject();
            }
            at = &next.get_object();
        }
    }
}

TEST(ApiFields, EachOfTheServingKindsIsRefusedOrWarnedOfAsTheTableSays) {
    World world;
    std::size_t refused = 0;
    std::size_t warned = 0;
    for (const auto id :
         {KindId::service, KindId::configuration, KindId::revision, KindId::route}) {
        const auto& kind = model::kind_of(id);
        const auto all = fmt::format(
            "/apis/serving.knative.dev/v1/namespaces/default/{}?dryRun=All", kind.plural);
        model::for_each_field(id, [&](std::string_view path, const model::ResolvedField& field) {
            const bool leaf = field.field.fields.empty();
            if (!leaf || !path.starts_with("spec") ||
                (field.treatment != model::Treatment::refused &&
                 field.treatment != model::Treatment::warned)) {
                return;
            }
            auto document = wire::parse_json(service_json("a"))->get_object();
            if (id == KindId::revision) {
                document["spec"] = Json(document["spec"].at("template").at("spec"));
            } else if (id == KindId::route) {
                document["spec"] = JsonObject();
            }
            document["kind"] = model::as_json(kind.kind);
            put(document, path, sample(field.field));
            const auto reply = world.post(all, wire::write_json(document));
            if (field.treatment == model::Treatment::refused) {
                EXPECT_TRUE(reply.status == 400 || reply.status == 422)
                    << kind.kind << " " << path << ": " << reply.status;
                ++refused;
            } else if (reply.status == 201) {
                // Beside a value that is wrong for other reasons nobody hears a warning.
                EXPECT_FALSE(warnings_of(reply).empty()) << kind.kind << " " << path;
                ++warned;
            }
        });
    }
    EXPECT_GT(refused, 100U);
    EXPECT_GT(warned, 10U);
}

// What clients send, as knative.md 4.1 and 4.2 list it.
TEST(ApiClients, EveryRequestShapeOfKubectlAndKnIsUnderstood) {
    World world;
    world.post(services, service_json("shop"));
    world.post("/api/v1/namespaces/default/events",
               R"({"metadata":{"name":"e"},"involvedObject":{"name":"shop","namespace":"default",)"
               R"("kind":"Service","uid":"u"},"reason":"Created","message":"m","type":"Normal"})");
    const std::string table =
        "application/json;as=Table;v=v1;g=meta.k8s.io,"
        "application/json;as=Table;v=v1beta1;g=meta.k8s.io,application/json";
    struct Case {
        const char* what;
        Ask ask;
        int status;
        const char* path;
        const char* want;
    };
    const std::string shop = std::string(services) + "/shop";
    const Case cases[] = {
        {"kubectl get ksvc",
         {.target = std::string(services) + "?limit=500", .accept = table},
         200,
         ".rows[0].cells[0]",
         "shop"},
        {"kubectl get ksvc: its columns",
         {.target = std::string(services) + "?limit=500", .accept = table},
         200,
         ".columnDefinitions[1].name",
         "URL"},
        {"kubectl get ksvc: rows carry metadata",
         {.target = std::string(services) + "?limit=500", .accept = table},
         200,
         ".rows[0].object.kind",
         "PartialObjectMetadata"},
        {"an old kubectl",
         {.target = services, .accept = "application/json;as=Table;v=v1beta1;g=meta.k8s.io"},
         200,
         ".apiVersion",
         "meta.k8s.io/v1beta1"},
        {"kubectl get ksvc shop",
         {.target = shop, .accept = table},
         200,
         ".rows[0].cells[0]",
         "shop"},
        {"kubectl get ksvc -A",
         {.target = "/apis/serving.knative.dev/v1/services?limit=500"},
         200,
         ".kind",
         "ServiceList"},
        {"metadata only",
         {.target = shop, .accept = "application/json;as=PartialObjectMetadata;v=v1;g=meta.k8s.io"},
         200,
         ".kind",
         "PartialObjectMetadata"},
        {"kn service list shop",
         {.target = std::string(services) + "?fieldSelector=metadata.name%3Dshop"},
         200,
         ".items[0].metadata.name",
         "shop"},
        {"a field that cannot be selected by",
         {.target = std::string(services) + "?fieldSelector=spec.x%3D1"},
         400,
         ".reason",
         "BadRequest"},
        {"a selector that is none",
         {.target = std::string(services) + "?labelSelector=a%20in"},
         400,
         ".reason",
         "BadRequest"},
        {"kubectl describe: its events",
         {.target = "/api/v1/namespaces/default/events?fieldSelector=involvedObject.name%3Dshop%2C"
                    "involvedObject.kind%3DService"},
         200,
         ".items[0].reason",
         "Created"},
        {"kubectl apply: create",
         {.method = "POST",
          .target = std::string(services) +
                    "?fieldManager=kubectl-client-side-apply&fieldValidation=Strict",
          .body = service_json("next")},
         201,
         ".metadata.name",
         "next"},
        {"kubectl apply: change",
         {.method = "PATCH",
          .target = shop + "?fieldManager=kubectl-client-side-apply&fieldValidation=Strict",
          .body = R"({"metadata":{"annotations":{"a":"b"}}})",
          .content_type = "application/merge-patch+json"},
         200,
         ".metadata.annotations.a",
         "b"},
        {"kubectl apply --server-side",
         {.method = "PATCH",
          .target = shop + "?fieldManager=kubectl&force=false&fieldValidation=Strict",
          .body = service_json("shop"),
          .content_type = "application/apply-patch+yaml"},
         200,
         ".metadata.managedFields[0].operation",
         "Apply"},
        {"kubectl get -o yaml", {.target = shop, .accept = "application/yaml"}, 200, "", ""},
        {"kubectl wait: list",
         {.target = std::string(services) + "?fieldSelector=metadata.name%3Dshop&limit=500&"
                                            "resourceVersion=0"},
         200,
         ".items[0].metadata.name",
         "shop"},
        {"a page",
         {.target = std::string(services) + "?limit=1"},
         200,
         ".items[0].metadata.name",
         "next"},
        {"a continue token that is none",
         {.target = std::string(services) + "?limit=1&continue=zzz"},
         400,
         ".reason",
         "BadRequest"},
        {"a version to come",
         {.target = std::string(services) + "?resourceVersion=99999999"},
         504,
         ".reason",
         "Timeout"},
        {"a version of the past, exactly",
         {.target = std::string(services) + "?resourceVersion=1&resourceVersionMatch=Exact"},
         410,
         ".reason",
         "Expired"},
        {"a method that is none",
         {.method = "PUT", .target = services, .body = "{}"},
         405,
         ".reason",
         "MethodNotAllowed"},
        {"kubectl auth whoami",
         {.method = "POST",
          .target = "/apis/authentication.k8s.io/v1/selfsubjectreviews",
          .body = "{}"},
         201,
         ".status.userInfo.username",
         "admin"},
        {"kubectl auth can-i",
         {.method = "POST",
          .target = "/apis/authorization.k8s.io/v1/selfsubjectaccessreviews",
          .body = R"({"spec":{"resourceAttributes":{"verb":"get","resource":"pods"}}})"},
         201,
         ".status.allowed",
         "true"},
        {"a kind that is none",
         {.target = "/apis/serving.knative.dev/v1/widgets"},
         404,
         ".reason",
         "NotFound"},
        {"a path behind a subresource",
         {.target = shop + "/status/more"},
         404,
         ".reason",
         "NotFound"},
        {"a path that is not normal",
         {.target = "/api/v1/namespaces/../pods"},
         400,
         ".reason",
         "BadRequest"},
        {"an empty segment", {.target = "/api/v1//pods"}, 404, ".reason", "NotFound"},
        {"kubectl delete: foreground",
         {.method = "DELETE",
          .target = shop,
          .body = R"({"kind":"DeleteOptions","apiVersion":"v1","propagationPolicy":"Foreground"})"},
         200,
         "",
         ""},
        {"kubectl delete --all",
         {.method = "DELETE", .target = services},
         200,
         ".status",
         "Success"},
    };
    for (const auto& c : cases) {
        const auto reply = world.ask(c.ask);
        EXPECT_EQ(reply.status, c.status) << c.what << ": " << reply.text;
        if (*c.path != '\0') {
            EXPECT_EQ(reply.at(c.path), c.want) << c.what << ": " << reply.text;
        }
    }
    EXPECT_EQ(world.get(services).at(".items"), "[]");
}

TEST(ApiLists, ArePagedThroughOneState) {
    World world;
    for (const char* name : {"a", "b", "c"}) {
        world.post(maps, map_json(name));
    }
    const auto first = world.get(std::string(maps) + "?limit=2");
    const auto token = first.at(".metadata.continue");
    EXPECT_EQ(first.json.at("items").get_array().size(), 2U);
    world.post(maps, map_json("bb"));
    const auto second =
        world.get(fmt::format("{}?limit=2&continue={}", maps, http::percent_encode(token)));
    EXPECT_EQ(second.at(".items[0].metadata.name"), "c") << second.text;
    EXPECT_EQ(second.at(".metadata.resourceVersion"), first.at(".metadata.resourceVersion"));
    EXPECT_EQ(second.at(".metadata.continue"), "");
}

}  // namespace
}  // namespace tidemill::api::test
