// Conditions: what an object says about itself, and how the parts add up to Ready. Source:
// knative/pkg apis/condition_set.go, whose order of steps decides reasons and times that clients
// see.
#pragma once

#include <cstdint>
#include <span>
#include <string>
#include <string_view>
#include <vector>

#include "base/result.h"
#include "base/time.h"
#include "model/object/json_fields.h"

namespace tidemill::model {

enum class ConditionStatus : std::uint8_t { unknown, yes, no };
// "Unknown", "True" or "False".
std::string_view status_text(ConditionStatus status);

// A condition without severity decides about Ready; one with severity Info does not.
enum class ConditionSeverity : std::uint8_t { error, info };

struct Condition {
    std::string type = {};
    ConditionStatus status = ConditionStatus::unknown;
    ConditionSeverity severity = ConditionSeverity::error;
    base::WallTime last_transition_time = {};
    std::string reason = {};
    std::string message = {};

    friend bool operator==(const Condition&, const Condition&) = default;
};

// Sorted by type, each type once.
using Conditions = std::vector<Condition>;

const Condition* find_condition(const Conditions& conditions, std::string_view type);
bool is_true(const Conditions& conditions, std::string_view type);
bool is_false(const Conditions& conditions, std::string_view type);

// What a reason is given with; the message is final, nothing is expanded in it.
struct Reason {
    std::string reason = {};
    std::string message = {};
};

// Changes the conditions of one object whose Ready depends on `dependents`. Every change also
// brings Ready up to date: the latest False among the dependents, else the latest Unknown, else
// True. Times move only when a condition changes otherwise.
class ConditionManager {
public:
    // `conditions` and `dependents` must outlive the manager, which is meant for one statement.
    ConditionManager(Conditions& conditions, std::span<const std::string_view> dependents,
                     base::WallTime now)
        : conditions_(conditions), dependents_(dependents), now_(now) {}

    // Adds Ready and the dependents that are missing, as Unknown (as True when Ready is True
    // already).
    void initialize();
    void mark_true(std::string_view type, Reason reason = {});
    void mark_unknown(std::string_view type, Reason reason);
    void mark_false(std::string_view type, Reason reason);
    // Takes a condition out that Ready does not depend on; others stay.
    void clear(std::string_view type);

private:
    bool is_dependent(std::string_view type) const;
    ConditionSeverity severity(std::string_view type) const;
    void set(std::string_view type, ConditionStatus status, Reason reason);
    // The one that changed last among those of this status that decide about Ready, or nullptr.
    const Condition* latest_dependent(ConditionStatus status) const;
    void recompute_ready(std::string_view changed);

    Conditions& conditions_;
    std::span<const std::string_view> dependents_;
    base::WallTime now_;
};

// Elements without a type are left out; times that cannot be read count as the start of 1970.
Conditions read_conditions(const JsonArray& conditions);
JsonArray to_json(const Conditions& conditions);

}  // namespace tidemill::model
