// Work that may take only so long.
#pragma once

#include <optional>
#include <utility>

#include "async/loop.h"
#include "async/task.h"
#include "base/result.h"

namespace tidemill::async {

namespace detail {

template <typename T>
class WithDeadline {
public:
    WithDeadline(Loop& loop, base::Instant at, Task<base::Result<T>> work)
        : loop_(loop), at_(at), runner_(run(*this, std::move(work))) {}

    bool await_ready() {
        started_ = true;
        // Started by hand: the runner reports by finish(), not to an awaiter.
        std::move(runner_).operator co_await().handle.resume();
        return result_.has_value();
    }
    void await_suspend(std::coroutine_handle<> waiter) {
        resume_.handle = waiter;
        timer_.owner = this;
        timer_.arm(loop_, at_);
    }
    base::Result<T> await_resume() { return *std::move(result_); }

private:
    struct Timeout final : Timer {
        WithDeadline* owner = nullptr;
        void fire() override { owner->expire(); }
    };

    static Task<void> run(WithDeadline& self, Task<base::Result<T>> work) {
        self.finish(co_await std::move(work));
    }
    void finish(base::Result<T> result) {
        result_.emplace(std::move(result));
        timer_.disarm();
        if (resume_.handle) {
            loop_.post(resume_);
        }
    }
    void expire() {
        // The work is suspended: the timer is fired by the loop, never from inside it.
        auto dropped = std::move(runner_);
        result_.emplace(base::fail(base::Code::deadline, "deadline passed"));
        loop_.post(resume_);
    }

    Loop& loop_;
    base::Instant at_;
    bool started_ = false;
    std::optional<base::Result<T>> result_;
    Resume resume_;
    Timeout timer_;
    Task<void> runner_;
};

}  // namespace detail

// The result of `work`, or deadline if `at` comes first; then the work is cancelled before the
// caller goes on. Usage: co_await with_deadline(loop, at, work()).
template <typename T>
detail::WithDeadline<T> with_deadline(Loop& loop, base::Instant at, Task<base::Result<T>> work) {
    return {loop, at, std::move(work)};
}

}  // namespace tidemill::async
