// A machine with the API on it, for this room's tests.
#pragma once

#include <gtest/gtest.h>

#include <fmt/format.h>

#include <map>
#include <optional>

#include "api/access/audit.h"
#include "api/access/tokens.h"
#include "api/bootstrap.h"
#include "api/platform/namespace_keeper.h"
#include "api/service.h"
#include "async/event.h"
#include "base/bytes.h"
#include "host_sim/sim_host.h"
#include "http/client.h"
#include "model/kinds/columns.h"
#include "model/serving/fields.h"
#include "store/local_store.h"
#include "wire/json.h"

namespace tidemill::api::test {

using namespace std::chrono_literals;
using model::Json;
using model::JsonObject;
using model::KindId;

inline constexpr const char* address = "127.0.0.1:6443";

class TestSealer final : public store::Sealer {
public:
    base::Result<std::string> seal(std::string_view plain, std::string_view) override {
        return std::string(plain);
    }
    base::Result<std::string> unseal(std::string_view sealed, std::string_view) override {
        return std::string(sealed);
    }
};

// Pods that tests put there, with a log of three lines.
class TestInstances final : public Instances {
public:
    explicit TestInstances(async::Loop& loop) : changed_(loop) {}

    void put(model::Object object) {
        object.metadata.resource_version = ++revision_;
        object.metadata.uid = "uid-" + object.metadata.name;
        const auto key = object.key();
        objects_[key] = std::make_shared<const model::Object>(std::move(object));
        changed_.set();
        changed_.reset();
    }
    void remove(const model::ObjectKey& key) {
        objects_.erase(key);
        ++revision_;
        changed_.set();
        changed_.reset();
    }

    Snapshot views(KindId kind) const override {
        Snapshot out{.revision = revision_, .objects = {}};
        for (const auto& [key, object] : objects_) {
            if (key.kind == kind) {
                out.objects.push_back(object);
            }
        }
        return out;
    }
    async::Task<void> changed(KindId, std::uint64_t seen) override {
        while (revision_ == seen) {
            co_await changed_.wait();
        }
    }
    async::Task<base::Result<std::unique_ptr<LogStream>>> logs(LogQuery query) override {
        class Lines final : public LogStream {
        public:
            async::Task<base::Result<std::optional<std::string>>> next() override {
                if (told++ > 0) {
                    co_return std::nullopt;
                }
                co_return "2027-01-15T08:00:00.5Z stdout F one\n"
                          "2027-01-15T08:00:01.5Z stderr P tw\n"
                          "2027-01-15T08:00:01.5Z stderr F o\n";
            }
            int told = 0;
        };
        last_query = query;
        if (query.container == "nobody") {
            co_return base::fail(base::Code::not_found, "container nobody is not valid for pod {}",
                                 query.pod);
        }
        co_return std::make_unique<Lines>();
    }

    std::optional<LogQuery> last_query;

private:
    std::uint64_t revision_ = 1'000;
    std::map<model::ObjectKey, store::ObjectPtr> objects_;
    async::Event changed_;
};

class TestExplain final : public Explain {
public:
    async::Task<base::Result<JsonObject>> explain(std::string space, std::string name) override {
        co_return JsonObject{{"service", space + "/" + name}};
    }
};

// Counts the bytes it is sent; a body that begins with "bad" does not build.
class TestUploads final : public Uploads {
public:
    async::Task<base::Result<JsonObject>> upload(UploadRequest request,
                                                 UploadExchange& exchange) override {
        std::string body;
        for (;;) {
            CO_TRY(auto piece, co_await exchange.next());
            if (!piece) {
                break;
            }
            body += *piece;
        }
        CO_CHECK_OK(co_await exchange.log("it is a folder"));
        if (body.starts_with("bad")) {
            co_return base::fail(base::Code::invalid, "nothing here is known");
        }
        co_return JsonObject{
            {"image", fmt::format("dev.local/{}/{}@sha256:{}", request.namespace_name, request.name,
                                  body.size())}};
    }
};

struct Reply {
    int status = 0;
    http::Headers headers;
    std::string text;
    Json json;

