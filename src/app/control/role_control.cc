#include <fmt/format.h>

#include <utility>

#include "api/access/audit.h"
#include "api/access/tokens.h"
#include "api/bootstrap.h"
#include "api/platform/namespace_keeper.h"
#include "api/service.h"
#include "api/settings.h"
#include "app/control/fixed_routes.h"
#include "app/control/log_relay.h"
#include "app/control/machine_images.h"
#include "app/control/platform_views.h"
#include "app/control/source_images.h"
#include "app/control/trust.h"
#include "app/roles.h"
#include "control/controller/control.h"
#include "host_linux/loop/thread_offload.h"
#include "host_linux/process/free_memory.h"
#include "http/server.h"
#include "http/tls.h"
#include "link/session.h"
#include "link/table.h"
#include "store/local_store.h"

namespace tidemill::app {
namespace {

constexpr std::size_t peers_max = 64;

// Gives each peer the table of its role, and listens to nothing.
class TableGiver final : public link::Session {
public:
    explicit TableGiver(const FixedRoutes& routes) {
        proxies_.replace(routes.for_proxies);
        agents_.replace(routes.for_agents);
    }
    void connected(link::Connection& connection, const link::Hello& peer) override {
        connection.follow(peer.role == "agent" ? agents_ : proxies_);
    }
    base::Status received(link::Connection&, link::Message) override { return base::ok; }
    void disconnected(link::Connection&, const base::Error&) override {}

private:
    link::Table proxies_;
    link::Table agents_;
};

async::Task<base::Status> run_fixed(Process& process, Options options) {
    auto& host = process.host();
    CO_TRY(const auto routes, read_fixed_routes(host.disk, options.fixed_routes));
    TableGiver tables(routes);
    CO_TRY(const auto listener, host.network.inherited("control"));
    async::Scope scope(host.loop, 4);
    CO_CHECK_OK(
        scope.spawn(link::keep_answering(host, *listener, process.hello(), tables, {}, peers_max)));
    Process::say_ready();
    co_await wait_for_end(process.signals());
    co_return base::ok;
}

// Sends each caller to the session of its role.
class ByRole final : public link::Session {
public:
    ByRole(link::Session& proxies, link::Session& agents) : proxies_(proxies), agents_(agents) {}
    void connected(link::Connection& connection, const link::Hello& peer) override {
        auto& session = peer.role == "agent" ? agents_ : proxies_;
        sessions_[&connection] = &session;
        session.connected(connection, peer);
    }
    base::Status received(link::Connection& connection, link::Message message) override {
        return sessions_.at(&connection)->received(connection, std::move(message));
    }
    void disconnected(link::Connection& connection, const base::Error& why) override {
        sessions_.extract(&connection).mapped()->disconnected(connection, why);
    }

private:
    link::Session& proxies_;
    link::Session& agents_;
    std::map<link::Connection*, link::Session*> sessions_;
};

// The administrator's token lives in DATA/kubeconfig alone: where that file is gone, or its token
// is not valid any more, a new one is made.
async::Task<base::Status> ensure_kubeconfig(Process& process, const Options& options,
                                            const Trust& trust, store::Store& store,
                                            const std::string& server) {
    auto& host = process.host();
    if (const auto kept = host::read_file(host.disk, options.data + "/kubeconfig", 1U << 20)) {
        const auto at = kept->find("tidemill_");
        const auto end = kept->find_first_of(" \r\n", at);
        const bool same_server = kept->find("https://" + server + "\n") != std::string::npos;
        if (at != std::string::npos && same_server &&
            api::find_token(store, kept->substr(at, end - at))) {
            co_return base::ok;
        }
    }
    api::TokenSpec spec;
    spec.user = "admin";
    spec.groups = {"system:masters"};
    spec.description = "DATA/kubeconfig";
    CO_TRY(const auto issued,
           co_await api::issue_token(store, host.random, std::move(spec), host.clock.wall_now()));
    co_return write_kubeconfig(host, options, trust, server, issued.token);
}

// Bursts of changes and long lists leave the heap full of holes.
async::Task<void> keep_giving_back_memory(async::Loop& loop) {
    constexpr base::Duration every = std::chrono::seconds(30);
    for (;;) {
        co_await async::sleep_for(loop, every);
        host_linux::give_back_free_memory();
    }
}

}  // namespace

async::Task<base::Status> run_control(Process& process, Options options) {
    if (!options.fixed_routes.empty()) {
        co_return co_await run_fixed(process, std::move(options));
    }
    auto& host = process.host();
    CO_TRY(const auto trust, load_trust(host, options));

    KeySealer sealer(trust.sealing_key);
    host_linux::ThreadOffload store_thread(host.loop, "store", 16);
    store::LocalStoreOptions store_options;
    store_options.directory = options.data + "/store";
    store_options.build = build_version();
    const store::Environment store_environment{host.loop, host.clock,   host.random,
                                               host.disk, store_thread, sealer};
    CO_TRY(const auto store, store::LocalStore::open(store_environment, std::move(store_options)));
    CO_CHECK_OK(co_await api::ensure_defaults(*store));

    SourceImages source_images(process, options);
    CO_CHECK_OK(co_await source_images.start());
    MachineImages images(process, options, source_images);
    CO_CHECK_OK(images.start());
    control::ControlOptions control_options;
    control_options.routes.domain = options.domain;
    control::Control control({host.loop, host.clock, *store, images}, std::move(control_options));
    CO_CHECK_OK(control.start());

    LogRelay agents(host.loop, control.agents());
    ByRole sessions(control.proxies(), agents);
    CO_TRY(const auto link_listener, host.network.inherited("control"));
    async::Scope scope(host.loop, 64);
    CO_CHECK_OK(scope.spawn(
        link::keep_answering(host, *link_listener, process.hello(), sessions, {}, peers_max)));

    PlatformViews views(host, control, agents);
    api::StoredSettings settings(*store);
    host_linux::ThreadOffload audit_thread(host.loop, "audit", 16);
    CO_TRY(const auto audit, api::AuditLog::open(host, audit_thread, {.directory = options.data}));
    api::Api api({.host = host,
                  .store = *store,
                  .settings = settings,
                  .audit = *audit,
                  .instances = &views,
                  .explain = &views,
                  .uploads = &images},
                 {.build = std::string(build_version()),
                  .own_uid = host_linux::own_uid(),
                  .http = options.http});
    api::NamespaceKeeper namespaces(*store, host);
    CO_CHECK_OK(scope.spawn(namespaces.run()));
    CO_CHECK_OK(scope.spawn(source_images.keep_collecting(*store)));
    CO_CHECK_OK(scope.spawn(images.keep_collecting(*store)));
    CO_CHECK_OK(scope.spawn(keep_giving_back_memory(host.loop)));

    http::Server server(host, api, {});
    CO_TRY(const auto tls, http::TlsServer::make(trust.api.certificate_pem, trust.api.key_pem, ""));
    const auto listeners = inherited_all(host.network, "api");
    CO_TRY(const auto local, host.network.inherited("api-socket"));
    for (const auto& listener : listeners) {
        CO_CHECK_OK(scope.spawn(server.serve(*listener, tls.get())));
    }
    CO_CHECK_OK(scope.spawn(server.serve(*local, nullptr)));
    if (!listeners.empty()) {
        CO_CHECK_OK(co_await ensure_kubeconfig(process, options, trust, *store,
                                               host::to_string(listeners.front()->local())));
    }
    process.log().info("control serves",
                       {{"objects", store->health().objects}, {"revision", store->revision()}});
    Process::say_ready();
    co_await wait_for_end(process.signals());
    scope.cancel();
    control.stop();
    co_await store->close();
    co_return base::ok;
}

}  // namespace tidemill::app
