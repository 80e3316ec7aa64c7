#include "proxy/metrics.h"

#include <fmt/format.h>

#include <algorithm>
#include <iterator>

namespace tidemill::proxy {

void LatencyHistogram::add(base::Duration span) {
    const double seconds = std::chrono::duration<double>(span).count();
    const auto at = std::ranges::lower_bound(bounds, seconds) - bounds.begin();
    counts_[static_cast<std::size_t>(at)] += 1;
    count_ += 1;
    sum_seconds_ += seconds;
}

void LatencyHistogram::add(const LatencyHistogram& other) {
    for (std::size_t i = 0; i < counts_.size(); ++i) {
        counts_[i] += other.counts_[i];
    }
    count_ += other.count_;
    sum_seconds_ += other.sum_seconds_;
}

void LatencyHistogram::write(std::string& out, std::string_view name,
                             std::string_view labels) const {
    auto end = std::back_inserter(out);
    std::uint64_t sum = 0;
    for (std::size_t i = 0; i < bounds.size(); ++i) {
        sum += counts_[i];
        fmt::format_to(end, "{}_bucket{{{},le=\"{}\"}} {}\n", name, labels, bounds[i], sum);
    }
    fmt::format_to(end, "{}_bucket{{{},le=\"+Inf\"}} {}\n", name, labels, count_);
    fmt::format_to(end, "{}_sum{{{}}} {}\n{}_count{{{}}} {}\n", name, labels, sum_seconds_, name,
                   labels, count_);
}

void RevisionMetrics::add(const RevisionMetrics& other) {
    for (std::size_t i = 0; i < answers.size(); ++i) {
        answers[i] += other.answers[i];
    }
    bytes_in += other.bytes_in;
    bytes_out += other.bytes_out;
    retries += other.retries;
    held += other.held;
    duration.add(other.duration);
    hold.add(other.hold);
}

void MetricsSnapshot::add(const MetricsSnapshot& other) {
    for (const auto& [name, revision] : other.revisions) {
        auto& mine = revisions[name];
        mine.service = revision.service;
        mine.configuration = revision.configuration;
        mine.waiting += revision.waiting;
        mine.active += revision.active;
        mine.metrics.add(revision.metrics);
    }
    for (const auto& [code, count] : other.own_answers) {
        own_answers[code] += count;
    }
    connections += other.connections;
    connections_accepted += other.connections_accepted;
    upstream_connects += other.upstream_connects;
    log_lines += other.log_lines;
    log_lines_dropped += other.log_lines_dropped;
    bugs += other.bugs;
}

std::string MetricsSnapshot::to_prometheus() const {
    std::string out;
    auto end = std::back_inserter(out);
    const auto head = [&](std::string_view name, std::string_view type, std::string_view help) {
        fmt::format_to(end, "# HELP {} {}\n# TYPE {} {}\n", name, help, name, type);
    };
    // Names come from Kubernetes labels and need no escaping.
    const auto labels_of = [](const std::string& name, const RevisionSnapshot& revision) {
        return fmt::format("revision=\"{}\",service=\"{}\"", name, revision.service);
    };
    head("tidemill_proxy_requests_total", "counter", "Requests ended, by revision and class.");
    for (const auto& [name, revision] : revisions) {
        for (std::size_t i = 0; i < revision.metrics.answers.size(); ++i) {
            if (const auto count = revision.metrics.answers[i]; count > 0) {
                fmt::format_to(end, "tidemill_proxy_requests_total{{{},class=\"{}\"}} {}\n",
                               labels_of(name, revision), i == 0 ? "none" : fmt::format("{}xx", i),
                               count);
            }
        }
    }
    const auto each = [&](std::string_view name, std::string_view type, std::string_view help,
                          auto value) {
        head(name, type, help);
        for (const auto& [revision_name, revision] : revisions) {
            fmt::format_to(end, "{}{{{}}} {}\n", name, labels_of(revision_name, revision),
                           value(revision));
        }
    };
    each("tidemill_proxy_requests_waiting", "gauge", "Requests that wait for an instance.",
         [](const auto& r) { return r.waiting; });
    each("tidemill_proxy_requests_active", "gauge", "Requests begun and not ended.",
         [](const auto& r) { return r.active; });
    each("tidemill_proxy_requests_held_total", "counter", "Requests that waited for an instance.",
         [](const auto& r) { return r.metrics.held; });
    each("tidemill_proxy_retries_total", "counter", "Requests sent again to an instance.",
         [](const auto& r) { return r.metrics.retries; });
    each("tidemill_proxy_request_body_bytes_total", "counter", "Body bytes from clients.",
         [](const auto& r) { return r.metrics.bytes_in; });
    each("tidemill_proxy_answer_body_bytes_total", "counter", "Body bytes to clients.",
         [](const auto& r) { return r.metrics.bytes_out; });
    head("tidemill_proxy_request_duration_seconds", "histogram",
         "From the head read to the last byte written.");
    for (const auto& [name, revision] : revisions) {
        revision.metrics.duration.write(out, "tidemill_proxy_request_duration_seconds",
                                        labels_of(name, revision));
    }
    head("tidemill_proxy_request_hold_seconds", "histogram",
         "How long requests waited that had to wait.");
    for (const auto& [name, revision] : revisions) {
        revision.metrics.hold.write(out, "tidemill_proxy_request_hold_seconds",
                                    labels_of(name, revision));
    }
    head("tidemill_proxy_own_answers_total", "counter", "Requests that the proxy ended, by code.");
    for (const auto& [code, count] : own_answers) {
        fmt::format_to(end, "tidemill_proxy_own_answers_total{{code=\"{}\"}} {}\n", code, count);
    }
    const auto single = [&](std::string_view name, std::string_view type, std::string_view help,
                            std::uint64_t value) {
        head(name, type, help);
        fmt::format_to(end, "{} {}\n", name, value);
    };
    single("tidemill_proxy_connections", "gauge", "Client connections.", connections);
    single("tidemill_proxy_connections_total", "counter", "Client connections accepted.",
           connections_accepted);
    single("tidemill_proxy_upstream_connects_total", "counter", "Connections made to instances.",
           upstream_connects);
    single("tidemill_proxy_log_lines_total", "counter", "Access log lines.", log_lines);
    single("tidemill_proxy_log_lines_dropped_total", "counter",
           "Access log lines given up because the log was not taken fast enough.",
           log_lines_dropped);
    single("tidemill_proxy_bugs_total", "counter", "Broken promises of the proxy's own code.",
           bugs);
    return out;
}

}  // namespace tidemill::proxy
