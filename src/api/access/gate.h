// The one place where the API asks whether something is allowed.
#pragma once

#include "api/access/authenticator.h"
#include "api/settings.h"
#include "auth/policy.h"

namespace tidemill::api {

class Gate {
public:
    // Outlived by `settings`.
    explicit Gate(Settings& settings) : settings_(settings) {}

    // By the roles that the identity brought along, and by the policy in force.
    auth::Decision decide(const Identity& identity, const auth::Access& access) const;

private:
    Settings& settings_;
};

}  // namespace tidemill::api
