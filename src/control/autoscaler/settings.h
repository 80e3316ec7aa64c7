// What configures the autoscaler: the platform's ConfigMap and a revision's annotations.
#pragma once

#include <cstdint>

#include "control/autoscaler/decider.h"
#include "control/autoscaler/scaler.h"
#include "control/autoscaler/window.h"
#include "model/object/json_fields.h"
#include "model/settings/config.h"

namespace tidemill::control {

// Everything that a revision's annotations and the platform's configuration resolve to.
struct RevisionScaling {
    DeciderSpec decider;
    ScalerSpec scaler;
    Aggregation aggregation = Aggregation::linear;

    friend bool operator==(const RevisionScaling&, const RevisionScaling&) = default;
};

// Annotations that cannot be read count as absent: admission has refused them long before.
// `container_concurrency`: 0 is unlimited.
RevisionScaling resolve_scaling(const model::TextMap& annotations,
                                std::int64_t container_concurrency, Reachability reachability,
                                const model::PlatformConfig& platform);

}  // namespace tidemill::control
