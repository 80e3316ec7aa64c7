#include <utility>

#include "app/fixed_routes.h"
#include "app/roles.h"
#include "link/session.h"
#include "link/table.h"

namespace tidemill::app {
namespace {

constexpr std::size_t peers_max = 64;

// Gives each peer the table of its role.
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

}  // namespace

async::Task<base::Status> run_control(Process& process, Options options) {
    auto& host = process.host();
    FixedRoutes routes;
    if (!options.fixed_routes.empty()) {
        CO_TRY(routes, read_fixed_routes(host.disk, options.fixed_routes));
    }
    TableGiver tables(routes);
    CO_TRY(const auto listener, host.network.inherited("control"));
    async::Scope scope(host.loop, 4);
    CO_CHECK_OK(
        scope.spawn(link::keep_answering(host, *listener, process.hello(), tables, {}, peers_max)));
    Process::say_ready();
    co_await wait_for_end(process.signals());
    co_return base::ok;
}

}  // namespace tidemill::app
