#include "agent/link_service.h"

#include <gtest/gtest.h>

#include <set>

#include "host_sim/sim_host.h"

namespace tidemill::agent {
namespace {

using namespace std::chrono_literals;

constexpr const char* address = "unix:/run/agent.sock";

// A proxy's side: which revisions have endpoints.
struct Proxy final : link::Session {
    void connected(link::Connection&, const link::Hello&) override {}
    base::Status received(link::Connection&, link::Message message) override {
        TRY(const auto change, table.take(std::move(message)));
        if (change) {
            for (const auto& put : change->puts) {
                revisions.insert(std::get<link::RevisionEndpoints>(put).revision);
            }
            for (const auto& gone : change->deletes) {
                revisions.erase(std::get<link::DeleteEndpoints>(gone).revision);
            }
        }
        return base::ok;
    }
    void disconnected(link::Connection&, const base::Error&) override {}
    link::TableReceiver table{100};
    std::set<std::string> revisions;
};

// Gives each caller the table, as the service's session for proxies does, without an agent behind.
struct Giver final : link::Session {
    explicit Giver(link::Table& what) : table(what) {}
    void connected(link::Connection& connection, const link::Hello&) override {
        connection.follow(table);
    }
    base::Status received(link::Connection&, link::Message) override { return base::ok; }
    void disconnected(link::Connection&, const base::Error&) override {}
    link::Table& table;
};

TEST(LinkService, ARevisionWithoutInstancesLeavesTheTableOfEveryPeer) {
    host_sim::SimHost sim(1);
    auto agent_host = sim.host("agent");
    auto proxy_host = sim.host("proxy");
    LinkService service(agent_host, {});
    const auto listener = *agent_host.network.listen(*host::parse_address(address), {});
    Giver giver(service.table());
    Proxy proxy;
    async::Scope scope(sim.loop, 2);
    ASSERT_TRUE(scope.spawn(
        link::keep_answering(agent_host, *listener, link::Hello{.role = "agent"}, giver, {}, 4)));
    ASSERT_TRUE(scope.spawn(link::keep_calling(proxy_host, *host::parse_address(address),
                                               link::Hello{.role = "proxy"}, proxy, {})));
    service.endpoints({.revision = "default/shop-00001",
                       .endpoints = {{"shop-00001-x", "unix:/s/x", link::InstanceState::ready}}});
    sim.loop.run_for(1s);
    EXPECT_EQ(proxy.revisions, std::set<std::string>{"default/shop-00001"});
    service.endpoints({.revision = "default/shop-00001", .endpoints = {}});
    sim.loop.run_for(1s);
    EXPECT_TRUE(proxy.revisions.empty());
    scope.cancel();
}

}  // namespace
}  // namespace tidemill::agent
