#include "agent/eviction.h"

#include <algorithm>

#include "base/mutant.h"

namespace tidemill::agent {

void Eviction::add(const std::string& instance, const Frozen& what) {
    forget(instance);
    // At least a page and a millisecond: nothing is free, and nothing is worth nothing.
    constexpr double page = 4096;
    constexpr double least_ns = 1e6;
    const double size = std::max(page, static_cast<double>(what.bytes));
    const double cost = std::max(least_ns, static_cast<double>(what.start_took.count()));
    frozen_.emplace(instance, Entry{.bytes = what.bytes,
                                    .worth = age_ + static_cast<double>(std::max(what.uses, 1U)) *
                                                        cost / size});
    bytes_ += what.bytes;
}

void Eviction::forget(const std::string& instance) {
    if (const auto found = frozen_.find(instance); found != frozen_.end()) {
        if (!TIDEMILL_MUTANT("agent.thawed_weigh_on")) {
            bytes_ -= found->second.bytes;
        }
        frozen_.erase(found);
    }
}

std::vector<std::string> Eviction::take_surplus() {
    std::vector<std::string> gone;
    while (bytes_ > bytes_max_ && !frozen_.empty() &&
           !TIDEMILL_MUTANT("agent.frozen_need_no_memory")) {
        const auto least = std::ranges::min_element(
            frozen_, {}, [](const auto& entry) { return entry.second.worth; });
        age_ = least->second.worth;
        bytes_ -= least->second.bytes;
        gone.push_back(least->first);
        frozen_.erase(least);
    }
    return gone;
}

}  // namespace tidemill::agent
