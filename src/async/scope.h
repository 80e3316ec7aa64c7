// The owner of work that goes on in the background.
#pragma once

#include <coroutine>
#include <cstddef>

#include "async/event.h"
#include "async/loop.h"
#include "async/task.h"
#include "base/result.h"

namespace tidemill::async {

// Holds at most `limit` tasks at once. There is no other way to let work run unawaited, so whatever
// runs has an owner that can end it. Destroyed with tasks inside, it cancels them.
class Scope {
public:
    Scope(Loop& loop, std::size_t limit) : idle_(loop), limit_(limit) { idle_.set(); }
    Scope(const Scope&) = delete;
    Scope& operator=(const Scope&) = delete;
    ~Scope() { cancel(); }

    // Runs `work` now, up to its first wait, and lets it go on. Errors: exhausted (limit reached;
    // the work was dropped unstarted).
    base::Status spawn(Task<void> work);
    std::size_t size() const { return size_; }
    // Destroys all that runs. Not from inside one of its own tasks.
    void cancel();
    // Waits until nothing runs. Does not stop new work from being spawned.
    Event::Wait join() { return idle_.wait(); }

private:
    struct Root {
        struct promise_type {
            promise_type* next = nullptr;
            promise_type* previous = nullptr;
            Scope* scope = nullptr;
            ~promise_type() { leave(); }
            void leave();
            Root get_return_object() {
                return {std::coroutine_handle<promise_type>::from_promise(*this)};
            }
            std::suspend_always initial_suspend() const noexcept { return {}; }
            std::suspend_never final_suspend() const noexcept { return {}; }
            void return_void() const {}
            [[noreturn]] void unhandled_exception() const noexcept { std::abort(); }
        };
        std::coroutine_handle<promise_type> handle;
    };
    static Root run(Task<void> work);

    Event idle_;
    Root::promise_type* first_ = nullptr;
    std::size_t size_ = 0;
    std::size_t limit_;
};

}  // namespace tidemill::async
