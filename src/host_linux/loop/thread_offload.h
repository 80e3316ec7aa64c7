// Threads of the process: for work that blocks, and for further loops.
#pragma once

#include <condition_variable>
#include <cstddef>
#include <deque>
#include <functional>
#include <mutex>
#include <optional>
#include <string>
#include <thread>

#include "async/loop.h"
#include "host/offload.h"

namespace tidemill::host_linux {

// A thread with a name (15 bytes, as ps -L shows it) that takes no signals: they belong to the
// thread that reads them (LinuxSignals). Destroying it waits for `body` to return.
class Thread {
public:
    Thread(std::string name, std::move_only_function<void()> body);
    Thread(const Thread&) = delete;
    Thread& operator=(const Thread&) = delete;
    ~Thread() { thread_.join(); }

private:
    std::thread thread_;
};

// One thread, started with the first piece of work. Destroyed, it finishes the piece that runs and
// drops, undone, those that wait.
class ThreadOffload final : public host::Offload {
public:
    // `waiting_max`: pieces accepted and not yet begun. `loop` outlives this.
    ThreadOffload(async::Loop& loop, std::string name, std::size_t waiting_max);
    ~ThreadOffload() override;

    base::Status submit(std::move_only_function<void()> work,
                        std::move_only_function<void()> done) override;

private:
    struct Piece {
        std::move_only_function<void()> work;
        std::move_only_function<void()> done;
    };
    void run();

    async::Loop& loop_;
    std::string name_;
    std::size_t waiting_max_;
    std::mutex mutex_;
    std::condition_variable changed_;
    std::deque<Piece> waiting_;
    bool ending_ = false;
    std::optional<Thread> thread_;  // last: it uses the others
};

}  // namespace tidemill::host_linux