    std::string at(std::string_view pointer) const;
};

inline std::string Reply::at(std::string_view path) const {
    const auto* found = model::find_path(json, path);
    if (found == nullptr) {
        return "";
    }
    return found->is_string() ? std::string(model::as_view(found->get_string()))
                              : wire::write_json(*found);
}

struct Ask {
    std::string method = "GET";
    std::string target = "/";
    std::string body;
    std::string content_type = "application/json";
    std::string accept = "application/json";
    std::string token;
};

// A machine with a store, an audit log and the API, and clients of it.
struct World {
    explicit World(std::uint64_t seed = 1)
        : sim(seed),
          host(sim.host("server")),
          store_offload(sim.loop, seed),
          audit_offload(sim.loop, seed + 1),
          instances(sim.loop),
          scope(sim.loop, 8) {
        store = *store::LocalStore::open(
            {sim.loop, sim.clock, sim.random, sim.disk, store_offload, sealer},
            {.directory = "/data/store", .build = "0.1.0", .ballast_bytes = 64U << 10});
        audit = *AuditLog::open(host, audit_offload, {.directory = "/data"});
        settings.emplace(*store);
        EXPECT_TRUE(sim.loop.run(ensure_defaults(*store)));
        api.emplace(ApiParts{.host = host,
                             .store = *store,
                             .settings = *settings,
                             .audit = *audit,
                             .instances = &instances,
                             .explain = &explain,
                             .uploads = &uploads},
                    ApiOptions{.build = "0.1.0", .own_uid = 77});
        server.emplace(host, *api, http::ServerLimits{});
        keeper.emplace(*store, host);
        listener = *host.network.listen(*host::parse_address(address), {});
        EXPECT_TRUE(scope.spawn(server->serve(*listener, nullptr)));
        EXPECT_TRUE(scope.spawn(keeper->run()));
        admin = token({.user = "admin", .groups = {"system:masters"}});
    }
    ~World() { scope.cancel(); }

    std::string token(TokenSpec spec) {
        return sim.loop
            .run(issue_token(*store, host.random, std::move(spec), sim.clock.wall_now()))
            ->token;
    }
    std::string role(auth::Role role, std::string space = "") {
        return token({.user = std::string(auth::role_name(role)), .role = role, .space = space});
    }

    std::unique_ptr<http::ClientConnection> connect() {
        return *sim.loop.run(http::ClientConnection::open(
            host, *host::parse_address(address), nullptr, "localhost", sim.loop.now() + 5s));
    }

    http::ClientRequest request_of(Ask ask) {
        http::ClientRequest request;
        request.method = std::move(ask.method);
        request.target = std::move(ask.target);
        request.host = "localhost";
        request.body = std::move(ask.body);
        if (!request.body.empty()) {
            request.headers.add("Content-Type", ask.content_type);
        }
        request.headers.add("Accept", ask.accept);
        if (ask.token != "none") {
            request.headers.add("Authorization",
                                "Bearer " + (ask.token.empty() ? admin : ask.token));
        }
        return request;
    }

