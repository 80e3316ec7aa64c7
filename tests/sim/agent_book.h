// The book that an agent's deeds are checked against: what it has heard, what it did, what runs.
#pragma once

#include <cstdint>
#include <functional>
#include <map>
#include <optional>
#include <set>
#include <string>
#include <vector>

#include "agent/agent.h"
#include "agent_apps.h"
#include "agent_peers.h"
#include "async/loop.h"
#include "host/launcher.h"
#include "host_sim/sim_launcher.h"
#include "link/table.h"

namespace tidemill::sim {

// Every deed of the agent passes here before it is done, so each check knows exactly what the agent
// knew. A check that fails is told once, as a sentence.
class AgentBook {
public:
    using Fail = std::function<void(std::string)>;
    AgentBook(async::Loop& loop, const host_sim::SimInstances& instances, const Apps& apps,
              const std::vector<std::unique_ptr<AgentsProxy>>& proxies,
              const agent::Options& options, Fail fail)
        : loop_(loop),
          machine_(instances),
          apps_(apps),
          proxies_(proxies),
          options_(options),
          fail_(std::move(fail)),
          begin_(loop.now()) {}

    // The machine.
    void started(const host::LaunchPlan& plan);
    void ended(const host::LaunchPlan& plan);
    // A life of the agent. What it keeps in memory is forgotten with it.
    void agent_born();
    void agent_serves();
    void agent_died();
    // What it hears.
    void heard_wanted(const link::TableReceiver::Change& change);
    void control_gone();
    void proxy_here(std::uint64_t connection, std::string name);
    void proxy_gone(std::uint64_t connection);
    void heard_wake(std::uint64_t connection, const link::Wake& wake);
    void heard_stopped(const std::string& instance);
    void control_here();
    // What it asks of the launcher.
    void scanned(const std::vector<host::KnownInstance>& known);
    void launches(const host::LaunchPlan& plan);
    void launched(const std::string& instance, const base::Result<host::Launched>& result);
    void terminates(const std::string& instance);
    void terminated(const std::string& instance) { instances_[instance].is_term_heard = true; }
    void kills(const std::string& instance);
    void freezes(const std::string& instance);
    void thaws(const std::string& instance);
    void moved_freezer(const std::string& instance, const base::Status& answer);
    void forgets(const std::string& instance);
    void ends_all() { is_ending_ = true; }
    // What it says.
    void said_endpoints(const link::RevisionEndpoints& endpoints);
    void said_report(const link::InstanceReport& report);
    void said_cold_start(const link::ColdStart& start);
    // At any time: what must not last, does not.
    void look();
    // Control has had time to hear all that the agent said: what of it must it know?
    void check_told(const AgentsControl& control);
    // What must be true when nothing happens any more.
    void check_quiet(const AgentsControl& control);

    std::map<std::string, std::uint64_t> probes;  // rare paths taken
    // Written down for whoever replays the seed.
    void note(std::string_view what, std::string_view of) const;

private:
    // From its launch to the end of the world.
    struct Instance {
        std::string revision;
        std::uint16_t port = 0;
        bool runs = false;
        base::Instant ended_at;
        bool is_logged = false;
        // In this life of the agent:
        bool is_known = false;      // launched or adopted, and no end was reported
        bool is_launching = false;  // asked, not answered
        bool is_adopted = false;
        bool is_blind = false;  // adopted before anybody said what its revision is
        bool is_ready = false;
        bool is_woken = false;  // started while requests waited, and not ready yet
        bool is_draining = false;
        bool is_stopping = false;
        bool is_term_asked = false;
        bool is_term_heard = false;
        bool is_kill_asked = false;
        bool is_end_said = false;
        bool is_frozen = false;         // asked to be, or found so, and not asked to thaw
        bool is_thawing = false;        // asked to, and not ready yet
        bool is_freeze_failed = false;  // it may be frozen, or not
        bool was_frozen = false;        // when it was told to stop
        bool is_unready = false;        // was ready, and its probe failed
        bool is_stop_heard = false;     // SIGSTOP
        std::uint32_t thaws_refused = 0;
        base::Instant frozen_since;
        base::Instant thaw_since;
        base::Instant stop_heard_at;
        std::optional<base::Instant> asleep_since;  // frozen, and the agent thinks otherwise
        base::Instant known_since;
        base::Instant ready_at;
        base::Instant lease_until;
        base::Instant draining_since;
        base::Instant stopping_since;

