#include "async/scope.h"

#include <utility>

namespace tidemill::async {

Scope::Root Scope::run(Task<void> work) {
    co_await std::move(work);
}

void Scope::Root::promise_type::leave() {
    if (scope == nullptr) {
        return;
    }
    (previous != nullptr ? previous->next : scope->first_) = next;
    if (next != nullptr) {
        next->previous = previous;
    }
    if (--scope->size_ == 0) {
        scope->idle_.set();
    }
    scope = nullptr;
}

base::Status Scope::spawn(Task<void> work) {
    if (size_ >= limit_) {
        return base::fail(base::Code::exhausted, "scope: {} tasks run already, which is the limit",
                          limit_);
    }
    const auto handle = run(std::move(work)).handle;
    auto& promise = handle.promise();
    promise.scope = this;
    promise.next = first_;
    if (first_ != nullptr) {
        first_->previous = &promise;
    }
    first_ = &promise;
    ++size_;
    idle_.reset();
    handle.resume();
    return base::ok;
}

void Scope::cancel() {
    while (first_ != nullptr) {
        std::coroutine_handle<Root::promise_type>::from_promise(*first_).destroy();
    }
}

}  // namespace tidemill::async
