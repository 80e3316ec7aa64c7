// get: objects of any kind, as tables or documents.
#include <fmt/format.h>

#include <algorithm>

#include "base/text.h"
#include "cli/api/documents.h"
#include "cli/api/kinds.h"
#include "cli/api/session.h"
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

// What was asked for, resolved.
struct Wanted {
    const KindEntry* kind = nullptr;
    std::string space;  // empty: all
    std::string name;
    std::string query;  // beginning with '?', or empty
    Format format;
};

bool shows_column(const wire::Json& column, Format::Kind format) {
    return format == Format::Kind::wide || number_at(column, "priority") == 0;
}

std::vector<std::string> headings_of(const wire::JsonArray& columns, const Wanted& wanted) {
    std::vector<std::string> out;
    if (wanted.space.empty() && wanted.kind->scope == KindEntry::Scope::spaced) {
        out.emplace_back("NAMESPACE");
    }
    for (const auto& column : columns) {
        if (shows_column(column, wanted.format.kind)) {
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
                                  const Wanted& wanted) {
    std::vector<std::string> out;
    if (wanted.space.empty() && wanted.kind->scope == KindEntry::Scope::spaced) {
        out.push_back(text_at(row, "object.metadata.namespace"));
    }
    const auto& cells = list_at(row, "cells");
    for (std::size_t i = 0; i < cells.size() && i < columns.size(); ++i) {
        if (shows_column(columns[i], wanted.format.kind)) {
            out.push_back(cell_text(cells[i]));
        }
    }
    return out;
}

std::string name_line(const Wanted& wanted, const wire::Json& object) {
    return fmt::format("{}/{}\n", wanted.kind->print_name(), name_of(object));
}

async::Task<Result<std::string>> print_table(Session& session, const Wanted& wanted) {
    CO_TRY(auto* const api, session.api());
    client::CallOptions options;
    options.accept = table_type;
    CO_TRY(const auto document,
           co_await api->json("GET", wanted.kind->path(wanted.space, wanted.name) + wanted.query,
                              "", std::move(options)));
    const auto& columns = list_at(document, "columnDefinitions");
    Table table(headings_of(columns, wanted));
    for (const auto& row : list_at(document, "rows")) {
        table.add(cells_of(columns, row, wanted));
    }
    if (table.empty()) {
        session.say(wanted.space.empty() ? fmt::format("There are no {}.", wanted.kind->plural)
                                         : fmt::format("There are no {} in namespace {}.",
                                                       wanted.kind->plural, wanted.space));
    } else {
        session.print(table.text());
    }
    co_return text_at(document, "metadata.resourceVersion");
}

async::Task<Result<std::string>> print_documents(Session& session, const Wanted& wanted) {
    CO_TRY(auto* const api, session.api());
    CO_TRY(const auto document,
           co_await api->json("GET", wanted.kind->path(wanted.space, wanted.name) + wanted.query,
                              "", {}));
    if (wanted.format.kind == Format::Kind::name) {
        if (!wanted.name.empty()) {
            session.print(name_line(wanted, document));
        }
        for (const auto& item : list_at(document, "items")) {
            session.print(name_line(wanted, item));
        }
    } else {
        CO_TRY(const auto text, show(without_managed_fields(document), wanted.format));
        session.print(text);
    }
    co_return text_at(document, "metadata.resourceVersion");
}

// Prints each change until the server ends the watch. References outlive the task.
async::Task<base::Status> print_changes(Session& session, const Wanted& wanted,
                                        std::string version) {
    CO_TRY(auto* const api, session.api());
    const bool documents = wanted.format.is_document() || wanted.format.kind == Format::Kind::name;
    http::ClientRequest request;
    request.target =
        fmt::format("{}{}watch=true&resourceVersion={}{}", wanted.kind->path(wanted.space, ""),
                    wanted.query.empty() ? "?" : wanted.query + "&", version,
                    wanted.name.empty()
                        ? ""
                        : "&fieldSelector=" + wire::percent_encode("metadata.name=" + wanted.name));
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
        if (wanted.format.kind == Format::Kind::name) {
            session.print(name_line(wanted, *object));
        } else if (documents) {
            auto text = show(without_managed_fields(*object), wanted.format);
            if (!text) {
                error = text.error();
                return false;
            }
            session.print(wanted.format.kind == Format::Kind::yaml ? "---\n" + *text : *text);
        } else {
            if (!list_at(*object, "columnDefinitions").empty()) {
                columns = list_at(*object, "columnDefinitions");
            }
            Table table;
            for (const auto& row : list_at(*object, "rows")) {
                table.add(cells_of(columns, row, wanted));
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

async::Task<Outcome> run_get(Session& session) {
    const auto& words = session.words();
    const auto& given = session.given();
    auto format = parse_format(given);
    if (!format) {
        co_return session.misuse(format.error().message);
    }
    if (words.empty() || words.size() > 2) {
        co_return session.misuse("give a kind, and a name if you want one object alone");
    }
    CO_TRY(auto* const api, session.api());
    CO_TRY(const auto kinds, co_await Kinds::discover(*api));
    Wanted wanted;
    wanted.format = *std::move(format);
    std::string kind_word = words.front();
    if (const auto slash = kind_word.find('/'); slash != std::string::npos && words.size() == 1) {
        wanted.name = kind_word.substr(slash + 1);
        kind_word.resize(slash);
    } else if (words.size() == 2) {
        wanted.name = words[1];
    }
    const auto kind = kinds.find(kind_word);
    if (!kind) {
        co_return session.misuse(kind.error().message);
    }
    wanted.kind = *kind;
    const bool everywhere = given.has("--all-namespaces");
    if (everywhere && !wanted.name.empty()) {
        co_return session.misuse("a name is in one namespace: give -n, not -A");
    }
    wanted.space = everywhere ? "" : session.space();
    if (given.has("--selector")) {
        wanted.query = "?labelSelector=" + wire::percent_encode(given.text("--selector"));
    }
    const bool documents = wanted.format.is_document() || wanted.format.kind == Format::Kind::name;
    Result<std::string> version = std::string();
    if (documents) {
        version = co_await print_documents(session, wanted);
    } else {
        version = co_await print_table(session, wanted);
    }
    if (!version) {
        co_return std::unexpected(std::move(version).error());
    }
    if (given.has("--watch")) {
        CO_CHECK_OK(co_await print_changes(session, wanted, *version));
    }
    co_return Exit::done;
}

}  // namespace

Command get_command() {
    return {.name = "get",
            .arguments = "KIND [NAME] [flags]",
            .summary = "Objects of any kind, as a table or as they are",
            .examples = {"tidemill get services", "tidemill get service shop -o yaml",
                         "tidemill get pods -l serving.knative.dev/service=shop -w",
                         "tidemill get ksvc shop -o jsonpath='{.status.url}'"},
            .flags = {output_flag(),
                      {.name = "--selector", .letter = "-l", .value = "K=V", .help = "by label"},
                      {.name = "--all-namespaces", .letter = "-A", .help = "of all namespaces"},
                      {.name = "--watch", .letter = "-w", .help = "go on with each change"}},
            .details =
                "Kinds have short names, as with kubectl; \"service\" means a Knative "
                "service, \"svc\" the core one.",
            .group = Command::Group::objects,
            .run = &run_get};
}

}  // namespace tidemill::cli
