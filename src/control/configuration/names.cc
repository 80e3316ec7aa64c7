#include "control/configuration/names.h"

#include <fmt/format.h>

#include "control/change.h"
#include "model/object/names.h"

namespace tidemill::control {

std::string revision_name(const model::Object& configuration) {
    const auto given = model::text_at(configuration.spec(), {"template", "metadata", "name"});
    return given.empty()
               ? model::child_name(configuration.metadata.name,
                                   fmt::format("-{:05}", configuration.metadata.generation))
               : std::string(given);
}

bool may_use_named_revision(const model::Object& revision, const model::Object& configuration) {
    if (!is_controlled_by(revision, configuration)) {
        return false;
    }
    if (text_of(revision.metadata.labels, serving::configuration_generation) ==
        std::to_string(configuration.metadata.generation)) {
        return true;
    }
    const auto* wanted = model::find_member(configuration.spec(), {"template", "spec"});
    static const model::Json nothing = model::JsonObject();
    return model::same_meaning(wanted == nullptr ? nothing : *wanted, revision.spec());
}

}  // namespace tidemill::control
