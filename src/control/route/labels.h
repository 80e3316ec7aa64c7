// Which routes lead to a revision or a configuration, written on it: the autoscaler and the
// garbage collection read it there.
// Source: knative/serving pkg/reconciler/labeler, at 98e5ef90.
#pragma once

#include <functional>
#include <set>
#include <string>
#include <string_view>
#include <vector>

#include "base/time.h"
#include "control/change.h"

namespace tidemill::control {

struct LabelWorld {
    ObjectPtr route;  // null when it is gone: then nothing is led to any more
    std::string route_name;
    // All of the namespace that the route names or that name the route.
    std::vector<ObjectPtr> configurations;
    std::vector<ObjectPtr> revisions;
};

// Updates of metadata only.
Plan plan_routing_labels(const LabelWorld& world, base::WallTime now);

// The names of Routes in its annotation of routes.
std::set<std::string, std::less<>> routes_written_on(const model::Object& object);

}  // namespace tidemill::control
