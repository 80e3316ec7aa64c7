#include "control/revision/plan.h"

#include <fmt/format.h>

#include <utility>

#include "base/mutant.h"
#include "model/serving/reasons.h"
#include "model/serving/serving.h"

namespace tidemill::control {

namespace {

using model::JsonArray;
using model::JsonObject;
using model::Object;
using model::Reason;

using model::condition_active;
using model::condition_container_healthy;
using model::condition_resources_available;
constexpr std::string_view dependents[] = {condition_resources_available,
                                           condition_container_healthy};

// In status.annotations: once true it stays, and no condition says it for ever.
constexpr std::string_view initialized_key = "tidemill.dev/initial-scale-reached";

bool is_placed(const link::InstanceReport& report) {
    return report.reason != "LaunchFailed";
}

Reason failure_reason(const link::InstanceReport& report) {
    std::string message = report.message.empty() ? report.last_log : report.message;
    if (report.exit_code) {
        if (message.empty()) {
            message = "container exited with no error";
        }
        return model::reason_exited(*report.exit_code, message);
    }
    if (report.exit_signal && report.reason.empty()) {
        return model::reason_exited(128 + *report.exit_signal, message);
    }
    return {report.reason, message};
}

void report_image(const Object& revision, const RevisionFacts& facts, StatusDraft& draft) {
    if (facts.image == RevisionFacts::Image::missing) {
        const auto spec = model::read_revision_spec(revision);
        const auto* container = spec ? spec->serving_container() : nullptr;
        draft.manage().mark_false(
            condition_container_healthy,
            model::reason_image_missing(container == nullptr ? "" : container->image,
                                        facts.image_problem));
        return;
    }
    draft.manage().mark_unknown(condition_container_healthy, model::reason_resolving_digests());
    draft.manage().mark_unknown(condition_resources_available, model::reason_resolving_digests());
}

void report_instances(const RevisionFacts& facts, bool initialized, StatusDraft& draft) {
    if (facts.ready > 0) {
        draft.manage().mark_true(condition_container_healthy);
        if (initialized) {
            draft.manage().mark_true(condition_resources_available);
        }
    } else if (facts.failure) {
        auto why = failure_reason(*facts.failure);
        draft.manage().mark_false(
            is_placed(*facts.failure) ? condition_container_healthy : condition_resources_available,
            std::move(why));
    } else if (initialized && !model::is_false(draft.conditions, condition_container_healthy) &&
               !model::is_false(draft.conditions, condition_resources_available)) {
        draft.manage().mark_true(condition_container_healthy);
        draft.manage().mark_true(condition_resources_available);
    }
    if (!initialized && facts.ready == 0) {
        for (const auto condition : {condition_container_healthy, condition_resources_available}) {
            if (!model::is_false(draft.conditions, condition)) {
                draft.manage().mark_unknown(condition, model::reason_deploying());
            }
        }
    } else if (!initialized && !model::is_false(draft.conditions, condition_resources_available)) {
        draft.manage().mark_unknown(condition_resources_available, model::reason_deploying());
    }
}

void report_activity(const RevisionFacts& facts, StatusDraft& draft) {
    const auto& step = *facts.activity;
    const bool unavailable = model::is_false(draft.conditions, condition_resources_available) ||
                             model::is_false(draft.conditions, condition_container_healthy);
    switch (step.state.activity) {
        case Activity::active:
            draft.manage().mark_true(condition_active);
            break;
        case Activity::activating:
            draft.manage().mark_unknown(condition_active, model::reason_queued());
            break;
        case Activity::inactive:
            if (!step.initialized && !unavailable) {
                draft.manage().mark_false(condition_resources_available,
                                          model::reason_never_scaled());
            }
            if (step.state.timed_out) {
                draft.manage().mark_false(condition_active, model::reason_not_activated());
            } else {
                draft.manage().mark_false(condition_active, model::reason_no_traffic());
            }
            break;
    }
}

void report_digest(const Object& revision, const RevisionFacts& facts, StatusDraft& draft) {
    const auto spec = model::read_revision_spec(revision);
    const auto* container = spec ? spec->serving_container() : nullptr;
    if (facts.image_digest.empty() || container == nullptr) {
        return;
    }
    draft.fields["containerStatuses"] =
        JsonArray{JsonObject{{"name", container->name}, {"imageDigest", facts.image_digest}}};
}

}  // namespace

Plan plan_revision(const Object& revision, const RevisionFacts& facts, base::WallTime now) {
    Plan plan;
    if (revision.metadata.deletion_timestamp) {
        return plan;
    }
    const bool was_known = remembered_scale(revision).has_value();
    if (was_known && !TIDEMILL_MUTANT("control.restart_forgets") && !facts.activity &&
        facts.image != RevisionFacts::Image::missing) {
        // A control that has just begun knows less than the status, which is also its memory.
        return plan;
    }
    StatusDraft draft(revision, dependents, now);
    if (facts.image != RevisionFacts::Image::found) {
        report_image(revision, facts, draft);
        if (!was_known) {
            draft.manage().mark_unknown(condition_active, model::reason_deploying());
        }
        draft.finish(plan, revision);
        return plan;
    }
    report_digest(revision, facts, draft);
    const bool initialized = facts.activity && facts.activity->initialized;
    report_instances(facts, initialized, draft);
    if (facts.activity) {
        report_activity(facts, draft);
        draft.fields["actualReplicas"] = facts.ready;
        if (facts.wanted >= 0) {
            draft.fields["desiredReplicas"] = facts.wanted;
        }
    } else {
        draft.manage().mark_unknown(condition_active, model::reason_deploying());
    }
    if (initialized) {
        model::object_at(draft.fields, "annotations")[initialized_key] = "true";
    }
    draft.finish(plan, revision);
    return plan;
}

std::optional<RememberedScale> remembered_scale(const Object& revision) {
    const auto conditions = conditions_of(revision);
    const auto* condition = model::find_condition(conditions, condition_active);
    const auto* wanted = model::find_member(revision.status(), {"desiredReplicas"});
    if (condition == nullptr || condition->reason == model::reason_deploying().reason) {
        return std::nullopt;
    }
    RememberedScale past;
    past.since = condition->last_transition_time;
    past.timed_out = condition->reason == model::reason_not_activated().reason;
    switch (condition->status) {
        case model::ConditionStatus::yes:
            past.activity = Activity::active;
            break;
        case model::ConditionStatus::no:
            past.activity = Activity::inactive;
            break;
        case model::ConditionStatus::unknown:
            past.activity = Activity::activating;
            break;
    }
    past.initialized =
        model::text_at(revision.status(), {"annotations", initialized_key}) == "true";
    if (wanted != nullptr) {
        past.wanted = static_cast<std::int32_t>(model::integer_of(*wanted).value_or(-1));
    }
    return past;
}

Standing standing_of(const Object& revision) {
    const auto conditions = conditions_of(revision);
    Standing standing;
    standing.is_broken = model::is_false(conditions, condition_resources_available) ||
                         model::is_false(conditions, condition_container_healthy);
    const auto state = text_of(revision.metadata.labels, serving::routing_state);
    if (state == "active") {
        standing.routed = Reachability::reachable;
    } else if (state == "reserve") {
        standing.routed = Reachability::unreachable;
    }
    return standing;
}

Reachability reachability_of(const Standing& standing, std::int32_t wanted, std::int32_t ready) {
    return standing.is_broken && wanted > 0 && ready == 0 ? Reachability::unreachable
                                                          : standing.routed;
}

}  // namespace tidemill::control
