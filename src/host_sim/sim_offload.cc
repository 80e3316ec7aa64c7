#include "host_sim/sim_offload.h"

#include <utility>

namespace tidemill::host_sim {

SimOffload::SimOffload(async::Loop& loop, std::uint64_t seed, OffloadOptions options)
    : loop_(loop), dice_(seed, "offload"), options_(options) {
    timer_.owner = this;
}

base::Status SimOffload::submit(std::move_only_function<void()> work,
                                std::move_only_function<void()> done) {
    if (jobs_.size() >= options_.waiting_max) {
        return base::fail(base::Code::exhausted, "offload: {} pieces of work wait already",
                          jobs_.size());
    }
    jobs_.push_back({std::move(work), std::move(done)});
    if (!timer_.armed()) {
        schedule();
    }
    return base::ok;
}

void SimOffload::schedule() {
    timer_.arm(loop_, loop_.now() + dice_.between(options_.delay_min, options_.delay_max));
}

void SimOffload::step() {
    if (jobs_.front().work) {
        std::exchange(jobs_.front().work, nullptr)();
        schedule();
        return;
    }
    auto job = std::move(jobs_.front());
    jobs_.pop_front();
    if (!jobs_.empty()) {
        schedule();
    }
    job.done();  // may destroy *this
}

}  // namespace tidemill::host_sim
