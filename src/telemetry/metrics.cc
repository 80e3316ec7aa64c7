#include "telemetry/metrics.h"

#include <fmt/format.h>

#include <algorithm>
#include <cmath>
#include <iterator>
#include <optional>
#include <utility>

#include "base/check.h"
#include "telemetry/text_form.h"

namespace tidemill::telemetry {
namespace {

using base::Code;
using base::fail;
using Kind = FamilyOptions::Kind;

constexpr std::string_view other = "other";

bool is_letter(char c) {
    return (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') || c == '_';
}
bool is_name(std::string_view text, std::string_view also) {
    if (text.empty() || (!is_letter(text[0]) && !also.contains(text[0]))) {
        return false;
    }
    return std::ranges::all_of(
        text, [&](char c) { return is_letter(c) || (c >= '0' && c <= '9') || also.contains(c); });
}

// Escapes what the format says; what is no UTF-8 becomes U+FFFD.
enum class Quotes : std::uint8_t { as_they_are, escaped };
void append_escaped(std::string& out, std::string_view text, Quotes quotes) {
    while (!text.empty()) {
        const char c = text.front();
        const std::size_t size = utf8_sequence(text);
        if (c == '\\') {
            out += "\\\\";
        } else if (c == '\n') {
            out += "\\n";
        } else if (c == '"' && quotes == Quotes::escaped) {
            out += "\\\"";
        } else if (size > 0) {
            out.append(text.substr(0, size));
        } else {
            out += "\xef\xbf\xbd";
        }
        text.remove_prefix(std::max<std::size_t>(size, 1));
    }
}

void append_number(std::string& out, double value) {
    if (std::isnan(value)) {
        out += "NaN";
    } else if (std::isinf(value)) {
        out += value > 0 ? "+Inf" : "-Inf";
    } else {
        fmt::format_to(std::back_inserter(out), "{}", value);
    }
}

// {a="1",b="2"} or nothing; `le` is added for a histogram's buckets.
void append_labels(std::string& out, const std::vector<std::string>& names,
                   const std::vector<std::string>& values, std::optional<double> le) {
    if (names.empty() && !le) {
        return;
    }
    char separator = '{';
    for (std::size_t i = 0; i < names.size(); ++i) {
        out += std::exchange(separator, ',');
        out += names[i];
        out += "=\"";
        append_escaped(out, values[i], Quotes::escaped);
        out += '"';
    }
    if (le) {
        out += separator;
        out += "le=\"";
        append_number(out, *le);
        out += '"';
    }
    out += '}';
}

using Merged = std::variant<std::uint64_t, double, HistogramSnapshot>;

}  // namespace

Shard::Series& Shard::find(Family family, Kind kind,
                           std::initializer_list<std::string_view> values) {
    const std::lock_guard lock(registry_.mutex_);
    CHECK(family.index < registry_.families_.size());
    auto& entry = registry_.families_[family.index];
    CHECK(entry.options.kind == kind && entry.options.labels.size() == values.size());
    if (series_.size() <= family.index) {
        series_.resize(registry_.families_.size());
    }
    auto& mine = series_[family.index];
    Labels labels(values.begin(), values.end());
    if (const auto found = mine.find(labels); found != mine.end()) {
        return *found->second;
    }
    bool counted = true;  // but for the one that stands for those beyond the limit
    if (!entry.users.contains(labels) && entry.users.size() >= entry.options.series_max) {
        ++registry_.series_refused_;
        counted = false;
        std::ranges::fill(labels, std::string(other));
        if (const auto found = mine.find(labels); found != mine.end()) {
            return *found->second;
        }
    }
    std::unique_ptr<Series> fresh;
    switch (kind) {
        case Kind::counter:
            fresh = std::make_unique<Series>(std::in_place_type<Counter>);
            break;
        case Kind::gauge:
            fresh = std::make_unique<Series>(std::in_place_type<Gauge>);
            break;
        case Kind::histogram:
            fresh = std::make_unique<Series>(std::in_place_type<Histogram>, entry.options.shape);
            break;
    }
    if (counted) {
        ++entry.users[labels];
    }
    return *mine.emplace(std::move(labels), std::move(fresh)).first->second;
}

Counter& Shard::counter(Family family, std::initializer_list<std::string_view> values) {
    return std::get<Counter>(find(family, Kind::counter, values));
}
Gauge& Shard::gauge(Family family, std::initializer_list<std::string_view> values) {
    return std::get<Gauge>(find(family, Kind::gauge, values));
}
Histogram& Shard::histogram(Family family, std::initializer_list<std::string_view> values) {
    return std::get<Histogram>(find(family, Kind::histogram, values));
}

void Shard::remove(Family family, std::initializer_list<std::string_view> values) {
    const std::lock_guard lock(registry_.mutex_);
    if (family.index >= series_.size()) {
        return;
    }
    const Labels labels(values.begin(), values.end());
    auto& users = registry_.families_[family.index].users;
    const auto found = users.find(labels);
    if (found != users.end() && series_[family.index].erase(labels) > 0 && --found->second == 0) {
        users.erase(found);
    }
}

base::Result<Family> Registry::add(FamilyOptions options) {
    if (!is_name(options.name, ":")) {
        return fail(Code::invalid, "metric \"{}\": not a name that Prometheus takes", options.name);
    }
    if (options.kind == Kind::counter && !options.name.ends_with("_total")) {
        return fail(Code::invalid, "metric {}: a counter's name ends in _total", options.name);
    }
    for (const auto& label : options.labels) {
        if (!is_name(label, "") || label.starts_with("__") || label == "le" ||
            std::ranges::count(options.labels, label) != 1) {
            return fail(Code::invalid, "metric {}: label \"{}\" is taken, reserved or no name",
                        options.name, label);
        }
    }
    if (!std::ranges::is_sorted(options.bounds, std::ranges::less_equal())) {
        // less_equal: two equal bounds are as wrong as two in the wrong order.
        return fail(Code::invalid, "metric {}: its bounds do not rise", options.name);
    }
    const std::lock_guard lock(mutex_);
    for (const auto& entry : families_) {
        if (entry.options.name == options.name) {
            return fail(Code::conflict, "metric {}: is there already", options.name);
        }
    }
    families_.push_back({.options = std::move(options), .users = {}});
    return Family{families_.size() - 1};
}

Shard& Registry::add_shard() {
    const std::lock_guard lock(mutex_);
    shards_.push_back(std::unique_ptr<Shard>(new Shard(*this)));
    return *shards_.back();
}

std::uint64_t Registry::series_refused() const {
    const std::lock_guard lock(mutex_);
    return series_refused_;
}

std::string Registry::render() const {
    const std::lock_guard lock(mutex_);
    std::string out;
    for (std::size_t i = 0; i < families_.size(); ++i) {
        render_family(families_[i], i, out);
    }
    return out;
}

void Registry::render_family(const Entry& entry, std::size_t index, std::string& out) const {
    const auto& options = entry.options;
    std::map<Shard::Labels, Merged> merged;
    for (const auto& shard : shards_) {
        if (index >= shard->series_.size()) {
            continue;
        }
        for (const auto& [labels, series] : shard->series_[index]) {
            if (const auto* counter = std::get_if<Counter>(series.get())) {
                auto& total = merged.try_emplace(labels, std::uint64_t{0}).first->second;
                std::get<std::uint64_t>(total) += counter->value();
            } else if (const auto* gauge = std::get_if<Gauge>(series.get())) {
                auto& total = merged.try_emplace(labels, 0.0).first->second;
                std::get<double>(total) += gauge->value();
            } else {
                auto& total =
                    merged.try_emplace(labels, HistogramSnapshot(options.shape)).first->second;
                std::get<HistogramSnapshot>(total).merge(std::get<Histogram>(*series).snapshot());
            }
        }
    }
    static constexpr std::string_view kinds[] = {"counter", "gauge", "histogram"};
    out += "# HELP " + options.name + ' ';
    append_escaped(out, options.help, Quotes::as_they_are);
    out += "\n# TYPE " + options.name + ' ';
    out += kinds[static_cast<std::size_t>(options.kind)];
    out += '\n';
    const auto sample = [&](std::string_view suffix, const Shard::Labels& labels,
                            std::optional<double> le, auto value) {
        out += options.name;
        out += suffix;
        append_labels(out, options.labels, labels, le);
        out += ' ';
        if constexpr (std::is_same_v<decltype(value), double>) {
            append_number(out, value);
        } else {
            fmt::format_to(std::back_inserter(out), "{}", value);
        }
        out += '\n';
    };
    for (const auto& [labels, total] : merged) {
        if (const auto* count = std::get_if<std::uint64_t>(&total)) {
            sample("", labels, std::nullopt, *count);
        } else if (const auto* value = std::get_if<double>(&total)) {
            sample("", labels, std::nullopt, *value);
        } else {
            const auto& histogram = std::get<HistogramSnapshot>(total);
            for (const double bound : options.bounds) {
                const auto limit = static_cast<std::uint64_t>(bound / options.scale + 0.5);
                sample("_bucket", labels, bound, histogram.count_up_to(limit));
            }
            sample("_bucket", labels, HUGE_VAL, histogram.count());
            sample("_sum", labels, std::nullopt,
                   static_cast<double>(histogram.sum()) * options.scale);
            sample("_count", labels, std::nullopt, histogram.count());
        }
    }
}

}  // namespace tidemill::telemetry
