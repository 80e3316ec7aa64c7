#include "agent_book.h"

#include <fmt/format.h>

#include <algorithm>
#include <array>

#include "agent/note.h"
#include "base/check.h"
#include "seeds.h"

namespace tidemill::sim {
namespace {

using namespace std::chrono_literals;

// What cannot be thawed is given up after so many refusals.
constexpr std::uint32_t thaws_refused_max = 5;

// A deadline that the next question could not meet is over (probe.h).
constexpr base::Duration probe_pause = 50ms;

// As decider.h promises, written a second time.
base::Duration restart_delay(std::uint32_t failures) {
    base::Duration delay = 5ms;
    for (std::uint32_t i = 1; i < failures && delay < 5min; ++i) {
        delay *= 2;
    }
    return failures < 2 ? base::Duration(0) : std::min<base::Duration>(delay, 5min);
}

}  // namespace

std::string AgentBook::ago(base::Instant when) const {
    return base::format_duration(loop_.now() - when);
}

void AgentBook::note(std::string_view what, std::string_view of) const {
    if (is_replay()) {
        tell(loop_.now() - begin_, fmt::format("{} {}", what, of));
    }
}

// The machine ----------------------------------------------------------------------------------

void AgentBook::started(const host::LaunchPlan& plan) {
    note("runs", plan.instance);
    Instance& self = instance(plan.instance);
    self.runs = true;
    self.is_logged = apps_.has_logged(plan.instance);
    for (const auto& [name, other] : instances_) {
        if (name != plan.instance && other.runs && self.port != 0 && other.port == self.port) {
            fail_(fmt::format("{} and {} live, and have both been given port {}", name,
                              plan.instance, self.port));
        }
    }
}

void AgentBook::ended(const host::LaunchPlan& plan) {
    note("has ended", plan.instance);
    Instance& self = instance(plan.instance);
    self.runs = false;
    self.ended_at = loop_.now();
}

// A life ---------------------------------------------------------------------------------------

void AgentBook::agent_born() {
    note("agent is born", "");
    is_alive_ = true;
}

void AgentBook::agent_serves() {
    note("agent serves", "");
    serves_ = true;
    serves_since_ = loop_.now();
}

void AgentBook::agent_died() {
    note("agent dies", "");
    for (auto& [name, self] : instances_) {
        Instance fresh;
        fresh.revision = self.revision;
        fresh.port = self.port;
        fresh.runs = self.runs;
        fresh.ended_at = self.ended_at;
        fresh.is_logged = self.is_logged;
        self = fresh;
    }
    for (auto& [name, self] : revisions_) {
        self.told = {};
        self.before.clear();
        self.failures = 0;
        self.start_after = {};
        self.short_since.reset();
        self.last_crash.reset();
        self.failure.reset();
        self.offered.clear();
    }
    connections_.clear();
    gone_.clear();
    over_budget_since_.reset();
    has_control_ = is_alive_ = serves_ = false;
}

// What it hears --------------------------------------------------------------------------------

void AgentBook::change(Revision& self) {
    if (self.changed_at != loop_.now()) {
        self.before.clear();
        self.changed_at = loop_.now();
    }
    self.told.has_control = has_control_;
    self.before.push_back(self.told);
}

void AgentBook::heard_wanted(const link::TableReceiver::Change& heard) {
    std::map<std::string, link::WantedRevision> puts;
    for (const auto& put : heard.puts) {
        const auto& wanted = std::get<link::WantedRevision>(put);
        puts[wanted.revision] = wanted;
        revision(wanted.revision).grace = wanted.spec.grace;
    }
    std::set<std::string> deletes;
    for (const auto& gone : heard.deletes) {
        deletes.insert(std::get<link::DeleteWanted>(gone).revision);
    }
    const bool replaces = heard.mode == link::Begin::Mode::replace;
    for (auto& [name, self] : revisions_) {
        const auto put = puts.find(name);
        if (put == puts.end() && !replaces && !deletes.contains(name)) {
            continue;
        }
        note(fmt::format("agent hears that {} are wanted of",
                         put == puts.end() ? 0 : put->second.instances),
             name);
        change(self);
        self.told.wanted = put == puts.end() ? std::nullopt : std::optional(put->second);
        self.short_since.reset();
    }
    has_control_ = has_control_ || replaces;
    for (auto& [name, self] : revisions_) {
        forget_failures(name, self);
    }
}

bool AgentBook::has_instance(const std::string& name) const {
    return std::ranges::any_of(instances_, [&](const auto& each) {
        return each.second.revision == name && each.second.is_known;
    });
}

// Of a revision that nobody wants and that has no instance nothing need be remembered.
void AgentBook::forget_failures(const std::string& name, Revision& self) {
    if (has_control_ && !self.told.wanted && !has_instance(name)) {
        self.failures = 0;
        self.start_after = {};
    }
    if (has_control_ && !self.told.wanted) {
        self.failure.reset();
    }
}

void AgentBook::control_here() {
    note("agent hears control", "");
    control_since_ = loop_.now();
}

void AgentBook::heard_stopped(const std::string& name) {
    note("agent hears that a signal stopped", name);
    Instance& self = instance(name);
    self.is_stop_heard = true;
    self.stop_heard_at = loop_.now();
    ++probes["stopped"];
}

void AgentBook::control_gone() {
    note("agent hears that control is gone", "");
    for (auto& [name, self] : revisions_) {
        change(self);
    }
    has_control_ = false;
}

void AgentBook::proxy_here(std::uint64_t connection, std::string name) {
    note("agent hears a proxy", name);
    connections_[connection] = std::move(name);
}

void AgentBook::proxy_gone(std::uint64_t connection) {
    note("agent hears that a proxy is gone", connections_[connection]);
    gone_[connections_[connection]] = loop_.now();
    connections_.erase(connection);
    for (auto& [name, self] : revisions_) {
        change(self);
        self.told.waiting.erase(connection);
    }
}

void AgentBook::heard_wake(std::uint64_t connection, const link::Wake& wake) {
    note(fmt::format("agent hears a wake for {} of", wake.waiting), wake.revision);
    Revision& self = revision(wake.revision);
    change(self);
    // Of a revision that it knows nothing of it may wait until the wake is repeated.
    const bool obliges = self.told.wanted || has_instance(wake.revision);
    self.told.waiting[connection] = {wake.waiting, obliges ? wake.waiting : 0, loop_.now()};
    for (auto& [name, each] : instances_) {
        if (each.revision == wake.revision && each.is_known && wake.waiting > 0) {
            each.lease_until = std::max(each.lease_until, loop_.now() + options_.lease);
        }
    }
    ++probes["wake"];
}

std::uint32_t AgentBook::waiting(const Told& told, std::uint32_t Told::Waiting::* which) const {
    std::uint32_t sum = 0;
    for (const auto& [connection, waiting] : told.waiting) {
        sum += waiting.heard + options_.wake_valid > loop_.now() ? waiting.*which : 0;
    }
    return sum;
}

// An instance that has just become ready takes what waits, as many as it can.
void AgentBook::answer_wakes(Revision& self) {
    change(self);
    for (auto& [connection, waiting] : self.told.waiting) {
        const auto most = self.told.wanted ? self.told.wanted->container_concurrency : 0;
        waiting.open -= std::min(waiting.open, most > 0 ? most : waiting.open);
    }
}

template <typename Test>
bool AgentBook::at_this_instant(const Revision& self, Test test) const {
    Told told = self.told;
    told.has_control = has_control_;
    return test(told) || (self.changed_at == loop_.now() && std::ranges::any_of(self.before, test));
}

// What it does ---------------------------------------------------------------------------------

// alive: with the one that is to be started.
bool AgentBook::may_start(const Told& told, std::uint32_t starting, std::uint32_t alive) const {
    if (!told.wanted) {
        return false;
    }
    const auto& wanted = *told.wanted;
    if (alive <= wanted.instances) {
        return true;
    }
    const std::uint32_t waits = waiting(told);
    if (waits == 0 ||
        (wanted.instances_max > 0 && alive > std::max(wanted.instances_max, wanted.instances))) {
        return false;
    }
    const std::uint32_t concurrency = wanted.container_concurrency;
    return concurrency > 0
               ? starting <= (waits + concurrency - 1) / concurrency
               : alive <= std::max<std::uint32_t>(
                              1, waits / options_.decider.unlimited_waiting_per_instance);
}

void AgentBook::launches(const host::LaunchPlan& plan) {
    note("agent launches", plan.instance);
    const auto note = agent::read_note(plan.note);
    CHECK(note.has_value());
    if (instances_.contains(plan.instance)) {
        fail_(fmt::format("{} is started a second time", plan.instance));
    }
    Revision& self = revision(note->revision);
    std::uint32_t starting = 1;
    std::uint32_t alive = 1;
    for (const auto& [name, each] : instances_) {
        if (each.revision != note->revision) {
            continue;
        }
        // What was decided a moment ago may be on its way.
        if (each.runs && each.is_known && each.is_frozen && !each.is_stopping &&
            !each.is_freeze_failed && loop_.now() - each.frozen_since > 200ms) {
            fail_(fmt::format("{} is started, although {} is frozen", plan.instance, name));
        }
        if ((each.runs || each.is_launching) && !each.is_going()) {
            starting += each.is_ready ? 0 : 1;
            ++alive;
        }
    }
    const auto start_allowed = [&](const Told& told) { return may_start(told, starting, alive); };
    if (!at_this_instant(self, start_allowed)) {
        fail_(fmt::format("{} is started as number {}, but {} are wanted and {} requests wait",
                          plan.instance, alive, self.told.wanted ? self.told.wanted->instances : 0,
                          waiting(self.told)));
    }
    if (loop_.now() < self.start_after && self.failed_at != loop_.now()) {
        fail_(fmt::format("{} is started {} before its back-off of {} failures is over",
                          plan.instance, base::format_duration(self.start_after - loop_.now()),
                          self.failures));
    }
    if (is_ending_) {
        fail_(fmt::format("{} is started while all are ended", plan.instance));
    }
    Instance& one = instance(plan.instance);
    one.revision = note->revision;
    one.port = port_of(plan);
    one.is_known = one.is_launching = true;
    one.is_woken = waiting(self.told, &Told::Waiting::open) > 0;
    one.known_since = loop_.now();
    self.short_since.reset();
}

void AgentBook::launched(const std::string& name, const base::Result<host::Launched>& result) {
    note(result ? "launched" : "not launched", name);
    instance(name).is_launching = false;
    if (!result) {
        ++probes[result.error().code == base::Code::unavailable ? "unheard" : "no launch"];
    }
}

void AgentBook::scanned(const std::vector<host::KnownInstance>& known) {
    for (const auto& each : known) {
        const auto note = agent::read_note(each.note);
        Instance& self = instance(each.instance);
        if (each.exit || self.is_known || self.is_end_said) {
            continue;
        }
        self.is_known = self.is_adopted = true;
        self.is_blind = !revision(note->revision).told.wanted;
        self.known_since = loop_.now();
        self.lease_until = loop_.now() + options_.lease;
        self.is_frozen = each.is_frozen;
        self.frozen_since = loop_.now();
        ++probes[each.is_frozen ? "adopt the frozen" : "adopt"];
    }
}

bool AgentBook::may_drain(const Told& told, std::uint32_t alive) const {
    return told.has_control && waiting(told, &Told::Waiting::open) == 0 &&
           alive > (told.wanted ? told.wanted->instances : 0);
}

void AgentBook::said_draining(const std::string& name, Instance& self) {
    if (self.is_draining) {
        fail_(fmt::format("{} begins to drain twice", name));
    }
    std::uint32_t alive = 0;
    for (const auto& [other, each] : instances_) {
        alive += each.revision == self.revision && each.is_known && !each.is_going() ? 1 : 0;
    }
    self.is_draining = true;
    self.is_ready = false;
    self.draining_since = loop_.now();
    ++probes["drain"];
    if (is_ending_) {
        return;
    }
    const Revision& its = revision(self.revision);
    if (!at_this_instant(its, [&](const Told& told) { return may_drain(told, alive); })) {
        fail_(
            fmt::format("{} is drained, although {} run, {} are wanted, {} requests wait and "
                        "control is {}",
                        name, alive, its.told.wanted ? its.told.wanted->instances : 0,
                        waiting(its.told), has_control_ ? "here" : "away"));
    }
    if (loop_.now() < self.lease_until) {
        fail_(fmt::format("{} is drained {} before its lease ends", name,
                          base::format_duration(self.lease_until - loop_.now())));
    }
    if (self.is_woken && its.told.wanted &&
        loop_.now() < self.known_since + its.told.wanted->spec.startup_deadline) {
        fail_(fmt::format("{} was woken and is drained before it is ready", name));
    }
}

void AgentBook::check_requests(const std::string& name, std::string_view what) const {
    for (const auto& each : proxies_) {
        const auto gone = gone_.find(each->name());
        const bool is_there =
            std::ranges::any_of(connections_,
                                [&](const auto& known) { return known.second == each->name(); }) ||
            (gone != gone_.end() && loop_.now() < gone->second + options_.proxy_patience);
        if (is_there && each->in_flight(name) > 0) {
            fail_(fmt::format("{} {} while {} requests of {} run on it", name, what,
                              each->in_flight(name), each->name()));
        }
    }
}

void AgentBook::terminates(const std::string& name) {
    note("agent sends SIGTERM to", name);
    Instance& self = instance(name);
    if (!self.is_draining && !self.was_frozen) {
        fail_(fmt::format("{} is sent SIGTERM, and was never drained", name));
    }
    if (is_ending_ ||
        (!self.was_frozen && loop_.now() >= self.draining_since + options_.decider.drain_max)) {
        ++probes[is_ending_ ? "end all" : "drain bound"];
        return;
    }
    // One that is sent again was decided on before.
    if (!std::exchange(self.is_term_asked, true)) {
        check_requests(name, "is sent SIGTERM");
    }
}

// Freezing -------------------------------------------------------------------------------------

void AgentBook::freezes(const std::string& name) {
    note("agent freezes", name);
    Instance& self = instance(name);
    if (!self.is_draining) {
        fail_(fmt::format("{} is frozen, and was never drained", name));
    }
    if (self.is_unready) {
        fail_(fmt::format("{} is kept frozen, although its readiness probe fails", name));
    }
    const auto is_kept = [](const Told& told) {
        return told.wanted && told.wanted->spec.keep_frozen > base::Duration{};
    };
    if (is_ending_ || !at_this_instant(revision(self.revision), is_kept)) {
        fail_(fmt::format("{} is frozen, and nobody wants that it is kept", name));
    }
    check_requests(name, "is frozen");
    self.is_draining = false;
    self.is_frozen = true;
    self.frozen_since = loop_.now();
    ++probes["freeze"];
}

void AgentBook::thaws(const std::string& name) {
    note("agent thaws", name);
    Instance& self = instance(name);
    if (self.is_stopping) {
        ++probes["thaw to end"];
    } else if (!self.is_thawing) {
        self.is_frozen = self.is_draining = self.is_adopted = false;
        self.is_thawing = true;
        self.thaw_since = loop_.now();
        ++probes["thaw"];
    }
}

void AgentBook::moved_freezer(const std::string& name, const base::Status& answer) {
    Instance& self = instance(name);
    if (answer) {
        return;
    }
    note("the freezer does not move:", answer.error().message);
    if (self.is_frozen) {
        self.is_freeze_failed = true;
        ++probes["freeze failed"];
    } else if (answer.error().code != base::Code::unavailable) {
        ++self.thaws_refused;
        ++probes["thaw refused"];
    }
}

bool AgentBook::is_over_budget() const {
    std::uint64_t sum = 0;
    for (const auto& [name, each] : instances_) {
        if (each.runs && each.is_frozen && !each.is_stopping) {
            sum += machine_.memory_bytes(name);
        }
    }
    return sum > options_.frozen_bytes_max;
}

bool AgentBook::may_end_frozen(const Told& told, const Instance& self) const {
    const auto kept = told.wanted ? told.wanted->spec.keep_frozen : base::Duration{};
    return told.has_control && loop_.now() >= self.frozen_since + kept;
}

void AgentBook::kills(const std::string& name) {
    note("agent kills", name);
    Instance& self = instance(name);
    if (self.is_kill_asked) {
        return;  // asked again, because nobody answered
    }
    self.is_kill_asked = true;
    const Revision& its = revision(self.revision);
    if (self.is_stopping) {
        if (!is_ending_ && loop_.now() < self.stopping_since + its.grace) {
            fail_(fmt::format("{} is killed {} after SIGTERM; its grace is {}", name,
                              ago(self.stopping_since), base::format_duration(its.grace)));
        }
        ++probes["grace over"];
        return;
    }
    const auto& spec = apps_.programs().at(self.revision).wanted.spec;
    const bool is_blameless = !apps_.is_hung(name) && !self.is_stop_heard &&
                              !machine_.rests(name) && !apps_.met_a_squatter(name) &&
                              self.thaws_refused < thaws_refused_max;
    if (self.runs && is_blameless &&
        (apps_.has_answered(name) || loop_.now() + std::max(probe_pause, spec.readiness.period) <
                                         self.known_since + spec.startup_deadline)) {
        fail_(fmt::format("{} is killed, and nothing is wrong with it", name));
    }
    ++probes["kill the sick"];
}

void AgentBook::forgets(const std::string& name) {
    note("agent forgets", name);
    const auto found = instances_.find(name);
    if (found != instances_.end() && !found->second.is_end_said) {
        fail_(fmt::format("{} is forgotten, and its end was not reported", name));
    }
}

// What it says ---------------------------------------------------------------------------------

void AgentBook::said_endpoints(const link::RevisionEndpoints& said) {
    auto& offered = revision(said.revision).offered;
    offered.clear();
    for (const auto& endpoint : said.endpoints) {
        const auto found = instances_.find(endpoint.instance);
        if (found == instances_.end()) {
            continue;  // not asked for yet
        }
        const Instance& self = found->second;
        offered[endpoint.instance] = endpoint.state;
        if (self.is_end_said) {
            fail_(fmt::format("{} has ended and is still an endpoint", endpoint.instance));
        }
        // One that is about to be thawed, or to end, may be shown as what it is to be.
        if (self.is_frozen && !self.is_stopping && !self.is_draining &&
            endpoint.state != link::InstanceState::starting) {
            fail_(fmt::format("{} is frozen and is an endpoint", endpoint.instance));
        }
        if (endpoint.state != link::InstanceState::ready) {
            continue;
        }
        if (self.is_going()) {
            fail_(fmt::format("{} is going and is offered as ready", endpoint.instance));
        }
        if (self.is_stop_heard || machine_.is_frozen(endpoint.instance)) {
            fail_(fmt::format("{} {} and is offered as ready", endpoint.instance,
                              self.is_stop_heard ? "was stopped by a signal" : "is frozen"));
        }
        const bool is_known_by_probe =
            !self.is_blind && revision(said.revision).told.wanted.has_value();
        if (is_known_by_probe && !apps_.has_answered(endpoint.instance)) {
            fail_(
                fmt::format("{} is offered, and has never answered its probe", endpoint.instance));
        }
    }
}

void AgentBook::said_report(const link::InstanceReport& report) {
    constexpr std::array states{"starting", "ready", "draining", "frozen", "stopping", "ended"};
    note(fmt::format("agent reports {} {} of {}", states[static_cast<std::size_t>(report.state)],
                     report.reason, report.revision),
         report.instance);
    Instance& self = instance(report.instance);
    if (self.is_end_said) {
        fail_(fmt::format(
            "the end of {} was reported, and now it is {}", report.instance,
            report.state == link::InstanceState::ended ? "reported again" : "said to live"));
    }
    self.revision = report.revision;
    switch (report.state) {
        case link::InstanceState::frozen:
            if (!self.is_frozen) {
                fail_(fmt::format("{} is said to be frozen, and is not", report.instance));
            }
            break;
        case link::InstanceState::starting:
            self.is_unready = self.is_unready || self.is_ready;
            self.is_ready = false;
            break;
        case link::InstanceState::ready:
            self.is_ready = true;
            self.is_unready = false;
            self.ready_at = loop_.now();
            revision(self.revision).failure.reset();
            if (!self.is_adopted) {
                answer_wakes(revision(self.revision));
            }
            if (std::exchange(self.is_woken, false) || std::exchange(self.is_thawing, false)) {
                self.lease_until = std::max(self.lease_until, loop_.now() + options_.lease);
            }
            break;
        case link::InstanceState::draining:
            said_draining(report.instance, self);
            break;
        case link::InstanceState::stopping:
            said_stopping(report.instance, self);
            break;
        case link::InstanceState::ended:
            said_ended(report);
            break;
    }
}

void AgentBook::said_stopping(const std::string& name, Instance& self) {
    if (self.is_frozen && !self.is_draining) {
        const Revision& its = revision(self.revision);
        const auto is_over = [&](const Told& told) { return may_end_frozen(told, self); };
        const bool is_evicted = is_over_budget();
        if (!is_ending_ && !self.is_freeze_failed && !is_evicted &&
            !at_this_instant(its, is_over)) {
            fail_(fmt::format(
                "{} was frozen {} ago, is to be kept for {}, and is ended", name,
                ago(self.frozen_since),
                base::format_duration(its.told.wanted ? its.told.wanted->spec.keep_frozen
                                                      : base::Duration{})));
        }
        ++probes[self.is_freeze_failed ? "not frozen, ended"
                 : is_evicted          ? "evict"
                                       : "kept enough"];
        self.was_frozen = true;
    }
    self.is_stopping = true;
    self.stopping_since = loop_.now();
}

void AgentBook::said_ended(const link::InstanceReport& report) {
    Instance& self = instance(report.instance);
    if (self.runs) {
        fail_(fmt::format("{} is said to have ended, and runs", report.instance));
    }
    check_reason(report.instance, self, report);
    const bool was_known = self.is_known;
    self.is_end_said = true;
    self.is_known = self.is_launching = false;
    Revision& its = revision(self.revision);
    if (self.is_logged && std::ranges::find(its.ended, report.instance) == its.ended.end()) {
        its.ended.push_back(report.instance);
    }
    if (report.reason.empty()) {
        forget_failures(self.revision, its);
        return;
    }
    if (report.reason != "LaunchFailed" && was_known && self.is_logged) {
        its.last_crash = report.instance;
    }
    const bool proven =
        self.ready_at != base::Instant{} && loop_.now() - self.ready_at >= options_.proven_after;
    its.failure = report.instance;
    its.failures = proven ? 1 : its.failures + 1;
    its.failed_at = loop_.now();
    its.start_after = loop_.now() + restart_delay(its.failures);
    forget_failures(self.revision, its);
    ++probes[report.reason.substr(0, report.reason.find_first_of("0123456789"))];
}

void AgentBook::check_reason(const std::string& name, const Instance& self,
                             const link::InstanceReport& report) {
    const auto known = machine_.known();
    const auto record = std::ranges::find(known, name, &host::KnownInstance::instance);
    std::string expected;
    std::string other;  // true as well
    if (self.is_draining || self.is_stopping) {
        expected = "";
    } else if (self.is_frozen) {
        // Nobody misses it; if it is to thaw already, somebody does.
        expected = "";
        other = report.reason;
    } else if (record == known.end() || !record->exit) {
        expected = "LaunchFailed";
        other = "Ended";  // the launcher lost it, and it never ran
    } else {
        const auto& exit = *record->exit;
        expected = exit.oom_kills > 0 ? "OOMKilled"
                   : exit.signal      ? fmt::format("Signal{}", *exit.signal)
                                      : fmt::format("ExitCode{}", exit.code.value_or(-1));
        if (self.is_kill_asked) {
            // What the sick are told depends on how long they were: seconds, for NotListening.
            const bool is_stopped = report.reason == "Stopped" && self.is_stop_heard;
            const bool is_taken = report.reason == "PortTaken" && apps_.met_a_squatter(name);
            const bool is_stuck =
                report.reason == "ThawFailed" && self.thaws_refused >= thaws_refused_max;
            other = is_stopped || is_taken || is_stuck ? report.reason
                    : report.reason == "NotListening" && self.ready_at == base::Instant{} &&
                            self.port != 0
                        ? "NotListening"
                        : "ProbeFailed";
        } else {
            other = expected;
        }
        if (report.exit_code != exit.code || report.exit_signal != exit.signal) {
            fail_(fmt::format("{} ended otherwise than was reported ({})", name, report.message));
        }
    }
    if (report.reason != expected && report.reason != other) {
        fail_(fmt::format("{} ended for \"{}\", and \"{}\" was reported", name, expected,
                          report.reason));
    }
}

void AgentBook::said_cold_start(const link::ColdStart& start) {
    base::Duration at{};
    for (const auto& stage : start.stages) {
        if (stage.at != at || stage.took < base::Duration(0)) {
            fail_(
                fmt::format("the waterfall of {} has a gap before {}", start.instance, stage.name));
        }
        at = stage.at + stage.took;
    }
    if (!instance(start.instance).is_ready) {
        fail_(fmt::format("{} is not ready, and its start is told", start.instance));
    }
}

}  // namespace tidemill::sim
