// Keeps this machine's instances as they are wanted.
#pragma once

#include <cstdint>
#include <map>
#include <memory>
#include <set>
#include <string>
#include <vector>

#include "agent/decider.h"
#include "agent/eviction.h"
#include "agent/log_store.h"
#include "agent/note.h"
#include "agent/ports.h"
#include "agent/reason.h"
#include "async/scope.h"
#include "host/host.h"
#include "host/launcher.h"
#include "link/messages.h"
#include "link/table.h"
#include "sandbox/planner.h"

namespace tidemill::agent {

// What the agent says, whoever carries it. Called on the loop; must not call back.
class Reports {
public:
    virtual ~Reports() = default;
    // The revision's living instances; none: forget it.
    virtual void endpoints(const link::RevisionEndpoints& endpoints) = 0;
    virtual void report(const link::InstanceReport& report) = 0;
    virtual void cold_start(const link::ColdStart& start) = 0;
};

struct Options {
    std::string data_directory;  // logs lie in DATA/logs; masked from instances
    std::string run_directory;   // sockets lie in RUN/s; short, on a tmpfs if there is one
    sandbox::Policy policy;
    DeciderOptions decider;
    LogStore::Limits logs;
    std::uint16_t port_first = 20'000;
    std::uint16_t port_last = 29'999;
    std::uint32_t instances_max = 2000;
    std::uint64_t frozen_bytes_max = 512ULL << 20;  // of all frozen instances together
    base::Duration launch_timeout = std::chrono::seconds(30);
    // A woken instance is not stopped for a wanted number before this has passed since it was
    // ready: twice the autoscaler's interval of 2 s, and time for its decision to arrive.
    base::Duration lease = std::chrono::seconds(10);
    // A proxy repeats what waits; a wake that was not repeated is over.
    base::Duration wake_valid = std::chrono::seconds(1);
    // A proxy whose connection was lost may be back by then, and the requests that it gave away
    // before run on: until then nothing counts as drained.
    base::Duration proxy_patience = std::chrono::seconds(1);
    // Ready for so long, an instance has proved itself: its end begins a new count of failures.
    base::Duration proven_after = std::chrono::seconds(10);
    // An app that does not listen by then is told so, and waited for all the same.
    base::Duration not_listening_after = std::chrono::seconds(5);
};

// One loop's thread. Everything is level-triggered: each thing heard changes what is known of a
// revision, then settle() compares that with what runs.
class Agent {
public:
    // All outlive it.
    Agent(host::Host& host, host::Launcher& launcher, Reports& reports, Options options);
    Agent(const Agent&) = delete;
    Agent& operator=(const Agent&) = delete;
    ~Agent();

    // Takes over what runs already, then watches. Instances of revisions that nobody has spoken of
    // are kept until control has. Errors: unavailable (the launcher does not answer).
    async::Task<base::Status> start();
    // Ends every instance: SIGTERM, then SIGKILL after `grace`; waits for the last to be gone.
    async::Task<void> end_all(base::Duration grace);

    // From control. While it is away nothing is stopped for a number that may be out of date.
    void wanted(const link::TableReceiver::Change& change);
    void control_gone();
    // From proxies; `proxy` names the connection.
    void proxy_here(std::uint64_t proxy);
    void proxy_gone(std::uint64_t proxy);
    void wake(std::uint64_t proxy, const link::Wake& wake);
    void drained(std::uint64_t proxy, const link::Drained& drained);

    LogStore& logs() { return logs_; }
    // True while the instance lives: its log may grow.
    bool lives(const std::string& instance) const { return instances_.contains(instance); }
    // The last of a living instance's revision that ended and whose log is kept.
    std::optional<std::string> previous_of(const std::string& instance) const;
    std::size_t instance_count() const { return instances_.size(); }
    // For a control that has just connected.
    std::vector<link::InstanceReport> all_reports() const;

private:
    struct Instance;
    struct Revision;

    Revision& revision_of(const std::string& name);
    Instance* find(const std::string& instance);
    std::uint32_t waiting(const Revision& revision) const;
    void settle(Revision& revision);
    void settle_soon(const std::string& revision);
    void publish(Revision& revision);
    link::InstanceReport describe(const Instance& instance) const;
    void report(const Instance& instance, link::InstanceState state,
                const host::InstanceExit* exit);
    void start_one(Revision& revision, std::string cause, base::Instant began);
    void adopt(const host::KnownInstance& known);
    void drain(Instance& instance);
    void freeze(Instance& instance);
    void thaw(Instance& instance, base::Instant began);
    void thawed(Instance& instance);
    void move_freezer(const std::string& name);
    void end_frozen(Instance& instance);
    void stop(Instance& instance);
    void kill(Instance& instance);
    void became_ready(Instance& instance);
    void watch_health(Instance& instance);
    void failed_launch(Instance& instance, const base::Error& why);
    void ended(const std::string& name, const host::InstanceExit& exit);
    void remove(Instance& instance);
    void count_failure(Revision& revision, const Instance& instance);
    void check_drained(Instance& instance);
    base::Result<host::LaunchPlan> plan(Instance& instance, const link::WantedRevision& wanted);

    async::Task<void> await_proxies();
    async::Task<void> watch();
    async::Task<void> bring_up(std::string name);
    async::Task<void> await_ready(std::string name);
    async::Task<bool> answers_itself(std::string name);
    async::Task<void> say_if_not_listening(std::string name);
    async::Task<void> end_start(std::string name, base::Duration limit);
    async::Task<void> probe_liveness(std::string name, link::ProbeSpec probe, std::uint32_t round);
    async::Task<void> probe_readiness(std::string name, link::ProbeSpec probe, std::uint32_t round);
    async::Task<void> follow_freezer(std::string name);
    async::Task<void> weigh(std::string name);
    async::Task<void> send_signal(std::string name);
    async::Task<void> send_kill(std::string name);
    async::Task<void> forget(std::string name);
    async::Task<void> compare_with_scan();
    async::Task<base::Status> scan();

    host::Host& host_;
    host::Launcher& launcher_;
    Reports& reports_;
    Options options_;
    sandbox::HostRoot root_;
    LogStore logs_;
    Ports ports_;
    Eviction eviction_;
    std::map<std::string, std::unique_ptr<Revision>> revisions_;
    std::map<std::string, std::unique_ptr<Instance>> instances_;
    std::set<std::uint64_t> proxies_;
    base::Instant proxies_back_by_{};
    bool is_proxy_awaited_ = false;     // await_proxies() is at work
    std::set<std::string> forgetting_;  // ended, reported, and not yet gone from the launcher
    bool has_control_ = false;          // and its whole table
    bool is_ending_ = false;            // end_all() was called
    base::Duration ending_grace_{};
    async::Event empty_;
    // Last: its tasks use all of the above.
    async::Scope tasks_;
};

}  // namespace tidemill::agent
