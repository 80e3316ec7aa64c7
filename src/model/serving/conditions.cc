#include "model/serving/conditions.h"

#include <algorithm>

namespace tidemill::model {
namespace {

constexpr std::string_view ready = "Ready";

ConditionStatus status_from(std::string_view text) {
    if (text == "True") {
        return ConditionStatus::yes;
    }
    return text == "False" ? ConditionStatus::no : ConditionStatus::unknown;
}

}  // namespace

std::string_view status_text(ConditionStatus status) {
    switch (status) {
        case ConditionStatus::yes:
            return "True";
        case ConditionStatus::no:
            return "False";
        case ConditionStatus::unknown:
            break;
    }
    return "Unknown";
}

const Condition* find_condition(const Conditions& conditions, std::string_view type) {
    const auto found = std::ranges::find(conditions, type, &Condition::type);
    return found == conditions.end() ? nullptr : &*found;
}

bool is_true(const Conditions& conditions, std::string_view type) {
    const auto* found = find_condition(conditions, type);
    return found != nullptr && found->status == ConditionStatus::yes;
}

bool is_false(const Conditions& conditions, std::string_view type) {
    const auto* found = find_condition(conditions, type);
    return found != nullptr && found->status == ConditionStatus::no;
}

bool ConditionManager::is_dependent(std::string_view type) const {
    return std::ranges::find(dependents_, type) != dependents_.end();
}

ConditionSeverity ConditionManager::severity(std::string_view type) const {
    return type == ready || is_dependent(type) ? ConditionSeverity::error : ConditionSeverity::info;
}

void ConditionManager::set(std::string_view type, ConditionStatus status, Reason reason) {
    Condition next{.type = std::string(type),
                   .status = status,
                   .severity = severity(type),
                   .last_transition_time = now_,
                   .reason = std::move(reason.reason),
                   .message = std::move(reason.message)};
    const auto at = std::ranges::lower_bound(conditions_, type, {}, &Condition::type);
    if (at == conditions_.end() || at->type != type) {
        conditions_.insert(at, std::move(next));
        return;
    }
    next.last_transition_time = at->last_transition_time;
    if (next != *at) {
        next.last_transition_time = now_;
        *at = std::move(next);
    }
}

void ConditionManager::initialize() {
    if (find_condition(conditions_, ready) == nullptr) {
        set(ready, ConditionStatus::unknown, {});
    }
    const auto status =
        is_true(conditions_, ready) ? ConditionStatus::yes : ConditionStatus::unknown;
    for (const auto type : dependents_) {
        if (find_condition(conditions_, type) == nullptr) {
            set(type, status, {});
        }
    }
}

const Condition* ConditionManager::latest_dependent(ConditionStatus status) const {
    const Condition* latest = nullptr;
    for (const auto& condition : conditions_) {
        if (condition.severity == ConditionSeverity::error && condition.type != ready &&
            condition.status == status &&
            (latest == nullptr || latest->last_transition_time < condition.last_transition_time)) {
            latest = &condition;
        }
    }
    return latest;
}

void ConditionManager::recompute_ready(std::string_view changed) {
    if (!dependents_.empty()) {
        for (const auto status : {ConditionStatus::no, ConditionStatus::unknown}) {
            if (const auto* found = latest_dependent(status)) {
                return set(ready, status, {found->reason, found->message});
            }
        }
        const auto decides = [](const Condition& condition) {
            return condition.severity == ConditionSeverity::error && condition.type != ready;
        };
        const auto said = std::ranges::count_if(conditions_, decides);
        if (std::ssize(dependents_) > said) {
            return set(ready, ConditionStatus::unknown, {});
        }
    }
    if (changed != ready) {
        set(ready, ConditionStatus::yes, {});
    }
}

void ConditionManager::mark_true(std::string_view type, Reason reason) {
    set(type, ConditionStatus::yes, std::move(reason));
    recompute_ready(type);
}

void ConditionManager::mark_unknown(std::string_view type, Reason reason) {
    set(type, ConditionStatus::unknown, reason);
    for (const auto dependent : dependents_) {
        if (is_false(conditions_, dependent)) {
            // A failure elsewhere outweighs what is not known here.
            if (!is_false(conditions_, ready)) {
                mark_false(ready, std::move(reason));
            }
            return;
        }
    }
    if (is_dependent(type)) {
        set(ready, ConditionStatus::unknown, std::move(reason));
    }
}

void ConditionManager::mark_false(std::string_view type, Reason reason) {
    set(type, ConditionStatus::no, reason);
    if (is_dependent(type)) {
        set(ready, ConditionStatus::no, std::move(reason));
    }
}

void ConditionManager::clear(std::string_view type) {
    if (severity(type) == ConditionSeverity::info) {
        std::erase_if(conditions_, [&](const auto& condition) { return condition.type == type; });
    }
}

Conditions read_conditions(const JsonArray& conditions) {
    Conditions out;
    for (const auto& element : conditions) {
        const auto type = text_at(element, {"type"});
        if (type.empty() || find_condition(out, type) != nullptr) {
            continue;
        }
        const auto time = base::parse_rfc3339(text_at(element, {"lastTransitionTime"}));
        out.push_back({.type = std::string(type),
                       .status = status_from(text_at(element, {"status"})),
                       .severity = text_at(element, {"severity"}) == "Info"
                                       ? ConditionSeverity::info
                                       : ConditionSeverity::error,
                       .last_transition_time = time.value_or(base::WallTime{}),
                       .reason = std::string(text_at(element, {"reason"})),
                       .message = std::string(text_at(element, {"message"}))});
    }
    std::ranges::sort(out, {}, &Condition::type);
    return out;
}

JsonArray to_json(const Conditions& conditions) {
    JsonArray out;
    for (const auto& condition : conditions) {
        JsonObject entry;
        entry["type"] = condition.type;
        entry["status"] = as_json(status_text(condition.status));
        if (condition.severity == ConditionSeverity::info) {
            entry["severity"] = "Info";
        }
        entry["lastTransitionTime"] = base::format_rfc3339(condition.last_transition_time);
        if (!condition.reason.empty()) {
            entry["reason"] = condition.reason;
        }
        if (!condition.message.empty()) {
            entry["message"] = condition.message;
        }
        out.push_back(std::move(entry));
    }
    return out;
}

}  // namespace tidemill::model
