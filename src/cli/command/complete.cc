// __complete: what may stand where the cursor is, for the scripts of `completion`.
#include <fmt/format.h>

#include <algorithm>
#include <optional>

#include "base/text.h"
#include "cli/api/documents.h"
#include "cli/api/kinds.h"
#include "cli/api/paths.h"
#include "cli/api/session.h"
#include "cli/command/commands.h"
#include "cli/text/output.h"

namespace tidemill::cli {
namespace {

// Somebody waits with a finger on the key; a server that takes longer is not waited for.
constexpr auto patience = std::chrono::milliseconds(300);
constexpr std::size_t names_max = 500;

struct Candidate {
    std::string value;
    std::string description;
};
using Candidates = std::vector<Candidate>;

// A line as far as it is written, without the word at the cursor.
struct Written {
    const Command* command = nullptr;
    std::vector<std::string> words;  // behind the command's name, without flags
    Invocation global;               // which say whom to ask
    const Flag* open = nullptr;      // the flag whose value is at the cursor
};

const Flag* flag_called(std::span<const Flag> known, std::string_view name) {
    for (const auto& flag : known) {
        if (flag.name == name || (!flag.letter.empty() && flag.letter == name)) {
            return &flag;
        }
    }
    return nullptr;
}

std::span<const Flag> flags_behind(const Command* command, std::vector<Flag>& storage) {
    if (command == nullptr) {
        return global_flags();
    }
    storage = flags_of(*command);
    return storage;
}

// Lenient: a line that is being written has mistakes, and those are reported when it is run.
// `storage` keeps the flags that the result points to.
Written read_line(std::span<const std::string> before, std::vector<Flag>& storage) {
    Written out;
    for (std::size_t i = 0; i < before.size(); ++i) {
        const std::string_view word = before[i];
        if (!word.starts_with('-') || word == "-") {
            if (out.command == nullptr) {
                out.command = find_command_named(word);
                if (out.command == nullptr) {
                    return out;
                }
            } else {
                out.words.emplace_back(word);
            }
            continue;
        }
        const auto equals = word.find('=');
        const auto* const flag =
            flag_called(flags_behind(out.command, storage), word.substr(0, equals));
        if (flag == nullptr || flag->value.empty()) {
            continue;
        }
        if (equals != std::string_view::npos) {
            out.global.add(flag->name, std::string(word.substr(equals + 1)));
        } else if (i + 1 < before.size()) {
            out.global.add(flag->name, before[++i]);
        } else {
            out.open = flag;
        }
    }
    return out;
}

async::Task<Candidates> names_at(Session& session, std::string path, std::string prefix) {
    Candidates out;
    auto api = session.api();
    if (!api) {
        co_return out;
    }
    client::CallOptions options;
    options.limit = patience;
    options.accept =
        "application/json;as=PartialObjectMetadataList;v=v1;g=meta.k8s.io,application/json";
    auto target = fmt::format("{}?limit={}", path, names_max);
    const auto list = co_await (*api)->json("GET", std::move(target), "", std::move(options));
    if (list) {
        for (const auto& item : list_at(*list, "items")) {
            out.push_back({prefix + name_of(item), age_of(item, session.now())});
        }
    }
    co_return out;
}

// The names of a kind, each behind `prefix`.
async::Task<Candidates> names_of_kind(Session& session, std::string word, std::string prefix) {
    auto api = session.api();
    if (!api) {
        co_return Candidates();
    }
    const auto kinds = co_await Kinds::discover(**api, patience);
    const auto kind = kinds ? kinds->find(word) : std::unexpected(kinds.error());
    if (!kind) {
        co_return Candidates();
    }
    co_return co_await names_at(session, (*kind)->path(session.space(), ""), std::move(prefix));
}

async::Task<Candidates> kind_words(Session& session, std::string prefix) {
    Candidates out;
    auto api = session.api();
    if (!api) {
        co_return out;
    }
    const auto kinds = co_await Kinds::discover(**api, patience);
    if (!kinds) {
        co_return out;
    }
    for (const auto& entry : kinds->entries()) {
        const auto kind = fmt::format("{} ({})", entry.kind, entry.api_version());
        out.push_back({prefix + entry.plural, kind});
        for (const auto& name : entry.short_names) {
            out.push_back({prefix + name, kind});
        }
    }
    co_return out;
}

async::Task<Candidates> services(Session& session) {
    // Before space(): which namespace is meant is known once the way to the server is.
    if (!session.api()) {
        co_return Candidates();
    }
    auto path = paths::serving(session.space(), "services");
    co_return co_await names_at(session, std::move(path), "");
}

async::Task<Candidates> objects(Session& session, const Written& written, std::string current) {
    if (const auto slash = current.find('/'); slash != std::string::npos) {
        co_return co_await names_of_kind(session, current.substr(0, slash),
                                         current.substr(0, slash + 1));
    }
    if (!written.words.empty()) {
        const auto& first = written.words.front();
        if (first.find('/') != std::string::npos) {
            co_return co_await kind_words(session, "");
        }
        co_return co_await names_of_kind(session, first, "");
    }
    const auto comma = current.rfind(',');
    auto out = co_await kind_words(
        session, comma == std::string::npos ? std::string() : current.substr(0, comma + 1));
    if (written.command->names == Command::Names::objects_or_services) {
        auto more = co_await services(session);
        std::ranges::move(more, std::back_inserter(out));
    }
    co_return out;
}

Candidates command_names() {
    Candidates out;
    for (const auto& command : commands()) {
        if (command.group != Command::Group::hidden) {
            out.push_back({std::string(command.name), std::string(command.summary)});
        }
    }
    return out;
}

Candidates flag_names(std::span<const Flag> flags) {
    Candidates out;
    for (const auto& flag : flags) {
        out.push_back({std::string(flag.name), std::string(flag.help)});
        if (!flag.letter.empty()) {
            out.push_back({std::string(flag.letter), std::string(flag.help)});
        }
    }
    return out;
}

// Values of flags: those that the help lists ("auto|plain"), or names of objects.
async::Task<Candidates> values_of(Session& session, const Flag& flag) {
    Candidates out;
    if (flag.name == "--namespace") {
        co_return co_await names_at(session, "/api/v1/namespaces", "");
    }
    if (flag.name == output_flag().name) {
        for (const auto* const format :
             {"table", "wide", "json", "jsonl", "yaml", "name", "jsonpath="}) {
            out.push_back({format, ""});
        }
    } else if (flag.value.find('|') != std::string_view::npos) {
        for (const auto value : base::split(flag.value, '|')) {
            out.push_back({std::string(value), ""});
        }
    }
    co_return out;
}

async::Task<Candidates> candidates(Session& session, const Written& written, std::string current) {
    if (written.open != nullptr) {
        co_return co_await values_of(session, *written.open);
    }
    if (current.starts_with('-')) {
        std::vector<Flag> storage;
        co_return flag_names(flags_behind(written.command, storage));
    }
    if (written.command == nullptr) {
        co_return command_names();
    }
    Candidates out;
    if (written.words.empty()) {
        for (const auto word : written.command->first_words) {
            out.push_back({std::string(word), ""});
        }
        if (written.command->name == "help") {
            auto names = command_names();
            std::ranges::move(names, std::back_inserter(out));
        }
    }
    switch (written.command->names) {
        case Command::Names::none:
            break;
        case Command::Names::services:
            if (written.words.empty()) {
                auto names = co_await services(session);
                std::ranges::move(names, std::back_inserter(out));
            }
            break;
        case Command::Names::objects:
        case Command::Names::objects_or_services: {
            auto names = co_await objects(session, written, current);
            std::ranges::move(names, std::back_inserter(out));
            break;
        }
    }
    co_return out;
}

async::Task<Outcome> run_complete(Session& session) {
    const auto& words = session.words();
    const std::string current = words.empty() ? "" : words.back();
    std::vector<Flag> storage;
    const auto written =
        read_line(std::span(words).first(words.empty() ? 0 : words.size() - 1), storage);
    if (written.command == nullptr && written.open == nullptr && words.size() > 1 &&
        !words.front().starts_with('-')) {
        co_return Exit::done;  // behind a command that is none
    }
    Session asking(session.context(), session.command(), written.global);
    const auto found = co_await candidates(asking, written, current);
    for (const auto& [value, description] : found) {
        if (value.starts_with(current)) {
            session.print(description.empty() ? value + "\n"
                                              : fmt::format("{}\t{}\n", value, description));
        }
    }
    co_return Exit::done;
}

}  // namespace

Command complete_command() {
    return {.name = "__complete",
            .arguments = "-- [WORD…] CURRENT",
            .summary = "What may stand in the place of the last word, a tab, and what it is",
            .examples = {"tidemill __complete -- get ksvc sh"},
            .flags = {},
            .group = Command::Group::hidden,
            .run = &run_complete};
}

}  // namespace tidemill::cli
