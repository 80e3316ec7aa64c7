#include "control/autoscaler/explain.h"

#include <fmt/format.h>

#include <cmath>
#include <concepts>
#include <iterator>
#include <string_view>
#include <type_traits>
#include <utility>

namespace tidemill::control {

namespace {

using model::Json;
using model::JsonObject;

// Each structure is described once, for both directions.
template <typename Record, typename T>
concept Describes = std::same_as<std::remove_const_t<Record>, T>;

void describe(Describes<PanicState> auto& value, auto& visit) {
    visit("since", value.since);
    visit("instancesMax", value.instances_max);
}

void describe(Describes<DeciderSpec> auto& value, auto& visit) {
    visit("metric", value.metric);
    visit("targetValue", value.target_value);
    visit("totalValue", value.total_value);
    visit("burstCapacity", value.burst_capacity);
    visit("panicThreshold", value.panic_threshold);
    visit("scaleUpRateMax", value.scale_up_rate_max);
    visit("scaleDownRateMax", value.scale_down_rate_max);
    visit("stableWindow", value.stable_window);
    visit("panicWindow", value.panic_window);
    visit("scaleDownDelay", value.scale_down_delay);
    visit("initialScale", value.initial_scale);
    visit("activationScale", value.activation_scale);
    visit("reachable", value.reachable);
}

void describe(Describes<ScaleInputs> auto& value, auto& visit) {
    visit("now", value.now);
    visit("spec", value.spec);
    visit("ready", value.ready);
    visit("stableValue", value.stable_value);
    visit("panicValue", value.panic_value);
    visit("panic", value.panic);
    visit("delayedMax", value.delayed_max);
}

void describe(Describes<ScaleDecision> auto& value, auto& visit) {
    visit("inputs", value.inputs);
    visit("scaleUpLimit", value.scale_up_limit);
    visit("scaleDownLimit", value.scale_down_limit);
    visit("stableWanted", value.stable_wanted);
    visit("panicWanted", value.panic_wanted);
    visit("stableInstances", value.stable_instances);
    visit("panicInstances", value.panic_instances);
    visit("overPanicThreshold", value.over_panic_threshold);
    visit("panic", value.panic);
    visit("beforeDelay", value.before_delay);
    visit("desired", value.desired);
    visit("excessBurstCapacity", value.excess_burst_capacity);
}

void describe(Describes<ActivityState> auto& value, auto& visit) {
    visit("activity", value.activity);
    visit("since", value.since);
    visit("timedOut", value.timed_out);
}

void describe(Describes<ActivityStep> auto& value, auto& visit) {
    visit("state", value.state);
    visit("initialized", value.initialized);
}

void describe(Describes<ScalerSpec> auto& value, auto& visit) {
    visit("scaleMin", value.scale_min);
    visit("scaleMax", value.scale_max);
    visit("initialScale", value.initial_scale);
    visit("scaleToZero", value.scale_to_zero);
    visit("stableWindow", value.stable_window);
    visit("gracePeriod", value.grace_period);
    visit("retentionPeriod", value.retention_period);
    visit("progressDeadline", value.progress_deadline);
    visit("burstCapacity", value.burst_capacity);
}

void describe(Describes<ScalerInputs> auto& value, auto& visit) {
    visit("now", value.now);
    visit("spec", value.spec);
    visit("reachability", value.reachability);
    visit("desired", value.desired);
    visit("activity", value.activity);
    visit("initialized", value.initialized);
    visit("bufferInPath", value.buffer_in_path);
    visit("bufferedSince", value.buffered_since);
}

void describe(Describes<ScalerDecision> auto& value, auto& visit) {
    visit("inputs", value.inputs);
    visit("bounded", value.bounded);
    visit("wanted", value.wanted);
    visit("apply", value.apply);
    visit("reason", value.reason);
    visit("againAfter", value.again_after);
}

void describe(Describes<AutoscalerDecision> auto& value, auto& visit) {
    visit("scale", value.scale);
    visit("scaler", value.scaler);
    visit("before", value.before);
    visit("after", value.after);
    visit("ready", value.ready);
}

class Writer {
public:
    template <typename T>
    void operator()(std::string_view name, const T& value) {
        out.emplace(name, json(value));
    }
    JsonObject out;

private:
    static Json json(double value) { return value; }
    static Json json(bool value) { return value; }
    static Json json(std::int32_t value) { return value; }
    static Json json(base::Duration value) { return value.count(); }
    static Json json(base::Instant value) { return value.ns; }
    template <typename E>
        requires std::is_enum_v<E>
    static Json json(E value) {
        return std::to_underlying(value);
    }
    template <typename T>
    static Json json(const std::optional<T>& value) {
        return value ? json(*value) : Json(nullptr);
    }
    template <typename T>
        requires std::is_class_v<T>
    static Json json(const T& value) {
        Writer nested;
        describe(value, nested);
        return std::move(nested.out);
    }
};

class Reader {
public:
    explicit Reader(const JsonObject& from, std::string path)
        : from_(from), path_(std::move(path)) {}

