#include "host_linux/linux_clock.h"

#include <sys/random.h>
#include <time.h>

#include <algorithm>
#include <cerrno>

#include "base/check.h"
#include "host_linux/loop/epoll_loop.h"

namespace tidemill::host_linux {
namespace {

void fill_from_kernel(std::span<std::byte> bytes) {
    while (!bytes.empty()) {
        const auto got = ::getrandom(bytes.data(), bytes.size(), 0);
        // Without randomness no identifier or key may be made.
        CHECK(got > 0 || errno == EINTR);
        bytes = bytes.subspan(static_cast<std::size_t>(std::max<ssize_t>(got, 0)));
    }
}

}  // namespace

base::WallTime LinuxClock::wall_now() const {
    timespec at{};
    ::clock_gettime(CLOCK_REALTIME, &at);
    return {at.tv_sec * 1'000'000'000 + at.tv_nsec};
}

base::Instant LinuxClock::monotonic_now() const {
    return read_monotonic_clock();
}

void LinuxRandom::fill(std::span<std::byte> bytes) {
    if (bytes.size() > block_.size()) {
        fill_from_kernel(bytes);
        return;
    }
    if (bytes.size() > block_.size() - used_) {
        fill_from_kernel(block_);
        used_ = 0;
    }
    const auto taken = std::span(block_).subspan(used_, bytes.size());
    std::ranges::copy(taken, bytes.begin());
    std::ranges::fill(taken, std::byte{0});
    used_ += bytes.size();
}

}  // namespace tidemill::host_linux
