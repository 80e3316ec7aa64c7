#include "model/settings/autoscaler_settings.h"

#include <fmt/format.h>

#include <algorithm>
#include <charconv>
#include <cmath>
#include <limits>

#include "base/text.h"
#include "model/serving/annotations.h"
#include "model/settings/config_reader.h"

namespace tidemill::model {
namespace {

using namespace std::chrono_literals;

constexpr double target_min = 0.01;
constexpr base::Duration window_min = 6s;
constexpr base::Duration window_max = 1h;
constexpr base::Duration bucket_size = 1s;  // of the autoscaler's statistics
// Of requests per second, which no key of config-autoscaler sets.
constexpr double requests_per_second_utilization = 0.7;
constexpr auto int32_max = std::numeric_limits<std::int32_t>::max();
constexpr std::string_view second_precision = "must be specified with at most second precision";

// A whole number as Go's ParseInt(text, 10, 32) reads it, which takes a plus sign.
struct WholeNumber {
    enum class Form : std::uint8_t { fine, out_of_range, malformed } form;
    std::int32_t value = 0;
};
WholeNumber read_whole_number(std::string_view text) {
    if (text.starts_with('+') && !text.starts_with("+-")) {
        text.remove_prefix(1);
    }
    std::int32_t value = 0;
    const auto [end, error] = std::from_chars(text.data(), text.data() + text.size(), value);
    if (text.empty() || end != text.data() + text.size()) {
        return {WholeNumber::Form::malformed};
    }
    if (error == std::errc::result_out_of_range) {
        return {WholeNumber::Form::out_of_range};
    }
    return error == std::errc() ? WholeNumber{WholeNumber::Form::fine, value}
                                : WholeNumber{WholeNumber::Form::malformed};
}

// Takes annotations one by one; each take leaves its problem, or its value.
class Reader {
public:
    Reader(const TextMap& annotations, const AutoscalerConfig& config, const std::string& path)
        : annotations_(annotations), config_(config), path_(path) {}

    AutoscalingAnnotations read() && {
        read_class();
        read_scales();
        read_floats();
        read_durations();
        read_metric();
        read_algorithm();
        read_initial_scale();
        return std::move(out_);
    }

private:
    std::optional<FoundAnnotation> find(const AnnotationName& name) const {
        return find_annotation(annotations_, name);
    }
    std::string at(std::string_view key) const { return fmt::format("{}.{}", path_, key); }
    void add(Problem problem) { out_.problems.push_back(std::move(problem)); }

    void read_class() {
        const auto found = find(autoscaling::class_name);
        if (!found) {
            return;
        }
        if (found->value == autoscaling::class_kpa) {
            out_.settings.class_name = found->value;
            return;
        }
        // Knative leaves other classes to other autoscalers; here there is none that would act.
        add(invalid_value(found->value, at(found->key),
                          fmt::format("the only autoscaler here is {}", autoscaling::class_kpa)));
    }

    std::optional<std::int32_t> read_scale(const AnnotationName& name) {
        const auto found = find(name);
        if (!found) {
            return std::nullopt;
        }
        const auto number = read_whole_number(found->value);
        if (number.form == WholeNumber::Form::malformed) {
            add(invalid_value(found->value, at(found->key)));
            return std::nullopt;
        }
        if (number.form == WholeNumber::Form::out_of_range || number.value < 0) {
            add(out_of_bounds(found->value, "0", fmt::to_string(int32_max), at(found->key)));
            return std::nullopt;
        }
        return number.value;
    }

