// What installing the same packages gave before.
#pragma once

#include <cstdint>
#include <string>
#include <string_view>

#include "base/result.h"
#include "host/disk.h"

namespace tidemill::builder {

// One tar per key below a directory, the least recently used removed first. Not durable: losing it
// costs a build's time. One thread.
class BuildCache {
public:
    // `disk` outlives it.
    BuildCache(host::Disk& disk, std::string directory, std::uint64_t bytes_max)
        : disk_(disk), directory_(std::move(directory)), bytes_max_(bytes_max) {}

    enum class Found : std::uint8_t { hit, miss };
    // Puts what is kept under `key` (letters and digits) into the empty directory `to`. What cannot
    // be read any more is a miss, and is removed. Errors: of writing `to`.
    base::Result<Found> restore(std::string_view key, const std::string& to);
    // Keeps the tree at `from`, unless it alone is beyond the limit. Errors: of reading `from` and
    // of writing.
    base::Status save(std::string_view key, const std::string& from);

private:
    std::string path(std::string_view key, std::string_view suffix) const;
    void touch(std::string_view key);
    base::Status evict();

    host::Disk& disk_;
    std::string directory_;
    std::uint64_t bytes_max_;
};

}  // namespace tidemill::builder
