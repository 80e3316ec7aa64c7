// rollback: the revision before gets the traffic again.
#include <fmt/format.h>

#include "cli/api/documents.h"
#include "cli/api/paths.h"
#include "cli/api/services.h"
#include "cli/api/session.h"
#include "cli/api/traffic.h"
#include "cli/api/wait.h"
#include "cli/command/commands.h"

namespace tidemill::cli {
namespace {

using base::Result;

async::Task<Outcome> run_rollback(Session& session) {
    if (session.words().size() != 1) {
        co_return session.misuse("give one service");
    }
    const auto limit = duration_flag(session.given(), "--wait", std::chrono::seconds(30));
    if (!limit) {
        co_return session.misuse(limit.error().message);
    }
    CO_CHECK_OK(session.api());
    const auto space = session.space();
    const auto& name = session.words().front();
    CO_TRY(const auto before, co_await get_service(session, space, name));
    CO_TRY(const auto revisions, co_await get_revisions(session, space, name));
    auto chosen = choose_rollback(list_at(revisions, "items"), list_at(before, "status.traffic"),
                                  session.given().text("--to"));
    if (!chosen) {
        co_return base::wrap(fmt::format("{}: ", name), std::move(chosen).error());
    }
    TrafficWish wish;
    wish.shares.push_back({chosen->to, 100});
    CO_TRY(auto service, co_await change_traffic(session, space, name, std::move(wish)));
    if (limit->count() > 0) {
        CO_TRY(auto settled, co_await wait_until_settled(session, paths::serving(space, "services"),
                                                         std::move(service), *limit));
        if (settled.verdict != Verdict::ready) {
            co_await explain_failure(session, std::move(settled.object));
            co_return Exit::failure;
        }
    }
    session.print(fmt::format("{}: {} -> {}\n", name, chosen->from, chosen->to));
    session.say(
        fmt::format("New deploys of {0} get no traffic until: tidemill traffic {0} --to "
                    "@latest=100",
                    name));
    co_return Exit::done;
}

}  // namespace

Command rollback_command() {
    return {.name = "rollback",
            .arguments = "NAME [--to REVISION]",
            .summary = "Give all traffic to the revision before",
            .examples = {"tidemill rollback shop", "tidemill rollback shop --to shop-00003"},
            .flags = {{.name = "--to",
                       .value = "REVISION",
                       .help = "which one (default: the newest ready one before)"},
                      {.name = "--wait",
                       .value = "DURATION",
                       .help = "how long to wait until it is so (default 30s; 0: not at all)"}},
            .details = "Nothing is built or started anew: traffic moves, and tags stay.",
            .names = Command::Names::services,
            .group = Command::Group::change,
            .run = &run_rollback};
}

}  // namespace tidemill::cli
