#include "async/virtual_loop.h"

#include <algorithm>

#include "base/check.h"

namespace tidemill::async {

struct VirtualLoop::RemoteWork final : Ready {
    VirtualLoop* loop = nullptr;
    std::move_only_function<void()> work;
    void run() override {
        auto mine = std::move(work);
        std::erase(loop->remote_, this);
        delete this;
        mine();
    }
};

VirtualLoop::VirtualLoop(std::optional<std::uint64_t> seed) {
    if (seed) {
        shuffle_.emplace(*seed);
    }
}

VirtualLoop::~VirtualLoop() {
    for (RemoteWork* work : remote_) {
        delete work;
    }
}

void VirtualLoop::post(Ready& node) {
    ready_.push_back(node);
}

void VirtualLoop::post_remote(std::move_only_function<void()> work) {
    auto* const node = new RemoteWork;
    node->loop = this;
    node->work = std::move(work);
    remote_.push_back(node);
    ready_.push_back(*node);
}

bool VirtualLoop::step() {
    Ready* node = ready_.pop_front();
    if (node == nullptr) {
        return false;
    }
    // Passing over a few is as good a shuffle as picking among all, and needs no count of the list.
    if (shuffle_) {
        for (auto passed = (*shuffle_)() % 4; passed > 0 && !ready_.empty(); --passed) {
            ready_.push_back(*node);
            node = ready_.pop_front();
        }
    }
    ++steps_;
    ReadyList::run(*node);
    return true;
}

bool VirtualLoop::run_ready(std::size_t steps_max) {
    for (std::size_t i = 0; i < steps_max; ++i) {
        if (!step() && !timers_.fire_one(now_)) {
            return true;
        }
    }
    return false;
}

void VirtualLoop::run_until(base::Instant at) {
    for (;;) {
        CHECK(run_ready());
        if (timers_.next() > at) {
            break;
        }
        now_ = std::max(now_, timers_.next());
    }
    now_ = std::max(now_, at);
}

void VirtualLoop::run_until_idle(base::Instant at) {
    CHECK(run_ready());
    while (!timers_.empty() && timers_.next() <= at) {
        now_ = std::max(now_, timers_.next());
        CHECK(run_ready());
    }
}

void VirtualLoop::drive(Scope& scope, base::Duration limit) {
    const auto end = now_ + limit;
    for (;;) {
        if (scope.size() == 0) {
            return;
        }
        if (step() || timers_.fire_one(now_)) {
            continue;
        }
        if (timers_.empty() || timers_.next() > end) {
            return;
        }
        now_ = std::max(now_, timers_.next());
    }
}

}  // namespace tidemill::async
