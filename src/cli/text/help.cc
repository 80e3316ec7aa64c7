#include "cli/text/help.h"

#include <fmt/format.h>

#include "cli/text/table.h"

namespace tidemill::cli {
namespace {

struct Heading {
    Command::Group group;
    std::string_view text;
};

constexpr Heading headings[] = {
    {Command::Group::run, "Run"},
    {Command::Group::change, "Change what runs"},
    {Command::Group::look, "Look"},
    {Command::Group::objects, "Objects of any kind"},
    {Command::Group::platform, "The platform and this program"},
};

std::string flag_lines(std::span<const Flag> flags) {
    Table table;
    for (const auto& flag : flags) {
        table.add({fmt::format("  {:>3} {}{}{}",
                               flag.letter.empty() ? "" : fmt::format("{},", flag.letter),
                               flag.name, flag.value.empty() ? "" : " ", flag.value),
                   std::string(flag.help)});
    }
    return table.text();
}

}  // namespace

std::string general_help() {
    std::string text =
        "tidemill: from a source folder to a URL, from zero and back, on your own machine.\n\n"
        "Examples:\n"
        "  tidemill up --data ./data\n"
        "  tidemill deploy ./folder --name shop\n"
        "  tidemill invoke shop -d '{\"hello\": 1}'\n"
        "  tidemill traffic shop --to @latest=10,shop-00001=90\n";
    for (const auto& [group, heading] : headings) {
        Table table;
        for (const auto& command : commands()) {
            if (command.group == group) {
                table.add({fmt::format("  {}", command.name), std::string(command.summary)});
            }
        }
        text += fmt::format("\n{}:\n{}", heading, table.text());
    }
    text += "\nFlags of every command:\n" + flag_lines(global_flags());
    text += "\nMore: tidemill help COMMAND, tidemill help exit-codes\n";
    return text;
}

std::string help_of(const Command& command) {
    std::string text = fmt::format("{}.\n\nUsage: tidemill {} {}\n", command.summary, command.name,
                                   command.arguments);
    text += "\nExamples:\n";
    for (const auto example : command.examples) {
        text += fmt::format("  {}\n", example);
    }
    if (!command.details.empty()) {
        text += fmt::format("\n{}\n", command.details);
    }
    if (!command.flags.empty()) {
        text += "\nFlags:\n" + flag_lines(command.flags);
    }
    text += "\nFlags of every command:\n" + flag_lines(global_flags());
    return text;
}

}  // namespace tidemill::cli