        bool is_going() const { return is_draining || is_stopping || is_kill_asked || is_frozen; }
    };
    // What the agent was told of a revision.
    struct Told {
        std::optional<link::WantedRevision> wanted;
        struct Waiting {
            std::uint32_t count = 0;  // as the wake said
            std::uint32_t open = 0;   // of these, not taken by who became ready since
            base::Instant heard;
        };
        std::map<std::uint64_t, Waiting> waiting;  // by connection
        bool has_control = false;
    };
    struct Revision {
        Told told;
        // What was true earlier in this same instant: a decision may be older than its deed.
        std::vector<Told> before;
        base::Instant changed_at;
        base::Duration grace{};  // as control said last, whenever that was
        std::uint32_t failures = 0;
        base::Instant failed_at;
        base::Instant start_after;
        std::optional<base::Instant> short_since;
        std::vector<std::string> ended;  // whose end was reported, oldest first
        std::optional<std::string> last_crash;
        // The last end that nobody asked for, if none was ready since.
        std::optional<std::string> failure;
        std::map<std::string, link::InstanceState> offered;
    };

    Revision& revision(const std::string& name) { return revisions_[name]; }
    Instance& instance(const std::string& name) { return instances_[name]; }
    void change(Revision& revision);
    std::uint32_t waiting(const Told& told,
                          std::uint32_t Told::Waiting::* which = &Told::Waiting::count) const;
    bool has_instance(const std::string& revision) const;
    void answer_wakes(Revision& revision);
    void forget_failures(const std::string& name, Revision& revision);
    bool may_start(const Told& told, std::uint32_t starting, std::uint32_t alive) const;
    bool may_drain(const Told& told, std::uint32_t alive) const;
    template <typename Test>
    bool at_this_instant(const Revision& revision, Test test) const;
    void check_reason(const std::string& name, const Instance& instance,
                      const link::InstanceReport& report);
    void check_logs(const std::string& name, const Revision& revision);
    void said_ended(const link::InstanceReport& report);
    void said_stopping(const std::string& name, Instance& instance);
    void said_draining(const std::string& name, Instance& instance);
    void check_requests(const std::string& name, std::string_view what) const;
    bool may_end_frozen(const Told& told, const Instance& instance) const;
    bool is_over_budget() const;
    void check_offered(const std::string& name, const Revision& revision);
    void check_frozen(const std::string& name, Instance& instance);
    void check_going(const std::string& name, const Instance& instance) const;
    void check_shortage(const std::string& name, Revision& revision);
    std::string ago(base::Instant when) const;

    async::Loop& loop_;
    const host_sim::SimInstances& machine_;
    const Apps& apps_;
    const std::vector<std::unique_ptr<AgentsProxy>>& proxies_;
    const agent::Options& options_;
    Fail fail_;
    base::Instant begin_;
    std::map<std::string, Instance> instances_;
    std::map<std::string, Revision> revisions_;
    std::map<std::uint64_t, std::string> connections_;  // of proxies, as the agent sees them
    std::map<std::string, base::Instant> gone_;         // of proxies that were lost, when
    bool has_control_ = false;
    bool is_alive_ = false;
    bool serves_ = false;
    bool is_ending_ = false;
    base::Instant serves_since_;
    base::Instant control_since_;
    std::optional<base::Instant> over_budget_since_;
};

}  // namespace tidemill::sim
