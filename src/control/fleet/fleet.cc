#include "control/fleet/fleet.h"

#include <algorithm>
#include <utility>

#include "base/mutant.h"
#include "control/route_table/route_table.h"
#include "model/serving/serving.h"

namespace tidemill::control {

namespace {

template <typename T>
void keep_latest(std::vector<T>& in, T value, std::size_t max) {
    if (in.size() >= max) {
        in.erase(in.begin());
    }
    in.push_back(std::move(value));
}

// What two decisions of the same kind have in common is not worth keeping twice.
bool says_something_new(const AutoscalerDecision& decision, const AutoscalerDecision& before) {
    return decision.scaler.wanted != before.scaler.wanted ||
           decision.scaler.reason != before.scaler.reason ||
           decision.after.state != before.after.state || decision.ready != before.ready;
}

}  // namespace

std::int32_t Fleet::ready_of(const Entry& entry) {
    if (entry.is_haunted) {
        return 0;
    }
    return static_cast<std::int32_t>(
        std::ranges::count(entry.endpoints, link::InstanceState::ready, &link::Endpoint::state));
}

std::int32_t Fleet::living_of(const Entry& entry) {
    return static_cast<std::int32_t>(std::ranges::count_if(entry.endpoints, [](const auto& it) {
        return it.state == link::InstanceState::ready || it.state == link::InstanceState::starting;
    }));
}

// Nothing runs, nothing is asked for, nobody calls: a decision would say the same again.
bool Fleet::rests(const Entry& entry) {
    return entry.autoscaler && entry.applied == 0 && entry.wanted == 0 &&
           entry.autoscaler->desired() == 0 && entry.endpoints.empty() &&
           entry.autoscaler->activity().state.activity == Activity::inactive;
}

void Fleet::take(const model::Object& revision, const model::PlatformConfig& platform, Moment at) {
    const auto name = full_name(revision);
    const auto known = entries_.find(name);
    const bool is_new = known == entries_.end() || known->second.uid != revision.metadata.uid;
    if (is_new) {
        drop(name);
    }
    auto& entry = entries_[name];
    entry.uid = revision.metadata.uid;
    entry.policy = revision_policy(revision);
    entry.standing = standing_of(revision);
    untold_.insert(name);
    if (is_new) {
        entry.past = remembered_scale(revision);
        entry.taken_wall = at.wall;
        if (const auto early = early_.extract(name)) {
            entry.endpoints = early.mapped();
            entry.is_haunted = !entry.past && !entry.endpoints.empty() &&
                               !TIDEMILL_MUTANT("control.ghosts_answer");
        }
        if (const auto early = early_failures_.extract(name)) {
            report(early.mapped());
        }
    }
    const auto spec = model::read_revision_spec(revision);
    const auto concurrency = spec ? spec->container_concurrency.value_or(0) : 0;
    entry.scaling =
        resolve_scaling(revision.metadata.annotations, concurrency,
                        reachability_of(entry.standing, entry.wanted, ready_of(entry)), platform);
    if (is_new) {
        entry.applied = std::max(entry.scaling.scaler.initial_scale, 0);
    }
    if (entry.autoscaler) {
        entry.autoscaler->update(entry.scaling, at.now);
    }
}

void Fleet::drop(const std::string& revision) {
    const auto found = entries_.find(revision);
    if (found == entries_.end()) {
        return;
    }
    // They run until the agent has obeyed; a new revision of the name must know.
    if (!found->second.endpoints.empty()) {
        early_[revision] = std::move(found->second.endpoints);
    }
    entries_.erase(found);
    untold_.insert(revision);
}

std::vector<std::string> Fleet::names() const {
    std::vector<std::string> result;
    for (const auto& [name, entry] : entries_) {
        result.push_back(name);
    }
    return result;
}

std::vector<std::string> Fleet::names_with_endpoints() const {
    std::vector<std::string> result;
    for (const auto& [name, entry] : entries_) {
        if (!entry.endpoints.empty()) {
            result.push_back(name);
        }
    }
    for (const auto& [name, endpoints] : early_) {
        result.push_back(name);
    }
    return result;
}

bool Fleet::has_image(const std::string& revision) const {
    const auto found = entries_.find(revision);
    return found != entries_.end() && found->second.image == RevisionFacts::Image::found;
}

void Fleet::set_image(const std::string& revision, link::InstanceSpec spec, std::string digest) {
    const auto found = entries_.find(revision);
    if (found == entries_.end() || found->second.image == RevisionFacts::Image::found) {
        return;
    }
    found->second.image = RevisionFacts::Image::found;
    found->second.spec = std::move(spec);
    found->second.image_digest = std::move(digest);
    untold_.insert(revision);
}

void Fleet::set_image_problem(const std::string& revision, std::string problem) {
    const auto found = entries_.find(revision);
    if (found == entries_.end() || found->second.image == RevisionFacts::Image::found) {
        return;
    }
    found->second.image = RevisionFacts::Image::missing;
    found->second.image_problem = std::move(problem);
}

void Fleet::agent_connected() {
    ++agents_;
}

void Fleet::agent_disconnected() {
    // What runs is as it was when last heard of: instances outlive their agent.
    if (--agents_ == 0) {
        agent_heard_.reset();
    }
}

void Fleet::agent_heard(base::Instant now) {
    if (!agent_heard_) {
        agent_heard_ = now;
    }
}

void Fleet::proxy_connected(base::Instant now) {
    if (++proxies_ == 1) {
        proxy_since_ = now;
    }
}

void Fleet::proxy_disconnected() {
    --proxies_;
}

bool Fleet::endpoints(const link::RevisionEndpoints& endpoints) {
    const auto found = entries_.find(endpoints.revision);
    if (found == entries_.end()) {
        if (endpoints.endpoints.empty()) {
            early_.erase(endpoints.revision);
        } else {
            early_[endpoints.revision] = endpoints.endpoints;
        }
        return false;
    }
    auto& entry = found->second;
    entry.endpoints = endpoints.endpoints;
    // Nobody has asked for them in this revision's name: no autoscaler now, none before.
    const bool is_asked_for = entry.autoscaler || entry.past;
    entry.is_haunted = !entry.endpoints.empty() && (entry.is_haunted || !is_asked_for) &&
                       !TIDEMILL_MUTANT("control.ghosts_answer");
    std::erase_if(entry.reports, [&](const auto& report) {
        return std::ranges::find(entry.endpoints, report.first, &link::Endpoint::instance) ==
               entry.endpoints.end();
    });
    if (ready_of(entry) > 0) {
        entry.failure.reset();
    }
    return true;
}

bool Fleet::no_endpoints(const std::string& revision) {
    return endpoints({revision, {}});
}

void Fleet::report(const link::InstanceReport& report) {
    const auto found = entries_.find(report.revision);
    if (found == entries_.end()) {
        // Later it is of one that is gone, whatever comes by that name.
        if (!told_whole_ && !report.reason.empty() &&
            (early_failures_.contains(report.revision) ||
             early_failures_.size() < limits_.early_failures_max)) {
            early_failures_[report.revision] = report;
        }
        return;
    }
    auto& entry = found->second;
    // An agent tells of an end again when it has called again: by then the table does not know it.
    if (report.state == link::InstanceState::ended &&
        std::ranges::find(entry.endpoints, report.instance, &link::Endpoint::instance) ==
            entry.endpoints.end()) {
        entry.reports.erase(report.instance);
    } else if (entry.reports.size() < limits_.instances_max ||
               entry.reports.contains(report.instance)) {
        entry.reports[report.instance] = report;
    }
    if (!report.reason.empty() && ready_of(entry) == 0) {
        entry.failure = report;
    }
}

void Fleet::cold_start(const link::ColdStart& start) {
    if (const auto found = entries_.find(start.revision); found != entries_.end()) {
        keep_latest(found->second.cold_starts, start, limits_.cold_starts_max);
    }
}

void Fleet::held_request(const link::HeldRequest& request) {
    if (const auto found = entries_.find(request.revision); found != entries_.end()) {
        keep_latest(found->second.held, request, limits_.cold_starts_max);
    }
}

bool Fleet::stats(const link::RevisionStats& stats, base::Instant now) {
    const auto found = entries_.find(stats.revision);
    if (found == entries_.end() || !found->second.autoscaler || found->second.is_haunted) {
        return false;
    }
    auto& autoscaler = *found->second.autoscaler;
    const double load = std::max(stats.concurrency_average, stats.waiting > 0 ? 1.0 : 0.0);
    const bool poked = autoscaler.poked_by(load);
    autoscaler.record(now, load, stats.requests);
    return poked;
}

void Fleet::start_autoscaler(Entry& entry, Moment at) {
    const auto living = living_of(entry);
    std::optional<Past> past;
    if (entry.past) {
        // On the calendar the past may lie in the future: a clock was set back.
        const auto ago = std::clamp<base::Duration>(at.wall - entry.past->since, base::Duration(0),
                                                    std::chrono::hours(24));
        past.emplace();
        past->activity = {{entry.past->activity, at.now - ago, entry.past->timed_out},
                          entry.past->initialized};
        past->ready = ready_of(entry);
        // What runs was wanted by somebody: an older autoscaler, or a proxy that woke it. What
        // never came up is still to come up.
        const bool starts = !entry.past->initialized &&
                            entry.past->activity == Activity::activating && entry.past->wanted != 0;
        entry.applied =
            std::max({entry.past->wanted, living, starts ? entry.scaling.scaler.initial_scale : 0});
    } else {
        entry.applied = std::max(entry.scaling.scaler.initial_scale, living);
    }
    entry.autoscaler.emplace(entry.scaling, past, at.now);
}

bool Fleet::decide_entry(const std::string& name, Entry& entry, Moment at) {
    // Before the agent was heard nobody knows what runs; to decide would be to guess.
    if (entry.image != RevisionFacts::Image::found || !agent_heard_ || entry.is_haunted) {
        return false;
    }
    if (!entry.autoscaler) {
        start_autoscaler(entry, at);
        untold_.insert(name);
    }
    const auto ready = ready_of(entry);
    const auto reachability = reachability_of(entry.standing, entry.applied, ready);
    entry.scaling.decider.reachable = reachability != Reachability::unreachable;
    entry.autoscaler->update(entry.scaling, at.now);
    const bool heard = proxies_ > 0 && at.now - proxy_since_ >= limits_.proxy_patience;
    using Silence = RevisionAutoscaler::Observation::Silence;
    const auto decision = entry.autoscaler->decide(
        {at.now, ready, reachability, heard ? Silence::no_load : Silence::unknown});
    const auto applied = entry.applied;
    const auto wanted = entry.wanted;
    if (decision.scaler.apply) {
        entry.applied = decision.scaler.wanted;
    }
    if (applied != entry.applied) {
        untold_.insert(name);
    }
    entry.wanted = entry.applied;
    const bool first = entry.decisions.empty();
    if (first || says_something_new(decision, entry.decisions.back().decision)) {
        keep_latest(entry.decisions, Decided{at.wall, decision}, limits_.decisions_max);
    } else {
        entry.decisions.back() = {at.wall, decision};
    }
    return first || applied != entry.applied || wanted != entry.wanted ||
           decision.after != decision.before;
}

bool Fleet::decide(const std::string& revision, Moment at) {
    const auto found = entries_.find(revision);
    return found != entries_.end() && decide_entry(revision, found->second, at);
}

std::vector<std::string> Fleet::decide_all(Moment at) {
    std::vector<std::string> changed;
    for (auto& [name, entry] : entries_) {
        if (!rests(entry) && decide_entry(name, entry, at)) {
            changed.push_back(name);
        }
    }
    return changed;
}

RevisionFacts Fleet::facts(const std::string& revision) const {
    RevisionFacts facts;
    const auto found = entries_.find(revision);
    if (found == entries_.end()) {
        return facts;
    }
    const auto& entry = found->second;
    facts.image = entry.image;
    facts.image_problem = entry.image_problem;
    facts.image_digest = entry.image_digest;
    facts.wanted = entry.wanted;
    facts.ready = ready_of(entry);
    facts.failure = entry.failure;
    if (entry.autoscaler && !entry.decisions.empty()) {
        facts.activity = entry.autoscaler->activity();
    }
    return facts;
}

bool Fleet::holds_back(const Entry& entry, base::Instant now) const {
    const bool resolved = entry.image == RevisionFacts::Image::found && entry.autoscaler;
    return !resolved && living_of(entry) > 0 && !entry.is_haunted &&
           !TIDEMILL_MUTANT("control.table_before_images") && agent_heard_ &&
           now - *agent_heard_ < limits_.image_patience;
}

std::optional<Fleet::Untold> Fleet::take_untold(base::Instant now) {
    if (!agent_heard_ && !TIDEMILL_MUTANT("control.table_before_agent_was_heard")) {
        return std::nullopt;
    }
    if (!told_whole_) {
        for (const auto& [name, entry] : entries_) {
            if (holds_back(entry, now)) {
                return std::nullopt;
            }
            untold_.insert(name);
        }
        told_whole_ = true;
        early_failures_.clear();
    }
    Untold told;
    std::set<std::string> held;
    for (const auto& name : std::exchange(untold_, {})) {
        link::WantedRevision wanted;
        wanted.revision = name;
        const auto found = entries_.find(name);
        if (found != entries_.end() && holds_back(found->second, now)) {
            held.insert(name);
            continue;
        }
        if (found == entries_.end() || found->second.image != RevisionFacts::Image::found ||
            !found->second.autoscaler) {
            told.gone.push_back(std::move(wanted));
            continue;
        }
        const auto& entry = found->second;
        wanted.service = entry.policy.service;
        wanted.configuration = entry.policy.configuration;
        wanted.instances = static_cast<std::uint32_t>(entry.applied);
        wanted.instances_max = static_cast<std::uint32_t>(entry.scaling.scaler.scale_max);
        wanted.container_concurrency = entry.policy.container_concurrency;
        wanted.spec = entry.spec;
        told.puts.push_back(std::move(wanted));
    }
    untold_ = std::move(held);
    return told;
}

std::vector<Fleet::Decided> Fleet::decisions(const std::string& revision) const {
    const auto found = entries_.find(revision);
    return found == entries_.end() ? std::vector<Decided>()
                                   : std::vector<Decided>(found->second.decisions.begin(),
                                                          found->second.decisions.end());
}

std::vector<link::ColdStart> Fleet::cold_starts(const std::string& revision) const {
    const auto found = entries_.find(revision);
    return found == entries_.end() ? std::vector<link::ColdStart>()
                                   : std::vector<link::ColdStart>(found->second.cold_starts.begin(),
                                                                  found->second.cold_starts.end());
}

std::vector<link::HeldRequest> Fleet::held_requests(const std::string& revision) const {
    const auto found = entries_.find(revision);
    return found == entries_.end() ? std::vector<link::HeldRequest>()
                                   : std::vector<link::HeldRequest>(found->second.held.begin(),
                                                                    found->second.held.end());
}

std::vector<link::InstanceReport> Fleet::instances(const std::string& revision) const {
    std::vector<link::InstanceReport> result;
    if (const auto found = entries_.find(revision); found != entries_.end()) {
        for (const auto& [name, report] : found->second.reports) {
            // Kept for the next request, but no replica and no Pod.
            if (report.state != link::InstanceState::frozen) {
                result.push_back(report);
            }
        }
        // The last one that failed stays to be seen, with its log, until one is ready.
        const auto& failure = found->second.failure;
        if (failure && !found->second.reports.contains(failure->instance)) {
            result.push_back(*failure);
        }
    }
    return result;
}

std::int32_t Fleet::ready(const std::string& revision) const {
    const auto found = entries_.find(revision);
    return found == entries_.end() ? 0 : ready_of(found->second);
}

}  // namespace tidemill::control
