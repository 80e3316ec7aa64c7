// Something that has happened, or has not yet.
#pragma once

#include "async/loop.h"

namespace tidemill::async {

// Set or not set; waiters go on, by way of the loop, when it is set. One thread.
class Event {
public:
    explicit Event(Loop& loop) : loop_(loop) {}

    bool is_set() const { return set_; }
    void reset() { set_ = false; }
    // Idempotent. Those who wait now all go on, even if it is reset before they run.
    void set();

    class [[nodiscard]] Wait {
    public:
        explicit Wait(Event& event) : event_(event) {}
        bool await_ready() const { return event_.set_; }
        void await_suspend(std::coroutine_handle<> waiter) {
            resume_.handle = waiter;
            event_.waiters_.push_back(resume_);
        }
        void await_resume() const {}

    private:
        Event& event_;
        Resume resume_;
    };
    Wait wait() { return Wait(*this); }

private:
    Loop& loop_;
    bool set_ = false;
    ReadyList waiters_;
};

}  // namespace tidemill::async
