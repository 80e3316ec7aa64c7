// Signals as events.
#pragma once

#include <memory>
#include <vector>

#include "host/signals.h"
#include "host/stream.h"
#include "host_linux/loop/epoll_loop.h"
#include "host_linux/unique_fd.h"

namespace tidemill::host_linux {

// Takes the given signals away from their default action, for good. Make it on the
// main thread before other threads are started: they inherit its mask. One per process.
class LinuxSignals final : public host::Signals, private Device {
public:
    // Errors: exhausted (no file descriptor left).
    static base::Result<std::unique_ptr<LinuxSignals>> create(EpollLoop& loop,
                                                              const std::vector<int>& numbers);
    ~LinuxSignals() override;

    async::Task<int> next() override;

private:
    LinuxSignals(EpollLoop& loop, UniqueFd fd) : loop_(loop), fd_(std::move(fd)) {}
    void on_events(std::uint32_t) override { edge_.signal(); }

    EpollLoop& loop_;
    UniqueFd fd_;
    host::Edge edge_;
};

}  // namespace tidemill::host_linux
