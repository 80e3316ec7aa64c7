#include "control/service/plan.h"

#include <fmt/format.h>

#include <algorithm>
#include <set>
#include <utility>

#include "base/mutant.h"
#include "base/text.h"
#include "control/configuration/names.h"
#include "model/serving/reasons.h"
#include "model/serving/serving.h"

namespace tidemill::control {

namespace {

using model::JsonObject;
using model::KindId;
using model::Object;

using model::condition_configurations_ready;
using model::condition_routes_ready;
constexpr std::string_view dependents[] = {condition_configurations_ready, condition_routes_ready};

model::TextMap labels_for_child(const Object& service) {
    auto labels = service.metadata.labels;
    labels[std::string(serving::service)] = service.metadata.name;
    return labels;
}

model::TextMap annotations_for_child(const Object& service) {
    auto annotations = service.metadata.annotations;
    annotations.erase(std::string(serving::last_applied));
    return annotations;
}

// The routes that a Configuration knows of keep their place when the Service rewrites it.
std::string routes_annotation(const Object& service, const Object* existing) {
    std::set<std::string, std::less<>> routes{service.metadata.name};
    if (existing != nullptr) {
        for (const auto name :
             base::split(text_of(existing->metadata.annotations, serving::routes), ',')) {
            if (!name.empty()) {
                routes.emplace(name);
            }
        }
    }
    return fmt::format("{}", fmt::join(routes, ","));
}

Object child_of(const Object& service, KindId kind) {
    Object child{.kind = kind, .metadata = {}, .body = {}};
    child.metadata.namespace_name = service.metadata.namespace_name;
    child.metadata.name = service.metadata.name;
    child.metadata.owner_references = {model::controller_reference(service)};
    child.metadata.labels = labels_for_child(service);
    child.metadata.annotations = annotations_for_child(service);
    return child;
}

Object wanted_configuration(const Object& service, const Object* existing) {
    auto child = child_of(service, KindId::configuration);
    child.metadata.labels[std::string(serving::service_uid)] = service.metadata.uid;
    child.metadata.annotations.erase(std::string(serving::rollout_duration));
    child.metadata.annotations.erase(std::string(serving::rollout_duration_old));
    child.metadata.annotations[std::string(serving::routes)] = routes_annotation(service, existing);
    JsonObject spec;
    if (const auto* tmpl = model::find_member(service.spec(), {"template"})) {
        spec["template"] = *tmpl;
    }
    child.body["spec"] = std::move(spec);
    return child;
}

Object wanted_route(const Object& service) {
    auto child = child_of(service, KindId::route);
    JsonObject spec;
    if (const auto* list = model::find_member(service.spec(), {"traffic"});
        list != nullptr && list->is_array()) {
        auto traffic = list->get_array();
        for (auto& target : traffic) {
            if (target.is_object() && model::text_at(target, {"revisionName"}).empty()) {
                target.get_object()["configurationName"] = model::as_json(service.metadata.name);
            }
        }
        spec["traffic"] = std::move(traffic);
    }
    child.body["spec"] = std::move(spec);
    return child;
}

// Adds what turns `existing` into `wanted`; true when it is that already.
bool settle(const Object* existing, Object wanted, Plan& plan, Notice created) {
    if (existing == nullptr) {
        plan.changes.push_back({Action::create, std::move(wanted)});
        plan.notices.push_back(std::move(created));
        return false;
    }
    if (model::same_meaning(existing->spec(), wanted.spec()) &&
        (existing->metadata.labels == wanted.metadata.labels ||
         TIDEMILL_MUTANT("control.drift_stays")) &&
        existing->metadata.annotations == wanted.metadata.annotations) {
        return true;
    }
    Object next = *existing;
    next.body["spec"] = wanted.body["spec"];
    next.metadata.labels = std::move(wanted.metadata.labels);
    next.metadata.annotations = std::move(wanted.metadata.annotations);
    plan.changes.push_back({Action::update, std::move(next)});
    return false;
}

void take_ready(StatusDraft& draft, std::string_view condition, const Object& child) {
    const auto conditions = conditions_of(child);
    const auto* ready = model::find_condition(conditions, model::condition_ready);
    if (ready == nullptr) {
        return;
    }
    switch (ready->status) {
        case model::ConditionStatus::yes:
            draft.manage().mark_true(condition);
            break;
        case model::ConditionStatus::no:
            draft.manage().mark_false(condition, {ready->reason, ready->message});
            break;
        case model::ConditionStatus::unknown:
            draft.manage().mark_unknown(condition, {ready->reason, ready->message});
            break;
    }
}

void copy_fields(StatusDraft& draft, const Object& child,
                 std::initializer_list<std::string_view> names) {
    for (const auto name : names) {
        if (const auto* value = child.status().if_contains(name)) {
            draft.fields[name] = *value;
        } else {
            draft.fields.stable_erase(name);
        }
    }
}

// Whether what the Route says it does is what it is asked to do, with latest resolved.
bool traffic_migrated(const Object& route, const Object& configuration) {
    const auto* wanted_list = model::find_member(route.spec(), {"traffic"});
    const auto* got_list = model::find_member(route.status(), {"traffic"});
    if (wanted_list == nullptr || got_list == nullptr || !wanted_list->is_array() ||
        !got_list->is_array()) {
        return wanted_list == nullptr && got_list == nullptr;
    }
    auto wanted = model::read_traffic(wanted_list->get_array());
    auto got = model::read_traffic(got_list->get_array());
    for (auto& target : wanted) {
        if (target.configuration_name == configuration.metadata.name) {
            target.revision_name =
                model::text_at(configuration.status(), {"latestReadyRevisionName"});
            target.configuration_name.clear();
        }
    }
    return std::ranges::equal(wanted, got, [](const auto& a, const auto& b) {
        return a.revision_name == b.revision_name && a.tag == b.tag &&
               a.percent.value_or(0) == b.percent.value_or(0) &&
               a.configuration_name == b.configuration_name;
    });
}

bool is_ours(const ObjectPtr& child, const Object& service) {
    return child == nullptr || is_controlled_by(*child, service);
}

void plan_route(const ServiceWorld& world, StatusDraft& draft, Plan& plan) {
    const auto& service = *world.service;
    if (!is_ours(world.route, service)) {
        draft.manage().mark_false(condition_routes_ready,
                                  model::reason_not_owned("Route", service.metadata.name));
        return;
    }
    const bool settled = settle(world.route.get(), wanted_route(service), plan,
                                {Notice::Type::normal, "Created",
                                 fmt::format("Created Route \"{}\"", service.metadata.name)});
    if (!settled || !is_observed(*world.route)) {
        draft.manage().mark_unknown(condition_routes_ready, model::reason_out_of_date("Route"));
        return;
    }
    copy_fields(draft, *world.route, {"url", "address", "traffic"});
    take_ready(draft, condition_routes_ready, *world.route);
    if (model::is_true(draft.conditions, condition_routes_ready) &&
        !traffic_migrated(*world.route, *world.configuration)) {
        draft.manage().mark_unknown(condition_routes_ready, model::reason_traffic_not_migrated());
    }
}

}  // namespace

Plan plan_service(const ServiceWorld& world, base::WallTime now) {
    Plan plan;
    const auto& service = *world.service;
    if (service.metadata.deletion_timestamp) {
        return plan;
    }
    StatusDraft draft(service, dependents, now);
    const auto finish = [&] {
        draft.finish(plan, service);
        return std::move(plan);
    };
    if (!is_ours(world.configuration, service)) {
        draft.manage().mark_false(condition_configurations_ready,
                                  model::reason_not_owned("Configuration", service.metadata.name));
        return finish();
    }
    const bool settled = settle(
        world.configuration.get(), wanted_configuration(service, world.configuration.get()), plan,
        {Notice::Type::normal, "Created",
         fmt::format("Created Configuration \"{}\"", service.metadata.name)});
    const auto named = model::text_at(service.spec(), {"template", "metadata", "name"});
    if (!settled || !is_observed(*world.configuration)) {
        draft.manage().mark_unknown(condition_configurations_ready,
                                    model::reason_out_of_date("Configuration"));
        // With a name given by the user the Route waits: else it could lead to a revision of that
        // name which is somebody else's.
        if (!named.empty() || !settled) {
            if (named.empty()) {
                plan_route(world, draft, plan);
            }
            return finish();
        }
    } else {
        copy_fields(draft, *world.configuration,
                    {"latestReadyRevisionName", "latestCreatedRevisionName"});
        take_ready(draft, condition_configurations_ready, *world.configuration);
    }
    if (!named.empty() && world.named_revision != nullptr &&
        !may_use_named_revision(*world.named_revision, *world.configuration)) {
        draft.manage().mark_false(condition_routes_ready, model::reason_revision_name_taken(named));
        return finish();
    }
    plan_route(world, draft, plan);
    return finish();
}

}  // namespace tidemill::control
