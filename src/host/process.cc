#include "host/process.h"

#include <fmt/format.h>

#include <array>
#include <string_view>

namespace tidemill::host {

std::string ExitStatus::text() const {
    if (signal) {
        // Linux numbers on x86-64 and arm64 (signal(7)).
        static constexpr std::array<std::string_view, 16> names{
            "?",      "SIGHUP",  "SIGINT",  "SIGQUIT", "SIGILL",  "SIGTRAP", "SIGABRT", "SIGBUS",
            "SIGFPE", "SIGKILL", "SIGUSR1", "SIGSEGV", "SIGUSR2", "SIGPIPE", "SIGALRM", "SIGTERM"};
        const auto n = static_cast<std::size_t>(*signal);
        return fmt::format("signal {} ({})", *signal, n < names.size() ? names[n] : "?");
    }
    return fmt::format("exit code {}", code.value_or(-1));
}

}  // namespace tidemill::host
