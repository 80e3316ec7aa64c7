// How a Revision is, from what its instances and its autoscaler say.
// Source of conditions, reasons and sentences: knative/serving pkg/apis/serving/v1/
// revision_lifecycle.go and pkg/reconciler/revision, at 98e5ef90.
#pragma once

#include <cstdint>
#include <optional>
#include <string>

#include "base/time.h"
#include "control/autoscaler/scaler.h"
#include "control/change.h"
#include "link/messages.h"

namespace tidemill::control {

struct RevisionFacts {
    // What became of looking up the image.
    enum class Image : std::uint8_t { pending, found, missing } image = Image::pending;
    std::string image_problem;  // when missing, for a person
    std::string image_digest;   // "registry/name@sha256:…", or empty where there is none

    // Nothing until the autoscaler has taken the revision on.
    std::optional<ActivityStep> activity;
    base::WallTime activity_since;
    std::int32_t wanted = -1;  // instances; -1: unknown
    std::int32_t ready = 0;
    // The latest thing that went wrong with an instance, while none is ready.
    std::optional<link::InstanceReport> failure;
};

Plan plan_revision(const model::Object& revision, const RevisionFacts& facts, base::WallTime now);

// What the status of a Revision remembers of its autoscaler, for one that starts anew.
struct RememberedScale {
    Activity activity = Activity::activating;
    base::WallTime since;
    bool timed_out = false;
    bool initialized = false;
    std::int32_t wanted = -1;
};
// Nothing if no autoscaler has ever said anything.
std::optional<RememberedScale> remembered_scale(const model::Object& revision);

// What a Revision says of itself that decides about its min-scale.
struct Standing {
    bool is_broken = false;  // its instances could not be started, or its image not be had
    Reachability routed = Reachability::unknown;
};
Standing standing_of(const model::Object& revision);
// Whether routes lead to it. One whose instances cannot run is not worth its min-scale.
Reachability reachability_of(const Standing& standing, std::int32_t wanted, std::int32_t ready);

}  // namespace tidemill::control