    template <typename T>
    void operator()(std::string_view name, T& into) {
        if (!status) {
            return;
        }
        const auto* member = from_.if_contains(name);
        const auto at = path_ + std::string(name);
        if (member == nullptr) {
            status = base::fail(base::Code::invalid, "{}: missing", at);
        } else if (!read(*member, into, at) && status) {
            status = base::fail(base::Code::invalid, "{}: of a wrong type", at);
        }
    }
    base::Status status = base::ok;

private:
    static bool read(const Json& from, double& into, const std::string&) {
        if (!from.is_number()) {
            return false;
        }
        into = from.to_number<double>();
        return true;
    }
    static bool read(const Json& from, bool& into, const std::string&) {
        if (!from.is_bool()) {
            return false;
        }
        into = from.get_bool();
        return true;
    }
    static bool read(const Json& from, std::int32_t& into, const std::string&) {
        const auto number = model::integer_of(from);
        if (!number || !std::in_range<std::int32_t>(*number)) {
            return false;
        }
        into = static_cast<std::int32_t>(*number);
        return true;
    }
    static bool read(const Json& from, base::Duration& into, const std::string&) {
        const auto number = model::integer_of(from);
        into = base::Duration(number.value_or(0));
        return number.has_value();
    }
    static bool read(const Json& from, base::Instant& into, const std::string&) {
        const auto number = model::integer_of(from);
        into.ns = number.value_or(0);
        return number.has_value();
    }
    template <typename E>
        requires std::is_enum_v<E>
    static bool read(const Json& from, E& into, const std::string&) {
        const auto number = model::integer_of(from);
        into = static_cast<E>(number.value_or(0));
        return number && *number >= 0 && *number < 64;
    }
    template <typename T>
    bool read(const Json& from, std::optional<T>& into, const std::string& at) {
        if (from.is_null()) {
            into.reset();
            return true;
        }
        return read(from, into.emplace(), at);
    }
    template <typename T>
        requires std::is_class_v<T>
    bool read(const Json& from, T& into, const std::string& at) {
        if (!from.is_object()) {
            return false;
        }
        Reader nested(from.get_object(), at + ".");
        describe(into, nested);
        status = nested.status;
        return status.has_value();
    }

