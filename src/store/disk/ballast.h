// Room that is kept for the day the disk is full.
#pragma once

#include <cstdint>
#include <string>

#include "base/result.h"
#include "host/disk.h"

namespace tidemill::store {

// A file of zeros that is given up when nothing else fits, so that deletes still commit. Blocks.
class Ballast {
public:
    Ballast(host::Disk& disk, std::string directory, std::uint64_t bytes)
        : disk_(disk), directory_(std::move(directory)), bytes_(bytes) {}

    // Makes the file if it is not there or too small, and if the disk has at least as much room
    // beside it: taking the last room would only bring the full disk about. Errors: exhausted
    // (there is not so much room; nothing is left behind), unavailable.
    base::Status keep();
    // Idempotent.
    base::Status release();

private:
    std::string path() const { return directory_ + "/ballast"; }
    base::Status fill();

    host::Disk& disk_;
    std::string directory_;
    std::uint64_t bytes_;
};

}  // namespace tidemill::store
