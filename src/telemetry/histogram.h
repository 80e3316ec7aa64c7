// How values are spread, in fixed memory.
#pragma once

#include <atomic>
#include <bit>
#include <cstddef>
#include <cstdint>
#include <vector>

namespace tidemill::telemetry {

// Buckets as HdrHistogram lays them out (http://hdrhistogram.org): each power of two is split into
// 2^precision_bits equal parts, so that a value is known to within 1 / 2^(precision_bits + 1) of
// itself: 0.8 % for 6 bits. Values below 2^(precision_bits + 1) are exact.
struct HistogramShape {
    unsigned precision_bits = 6;
    unsigned value_bits = 32;  // values of 2^value_bits and more count as the largest

    std::size_t bucket_count() const {
        return (std::size_t{value_bits} - precision_bits + 1) << precision_bits;
    }
    std::uint64_t value_max() const { return (std::uint64_t{1} << value_bits) - 1; }
    std::size_t bucket_of(std::uint64_t value) const {
        const std::uint64_t capped = value < value_max() ? value : value_max();
        const auto width = static_cast<unsigned>(std::bit_width(capped));
        const unsigned shift = width > precision_bits + 1 ? width - precision_bits - 1 : 0;
        return (std::size_t{shift} << precision_bits) + static_cast<std::size_t>(capped >> shift);
    }
    // The least and the largest value of a bucket.
    std::uint64_t lowest_of(std::size_t bucket) const;
    std::uint64_t highest_of(std::size_t bucket) const;

    friend bool operator==(const HistogramShape&, const HistogramShape&) = default;
};

// What was counted up to some moment; a plain value.
class HistogramSnapshot {
public:
    explicit HistogramSnapshot(HistogramShape shape)
        : shape_(shape), buckets_(shape.bucket_count()) {}

    // Both have the same shape.
    void merge(const HistogramSnapshot& other);
    std::uint64_t count() const { return count_; }
    std::uint64_t sum() const { return sum_; }
    std::uint64_t max() const { return max_; }
    // The value that a fraction `q` of all values does not exceed; 0 if there is none. q: 0 to 1.
    std::uint64_t quantile(double q) const;
    // How many values lie in buckets that end at `value` or below.
    std::uint64_t count_up_to(std::uint64_t value) const;

private:
    friend class Histogram;
    HistogramShape shape_;
    std::vector<std::uint64_t> buckets_;
    std::uint64_t count_ = 0;
    std::uint64_t sum_ = 0;
    std::uint64_t max_ = 0;
};

// Written by one thread, read by any. Memory: 8 bytes per bucket, 13.8 kB for the default shape.
class Histogram {
public:
    explicit Histogram(HistogramShape shape = {});

    void record(std::uint64_t value) {
        bump(buckets_[shape_.bucket_of(value)], 1);
        bump(sum_, value);
        if (value > max_.load(std::memory_order_relaxed)) {
            max_.store(value, std::memory_order_relaxed);
        }
    }
    HistogramSnapshot snapshot() const;

private:
    // One writer: a load and a store, no locked instruction.
    static void bump(std::atomic<std::uint64_t>& counter, std::uint64_t by) {
        counter.store(counter.load(std::memory_order_relaxed) + by, std::memory_order_relaxed);
    }

    HistogramShape shape_;
    std::vector<std::atomic<std::uint64_t>> buckets_;
    std::atomic<std::uint64_t> sum_{0};
    std::atomic<std::uint64_t> max_{0};
};

}  // namespace tidemill::telemetry
