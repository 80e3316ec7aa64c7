// completion: scripts for shells. They know nothing: what may follow is asked of `__complete`.
#include "cli/api/session.h"
#include "cli/command/commands.h"

namespace tidemill::cli {
namespace {

// The program is called as it was written, so that a copy elsewhere completes itself. Where there
// is nothing to say, the shell completes files. A value that may go on ("kind/", "jsonpath=") gets
// no space.
constexpr std::string_view bash =
    R"sh(# bash completion of tidemill: source <(tidemill completion bash)
_tidemill() {
  local line current="${COMP_WORDS[COMP_CWORD]}"
  COMPREPLY=()
  while IFS= read -r line; do
    COMPREPLY+=("${line%%$'\t'*}")
  done < <("${COMP_WORDS[0]}" __complete -- "${COMP_WORDS[@]:1:COMP_CWORD}" 2>/dev/null)
  if [[ ${#COMPREPLY[@]} -eq 1 && ( ${COMPREPLY[0]} == */ || ${COMPREPLY[0]} == *= ) ]]; then
    compopt -o nospace 2>/dev/null
  fi
}
complete -o default -F _tidemill tidemill
)sh";

constexpr std::string_view zsh = R"sh(#compdef tidemill
# zsh completion of tidemill: source <(tidemill completion zsh)
_tidemill() {
  local -a found
  local line value
  for line in "${(@f)$("${words[1]}" __complete -- "${(@)words[2,CURRENT]}" 2>/dev/null)}"; do
    [[ -z "$line" ]] && continue
    value="${line%%$'\t'*}"
    found+=("${value//:/\\:}:${line#*$'\t'}")
  done
  if (( ${#found} )); then _describe tidemill found; else _files; fi
}
compdef _tidemill tidemill
)sh";

constexpr std::string_view fish =
    R"sh(# fish completion of tidemill: tidemill completion fish | source
function __tidemill_complete
  set -l words (commandline -opc)
  $words[1] __complete -- $words[2..-1] (commandline -ct) 2>/dev/null
end
complete -c tidemill -f -n 'test -n "$(__tidemill_complete)"' -a '(__tidemill_complete)'
)sh";

async::Task<Outcome> run_completion(Session& session) {
    const std::string shell = session.words().empty() ? "" : session.words().front();
    if (shell == "bash") {
        session.print(bash);
    } else if (shell == "zsh") {
        session.print(zsh);
    } else if (shell == "fish") {
        session.print(fish);
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
            .details = "Commands, flags, kinds, and the names of what is there now.",
            .first_words = {"bash", "zsh", "fish"},
            .group = Command::Group::platform,
            .run = &run_completion};
}

}  // namespace tidemill::cli
