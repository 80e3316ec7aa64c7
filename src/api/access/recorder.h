// The audit record of one call, in two steps.
#pragma once

#include <optional>
#include <string>

#include "api/access/audit.h"
#include "api/request/call.h"
#include "host/clock.h"

namespace tidemill::api {

class Recorder {
public:
    // Both outlive it.
    Recorder(AuditSink& sink, host::Random& random) : sink_(sink), random_(random) {}

    // Before the write: goes on when the record is durable, with its id. Errors: 503 (TM-303): the
    // mutation must not be done.
    async::Task<Answered<std::string>> asked(const Call& call, std::optional<model::Json> before,
                                             std::optional<model::Json> after);
    // After it. `written` says which object and version, or what was refused.
    void done(const Call& call, const std::string& id, int status, std::string written);
    void denied(const auth::Subject& who, const auth::Access& what, std::string from,
                std::string reason);

private:
    AuditSink& sink_;
    host::Random& random_;
};

}  // namespace tidemill::api