    Reply ask(Ask ask) {
        const auto connection = connect();
        auto exchange = [](http::ClientConnection& c,
                           http::ClientRequest request) -> async::Task<base::Result<Reply>> {
            CO_TRY(auto response, co_await c.send(std::move(request), base::Instant::never()));
            Reply reply{.status = response.status, .headers = response.headers};
            CO_TRY(reply.text, co_await response.body().read_all(64U << 20));
            co_return reply;
        };
        auto reply = sim.loop.run(exchange(*connection, request_of(std::move(ask))));
        EXPECT_TRUE(reply) << reply.error().message;
        if (!reply) {
            return {};
        }
        if (auto json = wire::parse_json(reply->text)) {
            reply->json = *std::move(json);
        }
        return *std::move(reply);
    }
    Reply get(std::string target) { return ask({.target = std::move(target)}); }
    Reply post(std::string target, std::string body) {
        return ask({.method = "POST", .target = std::move(target), .body = std::move(body)});
    }
    Reply patch(std::string target, std::string type, std::string body) {
        return ask({.method = "PATCH",
                    .target = std::move(target),
                    .body = std::move(body),
                    .content_type = fmt::format("application/{}", type)});
    }
    Reply remove(std::string target, std::string body = "") {
        return ask({.method = "DELETE", .target = std::move(target), .body = std::move(body)});
    }
    std::string audit_text() {
        sim.loop.run_for(1s);
        return *host::read_file(sim.disk, "/data/audit.log", 64U << 20);
    }

    host_sim::SimHost sim;
    host::Host host;
    host_sim::SimOffload store_offload;
    host_sim::SimOffload audit_offload;
    TestSealer sealer;
    std::unique_ptr<store::LocalStore> store;
    std::unique_ptr<AuditLog> audit;
    std::optional<StoredSettings> settings;
    TestInstances instances;
    TestExplain explain;
    TestUploads uploads;
    std::optional<Api> api;
    std::optional<http::Server> server;
    std::optional<NamespaceKeeper> keeper;
    std::unique_ptr<host::Listener> listener;
    async::Scope scope;
    std::string admin;
};

// Reads the frames of a watch as they come.
struct Watching {
    Watching(World& w, std::string target, std::string accept = "application/json")
        : world(w), connection(w.connect()), scope(w.sim.loop, 1) {
        EXPECT_TRUE(scope.spawn(read(world.request_of({.target = target, .accept = accept}))));
        world.sim.loop.run_for(100ms);
    }

    async::Task<void> read(http::ClientRequest request) {
        auto response = co_await connection->send(std::move(request), base::Instant::never());
        if (!response) {
            co_return;
        }
        status = response->status;
        for (;;) {
            auto piece = co_await response->body().next();
            if (!piece || !*piece) {
                ended = piece.has_value();
                co_return;
            }
            text += **piece;
        }
    }

    // "TYPE name" of each frame so far, and forgets them.
    std::vector<std::string> take() {
        world.sim.loop.run_for(200ms);
        std::vector<std::string> out;
        for (std::size_t end = text.find('\n'); end != std::string::npos; end = text.find('\n')) {
            last = *wire::parse_json(text.substr(0, end));
            text.erase(0, end + 1);
            auto name = std::string(model::text_at(last, {"object", "metadata", "name"}));
            out.push_back(fmt::format("{}{}{}", model::text_at(last, {"type"}),
                                      name.empty() ? "" : " ", name));
        }
        return out;
    }

    World& world;
    std::unique_ptr<http::ClientConnection> connection;
    async::Scope scope;
    int status = 0;
    bool ended = false;
    std::string text;
    Json last;
};

inline constexpr const char* services = "/apis/serving.knative.dev/v1/namespaces/default/services";
inline constexpr const char* maps = "/api/v1/namespaces/default/configmaps";

inline std::string service_json(std::string_view name, std::string_view extra = "") {
    return fmt::format(
        R"({{"apiVersion":"serving.knative.dev/v1","kind":"Service","metadata":{{"name":"{}"}},)"
        R"("spec":{{"template":{{"spec":{{"containers":[{{"image":"dev.local/default/x@sha256:)"
        R"(aaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaa"}}]{}}}}}}}}})",
        name, extra);
}

inline std::string map_json(std::string_view name, std::string_view value = "1",
                            std::string_view labels = "{}") {
    return fmt::format(R"({{"metadata":{{"name":"{}","labels":{}}},"data":{{"v":"{}"}}}})", name,
                       labels, value);
}

}  // namespace tidemill::api::test
