#include "async/semaphore.h"

namespace tidemill::async {

Semaphore::Acquire::~Acquire() {
    if (state_ == State::waiting) {
        --semaphore_.waiting_;
    } else if (state_ == State::granted) {
        // Granted but never resumed: the permit goes to the next.
        node_.unlink();
        semaphore_.give_back();
    }
}

bool Semaphore::Acquire::await_ready() {
    if (semaphore_.free_ > 0 && semaphore_.waiting_ == 0) {
        --semaphore_.free_;
        state_ = State::granted;
        return true;
    }
    if (semaphore_.waiting_ >= semaphore_.waiters_max_) {
        state_ = State::refused;
        return true;
    }
    return false;
}

void Semaphore::Acquire::await_suspend(std::coroutine_handle<> waiter) {
    state_ = State::waiting;
    ++semaphore_.waiting_;
    node_.waiter = waiter;
    node_.owner = this;
    semaphore_.waiters_.push_back(node_);
}

base::Result<Semaphore::Permit> Semaphore::Acquire::await_resume() {
    if (state_ == State::refused) {
        return base::fail(base::Code::exhausted, "{} wait already, which is the limit",
                          semaphore_.waiters_max_);
    }
    state_ = State::taken;
    return Permit(semaphore_);
}

void Semaphore::give_back() {
    auto* const node = static_cast<Acquire::Node*>(waiters_.pop_front());
    if (node == nullptr) {
        ++free_;
        return;
    }
    --waiting_;
    node->owner->state_ = Acquire::State::granted;
    loop_.post(*node);
}

}  // namespace tidemill::async
