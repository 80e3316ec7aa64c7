// What a command is: one entry of the table from which dispatch, help and completion are made.
#pragma once

#include <span>
#include <string_view>
#include <vector>

#include "async/task.h"
#include "base/result.h"
#include "cli/exit_code.h"
#include "cli/flags.h"

namespace tidemill::cli {

class Session;

using Outcome = base::Result<Exit>;

struct Command {
    std::string_view name;
    std::string_view arguments;  // behind the name in the usage line: "NAME [flags]"
    std::string_view summary;    // one line, no full stop
    std::vector<std::string_view> examples;
    std::vector<Flag> flags;
    // More text for `help NAME`; may be empty.
    std::string_view details = {};
    // What may stand first behind the name, for completion: "create", "ls".
    std::vector<std::string_view> first_words = {};
    // What the words behind the name are names of, for completion: of Knative services, or of a
    // kind that the first word says, or of services where it says none.
    enum class Names : std::uint8_t {
        none,
        services,
        objects,
        objects_or_services
    } names = Names::none;
    // Hidden ones are for other programs: neither help nor completion lists them.
    enum class Group : std::uint8_t {
        run,
        change,
        look,
        objects,
        platform,
        hidden
    } group = Group::look;
    // The session outlives the task. An error is reported by run(); an Exit has been explained.
    // Null: app does it before cli is asked (`up`); listed for help and completion.
    async::Task<Outcome> (*run)(Session& session) = nullptr;
};

// All commands in the order of the help. Lives for ever.
std::span<const Command> commands();
// Null when there is none of that name.
const Command* find_command_named(std::string_view name);
// Flags that every command takes, before or behind its name.
std::span<const Flag> global_flags();
// Global flags and the command's own.
std::vector<Flag> flags_of(const Command& command);

}  // namespace tidemill::cli