    void read_scales() {
        auto& settings = out_.settings;
        settings.min_scale = read_scale(autoscaling::min_scale);
        settings.max_scale = read_scale(autoscaling::max_scale);
        const auto min = settings.min_scale.value_or(0);
        const auto max = settings.max_scale.value_or(0);
        if (max != 0 && max < min) {
            add(plain_problem(fmt::format("max-scale={} is less than min-scale={}", max, min),
                              {at(autoscaling::max_scale.name), at(autoscaling::min_scale.name)}));
        }
        const auto limit = config_.max_scale_limit;
        if (const auto found = find(autoscaling::max_scale); found && limit != 0) {
            if (max > limit) {
                add(out_of_bounds(fmt::to_string(max), "1", fmt::to_string(limit), at(found->key)));
            } else if (max == 0) {
                add(plain_problem(
                    fmt::format("max-scale=0 (unlimited), must be less than {}", limit),
                    {at(found->key)}));
            }
        }
        if (const auto found = find(autoscaling::activation_scale)) {
            const auto number = read_whole_number(found->value);
            const auto path = at(found->key);
            if (number.form != WholeNumber::Form::fine) {
                add(invalid_value(found->value, path));
            } else if (min > number.value) {
                add(plain_problem(fmt::format("min-scale={} is greater than activation-scale={}",
                                              min, number.value),
                                  {path}));
            } else if (max != 0 && max < number.value) {
                add(plain_problem(
                    fmt::format("max-scale={} is less than activation-scale={}", max, number.value),
                    {path}));
            } else if (number.value < 2) {
                add(plain_problem(
                    fmt::format("activation-scale={} must be greater than 1", number.value),
                    {path}));
            } else {
                settings.activation_scale = number.value;
            }
        }
    }

    std::optional<double> read_float(const AnnotationName& name, double lowest, double highest) {
        const auto found = find(name);
        if (!found) {
            return std::nullopt;
        }
        const auto number = parse_double(found->value);
        if (!number) {
            add(invalid_value(found->value, at(found->key)));
        } else if (*number < lowest || *number > highest) {
            add(out_of_bounds(found->value, format_double(lowest), format_double(highest),
                              at(found->key)));
        } else {
            return number;
        }
        return std::nullopt;
    }

    void read_floats() {
        auto& settings = out_.settings;
        settings.panic_window_percentage = read_float(autoscaling::panic_window_percentage, 1, 100);
        settings.panic_threshold_percentage =
            read_float(autoscaling::panic_threshold_percentage, 110, 1000);
        if (const auto found = find(autoscaling::target)) {
            const auto number = parse_double(found->value);
            if (!number) {
                add(invalid_value(found->value, at(found->key)));
            } else if (*number < target_min) {
                add(plain_problem(
                    fmt::format("target {} should be at least {}", found->value, target_min),
                    {at(found->key)}));
            } else {
                settings.target = number;
            }
        }
        settings.target_utilization_percentage =
            read_float(autoscaling::target_utilization_percentage, 1, 100);
        if (const auto found = find(autoscaling::target_burst_capacity)) {
            const auto number = parse_double(found->value);
            if (!number || (*number < 0 && *number != -1)) {
                add(invalid_value(found->value, at(found->key)));
            } else {
                settings.target_burst_capacity = number;
            }
        }
    }

    enum class Precision : std::uint8_t { any, seconds };

    std::optional<base::Duration> read_duration(const AnnotationName& name, base::Duration lowest,
                                                Precision precision) {
        const auto found = find(name);
        if (!found) {
            return std::nullopt;
        }
        const auto span = base::parse_duration(found->value);
        if (!span) {
            add(invalid_value(found->value, at(found->key)));
        } else if (*span < lowest || *span > window_max) {
            add(out_of_bounds(found->value, format_go_duration(lowest),
                              format_go_duration(window_max), at(found->key)));
        } else if (precision == Precision::seconds && *span % 1s != base::Duration::zero()) {
            add(plain_problem(std::string(second_precision), {at(found->key)}));
        } else {
            return *span;
        }
        return std::nullopt;
    }

    void read_durations() {
        auto& settings = out_.settings;
        settings.window = read_duration(autoscaling::window, window_min, Precision::seconds);
        settings.scale_to_zero_pod_retention_period =
            read_duration(autoscaling::scale_to_zero_pod_retention_period, 0s, Precision::any);
        settings.scale_down_delay =
            read_duration(autoscaling::scale_down_delay, 0s, Precision::seconds);
    }

    void read_metric() {
        const auto found = find(autoscaling::metric);
        if (!found) {
            return;
        }
        if (found->value != "concurrency" && found->value != "rps") {
            add(invalid_value(found->value, at(found->key)));
            return;
        }
        out_.settings.metric = found->value;
    }

