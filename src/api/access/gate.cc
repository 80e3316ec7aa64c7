#include "api/access/gate.h"

namespace tidemill::api {

auth::Decision Gate::decide(const Identity& identity, const auth::Access& access) const {
    const auth::Policy own{identity.bindings};
    auth::Decision decision;
    for (const auto* policy : {&own, &settings_.policy()}) {
        decision = auth::decide(*policy, identity.subject, access);
        if (decision.allowed()) {
            break;
        }
    }
    return decision;
}

}  // namespace tidemill::api
