// revisions: what was deployed, newest first.
#include <fmt/format.h>

#include <algorithm>

#include "base/text.h"
#include "cli/api/documents.h"
#include "cli/api/paths.h"
#include "cli/api/services.h"
#include "cli/api/session.h"
#include "cli/api/traffic.h"
#include "cli/command/commands.h"
#include "cli/text/output.h"
#include "cli/text/table.h"

namespace tidemill::cli {
namespace {

std::pair<std::string, std::int64_t> order_of(const wire::Json& revision) {
    const auto generation = entry(revision, "metadata.labels", paths::generation_label);
    return {entry(revision, "metadata.labels", paths::service_label),
            -base::parse_number<std::int64_t>(generation).value_or(0)};
}

async::Task<Outcome> run_revisions(Session& session) {
    if (session.words().size() > 1) {
        co_return session.misuse("give one service, or none for all");
    }
    const auto format = parse_format(session.given());
    if (!format) {
        co_return session.misuse(format.error().message);
    }
    CO_TRY(auto* const api, session.api());
    const auto space = session.space();
    const std::string name = session.words().empty() ? "" : session.words().front();
    wire::JsonArray services;
    if (!name.empty()) {
        CO_TRY(auto service, co_await get_service(session, space, name));
        services.push_back(std::move(service));
    } else {
        CO_TRY(const auto all,
               co_await api->json("GET", paths::serving(space, "services"), "", {}));
        services = list_at(all, "items");
    }
    auto path = paths::serving(space, "revisions");
    if (!name.empty()) {
        path += paths::with_label(paths::service_label, name);
    }
    CO_TRY(const auto list, co_await api->json("GET", path, "", {}));
    if (format->is_document()) {
        CO_TRY(const auto text, show(without_managed_fields(list), *format));
        session.print(text);
        co_return Exit::done;
    }
    std::vector<const wire::Json*> sorted;
    for (const auto& revision : list_at(list, "items")) {
        sorted.push_back(&revision);
    }
    std::ranges::sort(sorted, {}, [](const wire::Json* each) { return order_of(*each); });
    Table table({"NAME", "SERVICE", "TRAFFIC", "TAGS", "REPLICAS", "READY", "REASON", "AGE"});
    for (const auto* const revision : sorted) {
        const auto service_name = entry(*revision, "metadata.labels", paths::service_label);
        const auto service = std::ranges::find(services, service_name, &name_of);
        static const wire::JsonArray none;
        const auto& traffic =
            service == services.end() ? none : list_at(*service, "status.traffic");
        const auto percent = percent_of(traffic, name_of(*revision));
        const auto ready = condition_of(*revision, "Ready");
        if (format->kind == Format::Kind::name) {
            session.print(fmt::format("revision.serving.knative.dev/{}\n", name_of(*revision)));
            continue;
        }
        table.add({name_of(*revision), service_name,
                   percent == 0 ? "" : fmt::format("{}%", percent),
                   tags_of(traffic, name_of(*revision)),
                   std::to_string(number_at(*revision, "status.actualReplicas")), ready.status,
                   ready.status == "True" ? "" : ready.reason, age_of(*revision, session.now())});
    }
    if (sorted.empty()) {
        session.say("There are no revisions. Make one: tidemill deploy ./folder --name NAME");
    } else if (!table.empty()) {
        session.print(table.text());
    }
    co_return Exit::done;
}

}  // namespace

Command revisions_command() {
    return {.name = "revisions",
            .arguments = "[NAME]",
            .summary = "What was deployed, with its share of the traffic",
            .examples = {"tidemill revisions shop", "tidemill revisions -o json"},
            .flags = {output_flag()},
            .names = Command::Names::services,
            .group = Command::Group::look,
            .run = &run_revisions};
}

}  // namespace tidemill::cli
