// Time and randomness from the kernel.
#pragma once

#include <array>
#include <cstddef>

#include "host/clock.h"

namespace tidemill::host_linux {

class LinuxClock final : public host::Clock {
public:
    base::WallTime wall_now() const override;
    base::Instant monotonic_now() const override;
};

// getrandom(2), fetched in small blocks because trace identifiers want a few bytes per request.
// Bytes handed out are wiped here. One thread.
class LinuxRandom final : public host::Random {
public:
    void fill(std::span<std::byte> bytes) override;

private:
    std::array<std::byte, 256> block_{};
    std::size_t used_ = block_.size();
};

}  // namespace tidemill::host_linux
