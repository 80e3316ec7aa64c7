// One revision's autoscaler: keeps its load, its state between decisions, and decides.
#pragma once

#include <cstdint>
#include <optional>

#include "base/time.h"
#include "control/autoscaler/decider.h"
#include "control/autoscaler/scaler.h"
#include "control/autoscaler/settings.h"
#include "control/autoscaler/window.h"

namespace tidemill::control {

// A decision of both halves: what load calls for, and what shall run. Complete: explain.h computes
// it again from itself.
struct AutoscalerDecision {
    std::optional<ScaleDecision> scale;  // nothing: no load was measured yet
    ScalerDecision scaler;
    ActivityStep before;
    ActivityStep after;
    std::int32_t ready = 0;

    friend bool operator==(const AutoscalerDecision&, const AutoscalerDecision&) = default;
};

// What an autoscaler is told of the past of a revision that is not new.
struct Past {
    ActivityStep activity;
    std::int32_t ready = 0;
};

// Every method takes the time; nothing here reads a clock. Times do not go backwards.
class RevisionAutoscaler {
public:
    // How often decide() is called when nothing pokes it. Source: Knative's multiscaler.
    static constexpr base::Duration tick = std::chrono::seconds(2);

    RevisionAutoscaler(RevisionScaling scaling, std::optional<Past> past, base::Instant now);

    // New bounds or reachability; keeps the load and the panic.
    void update(const RevisionScaling& scaling, base::Instant now);

    // Load of one second, summed over all who reported it.
    void record(base::Instant at, double concurrency, double requests);
    // True when a decision should not wait for the tick: at zero, and somebody came.
    bool poked_by(double concurrency) const;

    struct Observation {
        base::Instant now;
        std::int32_t ready = 0;
        Reachability reachability = Reachability::unknown;
        // Where a platform reports load even when there is none, silence means zero load; where it
        // does not (its reporter was not heard of yet), silence means that nothing is known.
        enum class Silence : std::uint8_t { unknown, no_load } silence = Silence::unknown;
    };
    AutoscalerDecision decide(const Observation& observation);

    const RevisionScaling& scaling() const { return scaling_; }
    const ActivityStep& activity() const { return activity_; }
    std::int32_t desired() const { return desired_; }

private:
    std::optional<ScaleDecision> decide_load(const Observation& observation);

    RevisionScaling scaling_;
    ActivityStep activity_;
    LoadWindow stable_concurrency_;
    LoadWindow panic_concurrency_;
    LoadWindow stable_requests_;
    LoadWindow panic_requests_;
    std::optional<MaximumWindow> delay_;
    PanicState panic_;
    std::int32_t desired_ = -1;
    std::int32_t excess_burst_capacity_ = 0;
    std::optional<base::Instant> buffered_since_;
};

}  // namespace tidemill::control
