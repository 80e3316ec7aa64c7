// What a planner answers: writes to the store and things worth telling people. Nothing is done yet.
#pragma once

#include <cstdint>
#include <memory>
#include <string>
#include <string_view>
#include <vector>

#include "base/time.h"
#include "model/object/object.h"
#include "model/serving/conditions.h"

namespace tidemill::control {

// A stored state, as the store hands it out.
using ObjectPtr = std::shared_ptr<const model::Object>;

enum class Action : std::uint8_t { create, update, update_status, remove };

// One write. `object` carries the resourceVersion that the plan was made from, so that a write on
// top of somebody else's is refused and the plan is made anew. Of one to remove only key, uid and
// version count.
struct Change {
    Action action = Action::create;
    model::Object object;

    friend bool operator==(const Change&, const Change&) = default;
};

// Becomes a core/v1 Event about the object that was planned for.
struct Notice {
    enum class Type : std::uint8_t { normal, warning } type = Type::normal;
    std::string reason;
    std::string message;

    friend bool operator==(const Notice&, const Notice&) = default;
};

struct Plan {
    std::vector<Change> changes;  // in this order
    std::vector<Notice> notices;

    friend bool operator==(const Plan&, const Plan&) = default;
};

// Names of labels and annotations of serving.knative.dev.
namespace serving {
inline constexpr std::string_view service = "serving.knative.dev/service";
inline constexpr std::string_view service_uid = "serving.knative.dev/serviceUID";
inline constexpr std::string_view configuration = "serving.knative.dev/configuration";
inline constexpr std::string_view configuration_uid = "serving.knative.dev/configurationUID";
inline constexpr std::string_view configuration_generation =
    "serving.knative.dev/configurationGeneration";
inline constexpr std::string_view route = "serving.knative.dev/route";
inline constexpr std::string_view revision = "serving.knative.dev/revision";
inline constexpr std::string_view revision_uid = "serving.knative.dev/revisionUID";
inline constexpr std::string_view routing_state = "serving.knative.dev/routingState";
inline constexpr std::string_view routing_state_modified =
    "serving.knative.dev/routingStateModified";
inline constexpr std::string_view routes = "serving.knative.dev/routes";
inline constexpr std::string_view creator = "serving.knative.dev/creator";
inline constexpr std::string_view last_modifier = "serving.knative.dev/lastModifier";
inline constexpr std::string_view no_gc = "serving.knative.dev/no-gc";
inline constexpr std::string_view rollout_duration = "serving.knative.dev/rollout-duration";
inline constexpr std::string_view rollout_duration_old = "serving.knative.dev/rolloutDuration";
inline constexpr std::string_view visibility = "networking.knative.dev/visibility";
inline constexpr std::string_view last_applied = "kubectl.kubernetes.io/last-applied-configuration";
}  // namespace serving

// The text of a label or annotation, empty when absent.
std::string_view text_of(const model::TextMap& map, std::string_view key);

// An object's status while it is worked on.
class StatusDraft {
public:
    // Dependents of Ready, which are added where they are missing.
    StatusDraft(const model::Object& object, std::span<const std::string_view> dependents,
                base::WallTime now);

    model::Conditions conditions;
    model::JsonObject fields;  // all but conditions and observedGeneration

    model::ConditionManager manage();
    // Sets a field, or takes it away when `text` is empty.
    void set(std::string_view field, std::string_view text);
    // Adds a status write to `plan` if something is said that was not.
    void finish(Plan& plan, const model::Object& object);

private:
    std::span<const std::string_view> dependents_;
    base::WallTime now_;
};

// True when status.observedGeneration is the object's generation.
bool is_observed(const model::Object& object);
// Observed, and the Ready condition is True (or False).
bool is_ready(const model::Object& object);
bool is_failed(const model::Object& object);
model::Conditions conditions_of(const model::Object& object);

// True when `owner` is the controller of `object`.
bool is_controlled_by(const model::Object& object, const model::Object& owner);

}  // namespace tidemill::control
