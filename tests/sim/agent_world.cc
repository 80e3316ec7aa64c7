#include "agent_world.h"

#include <fmt/format.h>

#include <algorithm>
#include <memory>
#include <optional>
#include <vector>

#include "agent/note.h"
#include "agent_apps.h"
#include "agent_book.h"
#include "agent_peers.h"
#include "agent_process.h"
#include "host_sim/sim_host.h"
#include "host_sim/sim_launcher.h"
#include "replay.h"

namespace tidemill::sim {
namespace {

using namespace std::chrono_literals;
using Habit = Program::Habit;

host_sim::SimOptions draw(std::uint64_t seed) {
    auto options = host_sim::SimOptions::swarm(seed);
    // Links are broken by the nemesis, whole: a probe's connection that chance breaks would be an
    // app that fails its probe. Of the disk only what the agent writes matters, and it writes none.
    options.network.reset_ppm = 0;
    options.network.refused_ppm = 0;
    options.network.short_ppm = std::min(options.network.short_ppm, 300'000U);
    options.network.delay_max = std::min<base::Duration>(options.network.delay_max, 60ms);
    options.disk.write_fails_ppm = 0;
    options.disk.sync_fails_ppm = 0;
    return options;
}

// What differs from seed to seed besides the machine.
struct Options {
    host_sim::InstanceOptions instances;
    agent::Options agent;
    std::size_t proxies = 1;
    std::uint64_t squatters_one_in = 0;

    explicit Options(std::uint64_t seed) {
        host_sim::Dice dice(seed, "agent options");
        const auto sometimes = [&](std::uint64_t one_in, std::uint64_t most_ppm) {
            return dice.one_in(one_in) ? static_cast<std::uint32_t>(1 + dice.below(most_ppm)) : 0U;
        };
        instances.fails_ppm = sometimes(3, 400'000);
        instances.unacknowledged_ppm = sometimes(3, 300'000);
        instances.unanswered_ppm = sometimes(4, 200'000);
        instances.stubborn_ppm = sometimes(3, 600'000);
        if (dice.one_in(3)) {
            instances.end_max = 2s;
        }
        if (dice.one_in(4)) {
            instances.launch_max = 400ms;
        }
        agent.data_directory = "/data";
        agent.run_directory = "/run/agent";
        agent.port_first = 20'000;
        agent.port_last = dice.one_in(2) ? 20'011 : 20'999;
        if (dice.one_in(2)) {
            agent.decider.drain_max = dice.between(500ms, 4s);
        }
        proxies = 1 + dice.below(2);
        instances.freeze_fails_ppm = sometimes(3, 800'000);
        instances.memory_bytes_min = 10U << 20;
        instances.memory_bytes_max = 100U << 20;
        agent.frozen_bytes_max = dice.one_in(3)   ? 40U << 20
                                 : dice.one_in(2) ? 120U << 20
                                                  : 1U << 30;
        squatters_one_in = dice.one_in(4) ? 4 : 0;
    }
    std::string text() const {
        return fmt::format(
            "launch.fails_ppm={} launch.unacknowledged_ppm={} launcher.unanswered_ppm={} "
            "stubborn_ppm={} launch.max={} end.max={} drain_max={} ports={} proxies={} "
            "freeze_fails_ppm={} frozen_bytes_max={} squatters={}",
            instances.fails_ppm, instances.unacknowledged_ppm, instances.unanswered_ppm,
            instances.stubborn_ppm, base::format_duration(instances.launch_max),
            base::format_duration(instances.end_max),
            base::format_duration(agent.decider.drain_max), agent.port_last - agent.port_first + 1,
            proxies, instances.freeze_fails_ppm, agent.frozen_bytes_max, squatters_one_in);
    }
};

class AgentWorld {
public:
    explicit AgentWorld(std::uint64_t seed)
        : dice_(seed, "world"),
          options_(seed),
          machine_(seed, draw(seed)),
          instances_(machine_.loop, machine_.clock, seed, machine_.trace, options_.instances),
          apps_(machine_, instances_, seed),
          control_(machine_),
          book_(machine_.loop, instances_, apps_, proxies_, options_.agent,
                [this](std::string why) { fail(std::move(why)); }) {
        instances_.on_start = [this](const host::LaunchPlan& plan) {
            apps_.started(plan);
            book_.started(plan);
        };
        apps_.set_squatters(options_.squatters_one_in);
        instances_.holder_of = [this](const std::string& instance, std::uint16_t port) {
            return apps_.holder_of(instance, port);
        };
        instances_.on_end = [this](const host::LaunchPlan& plan) {
            apps_.ended(plan);
            book_.ended(plan);
            for (const auto& proxy : proxies_) {
                proxy->instance_ended(plan.instance);
            }
        };
    }

    SimReport run();

private:
    void fail(std::string why) {
        if (!failure_) {
            failure_ = fmt::format("{} at {}", why, base::format_duration(elapsed()));
        }
    }
    base::Duration elapsed() const { return machine_.loop.now() - begin_; }
    void install();
    void act();
    void harm();
    void annoy();
    bool is_watched(const std::string& instance) const;
    const std::string& proxy_that_is_waited_for() const;
    void want();
    void request();
    void start_agent();
    void run_for(base::Duration span);
    const std::string& any_revision();
    std::optional<std::string> any_instance();

    host_sim::Dice dice_;
    Options options_;
    host_sim::SimHost machine_;
    host_sim::SimInstances instances_;
    Apps apps_;
    AgentsControl control_;
    std::vector<std::unique_ptr<AgentsProxy>> proxies_;
    AgentBook book_;
    std::unique_ptr<AgentProcess> agent_;
    std::vector<std::string> revisions_;
    base::Instant begin_;
    std::optional<base::Instant> down_until_;
    std::optional<std::string> failure_;
};

void AgentWorld::install() {
    // Two of one name in two namespaces: what is kept by name must not mix them up.
    for (const char* const name :
         {"a/shop-00001", "b/shop-00001", "a/shop-00002", "a/cart-00001"}) {
        Program program;
        auto& wanted = program.wanted;
        wanted.revision = name;
        wanted.service = wanted.configuration = "a/shop";
        wanted.instances_max = static_cast<std::uint32_t>(dice_.below(5));
        wanted.container_concurrency = static_cast<std::uint32_t>(dice_.below(3));
        auto& spec = wanted.spec;
        spec.command = {"/app/server"};
        spec.listen = dice_.one_in(2) ? link::InstanceSpec::Listen::port
                                      : link::InstanceSpec::Listen::unix_socket;
        spec.grace = dice_.one_in(8) ? base::Duration(400s) : dice_.between(100ms, 6s);
        if (dice_.one_in(2)) {
            spec.readiness.kind = link::ProbeSpec::Kind::http;
            spec.readiness.path = "/ready";
        }
        const Habit habits[] = {Habit::serves, Habit::serves, Habit::flaky, Habit::flaky,
                                Habit::hangs,  Habit::exits,  Habit::silent};
        program.habit = habits[dice_.below(std::size(habits))];
        spec.keep_frozen = dice_.one_in(3)   ? base::Duration(0)
                           : dice_.one_in(3) ? base::Duration(100s)
                                             : dice_.between(500ms, 20s);
        if (spec.readiness.kind == link::ProbeSpec::Kind::http && dice_.one_in(2)) {
            spec.readiness.period = dice_.between(100ms, 800ms);
            spec.readiness.success_threshold = 1 + static_cast<std::uint32_t>(dice_.below(2));
        }
        if (program.habit == Habit::hangs || dice_.one_in(3)) {
            spec.liveness.emplace();
            spec.liveness->kind = link::ProbeSpec::Kind::http;
            spec.liveness->path = "/alive";
            spec.liveness->period = 500ms;
        }
        if (program.habit != Habit::silent && !spec.liveness) {
            program.is_single = dice_.one_in(3);
        }
        if (program.habit == Habit::silent || program.habit == Habit::hangs) {
            spec.startup_deadline = dice_.between(5s, 9s);
        }
        program.boot_max = dice_.one_in(3) ? 4s : 50ms;
        revisions_.emplace_back(name);
        apps_.install(name, std::move(program));
    }
}

const std::string& AgentWorld::any_revision() {
    return revisions_[dice_.below(revisions_.size())];
}

std::optional<std::string> AgentWorld::any_instance() {
    std::vector<std::string> running;
    for (const auto& known : instances_.known()) {
        if (!known.exit) {
            running.push_back(known.instance);
        }
    }
    return running.empty() ? std::nullopt : std::optional(running[dice_.below(running.size())]);
}

void AgentWorld::want() {
    const auto& name = any_revision();
    if (dice_.one_in(6)) {
        control_.want_none(name);
        return;
    }
    auto wanted = apps_.programs().at(name).wanted;
    wanted.instances = static_cast<std::uint32_t>(dice_.one_in(3) ? 0 : dice_.below(4));
    control_.want(wanted);
}

void AgentWorld::request() {
    auto& proxy = *proxies_[dice_.below(proxies_.size())];
    std::vector<std::string> frozen;
    for (const auto& known : instances_.known()) {
        if (instances_.is_frozen(known.instance)) {
            frozen.push_back(agent::read_note(known.note)->revision);
        }
    }
    const auto& name =
        frozen.empty() || dice_.one_in(3) ? any_revision() : frozen[dice_.below(frozen.size())];
    for (auto count = 1 + dice_.below(dice_.one_in(4) ? 8 : 2); count > 0; --count) {
        proxy.request(name, dice_.one_in(4) ? dice_.between(1s, 15s) : dice_.between(1ms, 400ms));
    }
}

void AgentWorld::start_agent() {
    down_until_.reset();
    agent_ = std::make_unique<AgentProcess>(machine_, instances_, book_, options_.agent);
}

// One that still has requests on an instance that drains, if there is one.
const std::string& AgentWorld::proxy_that_is_waited_for() const {
    for (const auto& proxy : proxies_) {
        for (const auto& [revision, endpoints] : proxy->mirror().all()) {
            for (const auto& endpoint : endpoints) {
                if (endpoint.state == link::InstanceState::draining &&
                    proxy->in_flight(endpoint.instance) > 0) {
                    return proxy->name();
                }
            }
        }
    }
    return proxies_.front()->name();
}

void AgentWorld::harm() {
    switch (dice_.below(9)) {
        case 0:
        case 1:
        case 2:
            if (agent_ != nullptr) {
                agent_.reset();
                down_until_ = machine_.loop.now() +
                              (dice_.one_in(4) ? dice_.between(1s, 5s) : dice_.between(0ms, 100ms));
                ++book_.probes["kill"];
            }
            break;
        case 3:
            control_.is_here() ? control_.go() : control_.come();
            break;
        case 4:
            machine_.network.reset_all(dice_.one_in(3) ? "control" : proxy_that_is_waited_for());
            ++book_.probes["reset"];
            break;
        case 5:
            machine_.network.partition("agent", dice_.one_in(2) ? "control" : "proxy0");
            machine_.network.partition(dice_.one_in(2) ? "control" : "proxy0", "agent");
            ++book_.probes["partition"];
            break;
        case 6:
            machine_.network.heal_all();
            break;
        case 7:
            if (agent_ != nullptr) {
                agent_->lose_launcher();
            }
            break;
        default: {
            auto disk = machine_.disk.options();
            const bool was_full = disk.capacity_bytes <= machine_.disk.used_bytes();
            disk.capacity_bytes = was_full ? 64U << 20 : machine_.disk.used_bytes();
            machine_.disk.set_options(disk);
            ++book_.probes["disk full"];
            break;
        }
    }
}

void AgentWorld::act() {
    const auto what = dice_.below(24);
    if (what < 6) {
        want();
    } else if (what < 12) {
        request();
    } else if (what < 14) {
        if (const auto victim = any_instance()) {
            host::InstanceExit how;
            // The frozen hear only that one.
            how.signal = instances_.is_frozen(*victim) || dice_.one_in(2) ? 9 : 11;
            how.oom_kills = how.signal == 9 ? dice_.below(2) : 0;
            (void)instances_.end(*victim, how);
        }
    } else if (what < 16) {
        annoy();
    } else {
        harm();
    }
}

// What happens to a program without its doing.
void AgentWorld::annoy() {
    const auto victim = any_instance();
    if (!victim) {
        return;
    }
    switch (dice_.below(3)) {
        case 0:
            (void)instances_.stop(*victim);
            break;
        case 1:
            (void)instances_.resume(*victim);
            break;
        default:
            if (is_watched(*victim)) {
                apps_.be_unready(*victim, dice_.between(200ms, 12s));
                ++book_.probes["unready"];
            }
            break;
    }
}

// Its readiness is asked for again and again, and it says nothing about its liveness.
bool AgentWorld::is_watched(const std::string& instance) const {
    const auto note = agent::read_note(instances_.plan(instance)->note);
    const auto& program = apps_.programs().at(note->revision);
    return program.wanted.spec.readiness.period > base::Duration{} &&
           !program.wanted.spec.liveness &&
           (program.habit == Habit::serves || program.habit == Habit::flaky);
}

// In steps, so that what must not last is seen.
void AgentWorld::run_for(base::Duration span) {
    const auto end = machine_.loop.now() + span;
    while (machine_.loop.now() < end && !failure_) {
        if (down_until_ && machine_.loop.now() >= *down_until_) {
            start_agent();
        }
        auto until = std::min(end, machine_.loop.now() + base::Duration(200ms));
        if (down_until_) {
            until = std::min(until, *down_until_);
        }
        machine_.loop.run_until(until);
        book_.look();
    }
}

SimReport AgentWorld::run() {
    begin_ = machine_.loop.now();
    tell_trace(machine_);
    install();
    for (std::size_t i = 0; i < options_.proxies; ++i) {
        proxies_.push_back(
            std::make_unique<AgentsProxy>(machine_, fmt::format("proxy{}", i),
                                          [this](const std::string& instance, base::Duration span) {
                                              apps_.occupy(instance, span);
                                          }));
    }
    control_.come();
    start_agent();
    const auto actions = 10 + dice_.below(40);
    for (std::uint64_t i = 0; i < actions && !failure_; ++i) {
        act();
        run_for(dice_.one_in(8) ? dice_.between(2s, 12s) : dice_.between(1ms, 800ms));
    }
    // Calm: nothing breaks any more, and what can never come up is not wanted any more.
    apps_.calm_down();
    apps_.set_squatters(0);
    host_sim::InstanceOptions calm;
    calm.memory_bytes_min = options_.instances.memory_bytes_min;
    calm.memory_bytes_max = options_.instances.memory_bytes_max;
    instances_.set_options(calm);
    for (const auto& known : instances_.known()) {
        (void)instances_.resume(known.instance);
    }
    machine_.network.heal_all();
    machine_.network.set_options({});
    machine_.disk.set_options({});
    control_.come();
    for (const auto& [name, program] : apps_.programs()) {
        if (program.is_broken()) {
            control_.want_none(name);
        }
    }
    for (const auto& proxy : proxies_) {
        proxy->give_up();
    }
    if (agent_ == nullptr && !failure_) {
        start_agent();
    }
    // The longest way: a lease (10 s), a request (15 s), a grace (6 s), a back-off (10 s).
    run_for(45s);
    if (!failure_) {
        book_.check_quiet(control_);
    }
    if (!failure_ && dice_.one_in(3)) {
        agent_->end_all(2s);
        run_for(10s);
        if (!failure_ && (!agent_->has_ended() || instances_.running() > 0)) {
            fail(fmt::format("all were to end, and {} run", instances_.running()));
        }
    }
    SimReport report;
    report.failure = failure_;
    report.options = machine_.options().text() + " " + options_.text();
    report.trace_hash = machine_.trace_hash();
    report.probes = book_.probes;
    agent_.reset();
    machine_.loop.run_ready();
    return report;
}

}  // namespace

SimReport run_agent_world(std::uint64_t seed) {
    return AgentWorld(seed).run();
}

}  // namespace tidemill::sim
