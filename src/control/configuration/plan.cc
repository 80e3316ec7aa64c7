#include "control/configuration/plan.h"

#include <fmt/format.h>

#include <algorithm>
#include <utility>

#include "base/mutant.h"
#include "base/text.h"
#include "control/configuration/names.h"
#include "model/serving/reasons.h"

namespace tidemill::control {

namespace {

using model::Object;

std::int64_t generation_of(const Object& revision) {
    return base::parse_number<std::int64_t>(
               text_of(revision.metadata.labels, serving::configuration_generation))
        .value_or(0);
}

Object wanted_revision(const Object& configuration, base::WallTime now) {
    Object revision{.kind = model::KindId::revision, .metadata = {}, .body = {}};
    auto& metadata = revision.metadata;
    metadata.namespace_name = configuration.metadata.namespace_name;
    metadata.name = revision_name(configuration);
    const auto copy = [&](std::string_view field, model::TextMap& into) {
        const auto* from =
            model::find_member(configuration.spec(), {"template", "metadata", field});
        if (from == nullptr || !from->is_object()) {
            return;
        }
        for (const auto& member : from->get_object()) {
            if (member.value().is_string()) {
                into[std::string(member.key())] = model::as_view(member.value().get_string());
            }
        }
    };
    copy("labels", metadata.labels);
    copy("annotations", metadata.annotations);

    const auto label = [&](std::string_view key, std::string value) {
        if (!value.empty()) {
            metadata.labels[std::string(key)] = std::move(value);
        }
    };
    const auto& parent = configuration.metadata;
    label(serving::configuration, parent.name);
    label(serving::configuration_generation, std::to_string(parent.generation));
    label(serving::configuration_uid, parent.uid);
    label(serving::service, std::string(text_of(parent.labels, serving::service)));
    label(serving::service_uid, std::string(text_of(parent.labels, serving::service_uid)));

    const auto routes = text_of(parent.annotations, serving::routes);
    label(serving::routing_state, routes.empty() ? "pending" : "active");
    metadata.annotations[std::string(serving::routing_state_modified)] = base::format_rfc3339(now);
    if (!routes.empty()) {
        metadata.annotations[std::string(serving::routes)] = routes;
    }
    if (const auto who = text_of(parent.annotations, serving::last_modifier); !who.empty()) {
        metadata.annotations[std::string(serving::creator)] = who;
    }
    metadata.owner_references = {model::controller_reference(configuration)};
    if (const auto* spec = model::find_member(configuration.spec(), {"template", "spec"})) {
        revision.body["spec"] = *spec;
    }
    return revision;
}

// The revision that stands for the current generation, if it is there.
ObjectPtr current_revision(const ConfigurationWorld& world) {
    const auto& configuration = *world.configuration;
    if (world.named_revision != nullptr) {
        return world.named_revision;
    }
    for (const auto& revision : world.revisions) {
        if (is_controlled_by(*revision, configuration) &&
            generation_of(*revision) == configuration.metadata.generation &&
            model::text_at(configuration.spec(), {"template", "metadata", "name"}).empty()) {
            return revision;
        }
    }
    return nullptr;
}

// The newest ready revision, no older than the one that was latest ready before.
ObjectPtr latest_ready(const ConfigurationWorld& world, const Object& created) {
    const auto& configuration = *world.configuration;
    const auto before = model::text_at(configuration.status(), {"latestReadyRevisionName"});
    std::int64_t oldest = 0;
    for (const auto& revision : world.revisions) {
        if (revision->metadata.name == before) {
            oldest = generation_of(*revision);
        }
    }
    ObjectPtr best;
    for (const auto& revision : world.revisions) {
        if (!is_controlled_by(*revision, configuration) || !is_ready(*revision) ||
            revision->metadata.deletion_timestamp) {
            continue;
        }
        // Asked for by name counts as newest: that is how one goes back to an older revision.
        if (revision->metadata.name == created.metadata.name) {
            return revision;
        }
        if ((generation_of(*revision) >= oldest ||
             TIDEMILL_MUTANT("control.latest_ready_goes_back")) &&
            (best == nullptr || (generation_of(*revision) > generation_of(*best)) !=
                                    TIDEMILL_MUTANT("control.latest_ready_goes_back"))) {
            best = revision;
        }
    }
    return best;
}

void report_created(const Object& created, const Object& configuration, StatusDraft& draft,
                    Plan& plan) {
    const auto conditions = conditions_of(created);
    const auto* ready = model::find_condition(conditions, model::condition_ready);
    if (ready == nullptr || ready->status != model::ConditionStatus::no) {
        return;
    }
    const auto before = conditions_of(configuration);
    draft.manage().mark_false(model::condition_ready,
                              model::reason_revision_failed(created.metadata.name, ready->message));
    const auto* was = model::find_condition(before, model::condition_ready);
    const auto* is = model::find_condition(draft.conditions, model::condition_ready);
    if (was != nullptr && was->status == is->status && was->message == is->message) {
        return;
    }
    const bool was_ready = model::text_at(configuration.status(), {"latestReadyRevisionName"}) ==
                           created.metadata.name;
    plan.notices.push_back({Notice::Type::warning,
                            was_ready ? "LatestReadyFailed" : "LatestCreatedFailed",
                            fmt::format("Latest {} revision \"{}\" has failed",
                                        was_ready ? "ready" : "created", created.metadata.name)});
}

void report_ready(const ConfigurationWorld& world, const Object& created, StatusDraft& draft,
                  Plan& plan) {
    const auto before =
        std::string(model::text_at(world.configuration->status(), {"latestReadyRevisionName"}));
    const auto ready = latest_ready(world, created);
    if (ready == nullptr) {
        return;
    }
    const auto& name = ready->metadata.name;
    if (before != name) {
        if (before.empty()) {
            plan.notices.push_back(
                {Notice::Type::normal, "ConfigurationReady", "Configuration becomes ready"});
        }
        plan.notices.push_back({Notice::Type::normal, "LatestReadyUpdate",
                                fmt::format("LatestReadyRevisionName updated to \"{}\"", name)});
    }
    draft.set("latestReadyRevisionName", name);
    if (name == created.metadata.name) {
        draft.manage().mark_true(model::condition_ready);
    }
}

}  // namespace

Plan plan_configuration(const ConfigurationWorld& world, base::WallTime now) {
    Plan plan;
    const auto& configuration = *world.configuration;
    if (configuration.metadata.deletion_timestamp) {
        return plan;
    }
    StatusDraft draft(configuration, {}, now);
    const auto created = current_revision(world);
    if (created == nullptr) {
        auto revision = wanted_revision(configuration, now);
        plan.notices.push_back({Notice::Type::normal, "Created",
                                fmt::format("Created Revision \"{}\"", revision.metadata.name)});
        draft.set("latestCreatedRevisionName", revision.metadata.name);
        draft.manage().mark_unknown(model::condition_ready, {});
        plan.changes.push_back({Action::create, std::move(revision)});
        draft.finish(plan, configuration);
        return plan;
    }
    if (!may_use_named_revision(*created, configuration)) {
        draft.manage().mark_false(
            model::condition_ready,
            model::reason_revision_not_created(fmt::format(
                "revisions.serving.knative.dev \"{}\" already exists", created->metadata.name)));
        draft.finish(plan, configuration);
        return plan;
    }
    draft.set("latestCreatedRevisionName", created->metadata.name);
    if (model::text_at(configuration.status(), {"latestReadyRevisionName"}) !=
        created->metadata.name) {
        if (!model::is_false(conditions_of(*created), model::condition_ready)) {
            draft.manage().mark_unknown(model::condition_ready, {});
        }
    }
    report_created(*created, configuration, draft, plan);
    report_ready(world, *created, draft, plan);
    draft.finish(plan, configuration);
    return plan;
}

}  // namespace tidemill::control
