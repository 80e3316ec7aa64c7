#include "agent/agent.h"

#include <fmt/format.h>

#include <algorithm>

#include "agent/records.h"
#include "base/mutant.h"

namespace tidemill::agent {
namespace {

using State = InstanceView::State;

constexpr std::size_t tasks_per_instance = 8;
constexpr std::size_t last_log_bytes_max = 4096;

link::InstanceState wire_state(State state) {
    switch (state) {
        case State::starting:
            return link::InstanceState::starting;
        case State::ready:
            return link::InstanceState::ready;
        case State::draining:
            return link::InstanceState::draining;
        case State::frozen:
            return link::InstanceState::frozen;
        case State::stopping:
            break;
    }
    return link::InstanceState::stopping;
}

std::uint16_t any_port(host::Random& random, std::uint16_t first, std::uint16_t last) {
    return static_cast<std::uint16_t>(first + random.next_u64() % (last - first + 1U));
}

}  // namespace

Agent::Agent(host::Host& host, host::Launcher& launcher, Reports& reports, Options options)
    : host_(host),
      launcher_(launcher),
      reports_(reports),
      options_(std::move(options)),
      root_(sandbox::survey_host_root(host.disk)),
      logs_(host.disk, options_.data_directory + "/logs", options_.logs),
      ports_(options_.port_first, options_.port_last,
             any_port(host.random, options_.port_first, options_.port_last)),
      eviction_(options_.frozen_bytes_max),
      empty_(host.loop),
      tasks_(host.loop, 16 + tasks_per_instance * options_.instances_max) {
    options_.policy.secrets.push_back(options_.data_directory);
    options_.policy.secrets.push_back(options_.run_directory);
}

Agent::~Agent() {
    tasks_.cancel();
}

// What is heard ------------------------------------------------------------------------------

void Agent::wanted(const link::TableReceiver::Change& change) {
    std::set<std::string> touched;
    if (change.mode == link::Begin::Mode::replace) {
        for (auto& [name, revision] : revisions_) {
            revision->wanted.reset();
            touched.insert(name);
        }
        has_control_ = true;
    }
    for (const auto& message : change.deletes) {
        if (const auto* gone = std::get_if<link::DeleteWanted>(&message)) {
            if (const auto found = revisions_.find(gone->revision); found != revisions_.end()) {
                found->second->wanted.reset();
                touched.insert(gone->revision);
            }
        }
    }
    for (const auto& message : change.puts) {
        if (const auto* wanted = std::get_if<link::WantedRevision>(&message)) {
            Revision& revision = revision_of(wanted->revision);
            revision.wanted = *wanted;
            revision.grace = wanted->spec.grace;
            for (const auto& [name, instance] : revision.instances) {
                if (!TIDEMILL_MUTANT("agent.adopted_hang_for_ever")) {
                    watch_health(*instance);
                }
            }
            touched.insert(wanted->revision);
        }
    }
    for (const auto& name : touched) {
        settle(revision_of(name));
    }
}

void Agent::control_gone() {
    has_control_ = false;
}

void Agent::proxy_here(std::uint64_t proxy) {
    proxies_.insert(proxy);
}

void Agent::proxy_gone(std::uint64_t proxy) {
    proxies_.erase(proxy);
    for (auto& [name, revision] : revisions_) {
        if (revision->waiting.erase(proxy) > 0) {
            settle_soon(name);
        }
    }
    // It may come back in a moment, with requests that run all the while: nobody speaks for it yet.
    const bool is_written_off = TIDEMILL_MUTANT("agent.lost_proxy_has_drained");
    proxies_back_by_ =
        host_.loop.now() + (is_written_off ? base::Duration{} : options_.proxy_patience);
    if (!is_proxy_awaited_) {
        is_proxy_awaited_ = true;
        (void)tasks_.spawn(await_proxies());
    }
}

async::Task<void> Agent::await_proxies() {
    while (host_.loop.now() < proxies_back_by_) {
        co_await async::sleep_until(host_.loop, proxies_back_by_);
    }
    is_proxy_awaited_ = false;
    for (auto& [name, instance] : instances_) {
        check_drained(*instance);
    }
}

void Agent::wake(std::uint64_t proxy, const link::Wake& wake) {
    const auto found = revisions_.find(wake.revision);
    if (found == revisions_.end()) {
        return;  // control has not said yet what it is; the proxy repeats
    }
    Revision& revision = *found->second;
    const base::Instant now = host_.loop.now();
    if (waiting(revision) == 0) {
        revision.first_wake = host_.clock.monotonic_now();
    }
    if (wake.waiting == 0) {
        revision.waiting.erase(proxy);
    } else {
        revision.waiting[proxy] = {wake.waiting, now};
        for (auto& [id, instance] : revision.instances) {
            instance->view.lease_until = std::max(instance->view.lease_until, now + options_.lease);
        }
    }
    settle(revision);
}

void Agent::drained(std::uint64_t proxy, const link::Drained& drained) {
    if (Instance* instance = find(drained.instance);
        instance != nullptr && instance->view.state == State::draining) {
        instance->drained_by.insert(proxy);
        check_drained(*instance);
    }
}

void Agent::check_drained(Instance& instance) {
    if (instance.view.state == State::draining &&
        instance.view.requests == InstanceView::Requests::may_run &&
        host_.loop.now() >= proxies_back_by_ &&
        (std::ranges::includes(instance.drained_by, proxies_) ||
         (TIDEMILL_MUTANT("agent.one_proxy_speaks_for_all") && !instance.drained_by.empty()))) {
        instance.view.requests = InstanceView::Requests::none;
        settle_soon(instance.note.revision);
    }
}

// Comparing ----------------------------------------------------------------------------------

Agent::Revision& Agent::revision_of(const std::string& name) {
    auto& slot = revisions_[name];
    if (!slot) {
        slot = std::make_unique<Revision>();
        slot->name = name;
        slot->again.agent = this;
        slot->again.revision = slot.get();
    }
    return *slot;
}

Agent::Instance* Agent::find(const std::string& instance) {
    const auto found = instances_.find(instance);
    return found == instances_.end() ? nullptr : found->second.get();
}

std::uint32_t Agent::waiting(const Revision& revision) const {
    std::uint32_t sum = 0;
    for (const auto& [proxy, waiting] : revision.waiting) {
        if (waiting.heard + options_.wake_valid > host_.loop.now()) {
            sum += waiting.count;
        }
    }
    return sum;
}

// Not from inside a loop over instances.
void Agent::settle_soon(const std::string& revision) {
    (void)tasks_.spawn([](Agent& self, std::string name) -> async::Task<void> {
        co_await async::yield(self.host_.loop);
        if (const auto found = self.revisions_.find(name); found != self.revisions_.end()) {
            self.settle(*found->second);
        }
    }(*this, revision));
}

void Agent::settle(Revision& revision) {
    const base::Instant now = host_.loop.now();
    Wanted wanted{.grace = revision.grace};
    if (revision.wanted) {
        wanted.instances = revision.wanted->instances;
        wanted.instances_max = revision.wanted->instances_max;
        wanted.container_concurrency = revision.wanted->container_concurrency;
        if (launcher_.capabilities().cgroup_freezer) {
            wanted.keep_frozen = revision.wanted->spec.keep_frozen;
        }
    }
    std::uint32_t waits = revision.wanted ? waiting(revision) : 0;
    if (is_ending_) {
        wanted = {.grace = ending_grace_};
        waits = 0;
    } else if (!has_control_ && !TIDEMILL_MUTANT("agent.stops_while_control_is_away")) {
        wanted.surplus = Wanted::Surplus::keep;
    }
    std::vector<InstanceView> views;
    views.reserve(revision.instances.size());
    for (const auto& [id, instance] : revision.instances) {
        views.push_back(instance->view);
    }
    const auto there = static_cast<std::uint32_t>(instances_.size());
    const std::uint32_t budget =
        there < options_.instances_max ? options_.instances_max - there : 0;
    const Plan plan =
        plan_instances(wanted, views, waits, revision.start_after, budget, now, options_.decider);
    for (const auto& name : plan.kill) {
        kill(*find(name));
    }
    for (const auto& name : plan.stop) {
        stop(*find(name));
    }
    for (const auto& name : plan.drain) {
        drain(*find(name));
    }
    for (const auto& name : plan.freeze) {
        freeze(*find(name));
    }
    for (const auto& name : plan.thaw) {
        thaw(*find(name), waits > 0 ? revision.first_wake : now);
    }
    for (std::uint32_t i = 0; i < plan.start; ++i) {
        const char* cause = revision.failures > 0 ? "replace" : waits > 0 ? "wake" : "scale";
        start_one(revision, cause, waits > 0 ? revision.first_wake : now);
    }
    if (plan.start > 0 || !plan.drain.empty() || !plan.stop.empty() || !plan.freeze.empty()) {
        publish(revision);
    }
    if ((!plan.drain.empty() || !plan.stop.empty() || !plan.freeze.empty()) &&
        !TIDEMILL_MUTANT("agent.stop_without_an_end")) {
        // What begins now has an end to be asked for again, which this plan does not name yet.
        settle_soon(revision.name);
    }
    // A wake that nobody repeats is over then, and what it kept from going may go.
    base::Instant again = plan.again;
    for (const auto& [proxy, each] : revision.waiting) {
        if (!TIDEMILL_MUTANT("agent.wake_never_ends") && each.count > 0 &&
            each.heard + options_.wake_valid > now) {
            again = std::min(again, each.heard + options_.wake_valid);
        }
    }
    if (again == base::Instant::never()) {
        revision.again.disarm();
    } else {
        revision.again.arm(host_.loop, again);
    }
    if (!revision.wanted && revision.instances.empty() && has_control_) {
        revisions_.erase(revision.name);
    }
}

void Agent::publish(Revision& revision) {
    link::RevisionEndpoints endpoints{.revision = revision.name, .endpoints = {}};
    for (const auto& [id, instance] : revision.instances) {
        if (instance->view.health == InstanceView::Health::good &&
            (instance->view.state != State::frozen ||
             TIDEMILL_MUTANT("agent.frozen_are_endpoints"))) {
            endpoints.endpoints.push_back(
                {instance->name, instance->note.address, wire_state(instance->view.state)});
        }
    }
    reports_.endpoints(endpoints);
}

link::InstanceReport Agent::describe(const Instance& instance) const {
    link::InstanceReport said;
    said.instance = instance.name;
    said.revision = instance.note.revision;
    said.state = wire_state(instance.view.state);
    said.pid = instance.pid;
    said.started = instance.started_wall;
    if (const auto found = revisions_.find(instance.note.revision); found != revisions_.end()) {
        said.restarts = found->second->failures;
    }
    said.reason = instance.reason.word;
    said.message = instance.reason.message;
    return said;
}

void Agent::report(const Instance& instance, link::InstanceState state,
                   const host::InstanceExit* exit) {
    link::InstanceReport said = describe(instance);
    said.state = state;
    if (exit != nullptr) {
        said.exit_code = exit->code;
        said.exit_signal = exit->signal;
    }
    if (!said.reason.empty()) {
        said.last_log = logs_.last(instance.name, last_log_bytes_max);
    }
    reports_.report(said);
}

std::optional<std::string> Agent::previous_of(const std::string& instance) const {
    const auto found = instances_.find(instance);
    return found == instances_.end() ? std::nullopt
                                     : logs_.last_ended(found->second->note.revision);
}

std::vector<link::InstanceReport> Agent::all_reports() const {
    std::vector<link::InstanceReport> all;
    for (const auto& [name, instance] : instances_) {
        all.push_back(describe(*instance));
    }
    return all;
}

// Going ---------------------------------------------------------------------------------------

void Agent::drain(Instance& instance) {
    // Of an adopted one nobody knows what proxies gave it before.
    const bool served = instance.was_ready || instance.cause == "adopt";
    instance.view.state = State::draining;
    instance.view.draining_since = host_.loop.now();
    instance.is_stop_asked = true;
    report(instance, link::InstanceState::draining, nullptr);
    if (!served || TIDEMILL_MUTANT("agent.drains_nobody")) {
        instance.view.requests = InstanceView::Requests::none;
        settle_soon(instance.note.revision);
    } else {
        check_drained(instance);
    }
}

void Agent::stop(Instance& instance) {
    eviction_.forget(instance.name);
    instance.view.state = State::stopping;
    instance.view.stopping_since = host_.loop.now();
    instance.is_stop_asked = true;
    report(instance, link::InstanceState::stopping, nullptr);
    if (instance.is_launched) {
        (void)tasks_.spawn(send_signal(instance.name));
    }
}

void Agent::kill(Instance& instance) {
    if (instance.is_kill_sent) {
        return;
    }
    instance.is_kill_sent = true;
    if (instance.is_launched) {
        (void)tasks_.spawn(send_kill(instance.name));
    }
}

async::Task<void> Agent::send_signal(std::string name) {
    constexpr int sigterm = 15;
    while (find(name) != nullptr) {
        const auto sent = co_await launcher_.signal(name, sigterm);
        // not_found: it has ended, and its end is on the way here.
        if (sent || sent.error().code != base::Code::unavailable ||
            TIDEMILL_MUTANT("agent.lost_sigterm_stays_lost")) {
            break;
        }
        co_await async::sleep_for(host_.loop, std::chrono::milliseconds(20));
    }
    // The frozen hear nothing before they run again. Sent first, so that nothing else runs before.
    if (!TIDEMILL_MUTANT("agent.frozen_hear_no_sigterm")) {
        move_freezer(name);
    }
}

async::Task<void> Agent::send_kill(std::string name) {
    while (find(name) != nullptr) {
        const auto killed = co_await launcher_.kill(name);
        if (killed || killed.error().code == base::Code::not_found) {
            co_return;
        }
        co_await async::sleep_for(host_.loop, std::chrono::milliseconds(20));
    }
}

async::Task<void> Agent::forget(std::string name) {
    // Until then a scan still shows it, with an end that was reported already.
    struct Mark {
        std::set<std::string>& names;
        const std::string& name;
        ~Mark() { names.erase(name); }
    };
    forgetting_.insert(name);
    const Mark mark{forgetting_, name};
    // conflict: the launcher is about to see the end that it told us of.
    for (int i = 0; i < 50; ++i) {
        const auto forgotten = co_await launcher_.forget(name);
        if (forgotten || forgotten.error().code == base::Code::not_found) {
            co_return;
        }
        co_await async::sleep_for(host_.loop, std::chrono::milliseconds(20));
    }
}

void Agent::count_failure(Revision& revision, const Instance& instance) {
    const base::Instant now = host_.loop.now();
    const bool proven = instance.was_ready && now - instance.ready_at >= options_.proven_after;
    revision.failures = proven ? 1 : revision.failures + 1;
    revision.start_after = now + restart_delay(revision.failures);
}

void Agent::ended(const std::string& name, const host::InstanceExit& exit) {
    Instance* instance = find(name);
    if (instance == nullptr) {
        (void)tasks_.spawn(forget(name));
        return;
    }
    const bool unasked = !instance->is_stop_asked;
    Revision& revision = revision_of(instance->note.revision);
    if (unasked) {
        // Of one that was ended for being sick, the sickness is the reason.
        if (instance->view.health == InstanceView::Health::good) {
            instance->reason = explain_exit(exit, instance->memory_bytes_max);
        }
        count_failure(revision, *instance);
    } else {
        instance->reason = {};
    }
    report(*instance, link::InstanceState::ended, &exit);
    logs_.ended(name, instance->note.revision,
                unasked ? LogStore::Cause::crashed : LogStore::Cause::asked);
    (void)tasks_.spawn(forget(name));
    remove(*instance);
}

void Agent::failed_launch(Instance& instance, const base::Error& why) {
    Revision& revision = revision_of(instance.note.revision);
    if (!instance.is_stop_asked) {
        instance.reason = {"LaunchFailed", why.message};
        count_failure(revision, instance);
    }
    report(instance, link::InstanceState::ended, nullptr);
    logs_.ended(instance.name, instance.note.revision, LogStore::Cause::asked);
    remove(instance);
}

void Agent::remove(Instance& instance) {
    eviction_.forget(instance.name);
    Revision& revision = revision_of(instance.note.revision);
    if (instance.note.port != 0) {
        ports_.give_back(instance.note.port);
    }
    revision.instances.erase(instance.name);
    instances_.erase(instance.name);
    if (!TIDEMILL_MUTANT("agent.dead_stay_endpoints")) {
        publish(revision);
    }
    settle_soon(revision.name);
    if (instances_.empty()) {
        empty_.set();
    }
}

async::Task<void> Agent::end_all(base::Duration grace) {
    is_ending_ = true;
    ending_grace_ = grace;
    // Nobody is waited for: whoever ends everything has stopped the proxies or is about to.
    proxies_.clear();
    proxies_back_by_ = {};
    std::vector<std::string> names;
    names.reserve(revisions_.size());
    for (const auto& [name, revision] : revisions_) {
        names.push_back(name);
    }
    for (auto& [name, instance] : instances_) {
        instance->view.lease_until = {};
        check_drained(*instance);
    }
    for (const auto& name : names) {
        settle_soon(name);
    }
    while (!instances_.empty()) {
        empty_.reset();
        co_await empty_.wait();
    }
    // Whoever destroys us ends the tasks that were about to forget them.
    if (const auto known = co_await launcher_.scan()) {
        for (const auto& instance : *known) {
            if (instance.exit) {
                (void)co_await launcher_.forget(instance.instance);
            }
        }
    }
}

}  // namespace tidemill::agent
