// traffic: how requests are split between revisions.
#include <fmt/format.h>

#include "cli/api/documents.h"
#include "cli/api/paths.h"
#include "cli/api/services.h"
#include "cli/api/session.h"
#include "cli/api/traffic.h"
#include "cli/api/wait.h"
#include "cli/command/commands.h"
#include "cli/text/table.h"

namespace tidemill::cli {
namespace {

using base::Result;

constexpr auto wait_default = std::chrono::seconds(30);

std::string traffic_table(const wire::JsonArray& traffic) {
    Table table({"REVISION", "TRAFFIC", "TAG", "URL"});
    for (const auto& each : traffic) {
        const auto* const follows = member(each, "latestRevision");
        const bool newest = follows != nullptr && *follows == true;
        table.add({fmt::format("{}{}", text_at(each, "revisionName"), newest ? " (@latest)" : ""),
                   fmt::format("{}%", number_at(each, "percent")), text_at(each, "tag"),
                   text_at(each, "url")});
    }
    return table.text();
}

Result<TrafficWish> read_wish(const Invocation& given) {
    TrafficWish wish;
    if (given.has("--to")) {
        TRY(wish.shares, parse_shares(given.text("--to")));
    }
    for (const auto& text : given.all("--tag")) {
        TRY(auto tag, parse_tag(text));
        wish.tags.push_back(std::move(tag));
    }
    wish.untag = given.all("--untag");
    return wish;
}

async::Task<Outcome> run_traffic(Session& session) {
    if (session.words().size() != 1) {
        co_return session.misuse("give one service");
    }
    const auto wish = read_wish(session.given());
    const auto limit = duration_flag(session.given(), "--wait", wait_default);
    if (!wish || !limit) {
        co_return session.misuse(wish ? limit.error().message : wish.error().message);
    }
    CO_CHECK_OK(session.api());
    const auto space = session.space();
    const auto& name = session.words().front();
    if (wish->shares.empty() && wish->tags.empty() && wish->untag.empty()) {
        CO_TRY(const auto service, co_await get_service(session, space, name));
        session.print(traffic_table(list_at(service, "status.traffic")));
        co_return Exit::done;
    }
    CO_TRY(const auto revisions, co_await get_revisions(session, space, name));
    CO_CHECK_OK(check_wish(*wish, list_at(revisions, "items"), name));
    CO_TRY(auto service, co_await change_traffic(session, space, name, *wish));
    if (limit->count() > 0) {
        CO_TRY(auto settled, co_await wait_until_settled(session, paths::serving(space, "services"),
                                                         std::move(service), *limit));
        if (settled.verdict != Verdict::ready) {
            co_await explain_failure(session, std::move(settled.object));
            co_return Exit::failure;
        }
        service = std::move(settled.object);
        session.print(traffic_table(list_at(service, "status.traffic")));
    }
    co_return Exit::done;
}

}  // namespace

Command traffic_command() {
    return {
        .name = "traffic",
        .arguments = "NAME [--to REVISION=PERCENT,…] [--tag TAG=REVISION] [--untag TAG]",
        .summary = "Show or change how requests are split between revisions",
        .examples = {"tidemill traffic shop", "tidemill traffic shop --to @latest=10,shop-00001=90",
                     "tidemill traffic shop --tag canary=shop-00002"},
        .flags = {{.name = "--to",
                   .value = "SPLIT",
                   .help = "percentages, which must sum to 100; @latest is the newest ready"},
                  {.name = "--tag",
                   .value = "TAG=REVISION",
                   .help = "a host of its own, TAG-NAME.…, even at 0 %",
                   .times = Flag::Times::many},
                  {.name = "--untag",
                   .value = "TAG",
                   .help = "takes a tag away",
                   .times = Flag::Times::many},
                  {.name = "--wait",
                   .value = "DURATION",
                   .help = "how long to wait until it is so (default 30s; 0: not at all)"}},
        .names = Command::Names::services,
        .group = Command::Group::change,
        .run = &run_traffic};
}

}  // namespace tidemill::cli
