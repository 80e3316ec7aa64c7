// ls: the services.
#include <fmt/format.h>

#include <map>

#include "cli/api/documents.h"
#include "cli/api/paths.h"
#include "cli/api/session.h"
#include "cli/api/traffic.h"
#include "cli/command/commands.h"
#include "cli/text/output.h"
#include "cli/text/table.h"

namespace tidemill::cli {
namespace {

std::string ready_text(const Paint& paint, const Condition& ready) {
    if (ready.status == "True") {
        return paint.good("True");
    }
    const auto text =
        ready.reason.empty() ? ready.status : fmt::format("{} ({})", ready.status, ready.reason);
    return ready.status == "False" ? paint.bad(text) : text;
}

async::Task<Outcome> run_ls(Session& session) {
    if (!session.words().empty()) {
        co_return session.misuse("it lists all services; one alone: tidemill describe NAME");
    }
    const auto format = parse_format(session.given());
    if (!format) {
        co_return session.misuse(format.error().message);
    }
    CO_TRY(auto* const api, session.api());
    const bool everywhere = session.given().has("--all-namespaces");
    const auto space = everywhere ? std::string() : session.space();
    CO_TRY(const auto services,
           co_await api->json("GET", paths::serving(space, "services"), "", {}));
    if (format->is_document()) {
        CO_TRY(const auto text, show(without_managed_fields(services), *format));
        session.print(text);
        co_return Exit::done;
    }
    CO_TRY(const auto revisions,
           co_await api->json("GET", paths::serving(space, "revisions"), "", {}));
    std::map<std::pair<std::string, std::string>, std::int64_t> replicas;
    for (const auto& revision : list_at(revisions, "items")) {
        replicas[{space_of(revision), entry(revision, "metadata.labels", paths::service_label)}] +=
            number_at(revision, "status.actualReplicas");
    }
    std::vector<std::string> headings{"NAME",     "URL",   "LATEST", "TRAFFIC",
                                      "REPLICAS", "READY", "AGE"};
    if (everywhere) {
        headings.insert(headings.begin(), "NAMESPACE");
    }
    Table table(std::move(headings));
    for (const auto& service : list_at(services, "items")) {
        if (format->kind == Format::Kind::name) {
            session.print(fmt::format("service.serving.knative.dev/{}\n", name_of(service)));
            continue;
        }
        std::vector<std::string> cells{
            name_of(service),
            text_at(service, "status.url"),
            text_at(service, "status.latestReadyRevisionName"),
            traffic_text(list_at(service, "status.traffic")),
            std::to_string(replicas[{space_of(service), name_of(service)}]),
            ready_text(session.paint_out(), condition_of(service, "Ready")),
            age_of(service, session.now())};
        if (everywhere) {
            cells.insert(cells.begin(), space_of(service));
        }
        table.add(std::move(cells));
    }
    if (list_at(services, "items").empty()) {
        session.say(
            fmt::format("There are no services{}. Make one: tidemill deploy ./folder "
                        "--name NAME",
                        everywhere ? "" : " in namespace " + space));
    } else if (!table.empty()) {
        session.print(table.text());
    }
    co_return Exit::done;
}

}  // namespace

Command ls_command() {
    return {.name = "ls",
            .arguments = "[-A]",
            .summary = "The services: URL, traffic, instances",
            .examples = {"tidemill ls", "tidemill ls -A", "tidemill ls -o json"},
            .flags = {output_flag(),
                      {.name = "--all-namespaces", .letter = "-A", .help = "of all namespaces"}},
            .group = Command::Group::look,
            .run = &run_ls};
}

}  // namespace tidemill::cli
