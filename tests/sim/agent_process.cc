#include "agent_process.h"

#include "base/check.h"
#include "host/address.h"

namespace tidemill::sim {

using namespace std::chrono_literals;

// Hears what the agent hears, a moment before.
class AgentProcess::Ear final : public link::Session {
public:
    Ear(AgentBook& book, link::Session& inner) : book_(book), inner_(inner) {}

    void connected(link::Connection& connection, const link::Hello& peer) override {
        Peer& mine = peers_[&connection];
        mine.id = ++last_id_;
        mine.is_control = peer.role == "control";
        if (mine.is_control) {
            book_.control_here();
        } else {
            book_.proxy_here(mine.id, peer.boot_id);
        }
        inner_.connected(connection, peer);
    }
    base::Status received(link::Connection& connection, link::Message message) override {
        Peer& mine = peers_.at(&connection);
        if (link::TableReceiver::is_table_message(message)) {
            if (const auto change = mine.wanted.take(message); change && *change) {
                book_.heard_wanted(**change);
            }
        } else if (const auto* wake = std::get_if<link::Wake>(&message)) {
            book_.heard_wake(mine.id, *wake);
        }
        return inner_.received(connection, std::move(message));
    }
    void disconnected(link::Connection& connection, const base::Error& why) override {
        const auto found = peers_.find(&connection);
        const bool was_control = found->second.is_control;
        if (!was_control) {
            book_.proxy_gone(found->second.id);
        }
        peers_.erase(found);
        if (was_control && peers_.empty()) {
            book_.control_gone();
        }
        inner_.disconnected(connection, why);
    }

private:
    struct Peer {
        std::uint64_t id = 0;
        bool is_control = false;
        link::TableReceiver wanted{10'000};
    };
    AgentBook& book_;
    link::Session& inner_;
    std::map<link::Connection*, Peer> peers_;
    std::uint64_t last_id_ = 0;
};

class AgentProcess::Mouth final : public agent::Reports {
public:
    Mouth(AgentBook& book, agent::Reports& inner) : book_(book), inner_(inner) {}

    void endpoints(const link::RevisionEndpoints& endpoints) override {
        book_.said_endpoints(endpoints);
        inner_.endpoints(endpoints);
    }
    void report(const link::InstanceReport& report) override {
        book_.said_report(report);
        inner_.report(report);
    }
    void cold_start(const link::ColdStart& start) override {
        book_.said_cold_start(start);
        inner_.cold_start(start);
    }

private:
    AgentBook& book_;
    agent::Reports& inner_;
};

class AgentProcess::Hand final : public host::Launcher {
public:
    Hand(AgentBook& book, host::Launcher& inner) : book_(book), inner_(inner) {}

    async::Task<base::Result<host::Launched>> launch(host::LaunchPlan plan,
                                                     base::Instant deadline) override {
        const std::string name = plan.instance;
        book_.launches(plan);
        auto result = co_await inner_.launch(std::move(plan), deadline);
        book_.launched(name, result);
        co_return result;
    }
    async::Task<base::Status> signal(std::string instance, int number) override {
        book_.terminates(instance);
        const auto sent = co_await inner_.signal(instance, number);
        if (sent || sent.error().code != base::Code::unavailable) {
            book_.terminated(instance);
        }
        co_return sent;
    }
    async::Task<base::Status> kill(std::string instance) override {
        book_.kills(instance);
        return inner_.kill(std::move(instance));
    }
    async::Task<base::Status> freeze(std::string instance, Freeze wanted) override {
        wanted == Freeze::frozen ? book_.freezes(instance) : book_.thaws(instance);
        const auto moved = co_await inner_.freeze(instance, wanted);
        book_.moved_freezer(instance, moved);
        co_return moved;
    }
    async::Task<base::Result<std::vector<host::KnownInstance>>> scan() override {
        auto known = co_await inner_.scan();
        if (known) {
            book_.scanned(*known);
        }
        co_return known;
    }
    async::Task<base::Result<host::Inspection>> inspect(std::string instance) override {
        return inner_.inspect(std::move(instance));
    }
    async::Task<base::Result<host::PortHolder>> port_holder(std::string instance,
                                                            std::uint16_t port) override {
        return inner_.port_holder(std::move(instance), port);
    }
    async::Task<base::Status> forget(std::string instance) override {
        book_.forgets(instance);
        return inner_.forget(std::move(instance));
    }
    async::Task<host::LauncherEvent> next_event() override {
        auto event = co_await inner_.next_event();
        if (event.kind == host::LauncherEvent::Kind::stopped) {
            book_.heard_stopped(event.instance);
        }
        co_return event;
    }
    const host::LauncherCapabilities& capabilities() const override {
        return inner_.capabilities();
    }

private:
    AgentBook& book_;
    host::Launcher& inner_;
};

AgentProcess::AgentProcess(host_sim::SimHost& machine, host_sim::SimInstances& instances,
                           AgentBook& book, const agent::Options& options)
    : machine_(machine),
      book_(book),
      host_(machine.host("agent")),
      launcher_(std::make_unique<host_sim::SimLauncher>(instances)),
      hand_(std::make_unique<Hand>(book, *launcher_)),
      link_(std::make_unique<agent::LinkService>(host_, agent::LinkService::Limits{})),
      mouth_(std::make_unique<Mouth>(book, *link_)),
      agent_(std::make_unique<agent::Agent>(host_, *hand_, *mouth_, options)),
      control_(std::make_unique<Ear>(book, link_->control())),
      proxies_(std::make_unique<Ear>(book, link_->proxies())),
      scope_(machine.loop, 8) {
    link_->serve(*agent_);
    book_.agent_born();
    CHECK(scope_.spawn(run()).has_value());
}

AgentProcess::~AgentProcess() {
    scope_.cancel();
    book_.agent_died();
}

// As app/role_agent.cc; where that ends with an error, the supervisor starts the role again.
async::Task<void> AgentProcess::run() {
    while (!co_await agent_->start()) {
        co_await async::sleep_for(machine_.loop, 50ms);
    }
    auto listener = host_.network.listen(*host::parse_address(AgentsProxy::address), {});
    CHECK(listener.has_value());
    listener_ = *std::move(listener);
    link::Hello hello{.role = "agent"};
    CHECK(scope_.spawn(link::keep_answering(host_, *listener_, hello, *proxies_, {}, 16))
              .has_value());
    CHECK(scope_
              .spawn(link::keep_calling(host_, *host::parse_address(AgentsControl::address), hello,
                                        *control_, {}))
              .has_value());
    serves_ = true;
    book_.agent_serves();
}

void AgentProcess::end_all(base::Duration grace) {
    book_.ends_all();
    CHECK(scope_.spawn(end(grace)).has_value());
}

async::Task<void> AgentProcess::end(base::Duration grace) {
    co_await agent_->end_all(grace);
    has_ended_ = true;
}

}  // namespace tidemill::sim
