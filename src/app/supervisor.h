// Keeps the roles running: owns the listening sockets, starts each role as a process of its own,
// starts it again when it ends, and stops everything in order.
#pragma once

#include <functional>
#include <memory>
#include <string>
#include <vector>

#include "app/options.h"
#include "async/event.h"
#include "async/scope.h"
#include "async/task.h"
#include "host/host.h"
#include "host/signals.h"
#include "telemetry/log.h"

namespace tidemill::app {

class Supervisor {
public:
    // `program`: the path of this binary. `on_ready` is called once, when every role serves.
    Supervisor(host::Host& host, host::Signals& signals, telemetry::Logger& log, Options options,
               std::string program, std::function<void()> on_ready);
    Supervisor(const Supervisor&) = delete;
    Supervisor& operator=(const Supervisor&) = delete;
    ~Supervisor();

    // Opens the sockets, runs the roles until SIGINT or SIGTERM, stops them. Errors: what kept it
    // from starting (conflict: an address or the data directory is in use; denied; invalid;
    // unavailable: a role ended by itself before it ever served, instances live on).
    async::Task<base::Status> run();

private:
    struct Role;
    base::Status open_listeners();
    base::Status listen(const std::string& name, const std::string& address,
                        const host::ListenOptions& options);
    async::Task<void> keep_running(Role& role);
    async::Task<void> read_ready(Role& role, host::Stream& out);
    async::Task<void> wait_for_signal();
    async::Task<void> announce();
    async::Task<void> stop(Role& role);
    async::Task<void> clean_up();
    std::vector<std::string> addresses(const std::string& prefix) const;

    host::Host& host_;
    host::Signals& signals_;
    telemetry::Logger& log_;
    Options options_;
    std::string program_;
    std::function<void()> on_ready_;
    struct Named {
        std::string name;
        std::unique_ptr<host::Listener> listener;
    };
    std::vector<Named> listeners_;
    std::vector<std::unique_ptr<Role>> roles_;
    std::unique_ptr<host::File> lock_;
    bool stopping_ = false;
    async::Event end_;  // a signal came, or `failure_` says why nothing can run
    base::Status failure_ = base::ok;
    async::Scope work_;
};

}  // namespace tidemill::app
