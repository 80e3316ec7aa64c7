// completion: scripts for shells, made from the table of commands.
#include <fmt/format.h>
#include <fmt/ranges.h>

#include "cli/api/session.h"
#include "cli/command/commands.h"

namespace tidemill::cli {
namespace {

// What may follow a command: its first words and its flags.
std::vector<std::string_view> followers(const Command& command) {
    auto out = command.first_words;
    for (const auto& flag : flags_of(command)) {
        out.push_back(flag.name);
        if (!flag.letter.empty()) {
            out.push_back(flag.letter);
        }
    }
    return out;
}

std::vector<std::string_view> names() {
    std::vector<std::string_view> out;
    for (const auto& command : commands()) {
        out.push_back(command.name);
    }
    return out;
}

std::string bash() {
    std::string cases;
    for (const auto& command : commands()) {
        cases += fmt::format("    {}) words=\"{}\" ;;\n", command.name,
                             fmt::join(followers(command), " "));
    }
    return fmt::format(
        "# bash completion of tidemill: source <(tidemill completion bash)\n"
        "_tidemill() {{\n"
        "  local command=\"\" word words\n"
        "  for word in \"${{COMP_WORDS[@]:1:COMP_CWORD-1}}\"; do\n"
        "    case \"$word\" in -*) ;; *) command=\"$word\"; break ;; esac\n"
        "  done\n"
        "  case \"$command\" in\n"
        "{}"
        "    *) words=\"{}\" ;;\n"
        "  esac\n"
        "  COMPREPLY=($(compgen -W \"$words\" -- \"${{COMP_WORDS[COMP_CWORD]}}\"))\n"
        "}}\n"
        "complete -o default -F _tidemill tidemill\n",
        cases, fmt::join(names(), " "));
}

// Text within single quotes of a shell.
std::string quoted(std::string_view text) {
    std::string out = "'";
    for (const char c : text) {
        out += c == '\'' ? std::string("'\\''") : std::string(1, c);
    }
    return out + "'";
}

std::string zsh() {
    std::string all;
    std::string cases;
    for (const auto& command : commands()) {
        all += fmt::format("    {}\n", quoted(fmt::format("{}:{}", command.name, command.summary)));
        cases += fmt::format("    {}) compadd -- {} ;;\n", command.name,
                             fmt::join(followers(command), " "));
    }
    return fmt::format(
        "#compdef tidemill\n"
        "# zsh completion of tidemill: source <(tidemill completion zsh)\n"
        "_tidemill() {{\n"
        "  local -a all\n"
        "  all=(\n{}  )\n"
        "  if (( CURRENT == 2 )); then _describe command all; return; fi\n"
        "  case \"$words[2]\" in\n"
        "{}"
        "  esac\n"
        "  _files\n"
        "}}\n"
        "compdef _tidemill tidemill\n",
        all, cases);
}

std::string fish() {
    std::string out = "# fish completion of tidemill: tidemill completion fish | source\n";
    for (const auto& command : commands()) {
        out += fmt::format("complete -c tidemill -n __fish_use_subcommand -a {} -d {}\n",
                           command.name, quoted(command.summary));
        const auto seen = fmt::format("'__fish_seen_subcommand_from {}'", command.name);
        for (const auto word : command.first_words) {
            out += fmt::format("complete -c tidemill -n {} -a {}\n", seen, word);
        }
        for (const auto& flag : flags_of(command)) {
            out += fmt::format(
                "complete -c tidemill -n {} -l {}{}{} -d {}\n", seen, flag.name.substr(2),
                flag.letter.empty() ? "" : fmt::format(" -s {}", flag.letter.substr(1)),
                flag.value.empty() ? "" : " -r", quoted(flag.help));
        }
    }
    return out;
}

async::Task<Outcome> run_completion(Session& session) {
    const std::string shell = session.words().empty() ? "" : session.words().front();
    if (shell == "bash") {
        session.print(bash());
    } else if (shell == "zsh") {
        session.print(zsh());
    } else if (shell == "fish") {
        session.print(fish());
    } else {
        co_return session.misuse("give bash, zsh or fish");
    }
    co_return Exit::done;
}

}  // namespace

Command completion_command() {
    return {.name = "completion",
            .arguments = "bash|zsh|fish",
            .summary = "A script that teaches your shell these commands",
            .examples = {"source <(tidemill completion bash)"},
            .flags = {},
            .first_words = {"bash", "zsh", "fish"},
            .group = Command::Group::platform,
            .run = &run_completion};
}

}  // namespace tidemill::cli
