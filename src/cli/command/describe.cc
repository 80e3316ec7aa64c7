// describe: one object, for a person.
#include <fmt/format.h>

#include "cli/api/documents.h"
#include "cli/api/paths.h"
#include "cli/api/services.h"
#include "cli/api/session.h"
#include "cli/api/targets.h"
#include "cli/api/traffic.h"
#include "cli/command/commands.h"
#include "cli/text/table.h"
#include "wire/url.h"
#include "wire/yaml.h"

namespace tidemill::cli {
namespace {

using base::Result;

std::string conditions_text(const Paint& paint, const wire::Json& object) {
    Table table({"CONDITION", "STATUS", "REASON", "MESSAGE"});
    for (const auto& each : list_at(object, "status.conditions")) {
        const auto status = text_at(each, "status");
        table.add({text_at(each, "type"),
                   status == "True"    ? paint.good(status)
                   : status == "False" ? paint.bad(status)
                                       : status,
                   text_at(each, "reason"), text_at(each, "message")});
    }
    return table.empty() ? std::string() : "\n" + table.text();
}

std::string facts_text(const wire::Json& object, base::WallTime now) {
    Table table;
    table.add({"Name:", name_of(object)});
    if (!space_of(object).empty()) {
        table.add({"Namespace:", space_of(object)});
    }
    table.add(
        {"Kind:", fmt::format("{} ({})", text_at(object, "kind"), text_at(object, "apiVersion"))});
    table.add({"Age:", age_of(object, now)});
    for (const std::string_view which : {"labels", "annotations"}) {
        const auto* const map = member(object, fmt::format("metadata.{}", which));
        if (map == nullptr || !map->is_object()) {
            continue;
        }
        for (const auto& [key, value] : map->get_object()) {
            table.add({which == "labels" ? "Label:" : "Annotation:",
                       fmt::format("{}={}", std::string_view(key), cell_text(value))});
        }
    }
    return table.text();
}

std::string service_text(const wire::Json& service, const wire::Json& revisions,
                         base::WallTime now) {
    std::string text = "\nURL: " + text_at(service, "status.url") + "\n\n";
    const auto& traffic = list_at(service, "status.traffic");
    Table table({"REVISION", "TRAFFIC", "TAGS", "REPLICAS", "READY", "AGE", "IMAGE"});
    for (const auto& revision : list_at(revisions, "items")) {
        const auto name = name_of(revision);
        const auto& containers = list_at(revision, "spec.containers");
        table.add({name, fmt::format("{}%", percent_of(traffic, name)), tags_of(traffic, name),
                   std::to_string(number_at(revision, "status.actualReplicas")),
                   condition_of(revision, "Ready").status, age_of(revision, now),
                   containers.empty() ? "" : text_at(containers[0], "image")});
    }
    return text + table.text();
}

// The parts that facts and conditions do not show, as YAML.
std::string rest_text(wire::Json object) {
    auto& fields = object.as_object();
    for (const auto* const key : {"apiVersion", "kind", "metadata"}) {
        fields.erase(key);
    }
    if (auto* const status = fields.if_contains("status");
        status != nullptr && status->is_object()) {
        status->get_object().erase("conditions");
        if (status->get_object().empty()) {
            fields.erase("status");
        }
    }
    return fields.empty() ? std::string() : "\n" + wire::write_yaml(object);
}

async::Task<Result<std::string>> events_text(Session& session, wire::Json object) {
    CO_TRY(auto* const api, session.api());
    const auto selector = fmt::format("involvedObject.name={},involvedObject.kind={}",
                                      name_of(object), text_at(object, "kind"));
    CO_TRY(const auto list,
           co_await api->json("GET",
                              paths::core(space_of(object), "events") +
                                  "?fieldSelector=" + wire::percent_encode(selector),
                              "", {}));
    Table table({"AGE", "TYPE", "REASON", "MESSAGE"});
    for (const auto& event : list_at(list, "items")) {
        const auto seen = base::parse_rfc3339(text_at(event, "lastTimestamp"));
        table.add({seen ? age_text(session.now() - *seen) : "", text_at(event, "type"),
                   text_at(event, "reason"), text_at(event, "message")});
    }
    co_return table.empty() ? std::string() : "\nEvents:\n" + table.text();
}

async::Task<Outcome> run_describe(Session& session) {
    if (session.words().empty() || session.words().size() > 2) {
        co_return session.misuse("give NAME, KIND NAME or KIND/NAME");
    }
    CO_TRY(auto* const api, session.api());
    CO_TRY(const auto kinds, co_await Kinds::discover(*api));
    const auto targets = parse_targets(kinds, session.words());
    if (!targets) {
        co_return session.misuse(targets.error().message);
    }
    for (const auto& target : *targets) {
        CO_TRY(const auto object,
               co_await api->json("GET", target.kind->path(session.space(), target.name), "", {}));
        auto text = facts_text(object, session.now());
        const bool service =
            target.kind->kind == "Service" && target.kind->group == "serving.knative.dev";
        if (service) {
            CO_TRY(const auto revisions,
                   co_await get_revisions(session, space_of(object), name_of(object)));
            text += service_text(object, revisions, session.now());
        } else if (object.is_object()) {
            text += rest_text(object);
        }
        text += conditions_text(session.paint_out(), object);
        // Events are an extra: who may not read them still sees the object.
        if (const auto events = co_await events_text(session, object)) {
            text += *events;
        }
        session.print(text);
    }
    co_return Exit::done;
}

}  // namespace

Command describe_command() {
    return {.name = "describe",
            .arguments = "NAME | KIND NAME | KIND/NAME",
            .summary = "One service or object in detail, with its conditions and events",
            .examples = {"tidemill describe shop", "tidemill describe revision shop-00001"},
            .flags = {},
            .names = Command::Names::objects_or_services,
            .group = Command::Group::look,
            .run = &run_describe};
}

}  // namespace tidemill::cli
