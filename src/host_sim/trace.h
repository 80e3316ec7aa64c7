// The fingerprint of a run: two runs of one seed must leave the same.
#pragma once

#include <cstdint>
#include <functional>
#include <string_view>

#include "base/bytes.h"

namespace tidemill::host_sim {

// Folds what devices do into 64 bits. Not content, only shape (which operation, where, how much):
// that is what diverges first, and libraries draw salts that no seed reaches.
class Trace {
public:
    void add(std::string_view what, std::uint64_t a = 0, std::uint64_t b = 0) {
        for (const std::uint64_t value : {base::fnv1a(what), a, b}) {
            hash_ = (hash_ ^ value) * 0x9e3779b97f4a7c15U;
            hash_ ^= hash_ >> 32;
        }
        ++events_;
        if (on_event) {
            on_event(what, a, b);
        }
    }
    // For whoever replays one run: told of each event. Changes nothing.
    std::function<void(std::string_view what, std::uint64_t a, std::uint64_t b)> on_event;
    std::uint64_t hash() const { return hash_; }
    std::uint64_t events() const { return events_; }

private:
    std::uint64_t hash_ = 14'695'981'039'346'656'037U;
    std::uint64_t events_ = 0;
};

}  // namespace tidemill::host_sim
