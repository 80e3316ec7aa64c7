#include "cli/run.h"

#include <fmt/format.h>

#include <algorithm>

#include "cli/api/session.h"
#include "cli/command.h"
#include "cli/refusal.h"
#include "cli/text/help.h"

namespace tidemill::cli {
namespace {

Paint error_paint(const Context& context, const std::vector<std::string>& words) {
    const bool plain = std::ranges::find(words, "--no-color") != words.end();
    return Paint(choose_colour(context, context.err, plain ? Wish::no_colour : Wish::unsaid));
}

void report(Context& context, const Paint& paint, std::string_view who, const base::Error& error) {
    context.err.write(
        fmt::format("{} {}: {}\n", paint.bad("Error:"), who, plain_message(error.message)));
    if (const auto advice = advice_for(error); !advice.empty()) {
        context.err.write(advice + "\n");
    }
}

int misuse(Context& context, std::string_view message) {
    context.err.write(fmt::format("tidemill: {}\nTry: tidemill help\n", message));
    return static_cast<int>(Exit::usage);
}

int unknown_command(Context& context, std::string_view name) {
    std::vector<std::string_view> names;
    for (const auto& command : commands()) {
        if (command.group != Command::Group::hidden) {
            names.push_back(command.name);
        }
    }
    const auto meant = nearest(name, names);
    return misuse(context, meant.empty() ? fmt::format("unknown command \"{}\"", name)
                                         : fmt::format("unknown command \"{}\". Did you mean {}?",
                                                       name, meant));
}

}  // namespace

async::Task<int> run(Context& context, std::vector<std::string> words) {
    const auto paint = error_paint(context, words);
    const auto at = find_command(global_flags(), words);
    if (!at) {
        co_return misuse(context, at.error().message);
    }
    if (*at == words.size()) {
        context.out.write(general_help());
        co_return static_cast<int>(Exit::done);
    }
    const auto name = words[*at];
    const auto* const command = find_command_named(name);
    if (command == nullptr) {
        co_return unknown_command(context, name);
    }
    words.erase(words.begin() + static_cast<std::ptrdiff_t>(*at));
    auto invocation = parse_flags(flags_of(*command), words);
    if (!invocation) {
        context.err.write(fmt::format("tidemill {}: {}\nTry: tidemill help {}\n", name,
                                      invocation.error().message, name));
        co_return static_cast<int>(Exit::usage);
    }
    // `tidemill deploy help` is what people type who do not know yet.
    const bool asks = invocation->words.size() == 1 && invocation->words.front() == "help" &&
                      command->group != Command::Group::hidden;
    if (invocation->has("--help") || asks) {
        context.out.write(help_of(*command));
        co_return static_cast<int>(Exit::done);
    }
    if (command->run == nullptr) {
        co_return misuse(context, fmt::format("\"{}\" must be the first word", name));
    }
    const auto progress = invocation->text("--progress", "auto");
    if (progress != "auto" && progress != "plain" && progress != "tty" && progress != "json") {
        co_return misuse(
            context, fmt::format("--progress: \"{}\" is none of auto, plain, tty, json", progress));
    }
    Session session(context, *command, *std::move(invocation));
    const auto outcome = co_await command->run(session);
    if (!outcome) {
        report(context, paint, name, outcome.error());
        co_return static_cast<int>(exit_of(outcome.error().code));
    }
    co_return static_cast<int>(*outcome);
}

}  // namespace tidemill::cli
