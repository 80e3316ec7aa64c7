#include "agent/link_service.h"

#include <gtest/gtest.h>

#include <set>
#include <string>
#include <vector>

#include "host_sim/sim_host.h"
#include "host_sim/sim_launcher.h"

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

// A control's side: which ends it was told of, in order.
struct Control final : link::Session {
    void connected(link::Connection& connection, const link::Hello&) override {
        connection.follow(wanted);
    }
    base::Status received(link::Connection&, link::Message message) override {
        if (const auto* report = std::get_if<link::InstanceReport>(&message)) {
            EXPECT_EQ(report->state, link::InstanceState::ended);
            ends.push_back(report->instance + " " + report->reason);
        }
        return base::ok;
    }
    void disconnected(link::Connection&, const base::Error&) override {}
    link::Table wanted;
    std::vector<std::string> ends;
};

class Ends : public testing::Test {
protected:
    Ends() {
        service_.serve(agent_);
        EXPECT_TRUE(
            scope_.spawn(link::keep_calling(agent_host_, *host::parse_address(address),
                                            link::Hello{.role = "agent"}, service_.control(), {})));
    }

    void say(const std::string& revision, const std::string& instance, link::InstanceState state,
             const std::string& reason = {}) {
        link::InstanceReport report;
        report.revision = revision;
        report.instance = instance;
        report.state = state;
        report.reason = reason;
        service_.report(report);
    }
    void crash(const std::string& revision, const std::string& instance) {
        say(revision, instance, link::InstanceState::ended, "ExitCode3");
    }
    // What a control hears that connects now and wants these.
    std::vector<std::string> heard_by_control(const std::vector<std::string>& wanted) {
        Control control;
        for (const auto& revision : wanted) {
            control.wanted.put(link::WantedRevision{.revision = revision});
        }
        control.wanted.commit();
        const auto listener = *control_host_.network.listen(*host::parse_address(address), {});
        async::Scope scope(sim_.loop, 1);
        EXPECT_TRUE(scope.spawn(link::keep_answering(
            control_host_, *listener, link::Hello{.role = "control"}, control, {}, 4)));
        sim_.loop.run_for(10s);
        scope.cancel();
        sim_.loop.run_for(1s);
        return control.ends;
    }

    host_sim::SimHost sim_{1};
    host::Host agent_host_ = sim_.host("agent");
    host::Host control_host_ = sim_.host("control");
    host_sim::SimInstances instances_{sim_.loop, sim_.clock, 1, sim_.trace};
    host_sim::SimLauncher launcher_{instances_};
    LinkService service_{agent_host_, {.ends_per_revision_max = 2, .revisions_with_ends_max = 2}};
    Agent agent_{agent_host_, launcher_, service_, {.data_directory = "/d", .run_directory = "/r"}};
    async::Scope scope_{sim_.loop, 1};  // last: its task uses the above
};

TEST_F(Ends, AControlThatWasAwayHearsOfTheLastOfThemAndSoDoesTheNext) {
    for (const auto* const instance : {"x", "y", "z"}) {
        crash("a/shop", instance);
    }
    const std::vector<std::string> both{"y ExitCode3", "z ExitCode3"};
    EXPECT_EQ(heard_by_control({"a/shop"}), both);
    EXPECT_EQ(heard_by_control({"a/shop"}), both);
}

TEST_F(Ends, OneThatWasAskedForIsNotToldAgain) {
    say("a/shop", "x", link::InstanceState::ended);
    EXPECT_TRUE(heard_by_control({"a/shop"}).empty());
}

TEST_F(Ends, TheyAreOldNewsOnceAnInstanceIsReady) {
    crash("a/shop", "x");
    say("a/shop", "y", link::InstanceState::starting);
    say("b/shop", "z", link::InstanceState::ready);
    EXPECT_EQ(heard_by_control({"a/shop"}).size(), 1);
    say("a/shop", "y", link::InstanceState::ready);
    EXPECT_TRUE(heard_by_control({"a/shop"}).empty());
}

TEST_F(Ends, OfARevisionThatNobodyWantsTheyAreForgottenAndThereAreNotTooMany) {
    for (const auto* const revision : {"a/one", "a/two", "a/three"}) {
        crash(revision, "x");
    }
    EXPECT_EQ(heard_by_control({"a/one"}).size(), 2) << "more revisions than are remembered";
    crash("a/three", "y");
    EXPECT_EQ(heard_by_control({"a/one", "a/three"}),
              (std::vector<std::string>{"x ExitCode3", "y ExitCode3"}));
}

}  // namespace
}  // namespace tidemill::agent
