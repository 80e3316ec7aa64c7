#include "control/controller/work_queue.h"

#include <algorithm>

#include "base/mutant.h"

namespace tidemill::control {

WorkQueue::WorkQueue(async::Loop& loop, Pauses pauses)
    : loop_(loop), pauses_(pauses), available_(loop) {
    alarm_.queue = this;
}

void WorkQueue::add(const model::ObjectKey& key) {
    if (working_.contains(key)) {
        if (!TIDEMILL_MUTANT("control.news_during_work_is_lost")) {
            again_.insert(key);
        }
        return;
    }
    if (const auto found = later_.find(key); found != later_.end()) {
        by_time_.erase({found->second, key});
        later_.erase(found);
    }
    ready_.insert(key);
    available_.set();
}

void WorkQueue::add_at(const model::ObjectKey& key, base::Instant at) {
    if (ready_.contains(key)) {
        return;
    }
    if (const auto found = later_.find(key); found != later_.end()) {
        if (found->second <= at) {
            return;
        }
        by_time_.erase({found->second, key});
    }
    later_[key] = at;
    by_time_.emplace(at, key);
    set_alarm();
}

void WorkQueue::set_alarm() {
    if (by_time_.empty()) {
        alarm_.disarm();
    } else {
        alarm_.arm(loop_, by_time_.begin()->first);
    }
}

void WorkQueue::ripen() {
    while (!by_time_.empty() && by_time_.begin()->first <= loop_.now()) {
        const auto key = by_time_.begin()->second;
        by_time_.erase(by_time_.begin());
        later_.erase(key);
        add(key);
    }
    set_alarm();
}

async::Task<model::ObjectKey> WorkQueue::take() {
    while (ready_.empty()) {
        available_.reset();
        co_await available_.wait();
    }
    auto key = *ready_.begin();
    ready_.erase(ready_.begin());
    working_.insert(key);
    co_return key;
}

void WorkQueue::done(const model::ObjectKey& key, Outcome outcome) {
    working_.erase(key);
    const bool again = again_.erase(key) > 0;
    if (outcome == Outcome::failed && !TIDEMILL_MUTANT("control.failure_is_final")) {
        auto& pause = pause_[key];
        pause = pause == base::Duration(0) ? pauses_.first : std::min(pause * 2, pauses_.longest);
        add_at(key, loop_.now() + pause);
        return;
    }
    pause_.erase(key);
    if (again) {
        add(key);
    }
}

}  // namespace tidemill::control
