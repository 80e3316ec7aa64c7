#include "control/change.h"

#include <utility>

#include "model/serving/reasons.h"

namespace tidemill::control {

std::string_view text_of(const model::TextMap& map, std::string_view key) {
    const auto found = map.find(key);
    return found == map.end() ? std::string_view() : std::string_view(found->second);
}

model::Conditions conditions_of(const model::Object& object) {
    const auto* list = model::find_member(object.status(), {"conditions"});
    return list != nullptr && list->is_array() ? model::read_conditions(list->get_array())
                                               : model::Conditions();
}

StatusDraft::StatusDraft(const model::Object& object, std::span<const std::string_view> dependents,
                         base::WallTime now)
    : conditions(conditions_of(object)),
      fields(object.status()),
      dependents_(dependents),
      now_(now) {
    fields.stable_erase("conditions");
    fields.stable_erase("observedGeneration");
    manage().initialize();
}

model::ConditionManager StatusDraft::manage() {
    return {conditions, dependents_, now_};
}

void StatusDraft::set(std::string_view field, std::string_view text) {
    if (text.empty()) {
        fields.stable_erase(field);
    } else {
        fields[field] = model::as_json(text);
    }
}

void StatusDraft::finish(Plan& plan, const model::Object& object) {
    model::JsonObject status = std::move(fields);
    status["observedGeneration"] = object.metadata.generation;
    status["conditions"] = model::to_json(conditions);
    if (model::same_meaning(status, object.status())) {
        return;
    }
    model::Object next = object;
    next.body["status"] = std::move(status);
    plan.changes.push_back({Action::update_status, std::move(next)});
}

bool is_observed(const model::Object& object) {
    const auto* observed = model::find_member(object.status(), {"observedGeneration"});
    return observed != nullptr &&
           model::integer_of(*observed) == std::optional(object.metadata.generation);
}

bool is_ready(const model::Object& object) {
    return is_observed(object) && model::is_true(conditions_of(object), model::condition_ready);
}

bool is_failed(const model::Object& object) {
    return is_observed(object) && model::is_false(conditions_of(object), model::condition_ready);
}

bool is_controlled_by(const model::Object& object, const model::Object& owner) {
    const auto* controller = object.metadata.controller();
    return controller != nullptr && controller->uid == owner.metadata.uid;
}

}  // namespace tidemill::control
