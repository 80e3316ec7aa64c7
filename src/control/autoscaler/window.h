// What a revision's load was lately: sums of one second each, averaged over a window.
#pragma once

#include <cstdint>
#include <optional>
#include <vector>

#include "base/time.h"

namespace tidemill::control {

enum class Aggregation : std::uint8_t { linear, weighted_exponential };

// A ring of sums. All reported within one second adds up; a second without a report counts as zero
// once a later one was written. Times are those of the caller: nothing here reads a clock.
// Source of the arithmetic: knative/serving pkg/autoscaler/aggregation/bucketing.go.
class LoadWindow {
public:
    static constexpr base::Duration bucket_size = std::chrono::seconds(1);

    // `span`: at least one bucket, else one bucket.
    LoadWindow(base::Duration span, Aggregation aggregation);

    // Adds to the sum of the second that `at` lies in. Ignored when that is a whole window before
    // the latest write.
    void record(base::Instant at, double value);
    // True when nothing was recorded for a window's length (or ever).
    bool empty(base::Instant now) const;
    // Linear: the mean over the seconds elapsed since the first write, at most the window, so that
    // a window that is not full yet does not read low; rounded to six digits. Weighted: recent
    // seconds count more. Zero when empty.
    double average(base::Instant now) const;
    // Keeps what fits of what is there.
    void resize(base::Duration span, base::Instant now);
    base::Duration span() const { return span_; }

private:
    double linear_average(std::int64_t now) const;
    double weighted_average(std::int64_t now) const;
    double& bucket(std::int64_t second);
    double bucket(std::int64_t second) const;
    std::int64_t size() const { return static_cast<std::int64_t>(buckets_.size()); }

    base::Duration span_;
    Aggregation aggregation_;
    double smoothing_ = 0;
    std::vector<double> buckets_;
    // In whole seconds. Absent before the first write.
    std::optional<std::int64_t> first_write_;
    std::optional<std::int64_t> last_write_;
    double total_ = 0;
};

// How fast the weight of the past decays in a weighted window of so many buckets.
double smoothing_of(double buckets);

// The largest of the values recorded within a span, in steps of `step`.
// Source: knative/serving pkg/autoscaler/aggregation/max.
class MaximumWindow {
public:
    MaximumWindow(base::Duration span, base::Duration step);

    // Times do not go backwards.
    void record(base::Instant at, std::int32_t value);
    // The largest recorded that is still within the span at `now`, or nothing.
    std::optional<std::int32_t> current(base::Instant now) const;
    base::Duration span() const { return span_; }

private:
    struct Entry {
        std::int64_t index;
        std::int32_t value;
    };
    std::int64_t index_of(base::Instant at) const;

    base::Duration span_;
    base::Duration step_;
    std::int64_t steps_;
    std::vector<Entry> descending_;  // values fall, indexes rise: the first is the largest
};

}  // namespace tidemill::control
