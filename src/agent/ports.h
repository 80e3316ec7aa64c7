// Ports of 127.0.0.1 for apps that are told $PORT.
#pragma once

#include <cstdint>
#include <set>

#include "base/result.h"
#include "host/network.h"

namespace tidemill::agent {

// Gives each port to one holder at a time, in turn, so that a port is not used again right after.
// One thread.
class Ports {
public:
    // Begins at `start`, a port of the range. Two agents on one machine that begin at the same one
    // may both find a port free before either app listens on it; one would answer for the other.
    Ports(std::uint16_t first, std::uint16_t last, std::uint16_t start)
        : first_(first), last_(last), next_(start) {}

    // One that nobody here holds and nobody on the machine listens on now. Errors: exhausted.
    base::Result<std::uint16_t> take(host::Network& network);
    // For an instance that was found running.
    void hold(std::uint16_t port) { held_.insert(port); }
    void give_back(std::uint16_t port) { held_.erase(port); }

private:
    std::uint16_t first_;
    std::uint16_t last_;
    std::uint16_t next_;
    std::set<std::uint16_t> held_;
};

}  // namespace tidemill::agent
