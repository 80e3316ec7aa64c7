// One thread's turn of work: what runs next, and what runs when a time has come. Knows no device:
// where time comes from and how a thread waits is decided by host_linux (epoll) or by VirtualLoop
// (tests, simulation).
#pragma once

#include <coroutine>
#include <cstddef>
#include <cstdint>
#include <functional>
#include <vector>

#include "base/time.h"

namespace tidemill::async {

class Loop;

// Something that waits to run. Leaves its list when destroyed, so that destroying a coroutine that
// waits is how work is cancelled. Neither copied nor moved: lists hold its address.
class Ready {
public:
    Ready() = default;
    Ready(const Ready&) = delete;
    Ready& operator=(const Ready&) = delete;
    virtual ~Ready() { unlink(); }

    bool linked() const { return next_ != nullptr; }
    void unlink() {
        if (next_ != nullptr) {
            next_->previous_ = previous_;
            previous_->next_ = next_;
            next_ = previous_ = nullptr;
        }
    }

protected:
    friend class ReadyList;
    // Runs on the loop's thread, unlinked; may destroy *this.
    virtual void run() = 0;

private:
    Ready* next_ = nullptr;
    Ready* previous_ = nullptr;
};

// A first-in first-out list of Ready; does not own. O(1) for everything.
class ReadyList {
public:
    ReadyList();
    ReadyList(const ReadyList&) = delete;
    ReadyList& operator=(const ReadyList&) = delete;
    ~ReadyList();

    bool empty() const { return head_.next_ == &head_; }
    void push_back(Ready& node);
    // Takes the first, or null when empty.
    Ready* pop_front();
    // Moves all of `other` behind what is here.
    void append(ReadyList& other);
    static void run(Ready& node) { node.run(); }

private:
    struct Head final : Ready {
        void run() override {}
    };
    Head head_;
};

// A Ready that resumes a coroutine.
class Resume final : public Ready {
public:
    std::coroutine_handle<> handle;

private:
    void run() override { handle.resume(); }
};

// Fires once at its time, on the loop's thread. Disarmed when destroyed.
class Timer {
public:
    Timer() = default;
    Timer(const Timer&) = delete;
    Timer& operator=(const Timer&) = delete;
    virtual ~Timer();

    bool armed() const { return loop_ != nullptr; }
    base::Instant at() const { return at_; }
    // Arms at `at`, or moves there if armed. A time already past fires in the next turn.
    void arm(Loop& loop, base::Instant at);
    void disarm();

protected:
    // Runs disarmed; may arm again, may destroy *this.
    virtual void fire() = 0;

private:
    friend class TimerHeap;
    Loop* loop_ = nullptr;
    base::Instant at_;
    std::size_t index_ = 0;
    std::uint64_t order_ = 0;
};

// One thread's loop. All methods but post_remote() belong to that thread.
class Loop {
public:
    virtual ~Loop() = default;

    // The time at the beginning of this turn: one clock read serves all work of a turn.
    virtual base::Instant now() const = 0;
    // Runs `node` in this turn if it is posted by work of this turn, else in the next; first in,
    // first out, except that a simulation shuffles what is ready at the same time.
    virtual void post(Ready& node) = 0;
    // Runs `work` on the loop's thread soon. The only method for other threads. The caller bounds
    // how much it posts.
    virtual void post_remote(std::move_only_function<void()> work) = 0;

protected:
    friend class Timer;
    virtual void arm(Timer& timer) = 0;
    virtual void disarm(Timer& timer) = 0;
};

// Armed timers, earliest first; equal times in the order they were armed. A 4-ary heap: the common
// case, a deadline that is moved or dropped before it fires, touches one or two cache lines.
class TimerHeap {
public:
    bool empty() const { return heap_.empty(); }
    // The earliest time, or never().
    base::Instant next() const;
    void add(Timer& timer);
    void remove(Timer& timer);
    // Disarms and fires the first if its time is `now` or before; false if there is none.
    bool fire_one(base::Instant now);

private:
    static bool before(const Timer& a, const Timer& b) {
        return a.at_ != b.at_ ? a.at_ < b.at_ : a.order_ < b.order_;
    }
    void place(std::size_t index, Timer* timer);
    void sift_up(std::size_t index);
    void sift_down(std::size_t index);

    std::vector<Timer*> heap_;
    std::uint64_t armed_count_ = 0;
};

// Waits until `at`: co_await sleep_until(loop, at).
class [[nodiscard]] SleepUntil {
public:
    SleepUntil(Loop& loop, base::Instant at) : loop_(loop), at_(at) {}
    bool await_ready() const { return false; }
    void await_suspend(std::coroutine_handle<> waiter) {
        timer_.waiter = waiter;
        timer_.arm(loop_, at_);
    }
    void await_resume() const {}

private:
    struct WakeTimer final : Timer {
        std::coroutine_handle<> waiter;
        void fire() override { waiter.resume(); }
    };
    Loop& loop_;
    base::Instant at_;
    WakeTimer timer_;
};

inline SleepUntil sleep_until(Loop& loop, base::Instant at) {
    return {loop, at};
}
inline SleepUntil sleep_for(Loop& loop, base::Duration span) {
    return {loop, loop.now() + span};
}

// Lets everything that is ready run first: co_await yield(loop).
class [[nodiscard]] Yield {
public:
    explicit Yield(Loop& loop) : loop_(loop) {}
    bool await_ready() const { return false; }
    void await_suspend(std::coroutine_handle<> waiter) {
        resume_.handle = waiter;
        loop_.post(resume_);
    }
    void await_resume() const {}

private:
    Loop& loop_;
    Resume resume_;
};

inline Yield yield(Loop& loop) {
    return Yield(loop);
}

}  // namespace tidemill::async
