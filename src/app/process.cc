#include "app/process.h"

#include <fmt/format.h>

#include <csignal>
#include <cstdio>
#include <filesystem>
#include <utility>

namespace tidemill::app {

std::string_view build_version() {
    return TIDEMILL_VERSION;
}

void StderrSink::write(std::string_view line) {
    // A log that cannot be written must not end the platform.
    (void)std::fwrite(line.data(), 1, line.size(), stderr);
}

base::Result<std::unique_ptr<Process>> Process::create(const std::string& role,
                                                       Options::LogFormat format) {
    TRY(auto inherited, host_linux::InheritedListeners::from_environment());
    TRY(auto linux_host, host_linux::LinuxHost::create(*inherited));
    std::vector<int> numbers = {SIGINT, SIGTERM, SIGHUP};
    if (role == supervisor_role) {
        numbers.push_back(SIGCHLD);
    }
    TRY(auto signals, host_linux::LinuxSignals::create(linux_host->loop(), numbers));
    return std::unique_ptr<Process>(
        new Process(role, std::move(inherited), std::move(linux_host), std::move(signals), format));
}

Process::Process(std::string role, std::unique_ptr<host_linux::InheritedListeners> inherited,
                 std::unique_ptr<host_linux::LinuxHost> linux_host,
                 std::unique_ptr<host_linux::LinuxSignals> signals, Options::LogFormat format)
    : role_(std::move(role)),
      inherited_(std::move(inherited)),
      linux_(std::move(linux_host)),
      signals_(std::move(signals)),
      host_(linux_->host()),
      log_(host_.clock, sink_, role_,
           {.format = format == Options::LogFormat::json ? telemetry::LogOptions::Format::json
                                                         : telemetry::LogOptions::Format::human}),
      boot_id_(host::make_uuid(host_.random)) {
    std::error_code error;
    program_directory_ =
        std::filesystem::read_symlink("/proc/self/exe", error).parent_path().string();
}

link::Hello Process::hello() const {
    link::Hello hello;
    hello.role = role_;
    hello.build = build_version();
    hello.boot_id = boot_id_;
    return hello;
}

void Process::say_ready() {
    std::fputs("ready\n", stdout);
    std::fflush(stdout);
}

std::vector<std::unique_ptr<host::Listener>> inherited_all(host::Network& network,
                                                           const std::string& prefix) {
    std::vector<std::unique_ptr<host::Listener>> listeners;
    for (;;) {
        auto next = network.inherited(fmt::format("{}.{}", prefix, listeners.size()));
        if (!next) {
            return listeners;
        }
        listeners.push_back(*std::move(next));
    }
}

}  // namespace tidemill::app