    void read_algorithm() {
        const auto found = find(autoscaling::metric_aggregation_algorithm);
        if (!found || found->value.empty()) {
            return;
        }
        if (found->value == "linear") {
            out_.settings.aggregation = AggregationAlgorithm::linear;
        } else if (found->value == "weighted-exponential" ||
                   found->value == "weightedExponential") {
            out_.settings.aggregation = AggregationAlgorithm::weighted_exponential;
        } else {
            add(invalid_value(found->value, at(found->key)));
        }
    }

    void read_initial_scale() {
        const auto found = find(autoscaling::initial_scale);
        if (!found) {
            return;
        }
        const auto number = read_whole_number(found->value);
        // Knative's paths carry the explanation here.
        if (number.form != WholeNumber::Form::fine) {
            add(invalid_value(found->value, at(found->key)));
        } else if (number.value < 0) {
            add(invalid_value(found->value, at(found->key) + " must be greater than 0"));
        } else if (number.value == 0 && !config_.allow_zero_initial_scale) {
            add(invalid_value(found->value, at(found->key) + "=0 not allowed by cluster"));
        } else {
            out_.settings.initial_scale = number.value;
        }
    }

    const TextMap& annotations_;
    const AutoscalerConfig& config_;
    const std::string& path_;
    AutoscalingAnnotations out_;
};

}  // namespace

AutoscalingAnnotations read_autoscaling_annotations(const TextMap& annotations,
                                                    const AutoscalerConfig& config,
                                                    const std::string& path) {
    return Reader(annotations, config, path).read();
}

ScalingPolicy scaling_policy(const AutoscalingSettings& settings, const AutoscalerConfig& config,
                             std::int64_t container_concurrency) {
    ScalingPolicy out;
    out.metric =
        settings.metric == "rps" ? ScalingMetric::requests_per_second : ScalingMetric::concurrency;
    out.aggregation = settings.aggregation.value_or(AggregationAlgorithm::linear);

    const auto concurrency = static_cast<double>(container_concurrency);
    double utilization = requests_per_second_utilization;
    if (out.metric == ScalingMetric::requests_per_second) {
        out.total_value = config.requests_per_second_target_default;
    } else {
        out.total_value =
            concurrency == 0 ? config.container_concurrency_target_default : concurrency;
        utilization = config.container_concurrency_target_fraction;
    }
    if (settings.target) {
        // More at a time than the instance lets in would never be reached.
        const bool limited = out.metric == ScalingMetric::concurrency && concurrency != 0;
        out.total_value = limited ? std::min(*settings.target, concurrency) : *settings.target;
    }
    if (settings.target_utilization_percentage) {
        utilization = *settings.target_utilization_percentage / 100;
    }
    out.target_value = std::max(target_min, out.total_value * utilization);

    out.target_burst_capacity =
        settings.target_burst_capacity.value_or(config.target_burst_capacity);
    out.activator_capacity = config.activator_capacity;
    out.max_scale_up_rate = config.max_scale_up_rate;
    out.max_scale_down_rate = config.max_scale_down_rate;
    out.min_scale = settings.min_scale.value_or(config.min_scale);
    out.max_scale = settings.max_scale.value_or(config.max_scale);
    out.initial_scale = settings.initial_scale.value_or(config.initial_scale);
    // What was allowed when it was written may have been forbidden since.
    if (out.initial_scale == 0 && !config.allow_zero_initial_scale) {
        out.initial_scale = config.initial_scale;
    }
    out.activation_scale = settings.activation_scale.value_or(0);
    out.stable_window = settings.window.value_or(config.stable_window);
    const auto percentage =
        settings.panic_window_percentage.value_or(config.panic_window_percentage);
    const auto panic_seconds =
        std::round(std::chrono::duration<double>(out.stable_window).count() * percentage / 100);
    out.panic_window = std::max<base::Duration>(
        bucket_size, std::chrono::seconds(static_cast<std::int64_t>(panic_seconds)));
    out.panic_threshold =
        settings.panic_threshold_percentage.value_or(config.panic_threshold_percentage) / 100;
    out.scale_down_delay = settings.scale_down_delay.value_or(config.scale_down_delay);
    out.scale_to_zero_grace_period = config.scale_to_zero_grace_period;
    out.scale_to_zero_pod_retention_period = settings.scale_to_zero_pod_retention_period.value_or(
        config.scale_to_zero_pod_retention_period);
    out.scale_to_zero = config.enable_scale_to_zero;
    return out;
}

}  // namespace tidemill::model
