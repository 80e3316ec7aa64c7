// tidemill: one binary, several roles. `up` is the supervisor, `role NAME` is what it starts,
// everything else is a client of a running platform.
#include <fmt/format.h>

#include <cstdio>
#include <cstdlib>
#include <optional>
#include <string>
#include <utility>
#include <vector>

#include "app/client.h"
#include "app/options.h"
#include "app/process.h"
#include "app/roles.h"
#include "app/supervisor.h"
#include "base/bytes.h"
#include "host_linux/process/service_manager.h"

namespace tidemill::app {
namespace {

// Exit codes of the command line: see `tidemill help exit-codes`.
constexpr int exit_failure = 1;
constexpr int exit_usage = 2;

int report(const base::Error& error) {
    fmt::print(stderr, "tidemill: {}\n", error.message);
    return exit_failure;
}

std::string absolute(host::Disk&, const std::string& path, const char* directory) {
    if (path.empty() || path.front() == '/') {
        return path;
    }
    return std::string(directory) + "/" + path;
}

// Sockets of this boot: a tmpfs where there is one, short enough for sun_path.
std::string default_run_directory(const std::string& data) {
    const auto name = fmt::format("{:016x}", base::fnv1a(data));
    if (const char* user_run = std::getenv("XDG_RUNTIME_DIR"); user_run != nullptr && *user_run) {
        return fmt::format("{}/tidemill-{}", user_run, name);
    }
    return "/run/tidemill/" + name;
}

async::Task<base::Status> run_role(Process& process, const std::string& role, Options options) {
    if (role == "proxy") {
        return run_proxy(process, std::move(options));
    }
    if (role == "agent") {
        return run_agent(process, std::move(options));
    }
    return run_control(process, std::move(options));
}

int up(const std::vector<std::string>& words, std::optional<std::string> role) {
    for (const auto& word : words) {
        if (word == "--help" || word == "-h") {
            fmt::print("{}", up_help());
            return 0;
        }
    }
    auto options = parse_options(words);
    if (!options) {
        fmt::print(stderr, "tidemill: {}\nTry: tidemill up --help\n", options.error().message);
        return exit_usage;
    }
    auto process =
        Process::create(role.value_or(std::string(supervisor_role)), options->log_format);
    if (!process) {
        return report(process.error());
    }
    base::Status status = base::ok;
    if (role) {
        status = (*process)->loop().run(run_role(**process, *role, *std::move(options)));
    } else {
        const char* const directory = std::getenv("PWD");
        options->data = absolute((*process)->host().disk, options->data,
                                 directory == nullptr ? "." : directory);
        if (options->run.empty()) {
            options->run = default_run_directory(options->data);
        }
        Supervisor supervisor((*process)->host(), (*process)->signals(), (*process)->log(),
                              *std::move(options), "/proc/self/exe", [] {
                                  const char* const manager = std::getenv("NOTIFY_SOCKET");
                                  if (manager != nullptr && *manager != '\0') {
                                      (void)host_linux::notify_service_manager(manager, "READY=1");
                                  }
                              });
        status = (*process)->loop().run(supervisor.run());
    }
    return status ? 0 : report(status.error());
}

}  // namespace
}  // namespace tidemill::app

int main(int argc, char** argv) {
    std::vector<std::string> words(argv + 1, argv + argc);
    if (!words.empty() && words.front() == "up") {
        words.erase(words.begin());
        return tidemill::app::up(words, std::nullopt);
    }
    if (words.size() >= 2 && words.front() == "role") {
        const std::string role = words[1];
        words.erase(words.begin(), words.begin() + 2);
        return tidemill::app::up(words, role);
    }
    return tidemill::app::run_client(std::move(words));
}
