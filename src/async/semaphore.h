// A bounded number of things at once, first come first served.
#pragma once

#include <cstddef>
#include <utility>

#include "async/loop.h"
#include "base/result.h"

namespace tidemill::async {

// `permits` may be held at once and `waiters_max` may wait. One thread.
class Semaphore {
public:
    Semaphore(Loop& loop, std::size_t permits, std::size_t waiters_max)
        : loop_(loop), free_(permits), waiters_max_(waiters_max) {}
    Semaphore(const Semaphore&) = delete;
    Semaphore& operator=(const Semaphore&) = delete;

    // Given back when destroyed.
    class [[nodiscard]] Permit {
    public:
        Permit() = default;
        explicit Permit(Semaphore& semaphore) : semaphore_(&semaphore) {}
        Permit(Permit&& other) noexcept : semaphore_(std::exchange(other.semaphore_, nullptr)) {}
        Permit& operator=(Permit&& other) noexcept {
            std::swap(semaphore_, other.semaphore_);
            return *this;
        }
        ~Permit() {
            if (semaphore_ != nullptr) {
                semaphore_->give_back();
            }
        }

    private:
        Semaphore* semaphore_ = nullptr;
    };

    class [[nodiscard]] Acquire {
    public:
        explicit Acquire(Semaphore& semaphore) : semaphore_(semaphore) {}
        Acquire(const Acquire&) = delete;
        Acquire& operator=(const Acquire&) = delete;
        ~Acquire();
        bool await_ready();
        void await_suspend(std::coroutine_handle<> waiter);
        base::Result<Permit> await_resume();

    private:
        friend class Semaphore;
        enum class State : std::uint8_t { idle, waiting, granted, taken, refused };
        struct Node final : Ready {
            std::coroutine_handle<> waiter;
            Acquire* owner = nullptr;
            void run() override { waiter.resume(); }
        };
        Semaphore& semaphore_;
        State state_ = State::idle;
        Node node_;
    };
    // Waits for a permit; cancelled by dropping. Errors: exhausted (waiters_max wait already).
    Acquire acquire() { return Acquire(*this); }
    std::size_t waiting() const { return waiting_; }
    std::size_t available() const { return free_; }

private:
    void give_back();

    Loop& loop_;
    std::size_t free_;
    std::size_t waiting_ = 0;
    std::size_t waiters_max_;
    ReadyList waiters_;
};

}  // namespace tidemill::async
