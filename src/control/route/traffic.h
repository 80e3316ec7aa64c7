// Where a Route's traffic goes, down to revisions.
// Source of rules and sentences: knative/serving pkg/reconciler/route/traffic, at 98e5ef90.
#pragma once

#include <map>
#include <optional>
#include <string>
#include <vector>

#include "control/change.h"
#include "model/serving/conditions.h"
#include "model/serving/serving.h"

namespace tidemill::control {

struct TrafficWorld {
    // By name, of the Route's namespace; those that its traffic names, directly or as latest.
    std::map<std::string, ObjectPtr, std::less<>> configurations;
    std::map<std::string, ObjectPtr, std::less<>> revisions;
};

// Why traffic cannot be assigned as asked. `fails`: it will not come by itself.
struct TrafficProblem {
    enum class Verdict : std::uint8_t { waits, fails } verdict = Verdict::waits;
    model::Reason reason;
};

struct ResolvedTraffic {
    // One per revision and tag, with revisionName, in the order asked; URLs are not set.
    std::vector<model::TrafficTarget> targets;
    // Set when any target cannot be served; then `targets` is empty: a Route switches as a whole.
    std::optional<TrafficProblem> problem;
};

// Resolves the traffic of a Route's spec. A target is served only if its revision is ready.
ResolvedTraffic resolve_traffic(const model::Object& route, const TrafficWorld& world);

// Names that resolve_traffic asks `world` for, so that it can be gathered.
struct TrafficNames {
    std::vector<std::string> configurations;
    std::vector<std::string> revisions;
};
TrafficNames names_in_traffic(const model::Object& route);

}  // namespace tidemill::control
