#include "api/access/recorder.h"

#include <fmt/format.h>

namespace tidemill::api {

async::Task<Answered<std::string>> Recorder::asked(const Call& call,
                                                   std::optional<model::Json> before,
                                                   std::optional<model::Json> after) {
    AuditRecord record{.stage = AuditRecord::Stage::asked,
                       .id = host::make_uuid(random_),
                       .who = call.subject,
                       .from = call.from,
                       .what = call.access,
                       .decision = call.decision,
                       .before = std::move(before),
                       .after = std::move(after)};
    auto id = record.id;
    const auto recorded = co_await sink_.record(std::move(record));
    if (!recorded) {
        co_return refuse(unavailable(
            fmt::format("nothing was changed, because the change could not be recorded in the "
                        "audit log: {} (TM-303)",
                        recorded.error().message)));
    }
    co_return id;
}

void Recorder::done(const Call& call, const std::string& id, int status, std::string written) {
    sink_.note({.stage = AuditRecord::Stage::done,
                .id = id,
                .who = call.subject,
                .from = call.from,
                .what = call.access,
                .status = status,
                .message = std::move(written)});
}

void Recorder::denied(const auth::Subject& who, const auth::Access& what, std::string from,
                      std::string reason) {
    sink_.note({.stage = AuditRecord::Stage::denied,
                .id = host::make_uuid(random_),
                .who = who,
                .from = std::move(from),
                .what = what,
                .status = 403,
                .message = std::move(reason)});
}

}  // namespace tidemill::api
