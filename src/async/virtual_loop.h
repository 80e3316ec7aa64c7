// A loop whose time is a number: for unit tests and for the simulation.
#pragma once

#include <optional>
#include <random>
#include <vector>

#include "async/loop.h"
#include "async/scope.h"
#include "async/task.h"

namespace tidemill::async {

// Runs what is ready, and when nothing is, jumps to the next timer. With a seed, work that is ready
// at the same moment runs in an order drawn from it, so that a schedule no machine happened to show
// is still tried; the same seed gives the same run. One thread; post_remote() is post().
class VirtualLoop final : public Loop {
public:
    explicit VirtualLoop(std::optional<std::uint64_t> seed = std::nullopt);
    ~VirtualLoop() override;

    base::Instant now() const override { return now_; }
    void post(Ready& node) override;
    void post_remote(std::move_only_function<void()> work) override;

    // Runs all that is ready now, and what that makes ready, without letting time pass. Stops after
    // `steps_max` steps (a loop that never waits is a bug); false then.
    bool run_ready(std::size_t steps_max = 1'000'000);
    // Lets time pass until `at`, running everything on the way.
    void run_until(base::Instant at);
    void run_for(base::Duration span) { run_until(now_ + span); }
    // Runs until nothing is ready and no timer is armed, or `at` is reached.
    void run_until_idle(base::Instant at = base::Instant::never());
    // How many steps have run: the cheap fingerprint of a schedule.
    std::uint64_t steps() const { return steps_; }

    // Runs `work` to its end and returns its value; fails the process if time would have to pass
    // `limit`.
    template <typename T>
    T run(Task<T> work, base::Duration limit = std::chrono::hours(1)) {
        std::optional<T> value;
        Scope scope(*this, 1);
        CHECK(scope.spawn(store(std::move(work), value)).has_value());
        drive(scope, limit);
        CHECK(value.has_value());
        return *std::move(value);
    }
    void run(Task<void> work, base::Duration limit = std::chrono::hours(1)) {
        Scope scope(*this, 1);
        CHECK(scope.spawn(std::move(work)).has_value());
        drive(scope, limit);
        CHECK(scope.size() == 0);
    }

protected:
    void arm(Timer& timer) override { timers_.add(timer); }
    void disarm(Timer& timer) override { timers_.remove(timer); }

private:
    struct RemoteWork;
    template <typename T>
    static Task<void> store(Task<T> work, std::optional<T>& value) {
        value.emplace(co_await std::move(work));
    }
    void drive(Scope& scope, base::Duration limit);
    bool step();

    base::Instant now_{1'000'000'000};
    ReadyList ready_;
    TimerHeap timers_;
    std::vector<RemoteWork*> remote_;
    std::optional<std::mt19937_64> shuffle_;
    std::uint64_t steps_ = 0;
};

}  // namespace tidemill::async
