#include "host_linux/loop/epoll_loop.h"

#include <sys/eventfd.h>
#include <time.h>
#include <unistd.h>

#include <algorithm>
#include <cerrno>

#include "host_linux/system_error.h"

namespace tidemill::host_linux {
namespace {

using base::Code;
using base::Duration;
using base::Instant;
using namespace std::chrono_literals;

// A timer nearer than this is waited for from a second reading of the clock, because the work of
// this turn would make it late; for one further away that error is below the kernel's own slack.
constexpr Duration near_timer = 64ms;

}  // namespace

Instant read_monotonic_clock() {
    timespec at{};
    ::clock_gettime(CLOCK_MONOTONIC, &at);
    return {at.tv_sec * 1'000'000'000 + at.tv_nsec};
}

base::Result<std::unique_ptr<EpollLoop>> EpollLoop::create(EpollLimits limits) {
    UniqueFd epoll(::epoll_create1(EPOLL_CLOEXEC));
    if (!epoll) {
        return fail_with(errno, "epoll_create1");
    }
    std::unique_ptr<EpollLoop> loop(new EpollLoop(std::move(epoll), limits));
    loop->wakeup_.loop = loop.get();
    loop->wakeup_.fd = UniqueFd(::eventfd(0, EFD_CLOEXEC | EFD_NONBLOCK));
    if (!loop->wakeup_.fd) {
        return fail_with(errno, "eventfd");
    }
    CHECK_OK(loop->add(loop->wakeup_, loop->wakeup_.fd.get(), EPOLLIN | EPOLLET));
    return loop;
}

EpollLoop::EpollLoop(UniqueFd epoll, EpollLimits limits)
    : epoll_(std::move(epoll)), limits_(limits), now_(read_monotonic_clock()) {}

EpollLoop::~EpollLoop() {
    if (wakeup_.watched()) {
        forget(wakeup_);
    }
}

void EpollLoop::post_remote(std::move_only_function<void()> work) {
    bool first = false;
    {
        const std::lock_guard lock(remote_mutex_);
        first = remote_.empty();
        remote_.push_back(std::move(work));
    }
    if (first) {
        const std::uint64_t one = 1;
        // Cannot fail: the count would have to reach 2^64 - 2.
        [[maybe_unused]] const auto written = ::write(wakeup_.fd.get(), &one, sizeof one);
    }
}

void EpollLoop::Wakeup::on_events(std::uint32_t) {
    auto& running = loop->remote_running_;
    {
        const std::lock_guard lock(loop->remote_mutex_);
        running.swap(loop->remote_);
    }
    for (auto& work : running) {
        work();
    }
    running.clear();
}

base::Status EpollLoop::add(Device& device, int fd, std::uint32_t events) {
    CHECK(!device.watched());
    if (first_free_ == Device::unwatched) {
        if (slots_.size() >= limits_.devices_max) {
            return base::fail(Code::exhausted, "event loop watches {} descriptors, its limit",
                              slots_.size());
        }
        slots_.emplace_back();
        first_free_ = static_cast<std::uint32_t>(slots_.size() - 1);
    }
    const std::uint32_t index = first_free_;
    Slot& slot = slots_[index];
    epoll_event event{};
    event.events = events;
    event.data.u64 = static_cast<std::uint64_t>(slot.generation) << 32 | index;
    if (::epoll_ctl(epoll_.get(), EPOLL_CTL_ADD, fd, &event) != 0) {
        return fail_with(errno, "epoll_ctl");
    }
    first_free_ = slot.next_free;
    slot.device = &device;
    device.slot_ = index;
    device.pending_ = 0;
    return base::ok;
}

void EpollLoop::change(Device& device, int fd, std::uint32_t events) {
    CHECK(device.watched());
    epoll_event event{};
    event.events = events;
    event.data.u64 =
        static_cast<std::uint64_t>(slots_[device.slot_].generation) << 32 | device.slot_;
    CHECK(::epoll_ctl(epoll_.get(), EPOLL_CTL_MOD, fd, &event) == 0 || errno == ENOMEM);
}

void EpollLoop::remove(Device& device, int fd) {
    ::epoll_ctl(epoll_.get(), EPOLL_CTL_DEL, fd, nullptr);
    forget(device);
}

void EpollLoop::forget(Device& device) {
    CHECK(device.watched());
    Slot& slot = slots_[device.slot_];
    slot.device = nullptr;
    ++slot.generation;
    slot.next_free = first_free_;
    first_free_ = device.slot_;
    device.slot_ = Device::unwatched;
    device.pending_ = 0;
    if (current_ == &device) {
        current_ = nullptr;
    }
}

Device* EpollLoop::device_of(const epoll_event& event) const {
    const auto index = static_cast<std::uint32_t>(event.data.u64);
    const auto generation = static_cast<std::uint32_t>(event.data.u64 >> 32);
    const Slot& slot = slots_[index];
    return slot.generation == generation ? slot.device : nullptr;
}

int EpollLoop::wait() {
    const int capacity = static_cast<int>(events_.size());
    if (!ready_.empty() || stopping_) {
        return ::epoll_wait(epoll_.get(), events_.data(), capacity, 0);
    }
    const Instant next = timers_.next();
    if (next == Instant::never()) {
        return ::epoll_wait(epoll_.get(), events_.data(), capacity, -1);
    }
    Duration left = next - now_;
    if (left > Duration::zero() && left < near_timer) {
        left = next - read_monotonic_clock();
    }
    if (left <= Duration::zero()) {
        return ::epoll_wait(epoll_.get(), events_.data(), capacity, 0);
    }
    if (has_pwait2_) {
        const timespec timeout{left / 1s, (left % 1s).count()};
        const int count = ::epoll_pwait2(epoll_.get(), events_.data(), capacity, &timeout, nullptr);
        if (count >= 0 || (errno != ENOSYS && errno != EPERM)) {
            return count;
        }
        has_pwait2_ = false;  // Linux before 5.11, or a seccomp filter that does not know it
    }
    const auto left_ms = std::min<Duration>(left, 24h * 20).count() / 1'000'000 + 1;
    return ::epoll_wait(epoll_.get(), events_.data(), capacity, static_cast<int>(left_ms));
}

void EpollLoop::deliver(std::size_t count) {
    // First to all who have news, so that Stream::quiet() of a connection whose end lies further
    // back in this batch says so already.
    for (std::size_t i = 0; i < count; ++i) {
        if (Device* const device = device_of(events_[i])) {
            device->pending_ |= events_[i].events;
        }
    }
    for (std::size_t i = 0; i < count; ++i) {
        if (Device* const device = device_of(events_[i])) {
            current_ = device;
            device->on_events(std::exchange(device->pending_, 0));
        }
    }
    current_ = nullptr;
}

void EpollLoop::run() {
    do {
        const int count = wait();
        now_ = read_monotonic_clock();
        ++turn_;
        deliver(count < 0 ? 0 : static_cast<std::size_t>(count));
        for (std::uint32_t step = 0; step < limits_.steps_per_turn_max; ++step) {
            async::Ready* const node = ready_.pop_front();
            if (node == nullptr) {
                break;
            }
            async::ReadyList::run(*node);
        }
        for (std::uint32_t step = 0; step < limits_.steps_per_turn_max; ++step) {
            if (!timers_.fire_one(now_)) {
                break;
            }
        }
    } while (!stopping_);
    stopping_ = false;
}

}  // namespace tidemill::host_linux
