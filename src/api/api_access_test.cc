#include <gtest/gtest.h>

#include <algorithm>

#include "api/world_test.h"
#include "auth/token.h"
#include "base/text.h"
#include "model/kinds/kind.h"

namespace tidemill::api::test {
namespace {

// One endpoint with what may be done there by whom, said in this test's own words.
struct Row {
    std::string method;
    std::string target;
    enum class Needs : std::uint8_t {
        nobody,  // open to all
        known,   // whoever has proved who they are
        viewer,
        developer,
        admin,
    } needs;
};

std::vector<Row> endpoints() {
    using Needs = Row::Needs;
    std::vector<Row> out;
    for (const auto& kind : model::all_kinds()) {
        const std::string home =
            kind.group.empty() ? "/api/v1" : fmt::format("/apis/{}/v1", kind.group);
        const auto all =
            fmt::format("{}{}/{}", home, kind.namespaced ? "/namespaces/shop" : "", kind.plural);
        const auto one = all + "/x";
        const bool secret = kind.id == KindId::secret;
        const bool apps = kind.group == "serving.knative.dev" || secret ||
                          kind.id == KindId::config_map || kind.id == KindId::core_service ||
                          kind.id == KindId::service_account || kind.id == KindId::pod;
        const auto read = secret ? Needs::admin : Needs::viewer;
        const auto write = apps ? Needs::developer : Needs::admin;
        out.push_back({"GET", all, read});
        out.push_back({"GET", all + "?watch=true&timeoutSeconds=1", read});
        out.push_back({"GET", one, read});
        out.push_back({"POST", all, write});
        out.push_back({"PUT", one, write});
        out.push_back({"PATCH", one, secret ? Needs::admin : write});
        out.push_back({"DELETE", one, write});
        out.push_back({"DELETE", all, write});
        if (kind.namespaced) {
            const auto everywhere = fmt::format("{}/{}", home, kind.plural);
            out.push_back({"GET", everywhere, read});
            out.push_back({"DELETE", everywhere, Needs::admin});
        }
        if (kind.has_status) {
            out.push_back({"GET", one + "/status", read});
            out.push_back({"PUT", one + "/status", write});
            out.push_back({"PATCH", one + "/status", write});
        }
    }
    for (const char* page : {"/version", "/healthz", "/livez", "/readyz"}) {
        out.push_back({"GET", page, Needs::nobody});
    }
    for (const char* page : {"/api", "/apis", "/api/v1", "/apis/apps", "/apis/apps/v1",
                             "/openapi/v2", "/openapi/v3", "/openapi/v3/api/v1"}) {
        out.push_back({"GET", page, Needs::known});
    }
    const std::string mine = "/apis/tidemill.dev/v1";
    out.push_back({"GET", mine + "/tokens", Needs::admin});
    out.push_back({"GET", mine + "/tokens/x", Needs::admin});
    out.push_back({"POST", mine + "/tokens", Needs::admin});
    out.push_back({"DELETE", mine + "/tokens/x", Needs::admin});
    out.push_back({"GET", mine + "/whoami", Needs::known});
    out.push_back({"GET", mine + "/namespaces/shop/services/x/explain", Needs::viewer});
    out.push_back({"POST", mine + "/namespaces/shop/sources/x", Needs::developer});
    out.push_back({"GET", "/api/v1/namespaces/shop/pods/x/log", Needs::viewer});
    out.push_back({"POST", "/apis/authorization.k8s.io/v1/selfsubjectaccessreviews", Needs::known});
    out.push_back({"POST", "/apis/authentication.k8s.io/v1/selfsubjectreviews", Needs::known});
    const std::string definitions = "/apis/apiextensions.k8s.io/v1/customresourcedefinitions";
    out.push_back({"GET", definitions, Needs::viewer});
    out.push_back({"GET", definitions + "/services.serving.knative.dev", Needs::viewer});
    out.push_back({"GET", "/somewhere/else", Needs::viewer});
    return out;
}

TEST(ApiAccess, EveryEndpointForEveryRole) {
    World world;
    struct Who {
        const char* name;
        std::string token;
        Row::Needs has;
        bool in_shop_only = false;
    };
    const Who everybody[] = {
        {"nobody", "none", Row::Needs::nobody},
        {"a known user without role", world.token({.user = "zed"}), Row::Needs::known},
        {"a viewer", world.role(auth::Role::viewer), Row::Needs::viewer},
        {"a developer", world.role(auth::Role::developer), Row::Needs::developer},
        {"a developer of shop", world.role(auth::Role::developer, "shop"), Row::Needs::developer,
         true},
        {"an operator", world.role(auth::Role::operator_), Row::Needs::developer},
        {"an admin", world.role(auth::Role::admin), Row::Needs::admin},
        {"the first token", world.admin, Row::Needs::admin},
    };
    std::size_t rows = 0;
    for (const auto& row : endpoints()) {
        for (const auto& who : everybody) {
            Ask ask{.method = row.method, .target = row.target, .token = who.token};
            if (row.method != "GET" && row.method != "DELETE") {
                ask.body = "{}";
            }
            if (row.method == "PATCH") {
                ask.content_type = "application/merge-patch+json";
            }
            const bool about_shop = row.target.find("/namespaces/shop") != std::string::npos;
            const bool allowed =
                who.has >= row.needs &&
                (!who.in_shop_only || row.needs <= Row::Needs::known || about_shop);
            const int status = world.ask(std::move(ask)).status;
            const int refusal = who.has == Row::Needs::nobody ? 401 : 403;
            if (allowed) {
                EXPECT_TRUE(status != 401 && status != 403)
                    << who.name << " " << row.method << " " << row.target << ": " << status;
            } else {
                EXPECT_EQ(status, refusal) << who.name << " " << row.method << " " << row.target;
            }
            ++rows;
        }
    }
    EXPECT_GT(rows, 1'000U);
}

TEST(ApiAccess, ARefusalSaysWhoWantedWhatAndWhy) {
    World world;
    const auto reply = world.ask({.method = "DELETE",
                                  .target = std::string(services) + "/shop",
                                  .token = world.role(auth::Role::viewer)});
    EXPECT_EQ(reply.status, 403);
    EXPECT_EQ(reply.at(".reason"), "Forbidden");
    EXPECT_TRUE(
        reply.at(".message")
            .starts_with(
                "services.serving.knative.dev \"shop\" is forbidden: User \"viewer\" cannot delete "
                "resource "
                "\"services\" in API group \"serving.knative.dev\" in the namespace \"default\": "))
        << reply.at(".message");
    EXPECT_NE(world.audit_text().find("\"stage\":\"denied\""), std::string::npos);
}

TEST(ApiAccess, TokensThatAreWrongExpiredOrRevokedAreNotLetIn) {
    World world;
    const auto brief =
        world.token({.user = "guest",
                     .groups = {"system:masters"},
                     .expires = world.sim.clock.wall_now() + std::chrono::minutes(5)});
    const auto status = [&](const std::string& token) {
        return world.ask({.target = "/api/v1/namespaces", .token = token}).status;
    };
    EXPECT_EQ(status(brief), 200);
    EXPECT_EQ(status("nonsense"), 401);
    EXPECT_EQ(status(auth::make_token("user", base::as_bytes(std::string(32, 'x')))), 401);
    world.sim.loop.run_for(6min);
    const auto expired = world.ask({.target = "/api/v1/namespaces", .token = brief});
    EXPECT_EQ(expired.status, 401);
    EXPECT_NE(expired.at(".message").find("TM-302"), std::string::npos);
}

TEST(ApiAccess, OnTheUnixSocketPeersAreKnownByTheirCredentials) {
    World world;
    const Authenticator authenticator(*world.store, world.sim.clock, 77);
    struct Case {
        const char* who;
        host::Peer peer;
        const char* name;
        bool master;
    };
    for (const auto& c : {
             Case{"root", {.uid = 0, .gid = 0}, "unix:uid:0", true},
             Case{"the platform's own user", {.uid = 77, .gid = 5}, "unix:uid:77", true},
             Case{"another user", {.uid = 1000, .gid = 100}, "unix:uid:1000", false},
             Case{"a TCP peer", {.ip = host::IpAddress::loopback(1)}, "", false},
         }) {
        const auto identity = authenticator.authenticate({}, c.peer);
        ASSERT_TRUE(identity) << c.who;
        EXPECT_EQ(identity->subject.name, c.name) << c.who;
        EXPECT_EQ(identity->subject.in_group("system:masters"), c.master) << c.who;
    }
    const host::Peer other{.uid = 1000, .gid = 100};
    EXPECT_TRUE(authenticator.authenticate({}, other)->subject.in_group("unix:gid:100"));
    // A token that is sent counts, even where the peer alone would do.
    EXPECT_FALSE(authenticator.authenticate({{"Authorization", "Bearer x"}}, {.uid = 0}));
    EXPECT_FALSE(authenticator.authenticate({{"Authorization", "Basic x"}}, {.uid = 0}));
    EXPECT_EQ(
        authenticator.authenticate({{"Authorization", "bearer " + world.admin}}, {.uid = 1000})
            ->subject.name,
        "admin");
}

TEST(ApiAccess, ATokenIsShownOnceListedByDigestAndRevoked) {
    World world;
    const std::string tokens = "/apis/tidemill.dev/v1/tokens";
    const auto made = world.post(
        tokens, R"({"apiVersion":"tidemill.dev/v1","kind":"Token","spec":{"user":"ada",)"
                R"("role":"developer","namespace":"default","expirationSeconds":3600}})");
    ASSERT_EQ(made.status, 201) << made.text;
    const auto token = made.at(".status.token");
    const auto name = made.at(".metadata.name");
    const auto who = world.ask({.target = "/apis/tidemill.dev/v1/whoami", .token = token});
    EXPECT_EQ(who.at(".status.userInfo.username"), "ada");
    EXPECT_EQ(who.at(".status.roles[0].role"), "developer");
    const auto list = world.get(tokens);
    EXPECT_NE(list.text.find(name), std::string::npos);
    EXPECT_EQ(list.text.find(token), std::string::npos);
    EXPECT_EQ(
        world.ask({.method = "POST", .target = maps, .body = map_json("m"), .token = token}).status,
        201);
    EXPECT_EQ(world.remove(tokens + "/" + name).status, 200);
    EXPECT_EQ(world.remove(tokens + "/" + name).status, 404);
    EXPECT_EQ(world.ask({.target = maps, .token = token}).status, 401);
    for (const char* bad :
         {R"({"spec":{}})", R"({"spec":{"user":"a b"}})", R"({"spec":{"user":"a","role":"king"}})",
          R"({"spec":{"user":"a","namespace":"x"}})", R"({"spec":{"user":"a","colour":"red"}})",
          R"({"spec":{"user":"a","expirationSeconds":0}})"}) {
        EXPECT_EQ(world.post(tokens, bad).status, 400) << bad;
    }
}

TEST(ApiAccess, NobodyForgesATokenByWritingItsSecret) {
    World world;
    const auto reply =
        world.post("/api/v1/namespaces/tidemill-system/secrets",
                   R"({"metadata":{"name":"token-0"},"type":"tidemill.dev/token","data":{}})");
    EXPECT_EQ(reply.status, 403);
    EXPECT_NE(reply.at(".message").find("TM-307"), std::string::npos);
}

TEST(ApiAccess, RolesInTheStoreHoldAtOnceAndBadOnesAreNotStored) {
    World world;
    const auto zed = world.token({.user = "zed"});
    const auto status = [&] { return world.ask({.target = maps, .token = zed}).status; };
    EXPECT_EQ(status(), 403);
    const std::string system = "/api/v1/namespaces/tidemill-system/configmaps";
    EXPECT_EQ(world.post(system, R"({"metadata":{"name":"roles"},"data":{"zed":"king"}})").status,
              400);
    EXPECT_EQ(
        world.post(system, R"({"metadata":{"name":"roles"},"data":{"zed":"viewer in default"}})")
            .status,
        201);
    EXPECT_EQ(status(), 200);
    EXPECT_EQ(world.ask({.target = "/api/v1/configmaps", .token = zed}).status, 403);
    EXPECT_EQ(world.remove(system + "/roles").status, 200);
    EXPECT_EQ(status(), 403);
}

TEST(ApiAccess, OneMayAskWhatOneMayDo) {
    World world;
    const auto may = [&](std::string token, const char* verb, const char* resource) {
        const auto reply = world.ask(
            {.method = "POST",
             .target = "/apis/authorization.k8s.io/v1/selfsubjectaccessreviews",
             .body = fmt::format(R"({{"kind":"SelfSubjectAccessReview","spec":)"
                                 R"({{"resourceAttributes":{{"verb":"{}","resource":"{}",)"
                                 R"("namespace":"default"}}}}}})",
                                 verb, resource),
             .token = std::move(token)});
        EXPECT_EQ(reply.status, 201);
        return reply.at(".status.allowed");
    };
    EXPECT_EQ(may(world.role(auth::Role::developer), "create", "configmaps"), "true");
    EXPECT_EQ(may(world.role(auth::Role::developer), "get", "secrets"), "false");
    EXPECT_EQ(may("", "get", "secrets"), "true");
}

TEST(ApiAudit, EveryMutationIsRecordedWithBeforeAndAfterAndSecretsAreNot) {
    World world;
    world.post(maps, map_json("m", "first"));
    world.patch(std::string(maps) + "/m", "merge-patch+json", R"({"data":{"v":"second"}})");
    world.remove(std::string(maps) + "/m");
    world.post("/api/v1/namespaces/default/secrets",
               R"({"metadata":{"name":"s","annotations":{)"
               R"("kubectl.kubernetes.io/last-applied-configuration":"hunter2"}},)"
               R"("stringData":{"password":"hunter2"}})");
    world.ask(
        {.method = "POST", .target = std::string(maps) + "?dryRun=All", .body = map_json("trial")});
    const auto text = world.audit_text();
    EXPECT_EQ(verify_audit(text), 8U) << text;
    EXPECT_EQ(text.find("hunter2"), std::string::npos);
    EXPECT_EQ(text.find("trial"), std::string::npos);
    std::vector<std::string> seen;
    for (const auto line : base::split(text, '\n')) {
        if (const auto record = wire::parse_json(line)) {
            seen.push_back(fmt::format("{} {} {}>{}", model::text_at(*record, {"stage"}),
                                       model::text_at(*record, {"what", "verb"}),
                                       model::text_at(*record, {"before", "data", "v"}),
                                       model::text_at(*record, {"after", "data", "v"})));
            EXPECT_EQ(model::text_at(*record, {"who", "name"}), "admin");
        }
    }
    seen.resize(6);
    EXPECT_EQ(seen, (std::vector<std::string>{"asked create >first", "done create >",
                                              "asked patch first>second", "done patch >",
                                              "asked delete second>", "done delete >"}));
}

TEST(ApiAudit, WhatCannotBeRecordedIsNotDone) {
    World world;
    struct Broken final : AuditSink {
        async::Task<base::Status> record(AuditRecord) override {
            co_return base::fail(base::Code::exhausted, "disk full");
        }
        void note(AuditRecord) override {}
    } broken;
    Api api(
        {.host = world.host, .store = *world.store, .settings = *world.settings, .audit = broken},
        {.build = "0.1.0"});
    http::Server server(world.host, api, {});
    const auto listener = world.host.network.listen(*host::parse_address("127.0.0.1:7000"), {});
    async::Scope scope(world.sim.loop, 1);
    ASSERT_TRUE(scope.spawn(server.serve(**listener, nullptr)));
    auto connection = world.sim.loop.run(
        http::ClientConnection::open(world.host, *host::parse_address("127.0.0.1:7000"), nullptr,
                                     "localhost", base::Instant::never()));
    auto send = [](http::ClientConnection& c, http::ClientRequest r) -> async::Task<int> {
        auto response = co_await c.send(std::move(r), base::Instant::never());
        (void)co_await response->body().read_all(1U << 20);
        co_return response->status;
    };
    EXPECT_EQ(world.sim.loop.run(send(
                  **connection,
                  world.request_of({.method = "POST", .target = maps, .body = map_json("m")}))),
              503);
    EXPECT_EQ(world.get(std::string(maps) + "/m").status, 404);
    scope.cancel();
}

}  // namespace
}  // namespace tidemill::api::test
