#include "cli/command.h"

#include <algorithm>

#include "cli/command/commands.h"

namespace tidemill::cli {
namespace {

Command up_command() {
    return {.name = "up",
            .arguments = "[flags]",
            .summary = "Start the platform on this machine",
            .examples = {"tidemill up --data ./data"},
            .flags = {},
            .details = "Its flags: tidemill up --help",
            .group = Command::Group::run};
}

}  // namespace

std::span<const Command> commands() {
    static const std::vector<Command> all{
        up_command(),         deploy_command(),   invoke_command(),  logs_command(),
        traffic_command(),    rollback_command(), delete_command(),  ls_command(),
        revisions_command(),  describe_command(), explain_command(), get_command(),
        apply_command(),      token_command(),    doctor_command(),  version_command(),
        completion_command(), complete_command(), help_command()};
    return all;
}

const Command* find_command_named(std::string_view name) {
    const auto found = std::ranges::find(commands(), name, &Command::name);
    return found == commands().end() ? nullptr : &*found;
}

std::span<const Flag> global_flags() {
    static const std::vector<Flag> all{
        {.name = "--data",
         .value = "DIR",
         .help = "the data directory of a platform on this machine ($TIDEMILL_DATA)"},
        {.name = "--kubeconfig", .value = "FILE", .help = "the way to a platform ($KUBECONFIG)"},
        {.name = "--namespace",
         .letter = "-n",
         .value = "NAME",
         .help = "where to look and to put things (default: default)"},
        {.name = "--no-color", .help = "no colour, whatever the terminal can ($NO_COLOR)"},
        {.name = "--progress",
         .value = "auto|plain|tty|json",
         .help = "how work that takes long is shown on stderr (default: auto)"},
        {.name = "--help", .letter = "-h", .help = "what a command does and takes"},
    };
    return all;
}

std::vector<Flag> flags_of(const Command& command) {
    std::vector<Flag> out = command.flags;
    out.insert(out.end(), global_flags().begin(), global_flags().end());
    return out;
}

}  // namespace tidemill::cli
