#include "control/route/plan.h"

#include <fmt/format.h>

#include <algorithm>
#include <set>
#include <utility>

#include "model/object/name_template.h"
#include "model/serving/reasons.h"

namespace tidemill::control {

namespace {

using model::JsonArray;
using model::JsonObject;
using model::Object;

using model::condition_all_traffic_assigned;
using model::condition_certificate_provisioned;
using model::condition_ingress_ready;
constexpr std::string_view dependents[] = {condition_all_traffic_assigned, condition_ingress_ready,
                                           condition_certificate_provisioned};

bool is_local(const model::TextMap& labels) {
    return text_of(labels, serving::visibility) == "cluster-local";
}

// The name in the place of {{.Name}}: the Route's, or that of one of its tags.
std::string name_with_tag(const Object& route, std::string_view tag,
                          const RouteSettings& settings) {
    if (tag.empty()) {
        return route.metadata.name;
    }
    return model::expand_template(settings.network.tag_template,
                                  {{"Name", route.metadata.name}, {"Tag", tag}})
        .value_or(fmt::format("{}-{}", tag, route.metadata.name));
}

std::string url_of(const Object& route, std::string_view tag, bool local,
                   const RouteSettings& settings) {
    const auto& name = route.metadata.name;
    const auto& space = route.metadata.namespace_name;
    if (local) {
        return fmt::format("http://{}.{}.{}", name_with_tag(route, tag, settings), space,
                           settings.local_domain);
    }
    return fmt::format("{}://{}{}", settings.network.default_external_scheme,
                       settings.network.host(name, space, settings.domain, tag), settings.port);
}

Object placeholder(const Object& route, std::string name, const RouteSettings& settings) {
    Object service{.kind = model::KindId::core_service, .metadata = {}, .body = {}};
    service.metadata.name = std::move(name);
    service.metadata.namespace_name = route.metadata.namespace_name;
    service.metadata.owner_references = {model::controller_reference(route)};
    service.metadata.labels = route.metadata.labels;
    // The user may make one name of the Route private by labelling its Service.
    service.metadata.labels.erase(std::string(serving::visibility));
    service.metadata.labels[std::string(serving::route)] = route.metadata.name;
    service.metadata.annotations = route.metadata.annotations;
    service.body["spec"] = JsonObject{
        {"type", "ExternalName"},
        {"externalName", fmt::format("{}.{}.{}", service.metadata.name,
                                     route.metadata.namespace_name, settings.domain)},
        {"sessionAffinity", "None"},
        {"ports", JsonArray{JsonObject{{"name", "http2"},
                                       {"port", 80},
                                       {"protocol", "TCP"},
                                       {"targetPort", 80},
                                       {"appProtocol", "kubernetes.io/h2c"}}}},
    };
    return service;
}

// Adds what is wanted and keeps the rest: labels and annotations that were taken from a Route stay
// on its core Service (TestLabelPropagation and TestAnnotationPropagation assert it).
bool add_missing(model::TextMap& into, const model::TextMap& wanted) {
    bool changed = false;
    for (const auto& [key, value] : wanted) {
        auto& slot = into[key];
        changed = changed || slot != value;
        slot = value;
    }
    return changed;
}

// False when a name that the Route needs belongs to somebody else.
bool plan_placeholders(const RouteWorld& world, const RouteSettings& settings, StatusDraft& draft,
                       Plan& plan) {
    const auto& route = *world.route;
    const auto names = placeholder_names(route, settings);
    for (const auto& name : names) {
        const auto known = std::ranges::find_if(
            world.placeholders, [&](const ObjectPtr& it) { return it->metadata.name == name; });
        auto wanted = placeholder(route, name, settings);
        if (known == world.placeholders.end()) {
            plan.notices.push_back({Notice::Type::normal, "Created",
                                    fmt::format("Created placeholder service \"{}\"", name)});
            plan.changes.push_back({Action::create, std::move(wanted)});
            continue;
        }
        if (!is_controlled_by(**known, route)) {
            draft.manage().mark_false(condition_ingress_ready,
                                      model::reason_not_owned("placeholder Service", name));
            return false;
        }
        Object next = **known;
        const bool labels = add_missing(next.metadata.labels, wanted.metadata.labels);
        const bool annotations =
            add_missing(next.metadata.annotations, wanted.metadata.annotations);
        const bool spec = !model::same_meaning(next.spec(), wanted.spec());
        if (labels || annotations || spec) {
            next.body["spec"] = wanted.body["spec"];
            plan.changes.push_back({Action::update, std::move(next)});
        }
    }
    for (const auto& known : world.placeholders) {
        if (is_controlled_by(*known, route) && !known->metadata.deletion_timestamp &&
            std::ranges::find(names, known->metadata.name) == names.end()) {
            plan.changes.push_back({Action::remove, *known});
        }
    }
    return true;
}

bool placeholder_is_local(const RouteWorld& world, const std::string& name) {
    return std::ranges::any_of(world.placeholders, [&](const ObjectPtr& it) {
        return it->metadata.name == name && is_local(it->metadata.labels);
    });
}

void assign_traffic(const RouteWorld& world, const RouteSettings& settings,
                    std::vector<model::TrafficTarget> targets, StatusDraft& draft) {
    const auto& route = *world.route;
    for (auto& target : targets) {
        if (!target.tag.empty()) {
            const bool local =
                is_local(route.metadata.labels) ||
                placeholder_is_local(world, name_with_tag(route, target.tag, settings));
            target.url = url_of(route, target.tag, local, settings);
        }
    }
    draft.fields["traffic"] = model::to_json(targets);
    draft.manage().mark_true(condition_all_traffic_assigned);
}

}  // namespace

std::vector<std::string> placeholder_names(const Object& route, const RouteSettings& settings) {
    std::set<std::string> names{route.metadata.name};
    if (const auto* list = model::find_member(route.spec(), {"traffic"});
        list != nullptr && list->is_array()) {
        for (const auto& target : model::read_traffic(list->get_array())) {
            names.insert(name_with_tag(route, target.tag, settings));
        }
    }
    return {names.begin(), names.end()};
}

Plan plan_route_object(const RouteWorld& world, const RouteSettings& settings, base::WallTime now) {
    Plan plan;
    const auto& route = *world.route;
    if (route.metadata.deletion_timestamp) {
        return plan;
    }
    StatusDraft draft(route, dependents, now);
    const bool local =
        is_local(route.metadata.labels) || placeholder_is_local(world, route.metadata.name);
    draft.set("url", url_of(route, {}, local, settings));
    if (!is_observed(route)) {
        draft.manage().mark_unknown(condition_ingress_ready,
                                    model::reason_ingress_not_configured());
    }
    // Said at once: that no certificate is made does not depend on where requests go.
    draft.manage().mark_true(condition_certificate_provisioned, model::reason_tls_not_enabled());
    auto resolved = resolve_traffic(route, world.traffic);
    if (resolved.problem) {
        model::Reason why = resolved.problem->reason;
        if (resolved.problem->verdict == TrafficProblem::Verdict::fails) {
            draft.manage().mark_false(condition_all_traffic_assigned, std::move(why));
        } else {
            draft.manage().mark_unknown(condition_all_traffic_assigned, std::move(why));
        }
        draft.finish(plan, route);
        return plan;
    }
    // A name that is somebody else's must not be answered for, so that no host has two routes.
    if (!plan_placeholders(world, settings, draft, plan)) {
        draft.finish(plan, route);
        return plan;
    }
    assign_traffic(world, settings, std::move(resolved.targets), draft);
    draft.fields["address"] =
        JsonObject{{"url", fmt::format("http://{}.{}.svc.cluster.local", route.metadata.name,
                                       route.metadata.namespace_name)}};
    draft.manage().mark_true(condition_ingress_ready);
    draft.finish(plan, route);
    return plan;
}

}  // namespace tidemill::control
