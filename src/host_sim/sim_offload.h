// Blocking work without a thread.
#pragma once

#include <cstddef>
#include <deque>
#include <functional>

#include "async/loop.h"
#include "host/offload.h"
#include "host_sim/dice.h"

namespace tidemill::host_sim {

struct OffloadOptions {
    base::Duration delay_min = std::chrono::microseconds(10);
    base::Duration delay_max = std::chrono::milliseconds(2);
    std::size_t waiting_max = 64;
};

// Runs one piece of work after the other on the loop, after a delay, and its `done` after another:
// whatever may happen between the two, happens. Belongs to one simulated process: destroying it
// drops what has not run, as a kill does.
class SimOffload final : public host::Offload {
public:
    SimOffload(async::Loop& loop, std::uint64_t seed, OffloadOptions options = {});

    base::Status submit(std::move_only_function<void()> work,
                        std::move_only_function<void()> done) override;
    std::size_t waiting() const { return jobs_.size(); }

private:
    struct Job {
        std::move_only_function<void()> work;
        std::move_only_function<void()> done;
    };
    struct Step final : async::Timer {
        SimOffload* owner = nullptr;
        void fire() override { owner->step(); }
    };
    void step();
    void schedule();

    async::Loop& loop_;
    Dice dice_;
    OffloadOptions options_;
    std::deque<Job> jobs_;
    Step timer_;
};

}  // namespace tidemill::host_sim
