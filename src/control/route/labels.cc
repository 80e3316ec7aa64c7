#include "control/route/labels.h"

#include <fmt/format.h>

#include <set>
#include <utility>

#include "base/text.h"
#include "model/serving/serving.h"

namespace tidemill::control {

namespace {

using model::Object;
using Names = std::set<std::string, std::less<>>;

struct Referenced {
    Names revisions;
    Names configurations;
};

const Object* find(const std::vector<ObjectPtr>& in, std::string_view name) {
    for (const auto& object : in) {
        if (object->metadata.name == name) {
            return object.get();
        }
    }
    return nullptr;
}

void add_target(const LabelWorld& world, const model::TrafficTarget& target, Referenced& into) {
    std::string configuration_name = target.configuration_name;
    if (!target.revision_name.empty()) {
        const auto* revision = find(world.revisions, target.revision_name);
        if (revision == nullptr) {
            return;
        }
        into.revisions.insert(target.revision_name);
        if (const auto* owner = revision->metadata.controller();
            owner != nullptr && owner->kind == "Configuration") {
            configuration_name = owner->name;
        }
    }
    const auto* configuration = find(world.configurations, configuration_name);
    if (configuration == nullptr) {
        return;
    }
    into.configurations.insert(configuration_name);
    // The revision that will be the latest is led to before it is ready, so that it keeps its
    // instances on the way.
    const auto created = model::text_at(configuration->status(), {"latestCreatedRevisionName"});
    if (target.latest_revision.value_or(false) && !created.empty()) {
        into.revisions.emplace(created);
    }
}

Referenced referenced_by(const LabelWorld& world) {
    Referenced result;
    if (world.route == nullptr || world.route->metadata.deletion_timestamp) {
        return result;
    }
    for (const auto* part : {&world.route->status(), &world.route->spec()}) {
        if (const auto* list = model::find_member(*part, {"traffic"});
            list != nullptr && list->is_array()) {
            for (const auto& target : model::read_traffic(list->get_array())) {
                add_target(world, target, result);
            }
        }
    }
    return result;
}

enum class State : std::uint8_t { kept, none };

// The object with the route added or taken away, if that changes it.
void settle(const Object& object, const std::string& route, bool led_to, State state,
            base::WallTime now, Plan& plan) {
    auto routes = routes_written_on(object);
    const bool moved = led_to ? routes.insert(route).second : routes.erase(route) > 0;
    Object next = object;
    if (moved) {
        if (routes.empty()) {
            next.metadata.annotations.erase(std::string(serving::routes));
        } else {
            next.metadata.annotations[std::string(serving::routes)] =
                fmt::format("{}", fmt::join(routes, ","));
        }
    }
    bool changed = moved;
    if (state == State::kept) {
        const std::string_view wanted = routes.empty() ? "reserve" : "active";
        auto& label = next.metadata.labels[std::string(serving::routing_state)];
        if (label != wanted) {
            label = wanted;
            next.metadata.annotations[std::string(serving::routing_state_modified)] =
                base::format_rfc3339(now);
            changed = true;
        }
    }
    if (changed) {
        plan.changes.push_back({Action::update, std::move(next)});
    }
}

}  // namespace

std::set<std::string, std::less<>> routes_written_on(const Object& object) {
    Names routes;
    for (const auto name :
         base::split(text_of(object.metadata.annotations, serving::routes), ',')) {
        if (!name.empty()) {
            routes.emplace(name);
        }
    }
    return routes;
}

namespace {

// A Service writes its Route on its Configuration before it makes the Route. Taking that away
// because there is no Route yet would be undone by the Service, for ever.
bool is_about_to_be_routed(const LabelWorld& world, const Object& object) {
    return world.route == nullptr &&
           text_of(object.metadata.labels, serving::service) == world.route_name;
}

}  // namespace

Plan plan_routing_labels(const LabelWorld& world, base::WallTime now) {
    Plan plan;
    const auto referenced = referenced_by(world);
    // A route that is not yet resolved keeps what it had: its status may be older than its spec.
    const bool resolved =
        world.route == nullptr || is_ready(*world.route) || is_failed(*world.route);
    const auto each = [&](const std::vector<ObjectPtr>& objects, const Names& names, State state) {
        for (const auto& object : objects) {
            if (object->metadata.deletion_timestamp || is_about_to_be_routed(world, *object)) {
                continue;
            }
            const bool led_to = names.contains(object->metadata.name);
            if (led_to || (resolved && routes_written_on(*object).contains(world.route_name))) {
                settle(*object, world.route_name, led_to, state, now, plan);
            }
        }
    };
    each(world.revisions, referenced.revisions, State::kept);
    each(world.configurations, referenced.configurations, State::none);
    return plan;
}

}  // namespace tidemill::control
