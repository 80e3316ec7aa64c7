// The loop of a thread on Linux: edge-triggered epoll, timers, and work from other threads.
#pragma once

#include <sys/epoll.h>

#include <array>
#include <cstddef>
#include <cstdint>
#include <functional>
#include <memory>
#include <mutex>
#include <optional>
#include <utility>
#include <vector>

#include "async/loop.h"
#include "async/scope.h"
#include "async/task.h"
#include "base/check.h"
#include "base/result.h"
#include "host_linux/unique_fd.h"

namespace tidemill::host_linux {

class EpollLoop;

// CLOCK_MONOTONIC right now.
base::Instant read_monotonic_clock();

// Something with a file descriptor that a loop watches, from EpollLoop::add() to remove() or
// forget().
class Device {
public:
    Device() = default;
    Device(const Device&) = delete;
    Device& operator=(const Device&) = delete;
    virtual ~Device() { CHECK(slot_ == unwatched); }

protected:
    // On the loop's thread, with EPOLL bits. May destroy *this and any other device.
    virtual void on_events(std::uint32_t events) = 0;
    bool watched() const { return slot_ != unwatched; }
    // Events of this turn that the loop has in hand and not yet delivered.
    std::uint32_t pending() const { return pending_; }

private:
    friend class EpollLoop;
    static constexpr std::uint32_t unwatched = UINT32_MAX;
    std::uint32_t slot_ = unwatched;
    std::uint32_t pending_ = 0;
};

struct EpollLimits {
    // File descriptors watched at once.
    std::uint32_t devices_max = 1'000'000;
    // Posted work, and timers, run in one turn before sockets are looked at again.
    std::uint32_t steps_per_turn_max = 256;
};

// One turn: take events from the kernel, read the clock once, deliver the events, run what is
// posted (that which it posts too, up to the limit), fire the timers that are due. The next turn
// waits only if nothing is ready.
//
// A timer fires late by the kernel's slack (timerfd_create(2), prctl PR_SET_TIMERSLACK: 50 us or
// 0.1 % of the wait), never early.
//
// Devices may be destroyed by any callback: events name a slot and its generation, and events of a
// slot that was given up are dropped. That also covers the description of a closed socket that a
// child of fork() still holds for the moment before its exec, and which epoll therefore still
// reports.
class EpollLoop final : public async::Loop {
public:
    // Errors: exhausted (no file descriptor left).
    static base::Result<std::unique_ptr<EpollLoop>> create(EpollLimits limits = {});
    ~EpollLoop() override;

    base::Instant now() const override { return now_; }
    void post(async::Ready& node) override { ready_.push_back(node); }
    void post_remote(std::move_only_function<void()> work) override;

    // Turns until stop(). Not from inside itself.
    void run();
    // Makes run() return at the end of this turn; before run(), after its first.
    void stop() { stopping_ = true; }
    // Runs until `work` is done. Fails the process if stop() comes first.
    template <typename T>
    T run(async::Task<T> work) {
        std::optional<T> value;
        async::Scope scope(*this, 1);
        CHECK(scope.spawn(store(*this, std::move(work), value)).has_value());
        run();
        CHECK(value.has_value());
        return *std::move(value);
    }
    void run(async::Task<void> work) {
        async::Scope scope(*this, 1);
        CHECK(scope.spawn(finish(*this, std::move(work))).has_value());
        run();
        CHECK(scope.size() == 0);
    }

    // Watches `fd` for `events` (EPOLL bits; give EPOLLET). Errors: exhausted (devices_max, or the
    // kernel's limit on watches), invalid (fd cannot be watched).
    base::Status add(Device& device, int fd, std::uint32_t events);
    // Watches for other events; what is ready at this moment is reported again.
    void change(Device& device, int fd, std::uint32_t events);
    // Ends the watch. Needed before close() when another process may share the open file.
    void remove(Device& device, int fd);
    // Ends the watch of a descriptor that nobody shares and that is closed next: no system call.
    void forget(Device& device);
    // True while the device whose event is being delivered is `device`, and not once it was given
    // up: asked by one that resumes two waiters for one event.
    bool delivering(const Device* device) const { return current_ == device; }
    // Counts turns; work that wants a share of each turn compares it.
    std::uint64_t turn() const { return turn_; }

protected:
    void arm(async::Timer& timer) override { timers_.add(timer); }
    void disarm(async::Timer& timer) override { timers_.remove(timer); }

private:
    struct Slot {
        Device* device = nullptr;
        std::uint32_t generation = 0;
        std::uint32_t next_free = Device::unwatched;
    };
    // Written edge-triggered, so that its count need never be read.
    struct Wakeup final : Device {
        EpollLoop* loop = nullptr;
        UniqueFd fd;
        void on_events(std::uint32_t events) override;
    };

    EpollLoop(UniqueFd epoll, EpollLimits limits);
    template <typename T>
    static async::Task<void> store(EpollLoop& loop, async::Task<T> work, std::optional<T>& value) {
        value.emplace(co_await std::move(work));
        loop.stop();
    }
    static async::Task<void> finish(EpollLoop& loop, async::Task<void> work) {
        co_await std::move(work);
        loop.stop();
    }
    int wait();
    void deliver(std::size_t count);
    Device* device_of(const epoll_event& event) const;

    UniqueFd epoll_;
    EpollLimits limits_;
    base::Instant now_;
    std::uint64_t turn_ = 0;
    bool stopping_ = false;
    bool has_pwait2_ = true;
    async::ReadyList ready_;
    async::TimerHeap timers_;

    std::vector<Slot> slots_;
    std::uint32_t first_free_ = Device::unwatched;
    Device* current_ = nullptr;
    std::array<epoll_event, 256> events_;

    Wakeup wakeup_;
    std::mutex remote_mutex_;
    std::vector<std::move_only_function<void()>> remote_;
    std::vector<std::move_only_function<void()>> remote_running_;
};

}  // namespace tidemill::host_linux
