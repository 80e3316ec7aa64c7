#include "host_sim/sim_launcher.h"

#include <algorithm>
#include <utility>

namespace tidemill::host_sim {

using base::Code;
using base::fail;
using base::Result;
using base::Status;

namespace {

// Numbers of Linux on x86-64 and arm64 (signal(7)).
constexpr int sig_kill = 9;
constexpr int sig_term = 15;
constexpr int sig_cont = 18;
constexpr int sig_stop = 19;

constexpr std::size_t launches_max = 10'000;
// An agent that does not listen loses events, and is told so.
constexpr std::size_t events_max = 10'000;

}  // namespace

struct SimInstances::Instance {
    struct End final : async::Timer {
        SimInstances* table = nullptr;
        Instance* instance = nullptr;
        host::InstanceExit how;
        void fire() override { table->finish(*instance, how); }
        void in(base::Duration after, host::InstanceExit exit) {
            // What comes first counts: a second signal does not make an end later.
            const auto at = table->loop_.now() + after;
            if (!armed() || at < this->at()) {
                how = exit;
                arm(table->loop_, at);
            }
        }
    };

    host::LaunchPlan plan;
    host::KnownInstance known;
    bool stubborn = false;
    bool frozen = false;
    bool stopped = false;
    bool terminate_when_awake = false;
    End end;        // by itself
    End commanded;  // by a signal
};

struct SimInstances::Launch {
    Launch(async::Loop& loop, host::LaunchPlan what, base::Instant until)
        : plan(std::move(what)), deadline(until), done(loop) {}
    host::LaunchPlan plan;
    base::Instant deadline;
    Result<host::Launched> result = fail(Code::unavailable, "not answered");
    async::Event done;
};

SimInstances::SimInstances(async::Loop& loop, const host::Clock& clock, std::uint64_t seed,
                           Trace& trace, InstanceOptions options)
    : loop_(loop),
      clock_(clock),
      dice_(seed, "instances"),
      trace_(trace),
      options_(options),
      scope_(loop, launches_max) {}

SimInstances::~SimInstances() = default;

std::vector<host::KnownInstance> SimInstances::known() const {
    std::vector<host::KnownInstance> all;
    for (const auto& [name, instance] : table_) {
        all.push_back(instance->known);
    }
    return all;
}

bool SimInstances::runs(const std::string& instance) const {
    const auto found = table_.find(instance);
    return found != table_.end() && !found->second->known.exit;
}

bool SimInstances::is_frozen(const std::string& instance) const {
    return runs(instance) && table_.at(instance)->frozen;
}

bool SimInstances::rests(const std::string& instance) const {
    return runs(instance) && (table_.at(instance)->frozen || table_.at(instance)->stopped);
}

std::uint64_t SimInstances::memory_bytes(const std::string& instance) const {
    const auto range = options_.memory_bytes_max - options_.memory_bytes_min;
    return options_.memory_bytes_min + (range == 0 ? 0 : base::fnv1a(instance) % range);
}

std::size_t SimInstances::running() const {
    return static_cast<std::size_t>(
        std::ranges::count_if(table_, [](const auto& entry) { return !entry.second->known.exit; }));
}

const host::LaunchPlan* SimInstances::plan(const std::string& instance) const {
    const auto found = table_.find(instance);
    return found == table_.end() ? nullptr : &found->second->plan;
}

SimInstances::Instance* SimInstances::find_running(const std::string& instance) {
    return runs(instance) ? table_.at(instance).get() : nullptr;
}

bool SimInstances::end(const std::string& instance, host::InstanceExit how) {
    auto* const found = find_running(instance);
    if (found == nullptr) {
        return false;
    }
    finish(*found, how);
    return true;
}

bool SimInstances::halt(const std::string& instance, host::LauncherEvent::Kind kind) {
    auto* const found = find_running(instance);
    if (found == nullptr || found->frozen) {
        return false;
    }
    found->stopped = kind == host::LauncherEvent::Kind::stopped;
    if (!found->stopped && found->terminate_when_awake) {
        found->commanded.in(options_.end_min, {.code = {}, .signal = sig_term, .at = {}});
    }
    host::LauncherEvent event;
    event.kind = kind;
    event.instance = instance;
    announce(event);
    return true;
}

bool SimInstances::stop(const std::string& instance) {
    return halt(instance, host::LauncherEvent::Kind::stopped);
}

bool SimInstances::resume(const std::string& instance) {
    return halt(instance, host::LauncherEvent::Kind::resumed);
}

void SimInstances::reboot() {
    trace_.add("instances reboot", running());
    scope_.cancel();
    starting_.clear();
    for (const auto& [name, instance] : std::exchange(table_, {})) {
        if (!instance->known.exit && on_end) {
            on_end(instance->plan);
        }
    }
    ++boot_;
}

void SimInstances::announce(const host::LauncherEvent& event) {
    for (auto* const launcher : launchers_) {
        launcher->hear(event);
    }
}

void SimInstances::finish(Instance& instance, host::InstanceExit how) {
    instance.end.disarm();
    instance.commanded.disarm();
    how.at = clock_.wall_now();
    instance.known.exit = how;
    instance.known.is_frozen = false;
    trace_.add("instance ended", base::fnv1a(instance.known.instance));
    if (on_end) {
        on_end(instance.plan);
    }
    host::LauncherEvent event;
    event.kind = host::LauncherEvent::Kind::ended;
    event.instance = instance.known.instance;
    event.exit = how;
    announce(event);
}

Result<host::Launched> SimInstances::begin(const host::LaunchPlan& plan, base::Instant asked) {
    auto made = std::make_unique<Instance>();
    auto& instance = *made;
    instance.plan = plan;
    instance.stubborn = dice_.chance(options_.stubborn_ppm);
    auto& known = instance.known;
    known.instance = plan.instance;
    known.note = plan.note;
    known.process = {pid_next_++, boot_ * 1'000'000'000 + started_};
    known.launched = clock_.wall_now();
    known.uid = plan.uid;
    for (auto* const end : {&instance.end, &instance.commanded}) {
        end->table = this;
        end->instance = &instance;
    }
    if (dice_.chance(options_.dies_ppm)) {
        host::InstanceExit how;
        switch (dice_.below(3)) {
            case 0:
                how.code = 1;
                break;
            case 1:
                how.signal = 11;
                break;
            default:
                how.signal = sig_kill;
                how.oom_kills = 1;
                break;
        }
        instance.end.in(dice_.between(base::Duration(0), options_.dies_within), how);
    }
    ++started_;
    trace_.add("instance started", base::fnv1a(plan.instance));
    table_[plan.instance] = std::move(made);
    if (on_start) {
        on_start(plan);
    }
    host::Launched launched;
    launched.process = known.process;
    launched.stages = {{"prepare", asked, asked}, {"exec", asked, loop_.now()}};
    return launched;
}

async::Task<void> SimInstances::carry_out(std::shared_ptr<Launch> launch) {
    const auto asked = loop_.now();
    const auto& name = launch->plan.instance;
    const auto answer = [&](Result<host::Launched> result) {
        starting_.erase(name);
        launch->result = std::move(result);
        launch->done.set();
    };
    const auto ready = asked + dice_.between(options_.launch_min, options_.launch_max);
    co_await async::sleep_until(loop_, std::min(ready, launch->deadline));
    if (ready > launch->deadline) {
        answer(fail(Code::deadline, "instance {}: not started before the deadline", name));
    } else if (dice_.chance(options_.fails_ppm)) {
        answer(fail(Code::exhausted, "instance {}: clone: resource temporarily unavailable", name));
    } else if (running() >= options_.instances_max) {
        answer(fail(Code::exhausted, "instance {}: {} run already, which is the limit", name,
                    running()));
    } else {
        auto launched = begin(launch->plan, asked);
        if (dice_.chance(options_.unacknowledged_ppm)) {
            launched = fail(Code::unavailable, "instance {}: the launcher died", name);
            host::LauncherEvent lost;
            lost.kind = host::LauncherEvent::Kind::lost;
            announce(lost);
        }
        answer(std::move(launched));
    }
}

SimLauncher::SimLauncher(SimInstances& instances) : instances_(instances), heard_(instances.loop_) {
    capabilities_.namespaces = capabilities_.seccomp = capabilities_.pidfd = true;
    capabilities_.cgroup_memory = capabilities_.cgroup_cpu = true;
    capabilities_.cgroup_pids = capabilities_.cgroup_freezer = true;
    capabilities_.cgroup_version = 2;
    capabilities_.kernel = "simulated";
    inherited_ = instances_.starting_;
    instances_.launchers_.push_back(this);
}

SimLauncher::~SimLauncher() {
    std::erase(instances_.launchers_, this);
}

async::SleepUntil SimLauncher::answer_delay() {
    auto& table = instances_;
    return async::sleep_for(table.loop_,
                            table.dice_.between(base::Duration(0), table.options_.answer_max));
}

SimLauncher::Fate SimLauncher::draw_fate() {
    if (!instances_.dice_.chance(instances_.options_.unanswered_ppm)) {
        return Fate::answered;
    }
    lose();
    return instances_.dice_.one_in(2) ? Fate::died_before : Fate::died_after;
}

async::Task<Result<host::Launched>> SimLauncher::launch(host::LaunchPlan plan,
                                                        base::Instant deadline) {
    auto& table = instances_;
    if (plan.instance.empty() || plan.argv.empty()) {
        co_return fail(Code::invalid, "a plan without {}", plan.argv.empty() ? "argv" : "a name");
    }
    if (table.table_.contains(plan.instance) || !table.starting_.insert(plan.instance).second) {
        co_return fail(Code::conflict, "instance {}: the name is taken", plan.instance);
    }
    const auto launch =
        std::make_shared<SimInstances::Launch>(table.loop_, std::move(plan), deadline);
    if (auto accepted = table.scope_.spawn(table.carry_out(launch)); !accepted) {
        table.starting_.erase(launch->plan.instance);
        co_return std::unexpected(std::move(accepted).error());
    }
    co_await launch->done.wait();
    co_return std::move(launch->result);
}

async::Task<Status> SimLauncher::signal(std::string instance, int number) {
    co_await answer_delay();
    const auto fate = draw_fate();
    if (fate == Fate::died_before) {
        co_return fail(Code::unavailable, "instance {}: the launcher died", instance);
    }
    auto* const found = instances_.find_running(instance);
    if (found == nullptr) {
        co_return fail(Code::not_found, "instance {}: does not run", instance);
    }
    host::InstanceExit how;
    how.signal = number;
    const auto delay =
        instances_.dice_.between(instances_.options_.end_min, instances_.options_.end_max);
    if (number == sig_stop || number == sig_cont) {
        (void)(number == sig_stop ? instances_.stop(instance) : instances_.resume(instance));
    } else if (number == sig_kill) {
        found->commanded.in(delay, how);
    } else if (number == sig_term && !found->stubborn) {
        if (found->frozen || found->stopped) {
            found->terminate_when_awake = true;
        } else {
            found->commanded.in(delay, how);
        }
    }
    if (fate == Fate::died_after) {
        co_return fail(Code::unavailable, "instance {}: the launcher died", instance);
    }
    co_return base::ok;
}

async::Task<Status> SimLauncher::kill(std::string instance) {
    return signal(std::move(instance), sig_kill);
}

async::Task<Status> SimLauncher::freeze(std::string instance, Freeze wanted) {
    co_await answer_delay();
    const auto fate = draw_fate();
    if (fate == Fate::died_before) {
        co_return fail(Code::unavailable, "instance {}: the launcher died", instance);
    }
    auto* const found = instances_.find_running(instance);
    if (found == nullptr) {
        co_return fail(Code::not_found, "instance {}: does not run", instance);
    }
    if (instances_.dice_.chance(instances_.options_.freeze_fails_ppm)) {
        co_return fail(Code::invalid, "instance {}: freeze: device or resource busy", instance);
    }
    found->frozen = wanted == Freeze::frozen;
    found->known.is_frozen = found->frozen;
    if (!found->frozen && !found->stopped && found->terminate_when_awake) {
        host::InstanceExit how;
        how.signal = sig_term;
        found->commanded.in(instances_.options_.end_min, how);
    }
    if (fate == Fate::died_after) {
        co_return fail(Code::unavailable, "instance {}: the launcher died", instance);
    }
    co_return base::ok;
}

async::Task<Result<std::vector<host::KnownInstance>>> SimLauncher::scan() {
    co_await answer_delay();
    const auto is_starting = [this](const auto& name) {
        return instances_.starting_.contains(name);
    };
    while (std::ranges::any_of(inherited_, is_starting)) {
        co_await async::sleep_for(instances_.loop_, std::chrono::milliseconds(1));
    }
    if (draw_fate() != Fate::answered) {
        co_return fail(Code::unavailable, "scan: the launcher died");
    }
    co_return instances_.known();
}

async::Task<Result<host::Inspection>> SimLauncher::inspect(std::string instance) {
    co_await answer_delay();
    if (draw_fate() != Fate::answered) {
        co_return fail(Code::unavailable, "instance {}: the launcher died", instance);
    }
    const auto* const found = instances_.find_running(instance);
    if (found == nullptr) {
        co_return fail(Code::not_found, "instance {}: does not run", instance);
    }
    host::Inspection inspection;
    inspection.processes = 1;
    inspection.memory_bytes = instances_.memory_bytes(instance);
    if (!found->plan.listen_path.empty()) {
        host::ListeningSocket socket;
        socket.family = host::ListeningSocket::Family::unix_path;
        socket.address = found->plan.listen_path;
        inspection.listening.push_back(std::move(socket));
    }
    co_return inspection;
}

async::Task<Result<host::PortHolder>> SimLauncher::port_holder(std::string instance,
                                                               std::uint16_t port) {
    co_await answer_delay();
    if (instances_.find_running(instance) == nullptr) {
        co_return fail(Code::not_found, "instance {}: does not run", instance);
    }
    if (instances_.holder_of) {
        co_return instances_.holder_of(instance, port);
    }
    host::PortHolder holder;
    holder.who = host::PortHolder::Who::instance;
    co_return holder;
}

async::Task<Status> SimLauncher::forget(std::string instance) {
    co_await answer_delay();
    if (instances_.runs(instance)) {
        co_return fail(Code::conflict, "instance {}: runs", instance);
    }
    const auto fate = draw_fate();
    if (fate != Fate::died_before) {
        instances_.table_.erase(instance);
    }
    if (fate != Fate::answered) {
        co_return fail(Code::unavailable, "instance {}: the launcher died", instance);
    }
    co_return base::ok;
}

void SimLauncher::hear(const host::LauncherEvent& event) {
    if (events_.size() >= events_max) {
        lose();
        return;
    }
    events_.push_back(event);
    heard_.set();
}

void SimLauncher::lose() {
    events_.clear();
    host::LauncherEvent lost;
    lost.kind = host::LauncherEvent::Kind::lost;
    events_.push_back(lost);
    heard_.set();
}

async::Task<host::LauncherEvent> SimLauncher::next_event() {
    while (events_.empty()) {
        heard_.reset();
        co_await heard_.wait();
    }
    auto event = std::move(events_.front());
    events_.pop_front();
    co_return event;
}

}  // namespace tidemill::host_sim
