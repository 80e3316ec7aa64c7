// The way up: launching, probing, and taking over what runs already.
#include <fmt/format.h>

#include <algorithm>
#include <utility>

#include "agent/agent.h"
#include "agent/probe.h"
#include "agent/records.h"
#include "base/bytes.h"
#include "base/mutant.h"

namespace tidemill::agent {
namespace {

using State = InstanceView::State;

// "NAMESPACE/NAME" -> "NAME".
std::string bare_name(std::string_view name) {
    const auto slash = name.find('/');
    return std::string(slash == std::string_view::npos ? name : name.substr(slash + 1));
}

std::string random_name(host::Random& random) {
    std::byte bytes[5];
    random.fill(bytes);
    return base::to_hex(bytes);
}

sandbox::Workload workload_of(const link::WantedRevision& wanted) {
    const link::InstanceSpec& spec = wanted.spec;
    sandbox::Workload workload;
    workload.command = spec.command;
    workload.environment = {{"K_SERVICE", bare_name(wanted.service)},
                            {"K_CONFIGURATION", bare_name(wanted.configuration)},
                            {"K_REVISION", bare_name(wanted.revision)}};
    if (wanted.container_concurrency > 0 &&
        spec.listen == link::InstanceSpec::Listen::unix_socket) {
        workload.environment.emplace_back("TIDEMILL_CONCURRENCY",
                                          std::to_string(wanted.container_concurrency));
    }
    workload.environment.insert(workload.environment.end(), spec.environment.begin(),
                                spec.environment.end());
    workload.directory = spec.working_directory;
    for (const auto& mount : spec.mounts) {
        const auto access = mount.access == link::FileMount::Access::read_write
                                ? host::MountPlan::Access::read_write
                                : host::MountPlan::Access::read_only;
        if (mount.target == "/") {
            workload.image = sandbox::Workload::Image{mount.source, access};
        } else {
            workload.mounts.push_back({mount.source, mount.target, access});
        }
    }
    for (const auto& file : spec.files) {
        workload.files.push_back({file.target, file.content, file.mode});
    }
    workload.memory_bytes_max = spec.memory_bytes_max;
    workload.cpu_milli_max = spec.cpu_milli_max;
    workload.cpu_milli_request = spec.cpu_milli_request;
    workload.processes_max = spec.processes_max;
    return workload;
}

}  // namespace

async::Task<base::Status> Agent::start() {
    CO_CHECK_OK(host_.disk.make_directories(options_.run_directory + "/s", 0711));
    CO_CHECK_OK(host_.disk.make_directories(options_.data_directory + "/logs", 0700));
    CO_CHECK_OK(co_await scan());
    std::map<std::string, std::string> living;
    for (const auto& [name, instance] : instances_) {
        living.emplace(name, instance->note.revision);
    }
    logs_.recover(living);
    CO_CHECK_OK(tasks_.spawn(watch()));
    co_return base::ok;
}

// Compares what is known with what the launcher knows: both after a start, when nothing is known
// here, and after the launcher was lost.
async::Task<base::Status> Agent::scan() {
    CO_TRY(const auto known, co_await launcher_.scan());
    std::set<std::string> seen;
    for (const auto& each : known) {
        seen.insert(each.instance);
        if (forgetting_.contains(each.instance) && !TIDEMILL_MUTANT("agent.end_reported_twice")) {
            continue;
        }
        if (Instance* instance = find(each.instance); instance == nullptr) {
            adopt(each);
        } else if (each.exit) {
            ended(each.instance, *each.exit);
        } else {
            instance->pid = each.process.pid;
        }
    }
    std::vector<std::string> gone;
    for (const auto& [name, instance] : instances_) {
        if (instance->is_launched && !seen.contains(name)) {
            gone.push_back(name);
        }
    }
    for (const auto& name : gone) {
        ended(name, {});
    }
    co_return base::ok;
}

async::Task<void> Agent::compare_with_scan() {
    while (!co_await scan()) {
        co_await async::sleep_for(host_.loop, std::chrono::milliseconds(50));
    }
}

void Agent::adopt(const host::KnownInstance& known) {
    if (TIDEMILL_MUTANT("agent.adopts_nobody")) {
        return;
    }
    const auto note = read_note(known.note);
    if (!note) {
        return;  // somebody else's, or a newer agent's: not ours to end
    }
    auto address = host::parse_address(note->address);
    if (!address) {
        return;
    }
    auto made = std::make_unique<Instance>();
    Instance& instance = *made;
    instance.name = known.instance;
    instance.note = *note;
    instance.address = *std::move(address);
    instance.uid = known.uid;
    instance.pid = known.process.pid;
    instance.started_wall = known.launched;
    instance.is_launched = true;
    instance.cause = "adopt";
    const base::Instant now = host_.loop.now();
    instance.began = now;
    // Whatever control said last may be older than what started it.
    instance.view = {.instance = known.instance,
                     .state = State::starting,
                     .started = now,
                     .lease_until = now + options_.lease};
    const bool is_frozen = known.is_frozen && !TIDEMILL_MUTANT("agent.adopted_frozen_are_awake");
    if (is_frozen) {
        instance.view.state = State::frozen;
        instance.view.frozen_since = now;
        // Nobody misses one that ends before it is thawed.
        instance.is_frozen = instance.was_ready = instance.is_stop_asked = true;
    }
    if (note->port != 0 && !TIDEMILL_MUTANT("agent.adopted_port_is_free")) {
        ports_.hold(note->port);
    }
    Revision& revision = revision_of(note->revision);
    if (!revision.wanted) {
        revision.grace = note->grace;
    }
    revision.instances.emplace(instance.name, &instance);
    instances_.emplace(known.instance, std::move(made));
    if (known.exit) {
        if (TIDEMILL_MUTANT("agent.end_while_away_is_nobodys")) {
            remove(instance);
            return;
        }
        ended(known.instance, *known.exit);
        return;
    }
    publish(revision);
    (void)tasks_.spawn(is_frozen ? weigh(known.instance) : await_ready(known.instance));
}

async::Task<void> Agent::watch() {
    for (;;) {
        const host::LauncherEvent event = co_await launcher_.next_event();
        switch (event.kind) {
            case host::LauncherEvent::Kind::ended:
                ended(event.instance, event.exit);
                break;
            case host::LauncherEvent::Kind::stopped:
                // It answers nobody. What stopped it is not ours to guess; a new one will serve.
                // One that is to end has its grace all the same.
                if (Instance* instance = find(event.instance);
                    instance != nullptr && instance->view.state != State::stopping &&
                    !TIDEMILL_MUTANT("agent.stopped_are_kept")) {
                    instance->view.health = InstanceView::Health::bad;
                    instance->reason = {"Stopped",
                                        "its process was stopped by a signal (SIGSTOP or SIGTSTP) "
                                        "and was replaced"};
                    Revision& revision = revision_of(instance->note.revision);
                    publish(revision);
                    settle(revision);
                }
                break;
            case host::LauncherEvent::Kind::resumed:
                break;
            case host::LauncherEvent::Kind::lost:
                (void)tasks_.spawn(compare_with_scan());
                break;
        }
    }
}

void Agent::start_one(Revision& revision, std::string cause, base::Instant began) {
    auto made = std::make_unique<Instance>();
    Instance& instance = *made;
    instance.name = fmt::format("{}-{}", bare_name(revision.name), random_name(host_.random));
    instance.note.revision = revision.name;
    instance.note.service = revision.wanted->service;
    instance.cause = std::move(cause);
    instance.began = began;
    instance.started_wall = host_.clock.wall_now();
    // Whatever else it is started for, such as replacing one that crashed.
    instance.is_woken = waiting(revision) > 0;
    const base::Instant now = host_.loop.now();
    instance.view = {.instance = instance.name,
                     .state = State::starting,
                     .started = now,
                     // Until it is ready there is nothing to be judged by; then the lease counts.
                     .lease_until = instance.is_woken ? now + revision.wanted->spec.startup_deadline
                                                      : base::Instant{}};
    revision.instances.emplace(instance.name, &instance);
    const std::string name = instance.name;
    instances_.emplace(name, std::move(made));
    // Started in the next turn: what fails at once must not change the revision under settle().
    (void)tasks_.spawn([](Agent& self, std::string which) -> async::Task<void> {
        co_await async::yield(self.host_.loop);
        co_await self.bring_up(std::move(which));
    }(*this, name));
}

base::Result<host::LaunchPlan> Agent::plan(Instance& instance, const link::WantedRevision& wanted) {
    sandbox::Workload workload = workload_of(wanted);
    workload.instance = instance.name;
    workload.host_name = instance.name;
    workload.log_directory = logs_.directory_of(instance.name);
    if (wanted.spec.listen == link::InstanceSpec::Listen::port) {
        TRY(const auto port, ports_.take(host_.network));
        instance.note.port = port;
        instance.address = host::IpAddress::loopback(port);
        workload.port = port;
    } else {
        // Only the random part: sun_path is short.
        workload.listen_path = fmt::format("{}/s/{}", options_.run_directory,
                                           instance.name.substr(instance.name.rfind('-') + 1));
        instance.address = host::UnixAddress{workload.listen_path};
    }
    instance.note.address = host::to_string(instance.address);
    instance.note.grace = wanted.spec.grace;
    if (wanted.spec.run_as_user) {
        instance.uid = *wanted.spec.run_as_user;
    } else {
        std::vector<std::uint32_t> taken;
        taken.reserve(instances_.size());
        for (const auto& [name, other] : instances_) {
            taken.push_back(other->uid);
        }
        TRY(instance.uid, sandbox::choose_uid(instance.name, taken));
    }
    workload.uid = instance.uid;
    workload.gid = wanted.spec.run_as_group;
    workload.note = write_note(instance.note);
    TRY(auto plan,
        sandbox::plan_launch(workload, options_.policy, root_, launcher_.capabilities()));
    instance.memory_bytes_max = plan.limits.memory_bytes_max;
    return plan;
}

async::Task<void> Agent::bring_up(std::string name) {
    Instance* instance = find(name);
    if (instance == nullptr) {
        co_return;
    }
    Revision& revision = revision_of(instance->note.revision);
    if (!revision.wanted) {
        remove(*instance);
        co_return;
    }
    auto planned = plan(*instance, *revision.wanted);
    if (!planned) {
        failed_launch(*instance, planned.error());
        co_return;
    }
    publish(revision);
    const base::Instant sent = host_.clock.monotonic_now();
    auto launched =
        co_await launcher_.launch(*std::move(planned), host_.loop.now() + options_.launch_timeout);
    instance = find(name);
    if (instance == nullptr) {
        co_return;  // launched and ended, and the news of the end came first
    }
    if (!launched) {
        if (launched.error().code == base::Code::unavailable) {
            // It may run all the same: a scan decides, and ends what does not.
            instance->is_launched = true;
            if (TIDEMILL_MUTANT("agent.unheard_launch_is_left_alone")) {
                co_return;
            }
            co_await compare_with_scan();
            instance = find(name);
            if (instance == nullptr) {
                co_return;
            }
        } else {
            failed_launch(*instance, launched.error());
            co_return;
        }
    } else {
        instance->is_launched = true;
        instance->pid = launched->process.pid;
        instance->stages.push_back({"decide", {}, sent - instance->began});
        base::Instant at = sent;
        for (const auto& stage : launched->stages) {
            // The first begins where we let go, so that the way to the launcher is somebody's.
            instance->stages.push_back({stage.name, at - instance->began, stage.ended - at});
            at = stage.ended;
        }
    }
    if (instance->is_kill_sent) {
        (void)tasks_.spawn(send_kill(name));
    } else if (instance->view.state == State::stopping) {
        (void)tasks_.spawn(send_signal(name));
    }
    report(*instance, link::InstanceState::starting, nullptr);
    co_await await_ready(name);
}

async::Task<void> Agent::await_ready(std::string name) {
    Instance* instance = find(name);
    link::ProbeSpec probe;
    base::Duration limit = std::chrono::seconds(600);
    // An adopted instance was ready before, if its revision is not known yet: connecting will do.
    if (const auto& wanted = revision_of(instance->note.revision).wanted) {
        probe = wanted->spec.readiness;
        limit = wanted->spec.startup_deadline;
        instance->has_startup_deadline = true;
    }
    if (instance->note.port != 0) {
        (void)tasks_.spawn(say_if_not_listening(name));
    }
    if (TIDEMILL_MUTANT("agent.offered_unasked")) {
        became_ready(*instance);
        co_return;
    }
    const auto is_starting = [this, name] {
        const Instance* at = find(name);
        return at != nullptr && at->view.state == State::starting &&
               at->view.health == InstanceView::Health::good;
    };
    const base::Instant deadline = host_.loop.now() + limit;
    // Nobody listens any more where somebody had answered: asked again, but a host that shows no
    // sockets must not keep anybody from serving.
    constexpr int asked_max = 3;
    base::Status ready = base::ok;
    for (int asked = 0; asked < asked_max; ++asked) {
        ready = co_await probe_until_ready(host_, instance->address, probe, deadline, is_starting);
        if (!is_starting()) {
            co_return;
        }
        const bool believed = !ready || co_await answers_itself(name);
        if (!is_starting()) {
            co_return;
        }
        instance = find(name);
        if (believed) {
            break;
        }
    }
    if (ready) {
        became_ready(*instance);
        co_return;
    }
    if (instance->reason.word.empty()) {
        instance->reason = {"ProbeFailed", ready.error().message};
    }
    instance->view.health = InstanceView::Health::bad;
    settle(revision_of(instance->note.revision));
}

// After a port has answered: was it this instance? What cannot be seen is believed. False: nobody
// listens there now, or somebody else does; then the instance is ended, for it never can.
async::Task<bool> Agent::answers_itself(std::string name) {
    const std::uint16_t port = find(name)->note.port;
    if (port == 0) {
        co_return true;  // the socket was made for it
    }
    const auto holder = co_await launcher_.port_holder(name, port);
    Instance* instance = find(name);
    if (instance == nullptr || !holder || holder->who == host::PortHolder::Who::instance ||
        holder->who == host::PortHolder::Who::unknown) {
        co_return true;
    }
    if (TIDEMILL_MUTANT("agent.whoever_answers_is_it")) {
        co_return true;
    }
    if (holder->who == host::PortHolder::Who::other) {
        instance->reason = explain_port_taken(port, *holder);
        instance->view.health = InstanceView::Health::bad;
        settle(revision_of(instance->note.revision));
    }
    co_return false;
}

// Looks again each time as long passes, and speaks when what it sees has changed.
async::Task<void> Agent::say_if_not_listening(std::string name) {
    base::Duration waited{};
    std::vector<host::ListeningSocket> said;
    bool has_spoken = false;
    for (;;) {
        co_await async::sleep_for(host_.loop, options_.not_listening_after);
        waited += options_.not_listening_after;
        Instance* instance = find(name);
        if (instance == nullptr || instance->view.state != State::starting || instance->was_ready) {
            co_return;
        }
        const auto seen = co_await launcher_.inspect(name);
        instance = find(name);
        if (instance == nullptr || instance->view.state != State::starting) {
            co_return;
        }
        const auto is_right = [&](const host::ListeningSocket& socket) {
            return socket.port == instance->note.port;
        };
        if (!seen || std::ranges::any_of(seen->listening, is_right) ||
            (has_spoken && seen->listening == said)) {
            continue;
        }
        has_spoken = true;
        said = seen->listening;
        instance->reason = explain_not_listening(instance->note.port, waited, said);
        report(*instance, link::InstanceState::starting, nullptr);
    }
}

void Agent::became_ready(Instance& instance) {
    const base::Instant now = host_.clock.monotonic_now();
    Revision& revision = revision_of(instance.note.revision);
    const bool first = !instance.was_ready;
    instance.view.state = State::ready;
    instance.view.idle = InstanceView::Idle::freeze;
    instance.was_ready = true;
    instance.ready_at = now;
    instance.reason = {};
    if (instance.cause != "adopt") {
        // What waits in the proxies is this one's to take: the wakes that told of it are answered.
        for (auto& [proxy, waiting] : revision.waiting) {
            const std::uint32_t taken = revision.wanted && revision.wanted->container_concurrency
                                            ? revision.wanted->container_concurrency
                                            : waiting.count;
            waiting.count -= std::min(waiting.count, taken);
        }
    }
    const bool thawed = instance.cause == "thaw" && !instance.stages.empty();
    if (instance.is_woken || thawed) {
        instance.is_woken = false;
        instance.view.lease_until = now + options_.lease;
    }
    publish(revision);
    report(instance, link::InstanceState::ready, nullptr);
    if (first && instance.cause != "adopt" && !instance.stages.empty()) {
        const auto& last = instance.stages.back();
        const base::Duration at = last.at + last.took;
        instance.stages.push_back({"listen", at, now - instance.began - at});
        instance.start_took = now - instance.began;
    }
    if ((first && instance.cause != "adopt" && !instance.stages.empty()) || thawed) {
        reports_.cold_start({.instance = instance.name,
                             .revision = revision.name,
                             .began = host_.clock.wall_now() + -(now - instance.began),
                             .cause = instance.cause,
                             .stages = instance.stages});
        instance.stages.clear();
    }
    if (thawed) {
        ++instance.probing;
        instance.is_watched = false;
    }
    watch_health(instance);
    settle_soon(revision.name);
}

// From its first readiness; an adopted one may be ready before anybody says what to ask it.
void Agent::watch_health(Instance& instance) {
    const Revision& revision = revision_of(instance.note.revision);
    if (instance.is_watched || !revision.wanted || instance.view.state == State::frozen ||
        instance.is_frozen) {
        return;
    }
    const auto& spec = revision.wanted->spec;
    if (!instance.was_ready) {
        if (instance.cause == "adopt" && !std::exchange(instance.has_startup_deadline, true)) {
            (void)tasks_.spawn(end_start(instance.name, spec.startup_deadline));
        }
        return;
    }
    instance.is_watched = true;
    if (spec.liveness) {
        (void)tasks_.spawn(probe_liveness(instance.name, *spec.liveness, instance.probing));
    }
    if (spec.readiness.period > base::Duration{}) {
        (void)tasks_.spawn(probe_readiness(instance.name, spec.readiness, instance.probing));
    }
}

// For one that was taken over before anybody said how long its start may take.
async::Task<void> Agent::end_start(std::string name, base::Duration limit) {
    co_await async::sleep_for(host_.loop, limit);
    Instance* instance = find(name);
    if (instance == nullptr || instance->was_ready || instance->view.state != State::starting) {
        co_return;
    }
    instance->reason = {"ProbeFailed", fmt::format("not ready {} after the agent took it over",
                                                   base::format_duration(limit))};
    instance->view.health = InstanceView::Health::bad;
    settle(revision_of(instance->note.revision));
}

async::Task<void> Agent::probe_liveness(std::string name, link::ProbeSpec probe,
                                        std::uint32_t round) {
    const base::Duration period =
        probe.period > base::Duration{} ? probe.period : std::chrono::seconds(10);
    std::uint32_t failures = 0;
    const auto is_over = [&](const Instance* at) {
        return at == nullptr || at->view.state == State::stopping || at->probing != round;
    };
    for (;;) {
        co_await async::sleep_for(host_.loop, period);
        Instance* instance = find(name);
        if (is_over(instance)) {
            co_return;
        }
        const host::Address address = instance->address;
        const auto alive =
            co_await probe_once(host_, address, probe, host_.loop.now() + probe.timeout);
        failures = alive ? 0 : failures + 1;
        instance = find(name);
        if (is_over(instance)) {
            co_return;
        }
        if (failures >= std::max(probe.failure_threshold, 1U)) {
            instance->reason = {"ProbeFailed",
                                fmt::format("its liveness probe failed {} times, the last: {}",
                                            failures, alive.error().message)};
            instance->view.health = InstanceView::Health::bad;
            Revision& revision = revision_of(instance->note.revision);
            publish(revision);
            settle(revision);
            co_return;
        }
    }
}

async::Task<void> Agent::probe_readiness(std::string name, link::ProbeSpec probe,
                                         std::uint32_t round) {
    std::uint32_t failures = 0;
    std::uint32_t successes = 0;
    for (;;) {
        co_await async::sleep_for(host_.loop, probe.period);
        Instance* instance = find(name);
        if (instance == nullptr || instance->probing != round ||
            instance->view.state == State::draining || instance->view.state == State::stopping) {
            co_return;
        }
        const host::Address address = instance->address;
        const auto ready =
            co_await probe_once(host_, address, probe, host_.loop.now() + probe.timeout);
        failures = ready ? 0 : failures + 1;
        successes = ready ? successes + 1 : 0;
        instance = find(name);
        if (instance == nullptr || instance->probing != round) {
            co_return;
        }
        if (instance->view.state == State::ready && failures >= probe.failure_threshold &&
            !TIDEMILL_MUTANT("agent.unready_stay_ready")) {
            // Out of rotation, not ended: that is what liveness is for. Nor worth keeping frozen.
            instance->view.state = State::starting;
            instance->view.idle = InstanceView::Idle::end;
            instance->reason = {"ProbeFailed",
                                "its readiness probe failed, the last: " + ready.error().message};
            publish(revision_of(instance->note.revision));
            report(*instance, link::InstanceState::starting, nullptr);
        } else if (instance->view.state == State::starting && instance->was_ready &&
                   successes >= probe.success_threshold) {
            became_ready(*instance);
        }
    }
}

}  // namespace tidemill::agent
