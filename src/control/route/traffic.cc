#include "control/route/traffic.h"

#include <utility>

#include "base/mutant.h"
#include "model/serving/reasons.h"

namespace tidemill::control {

namespace {

using model::Object;
using model::TrafficTarget;
using Verdict = TrafficProblem::Verdict;

std::vector<TrafficTarget> traffic_of(const model::JsonObject& part) {
    const auto* list = model::find_member(part, {"traffic"});
    return list != nullptr && list->is_array() ? model::read_traffic(list->get_array())
                                               : std::vector<TrafficTarget>();
}

TrafficProblem missing(std::string_view kind, std::string_view name) {
    return {Verdict::fails, model::reason_target_missing(kind, name)};
}

TrafficProblem unready_revision(const Object& revision) {
    const auto& name = revision.metadata.name;
    if (model::is_false(conditions_of(revision), model::condition_ready)) {
        return {Verdict::fails, model::reason_revision_never_ready(name)};
    }
    return {Verdict::waits, model::reason_revision_waits(name)};
}

TrafficProblem unready_configuration(const Object& configuration) {
    const auto& name = configuration.metadata.name;
    if (model::is_false(conditions_of(configuration), model::condition_ready)) {
        return {Verdict::fails, model::reason_configuration_never_ready(name)};
    }
    return {Verdict::waits, model::reason_configuration_waits(name)};
}

const Object* find(const std::map<std::string, ObjectPtr, std::less<>>& in, std::string_view name) {
    const auto found = in.find(name);
    return found == in.end() ? nullptr : found->second.get();
}

class Resolver {
public:
    Resolver(const Object& route, const TrafficWorld& world) : route_(route), world_(world) {}

    void add(const TrafficTarget& target) {
        auto problem = target.revision_name.empty() ? add_latest(target) : add_pinned(target);
        // One that will not pass by itself is worth more to a person than one that may.
        if (problem && (!problem_ || problem->verdict == Verdict::fails)) {
            problem_ = std::move(problem);
        }
    }
    ResolvedTraffic result() && {
        if (problem_) {
            targets_.clear();
        }
        return {std::move(targets_), std::move(problem_)};
    }

private:
    std::optional<TrafficProblem> add_latest(const TrafficTarget& target) {
        const auto* configuration = find(world_.configurations, target.configuration_name);
        if (configuration == nullptr) {
            return missing("Configuration", target.configuration_name);
        }
        const bool hasty = TIDEMILL_MUTANT("control.route_before_ready");
        const auto name =
            model::text_at(configuration->status(),
                           {hasty ? "latestCreatedRevisionName" : "latestReadyRevisionName"});
        if (name.empty()) {
            return unready_configuration(*configuration);
        }
        const auto* revision = find(world_.revisions, name);
        if (revision == nullptr) {
            return missing("Revision", name);
        }
        if (!hasty && !is_ready(*revision)) {
            return unready_revision(*revision);
        }
        merge(target, *revision);
        return std::nullopt;
    }

    std::optional<TrafficProblem> add_pinned(const TrafficTarget& target) {
        const auto* revision = find(world_.revisions, target.revision_name);
        if (revision == nullptr) {
            return missing("Revision", target.revision_name);
        }
        const auto wanted = text_of(route_.metadata.labels, serving::service);
        const auto actual = text_of(revision->metadata.labels, serving::service);
        if (!wanted.empty() && wanted != actual) {
            return TrafficProblem{Verdict::fails, model::reason_revision_not_owned(
                                                      target.revision_name, wanted, actual)};
        }
        if (!is_ready(*revision)) {
            return unready_revision(*revision);
        }
        if (const auto name = text_of(revision->metadata.labels, serving::configuration);
            !name.empty() && find(world_.configurations, name) == nullptr) {
            return missing("Configuration", name);
        }
        merge(target, *revision);
        return std::nullopt;
    }

    void merge(const TrafficTarget& target, const Object& revision) {
        for (auto& known : targets_) {
            if (known.tag == target.tag && known.revision_name == revision.metadata.name &&
                known.latest_revision == target.latest_revision) {
                known.percent = known.percent.value_or(0) + target.percent.value_or(0);
                return;
            }
        }
        TrafficTarget resolved;
        resolved.tag = target.tag;
        resolved.revision_name = revision.metadata.name;
        resolved.latest_revision = target.latest_revision;
        resolved.percent = target.percent.value_or(0);
        targets_.push_back(std::move(resolved));
    }

    const Object& route_;
    const TrafficWorld& world_;
    std::vector<TrafficTarget> targets_;
    std::optional<TrafficProblem> problem_;
};

}  // namespace

ResolvedTraffic resolve_traffic(const Object& route, const TrafficWorld& world) {
    Resolver resolver(route, world);
    for (const auto& target : traffic_of(route.spec())) {
        resolver.add(target);
    }
    return std::move(resolver).result();
}

TrafficNames names_in_traffic(const Object& route) {
    TrafficNames names;
    for (const auto* part : {&route.spec(), &route.status()}) {
        for (const auto& target : traffic_of(*part)) {
            if (!target.revision_name.empty()) {
                names.revisions.push_back(target.revision_name);
            } else if (!target.configuration_name.empty()) {
                names.configurations.push_back(target.configuration_name);
            }
        }
    }
    return names;
}

}  // namespace tidemill::control
