// Instances that outlive whoever started them, and a launcher that is not always heard.
#pragma once

#include <cstdint>
#include <deque>
#include <functional>
#include <map>
#include <memory>
#include <set>
#include <string>
#include <vector>

#include "async/event.h"
#include "async/scope.h"
#include "host/clock.h"
#include "host/launcher.h"
#include "host_sim/dice.h"
#include "host_sim/trace.h"

namespace tidemill::host_sim {

class SimLauncher;

struct InstanceOptions {
    base::Duration launch_min = std::chrono::milliseconds(1);
    base::Duration launch_max = std::chrono::milliseconds(30);
    // Chances per million launches.
    std::uint32_t fails_ppm = 0;           // it does not start; nothing is left
    std::uint32_t unacknowledged_ppm = 0;  // it runs, but the answer is `unavailable`
    std::uint32_t dies_ppm = 0;            // it dies by itself within dies_within
    std::uint32_t stubborn_ppm = 0;        // it ignores SIGTERM
    // Chance per million of times that the kernel refuses to freeze or to thaw.
    std::uint32_t freeze_fails_ppm = 0;
    // Chance per million of other questions: the launcher dies over it, before or after the deed,
    // answers `unavailable`, and is back.
    std::uint32_t unanswered_ppm = 0;
    base::Duration dies_within = std::chrono::seconds(30);
    // From a signal, or a kill, to the end; a process in the kernel's hands takes its time.
    base::Duration end_min = std::chrono::microseconds(100);
    base::Duration end_max = std::chrono::milliseconds(20);
    // An answer to anything else than a launch takes up to this.
    base::Duration answer_max = std::chrono::milliseconds(2);
    std::size_t instances_max = 1'000;
    // What an instance's memory is said to be; drawn from its name, the same for all its life.
    std::uint64_t memory_bytes_min = 0;
    std::uint64_t memory_bytes_max = 0;
};

// The machine's table of instances: what really runs, whatever an agent believes. Lives as long as
// the machine; checkers ask it.
class SimInstances {
public:
    SimInstances(async::Loop& loop, const host::Clock& clock, std::uint64_t seed, Trace& trace,
                 InstanceOptions options = {});
    ~SimInstances();

    // All that runs, and what has ended and was not forgotten, by name.
    std::vector<host::KnownInstance> known() const;
    bool runs(const std::string& instance) const;
    bool is_frozen(const std::string& instance) const;
    // Frozen, or stopped by a signal: it runs no code of its own.
    bool rests(const std::string& instance) const;
    std::uint64_t memory_bytes(const std::string& instance) const;
    std::size_t running() const;
    // How many instances have ever run.
    std::uint64_t started() const { return started_; }
    // Null if it is not known. What it was started with.
    const host::LaunchPlan* plan(const std::string& instance) const;
    // Makes a running one end so. False if it does not run.
    bool end(const std::string& instance, host::InstanceExit how);
    // SIGSTOP and SIGCONT from somebody of this machine. False if it does not run, or is frozen
    // and cannot take a signal now.
    bool stop(const std::string& instance);
    bool resume(const std::string& instance);
    // The machine lost power: all are gone, and so is the memory of them.
    void reboot();
    void set_options(InstanceOptions options) { options_ = options; }

    // Called when an instance begins to run and when it has ended, so that a world can listen on
    // its socket and answer for it. Must not call back into *this.
    std::function<void(const host::LaunchPlan&)> on_start;
    std::function<void(const host::LaunchPlan&)> on_end;
    // Who holds a port; without it a port that an instance was given is its own.
    std::function<host::PortHolder(const std::string& instance, std::uint16_t port)> holder_of;

private:
    friend class SimLauncher;
    struct Instance;
    struct Launch;

    async::Task<void> carry_out(std::shared_ptr<Launch> launch);
    base::Result<host::Launched> begin(const host::LaunchPlan& plan, base::Instant asked);
    void finish(Instance& instance, host::InstanceExit how);
    Instance* find_running(const std::string& instance);
    bool halt(const std::string& instance, host::LauncherEvent::Kind kind);
    void announce(const host::LauncherEvent& event);

    async::Loop& loop_;
    const host::Clock& clock_;
    Dice dice_;
    Trace& trace_;
    InstanceOptions options_;
    std::map<std::string, std::unique_ptr<Instance>> table_;
    std::set<std::string> starting_;
    std::vector<SimLauncher*> launchers_;
    std::uint64_t started_ = 0;
    std::int32_t pid_next_ = 1000;
    std::uint64_t boot_ = 0;
    async::Scope scope_;  // launches go on when nobody waits for them any more
};

// One agent's launcher over the table. Destroying it is the agent's death: what it asked for goes
// on, and the next one's scan() waits for it, as the lock of the real one's run directory sees to.
// Events of a time without a launcher are lost, as they are in life: scan().
class SimLauncher final : public host::Launcher {
public:
    explicit SimLauncher(SimInstances& instances);
    ~SimLauncher() override;

    async::Task<base::Result<host::Launched>> launch(host::LaunchPlan plan,
                                                     base::Instant deadline) override;
    async::Task<base::Status> signal(std::string instance, int number) override;
    async::Task<base::Status> kill(std::string instance) override;
    async::Task<base::Status> freeze(std::string instance, Freeze wanted) override;
    async::Task<base::Result<std::vector<host::KnownInstance>>> scan() override;
    async::Task<base::Result<host::Inspection>> inspect(std::string instance) override;
    async::Task<base::Result<host::PortHolder>> port_holder(std::string instance,
                                                            std::uint16_t port) override;
    async::Task<base::Status> forget(std::string instance) override;
    async::Task<host::LauncherEvent> next_event() override;
    const host::LauncherCapabilities& capabilities() const override { return capabilities_; }

    // The launcher's own process died and is back: its agent is told `lost`.
    void lose();

private:
    friend class SimInstances;
    void hear(const host::LauncherEvent& event);
    async::SleepUntil answer_delay();
    enum class Fate : std::uint8_t { answered, died_before, died_after };
    Fate draw_fate();

    SimInstances& instances_;
    host::LauncherCapabilities capabilities_;
    std::deque<host::LauncherEvent> events_;
    async::Event heard_;
    std::set<std::string> inherited_;  // what the launcher before this one was about to start
};

}  // namespace tidemill::host_sim
