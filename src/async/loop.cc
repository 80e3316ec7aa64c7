#include "async/loop.h"

#include <algorithm>
#include <utility>

#include "base/check.h"

namespace tidemill::async {

ReadyList::ReadyList() {
    head_.next_ = head_.previous_ = &head_;
}

ReadyList::~ReadyList() {
    while (pop_front() != nullptr) {
    }
    head_.next_ = head_.previous_ = nullptr;
}

void ReadyList::push_back(Ready& node) {
    CHECK(!node.linked());
    node.previous_ = head_.previous_;
    node.next_ = &head_;
    head_.previous_->next_ = &node;
    head_.previous_ = &node;
}

Ready* ReadyList::pop_front() {
    if (empty()) {
        return nullptr;
    }
    Ready* const first = head_.next_;
    first->unlink();
    return first;
}

void ReadyList::append(ReadyList& other) {
    if (other.empty()) {
        return;
    }
    Ready* const first = other.head_.next_;
    Ready* const last = other.head_.previous_;
    other.head_.next_ = other.head_.previous_ = &other.head_;
    first->previous_ = head_.previous_;
    head_.previous_->next_ = first;
    last->next_ = &head_;
    head_.previous_ = last;
}

Timer::~Timer() {
    disarm();
}

void Timer::arm(Loop& loop, base::Instant at) {
    disarm();
    loop_ = &loop;
    // A time in the past counts as now: a timer that arms itself with one again and again stays
    // behind all others that are due.
    at_ = std::max(at, loop.now());
    loop.arm(*this);
}

void Timer::disarm() {
    if (loop_ != nullptr) {
        std::exchange(loop_, nullptr)->disarm(*this);
    }
}

base::Instant TimerHeap::next() const {
    return heap_.empty() ? base::Instant::never() : heap_.front()->at_;
}

void TimerHeap::add(Timer& timer) {
    timer.order_ = ++armed_count_;
    heap_.push_back(&timer);
    timer.index_ = heap_.size() - 1;
    sift_up(timer.index_);
}

void TimerHeap::remove(Timer& timer) {
    const std::size_t index = timer.index_;
    CHECK(index < heap_.size() && heap_[index] == &timer);
    Timer* const last = heap_.back();
    heap_.pop_back();
    if (last != &timer) {
        place(index, last);
        sift_up(index);
        sift_down(last->index_);
    }
}

bool TimerHeap::fire_one(base::Instant now) {
    if (heap_.empty() || heap_.front()->at_ > now) {
        return false;
    }
    Timer& timer = *heap_.front();
    timer.disarm();
    timer.fire();
    return true;
}

void TimerHeap::place(std::size_t index, Timer* timer) {
    heap_[index] = timer;
    timer->index_ = index;
}

void TimerHeap::sift_up(std::size_t index) {
    Timer* const timer = heap_[index];
    while (index > 0) {
        const std::size_t parent = (index - 1) / 4;
        if (!before(*timer, *heap_[parent])) {
            break;
        }
        place(index, heap_[parent]);
        index = parent;
    }
    place(index, timer);
}

void TimerHeap::sift_down(std::size_t index) {
    Timer* const timer = heap_[index];
    for (;;) {
        const std::size_t first = index * 4 + 1;
        if (first >= heap_.size()) {
            break;
        }
        std::size_t least = first;
        const std::size_t end = std::min(first + 4, heap_.size());
        for (std::size_t child = first + 1; child < end; ++child) {
            if (before(*heap_[child], *heap_[least])) {
                least = child;
            }
        }
        if (!before(*heap_[least], *timer)) {
            break;
        }
        place(index, heap_[least]);
        index = least;
    }
    place(index, timer);
}

}  // namespace tidemill::async
