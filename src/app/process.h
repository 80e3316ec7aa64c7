// What every process of the platform begins with: its host, its signals, its log.
#pragma once

#include <memory>
#include <string>

#include "app/options.h"
#include "base/result.h"
#include "host_linux/linux_host.h"
#include "host_linux/network/linux_listener.h"
#include "host_linux/process/linux_signals.h"
#include "link/messages.h"
#include "telemetry/log.h"

namespace tidemill::app {

// Version of the binary, as `tidemill version` prints it.
std::string_view build_version();

// Of the process that starts the others. It alone hears SIGCHLD.
inline constexpr std::string_view supervisor_role = "up";

// stderr, a whole line at a time.
class StderrSink final : public telemetry::Sink {
public:
    void write(std::string_view line) override;
};

// Lives as long as main().
class Process {
public:
    // Errors: exhausted, invalid (a listener that was passed and is none).
    static base::Result<std::unique_ptr<Process>> create(const std::string& role,
                                                         Options::LogFormat format);

    host_linux::EpollLoop& loop() { return linux_->loop(); }
    host::Host& host() { return host_; }
    host::Signals& signals() { return *signals_; }
    telemetry::Logger& log() { return log_; }
    // Where this binary lies, links followed.
    const std::string& program_directory() const { return program_directory_; }
    // How this process introduces itself to others.
    link::Hello hello() const;
    // Tells the supervisor that this role serves.
    static void say_ready();

private:
    Process(std::string role, std::unique_ptr<host_linux::InheritedListeners> inherited,
            std::unique_ptr<host_linux::LinuxHost> linux,
            std::unique_ptr<host_linux::LinuxSignals> signals, Options::LogFormat format);

    std::string role_;
    std::unique_ptr<host_linux::InheritedListeners> inherited_;
    std::unique_ptr<host_linux::LinuxHost> linux_;
    std::unique_ptr<host_linux::LinuxSignals> signals_;
    host::Host host_;
    StderrSink sink_;
    telemetry::Logger log_;
    std::string boot_id_;
    std::string program_directory_;
};

// All inherited listeners whose names are PREFIX.0, PREFIX.1 and so on.
std::vector<std::unique_ptr<host::Listener>> inherited_all(host::Network& network,
                                                           const std::string& prefix);

}  // namespace tidemill::app
