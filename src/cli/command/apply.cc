// apply: documents become objects.
#include <fmt/format.h>

#include <algorithm>
#include <optional>
#include <set>
#include <span>
#include <vector>

#include "async/scope.h"
#include "base/text.h"
#include "cli/api/documents.h"
#include "cli/api/kinds.h"
#include "cli/api/session.h"
#include "cli/command/commands.h"
#include "wire/yaml.h"

namespace tidemill::cli {
namespace {

using base::Code;
using base::fail;
using base::Result;
using base::Status;

constexpr std::uint64_t file_bytes_max = 16U << 20;

struct Document {
    std::string where;  // "service.yaml, document 2"
    wire::Json content;
};

Status add_documents(const std::string& where, const std::string& text,
                     std::vector<Document>& out) {
    wire::JsonLimits limits;
    limits.bytes_max = file_bytes_max;
    auto documents = wire::parse_yaml(text, limits);
    if (!documents) {
        return base::wrap(where + ": ", std::move(documents).error());
    }
    for (std::size_t i = 0; i < documents->size(); ++i) {
        const auto name =
            documents->size() == 1 ? where : fmt::format("{}, document {}", where, i + 1);
        auto& document = (*documents)[i];
        if (text_at(document, "kind") == "List" && member(document, "items") != nullptr) {
            for (const auto& item : list_at(document, "items")) {
                out.push_back({name, item});
            }
        } else {
            out.push_back({name, std::move(document)});
        }
    }
    return base::ok;
}

bool is_document_name(std::string_view name) {
    return name.ends_with(".yaml") || name.ends_with(".yml") || name.ends_with(".json");
}

Result<std::vector<Document>> read_documents(Session& session) {
    std::vector<Document> out;
    auto& disk = session.host().disk;
    for (const auto& path : session.given().all("--filename")) {
        if (path == "-") {
            TRY(const auto text, session.context().read_input(file_bytes_max));
            CHECK_OK(add_documents("stdin", text, out));
            continue;
        }
        std::vector<std::string> files;
        if (const auto names = disk.list(path)) {
            for (const auto& name : *names) {
                if (is_document_name(name)) {
                    files.push_back(path + "/" + name);
                }
            }
        } else {
            files.push_back(path);
        }
        for (const auto& file : files) {
            TRY(const auto text, host::read_file(disk, file, file_bytes_max));
            CHECK_OK(add_documents(file, text, out));
        }
    }
    if (out.empty()) {
        return fail(Code::invalid, "there is no document in what was given");
    }
    return out;
}

struct Planned {
    Document document;
    const KindEntry* kind;
    std::string path;
};

Result<Planned> plan(const Kinds& kinds, const std::string& space, Document document) {
    const auto api_version = text_at(document.content, "apiVersion");
    const auto kind_name = text_at(document.content, "kind");
    const auto name = name_of(document.content);
    if (api_version.empty() || kind_name.empty() || name.empty()) {
        return fail(Code::invalid, "{}: {} is missing", document.where,
                    api_version.empty() ? "apiVersion"
                    : kind_name.empty() ? "kind"
                                        : "metadata.name");
    }
    const auto kind = kinds.find_exact(api_version, kind_name);
    if (!kind) {
        return base::wrap(document.where + ": ", kind.error());
    }
    auto own_space = space_of(document.content);
    if (own_space.empty()) {
        own_space = space;
    }
    auto path = (*kind)->path(own_space, name);
    return Planned{std::move(document), *kind, std::move(path)};
}

// What two answers have in common if nothing was changed.
wire::Json essence(wire::Json object) {
    if (auto* const fields = object.if_object()) {
        fields->erase("status");
        if (auto* const metadata = fields->if_contains("metadata");
            metadata != nullptr && metadata->is_object()) {
            for (const auto* const name : {"managedFields", "resourceVersion", "generation"}) {
                metadata->get_object().erase(name);
            }
        }
    }
    return object;
}

async::Task<Result<std::string>> apply_one(client::ApiClient& api, const Planned& planned,
                                           std::string_view query) {
    const auto before = co_await api.json("GET", planned.path, "", {});
    if (!before && before.error().code != Code::not_found) {
        co_return std::unexpected(before.error());
    }
    client::CallOptions options;
    options.content_type = "application/apply-patch+yaml";
    const auto after = co_await api.json(
        "PATCH",
        fmt::format("{}?fieldManager=tidemill&force=true&fieldValidation=Strict{}", planned.path,
                    query),
        wire::write_json(planned.document.content), std::move(options));
    if (!after) {
        co_return base::wrap(planned.document.where + ": ", after.error());
    }
    if (!before) {
        co_return "created";
    }
    co_return essence(*before) == essence(*after) ? "unchanged" : "configured";
}

// So many documents are on their way at once: each waits for its bytes to be on disk there, and
// those that wait together are written together.
constexpr std::size_t on_their_way_max = 16;

// The end of the documents from `begin` on that may go together: of one kind, and each another
// object. What is of another kind may need what comes before it.
std::size_t end_of_group(const std::vector<Planned>& all, std::size_t begin) {
    std::set<std::string_view> paths;
    auto end = begin;
    while (end < all.size() && all[end].kind == all[begin].kind &&
           paths.insert(all[end].path).second) {
        ++end;
    }
    return end;
}

// The documents of one group, and what became of each.
struct Group {
    std::span<const Planned> documents;
    std::string_view query;
    std::vector<std::optional<Result<std::string>>> results;
    std::size_t next = 0;
    bool failed = false;  // begin no more
};

async::Task<void> apply_next(Session& session, Group& group) {
    // A connection of its own: on one, answers come in the order of the questions.
    auto api = session.another_api();
    while (group.next < group.documents.size() && !group.failed) {
        const auto at = group.next++;
        if (!api) {
            group.results[at] = std::unexpected(api.error());
        } else {
            group.results[at] = co_await apply_one(**api, group.documents[at], group.query);
        }
        group.failed = group.failed || !*group.results[at];
    }
}

async::Task<Status> apply_group(Session& session, std::span<const Planned> documents, bool trial) {
    Group group{documents, trial ? "&dryRun=All" : "", {}, 0, false};
    group.results.resize(documents.size());
    async::Scope scope(session.host().loop, on_their_way_max);
    for (std::size_t i = 0; i < std::min(documents.size(), on_their_way_max); ++i) {
        CO_CHECK_OK(scope.spawn(apply_next(session, group)));
    }
    co_await scope.join();
    auto status = Status(base::ok);
    for (std::size_t i = 0; i < documents.size(); ++i) {
        const auto& result = group.results[i];
        if (result && *result) {
            session.print(fmt::format("{}/{} {}{}\n", documents[i].kind->print_name(),
                                      name_of(documents[i].document.content), **result,
                                      trial ? " (dry run)" : ""));
        } else if (result && status) {
            status = std::unexpected(result->error());
        }
    }
    co_return status;
}

async::Task<Outcome> run_apply(Session& session) {
    if (!session.words().empty() || !session.given().has("--filename")) {
        co_return session.misuse("give documents with -f FILE, -f DIR or -f -");
    }
    auto documents = read_documents(session);
    if (!documents) {
        co_return std::unexpected(std::move(documents).error());
    }
    CO_TRY(auto* const api, session.api());
    CO_TRY(const auto kinds, co_await Kinds::discover(*api));
    // All are understood before the first is written.
    std::vector<Planned> all;
    for (auto& document : *documents) {
        CO_TRY(auto planned, plan(kinds, session.space(), std::move(document)));
        all.push_back(std::move(planned));
    }
    const bool trial = session.given().has("--dry-run");
    for (std::size_t begin = 0; begin < all.size();) {
        const auto end = end_of_group(all, begin);
        CO_CHECK_OK(
            co_await apply_group(session, std::span(all).subspan(begin, end - begin), trial));
        begin = end;
    }
    co_return Exit::done;
}

}  // namespace

Command apply_command() {
    return {.name = "apply",
            .arguments = "-f FILE|DIR|- [--dry-run]",
            .summary = "Make objects as YAML or JSON documents say",
            .examples = {"tidemill apply -f service.yaml", "tidemill apply -f ./manifests",
                         "cat service.yaml | tidemill apply -f - --dry-run"},
            .flags = {{.name = "--filename",
                       .letter = "-f",
                       .value = "FILE",
                       .help = "a file, a folder of them, or - for stdin",
                       .times = Flag::Times::many},
                      {.name = "--dry-run", .help = "checked by the server, nothing is stored"}},
            .details =
                "Server-side apply as the manager \"tidemill\", with every unknown field "
                "refused.",
            .group = Command::Group::objects,
            .run = &run_apply};
}

}  // namespace tidemill::cli
