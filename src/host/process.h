// Child processes of ours: roles, package clients, tools. Instances of users are started by a
// Launcher (host/launcher.h), never by this.
#pragma once

#include <cstdint>
#include <memory>
#include <optional>
#include <string>
#include <vector>

#include "async/task.h"
#include "base/result.h"
#include "host/network.h"
#include "host/stream.h"

namespace tidemill::host {

// How a process ended: by exit code or by signal.
struct ExitStatus {
    std::optional<int> code;
    std::optional<int> signal;

    // "exit code 3", "signal 9 (SIGKILL)".
    std::string text() const;
    friend bool operator==(const ExitStatus&, const ExitStatus&) = default;
};

struct SpawnOptions {
    std::vector<std::string> argv;         // argv[0] is a path
    std::vector<std::string> environment;  // "NAME=value"; nothing is inherited but this
    std::string directory;                 // empty: the parent's
    enum class Output : std::uint8_t { null, inherit, piped };
    Output out = Output::null;
    Output err = Output::null;
    enum class Input : std::uint8_t { null, piped };
    Input in = Input::null;
    // Listening sockets that the child finds with Network::inherited(name).
    struct PassedListener {
        std::string name;
        Listener* listener;
    };
    std::vector<PassedListener> listeners;
    // The child is killed when the parent's thread that spawned it dies.
    enum class WithParent : std::uint8_t { outlives, dies } with_parent = WithParent::dies;
};

// A running child. Destroyed while it runs, it is killed and reaped unless it was spawned to
// outlive us.
class Process {
public:
    Process() = default;
    Process(const Process&) = delete;
    Process& operator=(const Process&) = delete;
    virtual ~Process() = default;

    virtual std::int32_t pid() const = 0;
    // At most one waiter.
    virtual async::Task<ExitStatus> wait() = 0;
    // ok also when the process has ended already.
    virtual base::Status signal(int number) = 0;
    // Ends of pipes, null unless piped. They live as long as the Process.
    virtual Stream* in() = 0;
    virtual Stream* out() = 0;
    virtual Stream* err() = 0;
};

class Processes {
public:
    virtual ~Processes() = default;
    // Errors: not_found (no such program), denied, exhausted.
    virtual base::Result<std::unique_ptr<Process>> spawn(const SpawnOptions& options) = 0;
    virtual std::int32_t self() const = 0;
    // From now on descendants whose parent has died become this process's children, instead of
    // those of whoever is process 1, which in a container may never reap them. Errors: unavailable.
    virtual base::Status adopt_orphans() = 0;
    // Reaps those that have ended; to be called at SIGCHLD, in a process where nobody but this
    // spawns. True while this process has children, spawned or adopted.
    virtual bool reap_orphans() = 0;
};

}  // namespace tidemill::host
