#include "telemetry/histogram.h"

#include <algorithm>
#include <cmath>

#include "base/check.h"

namespace tidemill::telemetry {

std::uint64_t HistogramShape::lowest_of(std::size_t bucket) const {
    const std::size_t parts = std::size_t{1} << precision_bits;
    if (bucket < 2 * parts) {
        return bucket;
    }
    const std::size_t shift = (bucket >> precision_bits) - 1;
    return static_cast<std::uint64_t>(bucket - (shift << precision_bits)) << shift;
}

std::uint64_t HistogramShape::highest_of(std::size_t bucket) const {
    return lowest_of(bucket + 1) - 1;
}

void HistogramSnapshot::merge(const HistogramSnapshot& other) {
    CHECK(shape_ == other.shape_);
    for (std::size_t i = 0; i < buckets_.size(); ++i) {
        buckets_[i] += other.buckets_[i];
    }
    count_ += other.count_;
    sum_ += other.sum_;
    max_ = std::max(max_, other.max_);
}

std::uint64_t HistogramSnapshot::quantile(double q) const {
    if (count_ == 0) {
        return 0;
    }
    const double clamped = std::clamp(q, 0.0, 1.0);
    const auto rank = std::max<std::uint64_t>(
        1, static_cast<std::uint64_t>(std::ceil(clamped * static_cast<double>(count_))));
    std::uint64_t seen = 0;
    for (std::size_t i = 0; i < buckets_.size(); ++i) {
        seen += buckets_[i];
        if (seen >= rank) {
            const auto low = shape_.lowest_of(i);
            return std::min(low + (shape_.highest_of(i) - low) / 2, max_);
        }
    }
    return max_;
}

std::uint64_t HistogramSnapshot::count_up_to(std::uint64_t value) const {
    std::uint64_t seen = 0;
    for (std::size_t i = 0; i < buckets_.size() && shape_.highest_of(i) <= value; ++i) {
        seen += buckets_[i];
    }
    return seen;
}

Histogram::Histogram(HistogramShape shape) : shape_(shape), buckets_(shape.bucket_count()) {
    CHECK(shape.precision_bits >= 1 && shape.precision_bits < shape.value_bits &&
          shape.value_bits < 63);
}

HistogramSnapshot Histogram::snapshot() const {
    HistogramSnapshot out(shape_);
    for (std::size_t i = 0; i < buckets_.size(); ++i) {
        out.buckets_[i] = buckets_[i].load(std::memory_order_relaxed);
        out.count_ += out.buckets_[i];
    }
    out.sum_ = sum_.load(std::memory_order_relaxed);
    out.max_ = max_.load(std::memory_order_relaxed);
    return out;
}

}  // namespace tidemill::telemetry
