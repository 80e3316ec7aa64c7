// get: objects of any kind, as tables or documents.
#include <fmt/format.h>

#include <algorithm>
#include <functional>
#include <utility>

#include "base/text.h"
#include "cli/api/documents.h"
#include "cli/api/kinds.h"
#include "cli/api/session.h"
#include "cli/api/targets.h"
#include "cli/command/commands.h"
#include "cli/text/output.h"
#include "cli/text/table.h"
#include "wire/url.h"
#include "wire/yaml.h"

namespace tidemill::cli {
namespace {

using base::Code;
using base::fail;
using base::Result;

constexpr std::string_view table_type =
    "application/json;as=Table;v=v1;g=meta.k8s.io,application/json";

// How it is asked for.
struct Manner {
    std::string space;  // empty: all
    std::string query;  // beginning with '?', or empty
    Format format;
    enum class Headings : std::uint8_t { shown, hidden } headings = Headings::shown;
    // Whether names say their kind, since there are several.
    enum class Kinds : std::uint8_t { one, several } kinds = Kinds::one;
};

bool shows_column(const wire::Json& column, Format::Kind format) {
    return format == Format::Kind::wide || number_at(column, "priority") == 0;
}

bool shows_space(const KindEntry& kind, const Manner& manner) {
    return manner.space.empty() && kind.scope == KindEntry::Scope::spaced;
}

std::vector<std::string> headings_of(const wire::JsonArray& columns, const KindEntry& kind,
                                     const Manner& manner) {
    std::vector<std::string> out;
    if (manner.headings == Manner::Headings::hidden) {
        return out;
    }
    if (shows_space(kind, manner)) {
        out.emplace_back("NAMESPACE");
    }
    for (const auto& column : columns) {
        if (shows_column(column, manner.format.kind)) {
            auto name = text_at(column, "name");
            std::ranges::transform(name, name.begin(), [](char c) {
                return c >= 'a' && c <= 'z' ? static_cast<char>(c - 'a' + 'A') : c;
            });
            out.push_back(std::move(name));
        }
    }
    return out;
}

std::vector<std::string> cells_of(const wire::JsonArray& columns, const wire::Json& row,
                                  const KindEntry& kind, const Manner& manner) {
    std::vector<std::string> out;
    if (shows_space(kind, manner)) {
        out.push_back(text_at(row, "object.metadata.namespace"));
    }
    const auto& cells = list_at(row, "cells");
    for (std::size_t i = 0; i < cells.size() && i < columns.size(); ++i) {
        if (!shows_column(columns[i], manner.format.kind)) {
            continue;
        }
        auto text = cell_text(cells[i]);
        if (manner.kinds == Manner::Kinds::several && text_at(columns[i], "format") == "name") {
            text = fmt::format("{}/{}", kind.print_name(), text);
        }
        out.push_back(std::move(text));
    }
    return out;
}

std::string name_line(const KindEntry& kind, const wire::Json& object) {
    return fmt::format("{}/{}\n", kind.print_name(), name_of(object));
}

// Asks for one target, as a table or as it is.
async::Task<Result<wire::Json>> ask(Session& session, Target target, std::string space,
                                    std::string query, std::string accept) {
    CO_TRY(auto* const api, session.api());
    client::CallOptions options;
    options.accept = std::move(accept);
    co_return co_await api->json("GET", target.kind->path(space, target.name) + query, "",
                                 std::move(options));
}

// What was found of what was asked for. One that is not there does not keep the others away.
struct Found {
    std::vector<std::pair<Target, wire::Json>> answers;
    std::vector<base::Error> errors;
};

async::Task<Found> ask_for_all(Session& session, std::vector<Target> targets, const Manner& manner,
                               std::string accept) {
    Found out;
    for (auto& target : targets) {
        auto answer = co_await ask(session, target, manner.space, manner.query, accept);
        if (answer) {
            out.answers.emplace_back(std::move(target), *std::move(answer));
        } else {
            out.errors.push_back(std::move(answer).error());
        }
    }
    co_return out;
}

// One table for each kind, in the order of asking.
void print_tables(Session& session, const Found& found, const Manner& manner) {
    std::string text;
    std::string without;
    for (std::size_t i = 0; i < found.answers.size();) {
        const auto& kind = *found.answers[i].first.kind;
        const auto& columns = list_at(found.answers[i].second, "columnDefinitions");
        Table table(headings_of(columns, kind, manner));
        for (; i < found.answers.size() && found.answers[i].first.kind == &kind; ++i) {
            for (const auto& row : list_at(found.answers[i].second, "rows")) {
                table.add(cells_of(columns, row, kind, manner));
            }
        }
        if (table.empty()) {
            without += fmt::format("{}{}", without.empty() ? "" : ", ", kind.plural);
        } else {
            text += (text.empty() ? "" : "\n") + table.text();
        }
    }
    session.print(text);
    // Of several kinds only that there is nothing at all is worth a word.
    if (!without.empty() && text.empty()) {
        session.say(manner.space.empty()
                        ? fmt::format("There are no {}.", without)
                        : fmt::format("There are no {} in namespace {}.", without, manner.space));
    }
}

// The objects of an answer: of a list its items, with the kind that a list leaves out.
void for_objects(const KindEntry& kind, const wire::Json& answer,
                 const std::function<void(const wire::Json&)>& visit) {
    if (member(answer, "items") == nullptr) {
        visit(answer);
        return;
    }
    for (const auto& item : list_at(answer, "items")) {
        auto object = item;
        if (object.is_object() && !object.get_object().contains("kind")) {
            object.get_object()["apiVersion"] = kind.api_version();
            object.get_object()["kind"] = kind.kind;
        }
        visit(object);
    }
}

base::Status print_documents(Session& session, const Found& found, const Manner& manner) {
    const auto kind = manner.format.kind;
    if (kind == Format::Kind::name || kind == Format::Kind::jsonl) {
        for (const auto& [target, answer] : found.answers) {
            for_objects(*target.kind, answer, [&](const wire::Json& object) {
                session.print(kind == Format::Kind::name
                                  ? name_line(*target.kind, object)
                                  : wire::write_json(without_managed_fields(object)) + "\n");
            });
        }
        return base::ok;
    }
    if (found.answers.size() == 1) {
        TRY(const auto text,
            show(without_managed_fields(found.answers.front().second), manner.format));
        session.print(text);
        return base::ok;
    }
    wire::JsonArray items;
    for (const auto& [target, answer] : found.answers) {
        for_objects(*target.kind, answer,
                    [&](const wire::Json& object) { items.push_back(object); });
    }
    const wire::Json list = wire::JsonObject{{"apiVersion", "v1"},
                                             {"kind", "List"},
                                             {"metadata", wire::JsonObject()},
                                             {"items", std::move(items)}};
    TRY(const auto text, show(without_managed_fields(list), manner.format));
    session.print(text);
    return base::ok;
}

// Prints each change until the server ends the watch. References outlive the task.
async::Task<base::Status> print_changes(Session& session, const Target& target,
                                        const Manner& manner, std::string version) {
    CO_TRY(auto* const api, session.api());
    const bool names = manner.format.kind == Format::Kind::name;
    const bool documents = manner.format.is_document() || names;
    http::ClientRequest request;
    request.target =
        fmt::format("{}{}watch=true&resourceVersion={}{}", target.kind->path(manner.space, ""),
                    manner.query.empty() ? "?" : manner.query + "&", version,
                    target.name.empty()
                        ? ""
                        : "&fieldSelector=" + wire::percent_encode("metadata.name=" + target.name));
    client::CallOptions options;
    options.limit = base::Duration::zero();
    options.accept = documents ? "application/json" : table_type;
    wire::JsonArray columns;
    std::optional<base::Error> error;
    auto take = [&](std::string_view line) {
        const auto event = wire::parse_json(line);
        const auto* const object = event ? member(*event, "object") : nullptr;
        if (object == nullptr || text_at(*event, "type") == "BOOKMARK") {
            return true;
        }
        if (text_at(*event, "type") == "ERROR") {
            error = base::Error{Code::expired, text_at(*object, "message")};
            return false;
        }
        if (names) {
            session.print(name_line(*target.kind, *object));
        } else if (documents) {
            auto text = show(without_managed_fields(*object), manner.format);
            if (!text) {
                error = text.error();
                return false;
            }
            session.print(manner.format.kind == Format::Kind::yaml ? "---\n" + *text : *text);
        } else {
            if (!list_at(*object, "columnDefinitions").empty()) {
                columns = list_at(*object, "columnDefinitions");
            }
            Table table;
            for (const auto& row : list_at(*object, "rows")) {
                table.add(cells_of(columns, row, *target.kind, manner));
            }
            session.print(table.text());
        }
        return true;
    };
    CO_CHECK_OK(co_await api->stream(std::move(request), std::move(options), std::move(take)));
    if (error) {
        co_return std::unexpected(*std::move(error));
    }
    co_return base::ok;
}

std::string query_of(const Invocation& given) {
    std::string out;
    for (const auto& [flag, parameter] :
         {std::pair{"--selector", "labelSelector"}, {"--field-selector", "fieldSelector"}}) {
        if (given.has(flag)) {
            out += fmt::format("{}{}={}", out.empty() ? "?" : "&", parameter,
                               wire::percent_encode(given.text(flag)));
        }
    }
    return out;
}

async::Task<Outcome> run_get(Session& session) {
    const auto& given = session.given();
    auto format = parse_format(given);
    if (!format) {
        co_return session.misuse(format.error().message);
    }
    if (session.words().empty()) {
        co_return session.misuse("give a kind, and names if you want single objects");
    }
    CO_TRY(auto* const api, session.api());
    CO_TRY(const auto kinds, co_await Kinds::discover(*api));
    const auto targets = parse_wanted(kinds, session.words());
    if (!targets) {
        co_return session.misuse(targets.error().message);
    }
    const auto named = [](const Target& target) { return !target.name.empty(); };
    const bool everywhere = given.has("--all-namespaces");
    if (std::ranges::any_of(*targets, named) && everywhere) {
        co_return session.misuse("a name is in one namespace: give -n, not -A");
    }
    Manner manner;
    manner.format = *std::move(format);
    manner.space = everywhere ? "" : session.space();
    manner.query = query_of(given);
    if (std::ranges::any_of(*targets, named) && !manner.query.empty()) {
        co_return session.misuse("give names or a selector, not both");
    }
    if (given.has("--no-headers")) {
        manner.headings = Manner::Headings::hidden;
    }
    for (const auto& target : *targets) {
        if (target.kind != targets->front().kind) {
            manner.kinds = Manner::Kinds::several;
        }
    }
    if (given.has("--watch") && targets->size() > 1) {
        co_return session.misuse("-w watches one kind, or one object");
    }
    const bool documents = manner.format.is_document() || manner.format.kind == Format::Kind::name;
    const auto found = co_await ask_for_all(
        session, *targets, manner, std::string(documents ? "application/json" : table_type));
    if (!found.answers.empty()) {
        if (documents) {
            CO_CHECK_OK(print_documents(session, found, manner));
        } else {
            print_tables(session, found, manner);
        }
    }
    for (std::size_t i = 1; i < found.errors.size(); ++i) {
        session.say(found.errors[i].message);
    }
    if (!found.errors.empty()) {
        co_return std::unexpected(found.errors.front());
    }
    if (given.has("--watch")) {
        CO_CHECK_OK(co_await print_changes(
            session, targets->front(), manner,
            text_at(found.answers.front().second, "metadata.resourceVersion")));
    }
    co_return Exit::done;
}

}  // namespace

Command get_command() {
    return {.name = "get",
            .arguments = "KIND[,KIND…] | KIND NAME… | KIND/NAME… [flags]",
            .summary = "Objects of any kind, as a table or as they are",
            .examples = {"tidemill get services", "tidemill get service shop -o yaml",
                         "tidemill get pods -l serving.knative.dev/service=shop -w",
                         "tidemill get ksvc,routes", "tidemill get ksvc/shop revision/shop-00001",
                         "tidemill get ksvc shop -o jsonpath='{.status.url}'"},
            .flags = {output_flag(),
                      {.name = "--selector", .letter = "-l", .value = "K=V", .help = "by label"},
                      {.name = "--field-selector",
                       .value = "PATH=V",
                       .help = "by field, e.g. metadata.name=shop"},
                      {.name = "--no-headers", .help = "a table without its first line"},
                      {.name = "--all-namespaces", .letter = "-A", .help = "of all namespaces"},
                      {.name = "--watch", .letter = "-w", .help = "go on with each change"}},
            .details =
                "Kinds have short names, as with kubectl; \"service\" means a Knative "
                "service, \"svc\" the core one; \"all\" and \"knative\" are several kinds.",
            .names = Command::Names::objects,
            .group = Command::Group::objects,
            .run = &run_get};
}

}  // namespace tidemill::cli
