// What proxies are told: hosts with their targets, and the policy of every revision.
#pragma once

#include <string>
#include <vector>

#include "control/change.h"
#include "control/route/plan.h"
#include "link/messages.h"

namespace tidemill::control {

// "NAMESPACE/NAME".
std::string full_name(const model::Object& object);

// One per host of a Route: its own and its tags'. From what its status says, which changes only
// when every target is ready: a proxy is never told of a revision that was not.
std::vector<link::HostRoute> host_routes(const model::Object& route, const RouteSettings& settings);

// What a proxy must know of a revision. Fields that cannot be read take Knative's defaults.
link::RevisionPolicy revision_policy(const model::Object& revision);

// Everything, as one table for link::Table::replace, which finds the differences.
std::vector<link::Message> proxy_table(const std::vector<ObjectPtr>& routes,
                                       const std::vector<ObjectPtr>& revisions,
                                       const RouteSettings& settings);

}  // namespace tidemill::control
