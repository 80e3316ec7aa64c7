// Child processes as events.
#pragma once

#include <sys/types.h>

#include <memory>
#include <optional>
#include <vector>

#include "host/process.h"
#include "host/stream.h"
#include "host_linux/loop/epoll_loop.h"
#include "host_linux/network/fd_stream.h"
#include "host_linux/unique_fd.h"

namespace tidemill::host_linux {

// Outlives every Process that it made. A child is a process group of its own; one that was killed
// because its Process was destroyed is reaped when it has ended, at the latest (waiting for it) in
// the destructor of this.
class LinuxProcesses final : public host::Processes {
public:
    explicit LinuxProcesses(EpollLoop& loop);
    ~LinuxProcesses() override;

    // Errors: also invalid (an empty argv, a listener of another host, a listener name with '=' or
    // ',').
    base::Result<std::unique_ptr<host::Process>> spawn(const host::SpawnOptions& options) override;
    std::int32_t self() const override;
    base::Status adopt_orphans() override;
    bool reap_orphans() override;

private:
    class Child;
    class LinuxProcess;

    base::Result<std::unique_ptr<FdStream>> adopt(UniqueFd fd);
    void leave(std::unique_ptr<Child> child);
    void reaped(Child& child);

    EpollLoop& loop_;
    std::vector<Child*> children_;  // all that run
    std::vector<std::unique_ptr<Child>> leaving_;
};

}  // namespace tidemill::host_linux
