// A coroutine that yields one value to one waiter.
#pragma once

#include <coroutine>
#include <cstdlib>
#include <optional>
#include <utility>

#include "base/check.h"

namespace tidemill::async {

template <typename T>
class Task;

namespace detail {

struct PromiseBase {
    std::coroutine_handle<> waiter;

    // Runs the waiter from inside: symmetric transfer is no tail call under sanitizers, and with
    // the child started in await_ready the depth is that of nesting, not of iterations.
    struct Final {
        bool await_ready() const noexcept { return false; }
        template <typename P>
        void await_suspend(std::coroutine_handle<P> self) const noexcept {
            if (auto next = self.promise().waiter) {
                next.resume();
            }
        }
        void await_resume() const noexcept {}
    };

    std::suspend_always initial_suspend() const noexcept { return {}; }
    Final final_suspend() const noexcept { return {}; }
    // Exceptions stop at third-party adapters; one that gets here is our bug.
    [[noreturn]] void unhandled_exception() const noexcept { std::abort(); }
};

template <typename T>
struct Promise : PromiseBase {
    std::optional<T> value;
    Task<T> get_return_object();
    template <typename U>
    void return_value(U&& result) {
        value.emplace(std::forward<U>(result));
    }
    T take() { return *std::move(value); }
};

template <>
struct Promise<void> : PromiseBase {
    Task<void> get_return_object();
    void return_void() const {}
    void take() const {}
};

}  // namespace detail

// Starts when it is awaited, runs on the awaiter's thread. Dropping a Task that has not finished
// cancels it: every object in its frame is destroyed, which takes its waits off their lists. A Task
// is never destroyed from inside itself.
template <typename T = void>
class [[nodiscard]] Task {
public:
    using promise_type = detail::Promise<T>;
    using Handle = std::coroutine_handle<promise_type>;

    explicit Task(Handle handle) : handle_(handle) {}
    Task(Task&& other) noexcept : handle_(std::exchange(other.handle_, nullptr)) {}
    Task& operator=(Task&& other) noexcept {
        if (this != &other) {
            drop();
            handle_ = std::exchange(other.handle_, nullptr);
        }
        return *this;
    }
    ~Task() { drop(); }

    struct Awaiter {
        Handle handle;
        bool await_ready() const {
            handle.resume();
            return handle.done();
        }
        void await_suspend(std::coroutine_handle<> waiter) const {
            handle.promise().waiter = waiter;
        }
        T await_resume() const { return handle.promise().take(); }
    };
    // Awaited once, as an rvalue: co_await work() or co_await std::move(task).
    Awaiter operator co_await() && {
        CHECK(handle_ && !handle_.done());
        return {handle_};
    }

private:
    void drop() {
        if (handle_) {
            handle_.destroy();
        }
    }
    Handle handle_;
};

namespace detail {
template <typename T>
Task<T> Promise<T>::get_return_object() {
    return Task<T>(std::coroutine_handle<Promise>::from_promise(*this));
}
inline Task<void> Promise<void>::get_return_object() {
    return Task<void>(std::coroutine_handle<Promise>::from_promise(*this));
}
}  // namespace detail

}  // namespace tidemill::async
