// help: what there is, and how it is used.
#include "cli/text/help.h"

#include <fmt/format.h>

#include "cli/api/session.h"
#include "cli/command/commands.h"

namespace tidemill::cli {
namespace {

async::Task<Outcome> run_help(Session& session) {
    const auto& words = session.words();
    if (words.empty()) {
        session.print(general_help());
        co_return Exit::done;
    }
    if (words.front() == "exit-codes") {
        session.print(exit_codes_help());
        co_return Exit::done;
    }
    if (const auto* const command = find_command_named(words.front())) {
        session.print(help_of(*command));
        co_return Exit::done;
    }
    std::vector<std::string_view> names{"exit-codes"};
    for (const auto& command : commands()) {
        if (command.group != Command::Group::hidden) {
            names.push_back(command.name);
        }
    }
    const auto meant = nearest(words.front(), names);
    co_return session.misuse(
        fmt::format("there is nothing called \"{}\"{}", words.front(),
                    meant.empty() ? "" : fmt::format(". Did you mean {}?", meant)));
}

}  // namespace

Command help_command() {
    return {.name = "help",
            .arguments = "[COMMAND|exit-codes]",
            .summary = "All commands, or one of them",
            .examples = {"tidemill help deploy", "tidemill help exit-codes"},
            .flags = {},
            .first_words = {"exit-codes"},
            .group = Command::Group::platform,
            .run = &run_help};
}

}  // namespace tidemill::cli
