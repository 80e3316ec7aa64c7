#include "control/autoscaler/window.h"

#include <algorithm>
#include <cmath>

namespace tidemill::control {

namespace {

// Source of both: knative/serving pkg/autoscaler/aggregation/bucketing.go.
constexpr double weight_precision = 0.9999;  // weights of a window sum to at least this
constexpr double smoothing_min = 0.2;        // below it, a long window is nearly the plain mean

std::int64_t second_of(base::Instant at) {
    return at.ns / LoadWindow::bucket_size.count();
}

std::size_t buckets_in(base::Duration span) {
    const double count = std::ceil(static_cast<double>(span.count()) /
                                   static_cast<double>(LoadWindow::bucket_size.count()));
    return static_cast<std::size_t>(std::max(count, 1.0));
}

double round_to_six_digits(double value) {
    const double scale = 1e6;
    return std::round(value * scale) / scale;
}

}  // namespace

double smoothing_of(double buckets) {
    return std::max(1 - std::pow(1 - weight_precision, 1 / buckets), smoothing_min);
}

LoadWindow::LoadWindow(base::Duration span, Aggregation aggregation)
    : span_(std::max(span, bucket_size)), aggregation_(aggregation), buckets_(buckets_in(span)) {
    smoothing_ = smoothing_of(static_cast<double>(buckets_.size()));
}

double& LoadWindow::bucket(std::int64_t second) {
    const auto index = ((second % size()) + size()) % size();
    return buckets_[static_cast<std::size_t>(index)];
}

double LoadWindow::bucket(std::int64_t second) const {
    const auto index = ((second % size()) + size()) % size();
    return buckets_[static_cast<std::size_t>(index)];
}

void LoadWindow::record(base::Instant at, double value) {
    const auto second = second_of(at);
    if (last_write_ != second) {
        const auto window = span_ / bucket_size;
        if (last_write_ && second + window <= *last_write_) {
            return;
        }
        if (!first_write_ || second < *first_write_) {
            first_write_ = second;
        }
        if (!last_write_ || second - *last_write_ >= window) {
            first_write_ = second;
            std::ranges::fill(buckets_, 0.0);
            total_ = 0;
            last_write_ = second;
        } else if (second > *last_write_) {
            for (auto skipped = *last_write_ + 1; skipped <= second; ++skipped) {
                total_ -= bucket(skipped);
                bucket(skipped) = 0;
            }
            last_write_ = second;
        }
    }
    bucket(second) += value;
    total_ += value;
}

bool LoadWindow::empty(base::Instant now) const {
    return !last_write_ || second_of(now) - *last_write_ > span_ / bucket_size;
}

double LoadWindow::average(base::Instant now) const {
    if (!last_write_) {
        return 0;
    }
    return aggregation_ == Aggregation::linear ? linear_average(second_of(now))
                                               : weighted_average(second_of(now));
}

double LoadWindow::linear_average(std::int64_t now) const {
    const auto since = now - *last_write_;
    if (since >= span_ / bucket_size) {
        return 0;
    }
    // A resize may have forgotten the first write: then the whole ring counts.
    const auto first = first_write_.value_or(*last_write_ - size() + 1);
    const auto elapsed = *last_write_ - first + 1;
    if (since <= 0) {
        return round_to_six_digits(total_ / static_cast<double>(std::min(elapsed, size())));
    }
    double sum = total_;
    for (auto silent = *last_write_ + 1; silent <= now; ++silent) {
        sum -= bucket(silent);
    }
    return round_to_six_digits(sum / static_cast<double>(std::min(elapsed, size() - since)));
}

double LoadWindow::weighted_average(std::int64_t now) const {
    const auto since = now - *last_write_;
    if (since > span_ / bucket_size) {
        return 0;
    }
    double weight = smoothing_;
    auto count = size();
    if (since > 0) {
        weight *= std::pow(1 - smoothing_, static_cast<double>(since));
        count -= since;
    }
    double sum = 0;
    for (std::int64_t back = 0; back < count; ++back) {
        sum += bucket(*last_write_ - back) * weight;
        weight *= 1 - smoothing_;
    }
    return sum;
}

void LoadWindow::resize(base::Duration span, base::Instant now) {
    if (span == span_) {
        return;
    }
    LoadWindow next(span, aggregation_);
    if (!empty(now)) {
        const auto kept = std::min(next.size(), size());
        for (std::int64_t back = 0; back < kept; ++back) {
            next.bucket(*last_write_ - back) = bucket(*last_write_ - back);
            next.total_ += bucket(*last_write_ - back);
        }
        next.first_write_ = *last_write_ - (size() - 1);
    }
    next.last_write_ = last_write_;
    *this = std::move(next);
}

MaximumWindow::MaximumWindow(base::Duration span, base::Duration step)
    : span_(span),
      step_(step),
      steps_(std::max<std::int64_t>(1, (span.count() + step.count() - 1) / step.count())) {}

std::int64_t MaximumWindow::index_of(base::Instant at) const {
    // Whole seconds first, as the source does: it decides which decisions share a step.
    return (at.ns / 1'000'000'000) / (step_.count() / 1'000'000'000);
}

void MaximumWindow::record(base::Instant at, std::int32_t value) {
    const auto index = index_of(at);
    while (!descending_.empty() && value >= descending_.back().value) {
        descending_.pop_back();
    }
    std::erase_if(descending_, [&](const Entry& entry) { return index - entry.index >= steps_; });
    // A smaller value of the same step never counts.
    if (descending_.empty() || descending_.back().index != index) {
        descending_.push_back({index, value});
    }
}

std::optional<std::int32_t> MaximumWindow::current(base::Instant now) const {
    const auto index = index_of(now);
    for (const auto& entry : descending_) {
        if (index - entry.index < steps_) {
            return entry.value;
        }
    }
    return std::nullopt;
}

}  // namespace tidemill::control