    const JsonObject& from_;
    std::string path_;
};

std::string_view metric_name(ScalingMetric metric) {
    return metric == ScalingMetric::concurrency ? "requests at once" : "requests per second";
}

std::string_view activity_name(Activity activity) {
    switch (activity) {
        case Activity::inactive:
            return "inactive";
        case Activity::activating:
            return "activating";
        case Activity::active:
            return "active";
    }
    return "";
}

// A span as a person reads it: no finer than its own size makes sense.
std::string span_text(base::Duration span) {
    using namespace std::chrono_literals;
    const base::Duration grain = span >= 10s  ? base::Duration(1s)
                                 : span >= 1s ? base::Duration(100ms)
                                              : base::Duration(1ms);
    return base::format_duration(span / grain * grain);
}

// A load: three decimals, or two digits where those would show zero. Never "-0".
std::string load_text(double load) {
    if (std::abs(load) < 1e-9) {
        return "0";
    }
    return std::abs(load) < 0.001 ? fmt::format("{:.2g}", load) : fmt::format("{:.3f}", load);
}

void explain_load(const ScaleDecision& decision, std::back_insert_iterator<std::string> out) {
    const auto& inputs = decision.inputs;
    const auto& spec = inputs.spec;
    fmt::format_to(out, "load     {} {} over {}, {} over {}; target {} an instance\n",
                   load_text(inputs.stable_value), metric_name(spec.metric),
                   base::format_duration(spec.stable_window), load_text(inputs.panic_value),
                   base::format_duration(spec.panic_window), load_text(spec.target_value));
    fmt::format_to(out,
                   "needs    ceil({} / {}) = {:.0f}, and {:.0f} for the short window; with "
                   "{} ready at least {:.0f} and at most {:.0f} may be asked for\n",
                   load_text(inputs.stable_value), load_text(spec.target_value),
                   decision.stable_wanted + 0.0, decision.panic_wanted + 0.0, inputs.ready,
                   decision.scale_down_limit, decision.scale_up_limit);
    if (decision.panic.since) {
        fmt::format_to(out, "panic    since {} ago: never below {}\n",
                       span_text(inputs.now - *decision.panic.since), decision.panic.instances_max);
    }
    if (decision.desired != decision.before_delay) {
        fmt::format_to(out, "delay    {} was wanted within {}, so not {} yet\n", decision.desired,
                       base::format_duration(spec.scale_down_delay), decision.before_delay);
    }
    fmt::format_to(out, "asks     {} instances; burst capacity left {}\n", decision.desired,
                   decision.excess_burst_capacity);
}

}  // namespace

std::string explain_text(const AutoscalerDecision& decision) {
    std::string text;
    auto out = std::back_inserter(text);
    if (decision.scale) {
        explain_load(*decision.scale, out);
    } else {
        fmt::format_to(out, "load     not measured yet\n");
    }
    const auto& scaler = decision.scaler;
    const auto& spec = scaler.inputs.spec;
    fmt::format_to(out, "bounds   min {}, max {}, initial {}{}{}: {}\n", spec.scale_min,
                   spec.scale_max == 0 ? std::string("none") : std::to_string(spec.scale_max),
                   spec.initial_scale, scaler.inputs.initialized ? " (reached)" : "",
                   scaler.inputs.reachability == Reachability::unreachable
                       ? ", no route leads here (min does not count)"
                       : "",
                   scaler.bounded);
    fmt::format_to(out, "was      {} for {}, {} ready\n",
                   activity_name(scaler.inputs.activity.activity),
                   span_text(scaler.inputs.now - scaler.inputs.activity.since), decision.ready);
    fmt::format_to(out, "result   {}: {}",
                   scaler.apply ? std::to_string(scaler.wanted) : "no change",
                   reason_text(scaler.reason));
    if (scaler.again_after) {
        fmt::format_to(out, " (decides again in {})", span_text(*scaler.again_after));
    }
    text += '\n';
    return text;
}

model::JsonObject explain_json(const AutoscalerDecision& decision, base::WallTime wall) {
    Writer writer;
    describe(decision, writer);
    writer.out.emplace("at", base::format_rfc3339_ns(wall));
    writer.out.emplace("why", reason_text(decision.scaler.reason));
    return std::move(writer.out);
}

base::Result<AutoscalerDecision> decision_from_json(const model::JsonObject& record) {
    AutoscalerDecision decision;
    Reader reader(record, "");
    describe(decision, reader);
    CHECK_OK(reader.status);
    return decision;
}

AutoscalerDecision recompute(const AutoscalerDecision& record) {
    AutoscalerDecision again;
    again.ready = record.ready;
    if (record.scale) {
        again.scale = decide_scale(record.scale->inputs);
    }
    auto inputs = record.scaler.inputs;
    if (again.scale) {
        inputs.desired = again.scale->desired;
    }
    inputs.activity = record.before.state;
    inputs.initialized = record.before.initialized;
    again.scaler = decide_wanted(inputs);
    again.before = record.before;
    again.after =
        next_activity(record.before, inputs.spec,
                      {again.scaler.wanted, record.ready, inputs.reachability, inputs.now});
    return again;
}

}  // namespace tidemill::control
