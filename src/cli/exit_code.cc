#include "cli/exit_code.h"

#include <fmt/format.h>

#include <string_view>

namespace tidemill::cli {
namespace {

struct Row {
    Exit code;
    std::string_view meaning;
};

constexpr Row rows[] = {
    {Exit::done, "done"},
    {Exit::failure, "it was tried and did not work"},
    {Exit::usage, "wrong words or flags; nothing was tried"},
    {Exit::not_found, "what was named is not there"},
    {Exit::denied, "not allowed, or not known who is asking"},
    {Exit::conflict, "somebody else changed it meanwhile, or it is there already"},
    {Exit::deadline, "waited as long as allowed; it may still happen"},
    {Exit::unreachable, "no server answers, or it cannot serve now"},
    {Exit::interrupted, "stopped by Ctrl-C"},
};

}  // namespace

Exit exit_of(base::Code code) {
    switch (code) {
        case base::Code::not_found:
            return Exit::not_found;
        case base::Code::denied:
            return Exit::denied;
        case base::Code::conflict:
        case base::Code::expired:
            return Exit::conflict;
        case base::Code::deadline:
            return Exit::deadline;
        case base::Code::unavailable:
            return Exit::unreachable;
        case base::Code::cancelled:
            return Exit::interrupted;
        case base::Code::invalid:
        case base::Code::exhausted:
            break;
    }
    return Exit::failure;
}

std::string exit_codes_help() {
    std::string text = "How tidemill ends, for scripts:\n\n";
    for (const auto& row : rows) {
        text += fmt::format("  {:>3}  {}\n", static_cast<int>(row.code), row.meaning);
    }
    return text;
}

}  // namespace tidemill::cli
