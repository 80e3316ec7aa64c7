// Apply on the server: what a manager says, merged into what is there, and remembered.
#pragma once

#include <string>

#include "api/request/refusal.h"
#include "base/time.h"
#include "model/kinds/kind.h"

namespace tidemill::api {

struct ApplyRequest {
    const model::Kind& kind;
    std::string name;
    std::string manager;
    enum class Conflicts : std::uint8_t { refuse, take_over } conflicts = Conflicts::refuse;
    base::WallTime now;
};

// `live` is what is stored (an empty object if nothing is), `applied` the manager's document, both
// whole. Objects are merged member by member; lists and values are replaced whole. What the manager
// applied before, no longer says and nobody else applied, is removed. metadata.managedFields
// remembers managers that apply, in Kubernetes' form; writes by other means are not owned. Applying
// the same again changes nothing. Errors: 409 (another manager applied another value), 400.
Answered<model::Json> apply_document(const ApplyRequest& request, model::Json live,
                                     model::Json applied);

}  // namespace tidemill::api
