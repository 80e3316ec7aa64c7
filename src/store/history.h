// The recent changes, for watches and for lists that go on where a page ended.
#pragma once

#include <cstdint>
#include <deque>

#include "base/time.h"
#include "store/kept.h"

namespace tidemill::store {

// What one revision did to one object.
struct Past {
    std::uint64_t revision = 0;
    KeptPtr before;         // null: it was created
    KeptPtr after;          // null: it is gone
    std::size_t bytes = 0;  // of the document, about

    const model::ObjectKey& key() const { return (after != nullptr ? after : before)->key(); }
};

struct HistoryLimits {
    std::size_t changes_max;
    std::size_t bytes_max;
    base::Duration age_max;
};

// Every revision after floor(), without a gap.
class History {
public:
    History(HistoryLimits limits, std::uint64_t revision)
        : limits_(limits), floor_(revision), last_(revision) {}

    // What happened up to here is no longer told.
    std::uint64_t floor() const { return floor_; }
    std::uint64_t last() const { return last_; }
    // Null unless floor < revision <= last.
    const Past* find(std::uint64_t revision) const;
    // Precondition: its revision is last() + 1.
    void add(Past change, base::Instant now);
    // Forgets what is beyond the limits.
    void trim(base::Instant now);

private:
    struct Entry {
        Past change;
        base::Instant at;
    };
    HistoryLimits limits_;
    std::deque<Entry> entries_;
    std::size_t bytes_ = 0;
    std::uint64_t floor_;
    std::uint64_t last_;
};

}  // namespace tidemill::store
