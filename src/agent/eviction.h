// Which frozen instances go when all of them together are too large.
#pragma once

#include <cstdint>
#include <map>
#include <string>
#include <string_view>
#include <vector>

#include "base/time.h"

namespace tidemill::agent {

// Greedy-Dual with frequency and size: what is worth least per byte goes first, where worth is what
// a start in its place would cost, times how often it was used; and worth ages, so that what was
// popular once goes too. Cherkasova 1998; for keeping functions alive: Fuerst and Sharma,
// FaasCache, ASPLOS 2021. Pure; one thread.
class Eviction {
public:
    struct Frozen {
        std::uint64_t bytes = 0;
        std::uint32_t uses = 1;
        base::Duration start_took{};
    };

    // bytes_max: of all frozen instances together.
    explicit Eviction(std::uint64_t bytes_max) : bytes_max_(bytes_max) {}

    // Now frozen. Again for the same name: replaces what was said.
    void add(const std::string& instance, const Frozen& what);
    // Thawed, or gone. Nothing if it was not there.
    void forget(const std::string& instance);
    // Those that must go so that the rest fits; forgets them.
    std::vector<std::string> take_surplus();

    std::uint64_t bytes() const { return bytes_; }
    std::size_t size() const { return frozen_.size(); }

private:
    struct Entry {
        std::uint64_t bytes = 0;
        double worth = 0;
    };

    std::uint64_t bytes_max_;
    std::uint64_t bytes_ = 0;
    double age_ = 0;  // the worth of what went last: what comes now is worth at least that
    std::map<std::string, Entry> frozen_;
};

}  // namespace tidemill::agent
