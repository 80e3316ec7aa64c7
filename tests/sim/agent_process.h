// The agent's role as a process that can be killed, with every deed written into the book.
#pragma once

#include <memory>

#include "agent/link_service.h"
#include "agent_book.h"
#include "async/scope.h"
#include "host_sim/sim_host.h"
#include "host_sim/sim_launcher.h"
#include "link/session.h"

namespace tidemill::sim {

// Destroying it is kill -9: what it has not done is not done, what it has started goes on.
class AgentProcess {
public:
    AgentProcess(host_sim::SimHost& machine, host_sim::SimInstances& instances, AgentBook& book,
                 const agent::Options& options);
    ~AgentProcess();

    bool serves() const { return serves_; }
    // The launcher's own process dies and is back.
    void lose_launcher() { launcher_->lose(); }
    // SIGTERM to the role: all instances end.
    void end_all(base::Duration grace);
    bool has_ended() const { return has_ended_; }
    std::size_t instance_count() const { return agent_->instance_count(); }

private:
    class Ear;
    class Mouth;
    class Hand;

    async::Task<void> run();
    async::Task<void> end(base::Duration grace);

    host_sim::SimHost& machine_;
    AgentBook& book_;
    host::Host host_;
    std::unique_ptr<host_sim::SimLauncher> launcher_;
    std::unique_ptr<Hand> hand_;
    std::unique_ptr<agent::LinkService> link_;
    std::unique_ptr<Mouth> mouth_;
    std::unique_ptr<agent::Agent> agent_;
    std::unique_ptr<Ear> control_;
    std::unique_ptr<Ear> proxies_;
    std::unique_ptr<host::Listener> listener_;
    bool serves_ = false;
    bool has_ended_ = false;
    async::Scope scope_;  // last: its tasks use all of the above
};

}  // namespace tidemill::sim
