// A Route resolves its traffic, reserves its names and says where it is found.
// Source of rules and sentences: knative/serving pkg/reconciler/route, at 98e5ef90.
#pragma once

#include <vector>

#include "base/time.h"
#include "control/change.h"
#include "control/route/traffic.h"
#include "model/settings/config.h"

namespace tidemill::control {

struct RouteWorld {
    ObjectPtr route;
    TrafficWorld traffic;
    // core/v1 Services that have this Route's label or one of the names that it reserves.
    std::vector<ObjectPtr> placeholders;
};

struct RouteSettings {
    model::NetworkConfig network;
    std::string domain = "localhost";                // of hosts that everybody may reach
    std::string local_domain = "svc.cluster.local";  // of those that only services may
    std::string port;  // ":8080" where the proxy is not on the scheme's own port, else empty
};

// Traffic moves as a whole, and only to revisions that are ready; until then, and while any target
// is missing, status.traffic stays what it was, which is what proxies are told.
Plan plan_route_object(const RouteWorld& world, const RouteSettings& settings, base::WallTime now);

// The names of core Services that a Route reserves: its own, and one per tag.
std::vector<std::string> placeholder_names(const model::Object& route,
                                           const RouteSettings& settings);

}  // namespace tidemill::control
