// Counters, gauges and histograms by name and labels, and the text that Prometheus reads.
#pragma once

#include <atomic>
#include <cstddef>
#include <cstdint>
#include <functional>
#include <initializer_list>
#include <map>
#include <memory>
#include <mutex>
#include <string>
#include <string_view>
#include <variant>
#include <vector>

#include "base/result.h"
#include "telemetry/histogram.h"

namespace tidemill::telemetry {

// Only grows. Written by one thread, read by any.
class Counter {
public:
    void add(std::uint64_t by = 1) {
        value_.store(value_.load(std::memory_order_relaxed) + by, std::memory_order_relaxed);
    }
    std::uint64_t value() const { return value_.load(std::memory_order_relaxed); }

private:
    std::atomic<std::uint64_t> value_{0};
};

// Goes up and down. Written by one thread, read by any. The gauges of several shards add up.
class Gauge {
public:
    void set(double value) { value_.store(value, std::memory_order_relaxed); }
    void add(double by) { set(value() + by); }
    double value() const { return value_.load(std::memory_order_relaxed); }

private:
    std::atomic<double> value_{0};
};

struct FamilyOptions {
    enum class Kind : std::uint8_t { counter, gauge, histogram };
    Kind kind = Kind::counter;
    std::string name;  // [a-zA-Z_:][a-zA-Z0-9_:]*; a counter's ends in _total
    std::string help{};
    std::vector<std::string> labels{};  // [a-zA-Z_][a-zA-Z0-9_]*
    // Label sets kept apart, over all shards; those beyond count together as one whose values are
    // all "other".
    std::size_t series_max = 1000;
    // Histograms only: how a recorded number becomes the unit of the name (microseconds to seconds:
    // 1e-6), and the upper bounds shown, in that unit, rising.
    HistogramShape shape{};
    double scale = 1e-6;
    std::vector<double> bounds{0.001, 0.0025, 0.005, 0.01, 0.025, 0.05, 0.1,
                               0.25,  0.5,    1,     2.5,  5,     10,   60};
};

class Registry;

// Names a family within its Registry.
struct Family {
    std::size_t index = 0;
};

// One thread's part of all metrics. Looking a series up takes a lock: do it when the thing measured
// appears, keep the reference, and count through that, which takes none.
class Shard {
public:
    // `values` stand in the order of the family's labels. The reference lives until remove() or the
    // Registry's end.
    Counter& counter(Family family, std::initializer_list<std::string_view> values = {});
    Gauge& gauge(Family family, std::initializer_list<std::string_view> values = {});
    Histogram& histogram(Family family, std::initializer_list<std::string_view> values = {});
    // Forgets a series of a thing that is no more; its reference must not be used again. Does
    // nothing to the series that stands for those beyond the limit.
    void remove(Family family, std::initializer_list<std::string_view> values);

private:
    friend class Registry;
    using Series = std::variant<Counter, Gauge, Histogram>;
    using Labels = std::vector<std::string>;

    explicit Shard(Registry& registry) : registry_(registry) {}
    Series& find(Family family, FamilyOptions::Kind kind,
                 std::initializer_list<std::string_view> values);

    Registry& registry_;
    // By family. Guarded by the registry's mutex, as to its shape; the series are not.
    std::vector<std::map<Labels, std::unique_ptr<Series>>> series_;
};

// All metrics of a process. Any thread. No global: the app makes one and hands out shards.
class Registry {
public:
    // Errors: invalid (a name that Prometheus would refuse), conflict (the name is taken).
    base::Result<Family> add(FamilyOptions options);
    // A shard for one thread; lives as long as this.
    Shard& add_shard();
    // Text exposition format 0.0.4 (Content-Type: text/plain; version=0.0.4), all shards merged,
    // series sorted by labels.
    // https://prometheus.io/docs/instrumenting/exposition_formats/
    std::string render() const;
    // Lookups that were counted as "other" because a family had as many series as it may have.
    std::uint64_t series_refused() const;

private:
    friend class Shard;
    struct Entry {
        FamilyOptions options;
        std::map<Shard::Labels, std::size_t> users;  // how many shards have that series
    };
    void render_family(const Entry& entry, std::size_t index, std::string& out) const;

    mutable std::mutex mutex_;
    std::vector<Entry> families_;
    std::vector<std::unique_ptr<Shard>> shards_;
    std::uint64_t series_refused_ = 0;
};

}  // namespace tidemill::telemetry
