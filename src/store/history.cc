#include "store/history.h"

#include <utility>

#include "base/check.h"

namespace tidemill::store {

const Past* History::find(std::uint64_t revision) const {
    if (revision <= floor_ || revision > last_) {
        return nullptr;
    }
    return &entries_[static_cast<std::size_t>(revision - floor_ - 1)].change;
}

void History::add(Past change, base::Instant now) {
    CHECK(change.revision == last_ + 1);
    last_ = change.revision;
    bytes_ += change.bytes;
    entries_.push_back({std::move(change), now});
}

void History::trim(base::Instant now) {
    while (!entries_.empty() &&
           (entries_.size() > limits_.changes_max || bytes_ > limits_.bytes_max ||
            now - entries_.front().at > limits_.age_max)) {
        bytes_ -= entries_.front().change.bytes;
        floor_ = entries_.front().change.revision;
        entries_.pop_front();
    }
}

}  // namespace tidemill::store
