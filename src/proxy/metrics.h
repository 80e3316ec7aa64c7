// Counters of one worker, and how they are told to Prometheus. One writer each; summed when asked.
#pragma once

#include <array>
#include <cstdint>
#include <map>
#include <string>
#include <string_view>

#include "base/time.h"

namespace tidemill::proxy {

// How often a duration fell under each bound.
class LatencyHistogram {
public:
    // Seconds. Dense where a proxy's own share shows, and up to Knative's longest timeout.
    static constexpr std::array<double, 20> bounds = {
        0.0002, 0.0005, 0.001, 0.002, 0.005, 0.01, 0.02, 0.05, 0.1, 0.2,
        0.5,    1,      2,     5,     10,    30,   60,   120,  300, 600};
    void add(base::Duration span);
    void add(const LatencyHistogram& other);
    std::uint64_t count() const { return count_; }
    // Prometheus text: NAME_bucket, NAME_sum, NAME_count with `labels` ("a=\"b\"").
    void write(std::string& out, std::string_view name, std::string_view labels) const;

private:
    std::array<std::uint64_t, bounds.size() + 1> counts_{};
    std::uint64_t count_ = 0;
    double sum_seconds_ = 0;
};

struct RevisionMetrics {
    std::array<std::uint64_t, 6> answers{};  // by status class; 0 is none (the client went away)
    std::uint64_t bytes_in = 0;              // of bodies
    std::uint64_t bytes_out = 0;
    std::uint64_t retries = 0;
    std::uint64_t held = 0;  // requests that waited for an instance
    LatencyHistogram duration;
    LatencyHistogram hold;

    void add(const RevisionMetrics& other);
};

struct RevisionSnapshot {
    std::string service;
    std::string configuration;
    std::uint64_t waiting = 0;
    std::uint64_t active = 0;
    RevisionMetrics metrics;
};

// What one worker has to tell, and the sum of several.
struct MetricsSnapshot {
    std::map<std::string, RevisionSnapshot> revisions;
    std::map<std::string, std::uint64_t> own_answers;  // by code
    std::uint64_t connections = 0;
    std::uint64_t connections_accepted = 0;
    std::uint64_t upstream_connects = 0;
    std::uint64_t log_lines = 0;
    std::uint64_t log_lines_dropped = 0;
    std::uint64_t bugs = 0;

    void add(const MetricsSnapshot& other);
    // The text exposition format of Prometheus, version 0.0.4.
    std::string to_prometheus() const;
};

}  // namespace tidemill::proxy
