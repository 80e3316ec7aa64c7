#include "store/disk/ballast.h"

#include <algorithm>

namespace tidemill::store {

using base::Code;
using base::Status;

namespace {
constexpr std::uint64_t piece_bytes = 1U << 20;
}

Status Ballast::keep() {
    if (const auto info = disk_.info(path()); info && info->size >= bytes_) {
        return base::ok;
    }
    TRY(const auto space, disk_.space(directory_));
    if (space.free_bytes < 2 * bytes_) {
        return base::fail(Code::exhausted, "{}: {} bytes are free, {} are needed", directory_,
                          space.free_bytes, 2 * bytes_);
    }
    auto filled = fill();
    if (!filled) {
        CHECK_OK(release());
    }
    return filled;
}

Status Ballast::fill() {
    TRY(auto file, disk_.open(path(), host::Disk::Open::create));
    // Written, not only sized: a hole takes no room.
    const std::string zeros(static_cast<std::size_t>(std::min(piece_bytes, bytes_)), '\0');
    for (std::uint64_t at = 0; at < bytes_; at += zeros.size()) {
        const auto left =
            static_cast<std::size_t>(std::min<std::uint64_t>(zeros.size(), bytes_ - at));
        CHECK_OK(file->write_at(at, std::string_view(zeros).substr(0, left)));
    }
    return file->sync();
}

Status Ballast::release() {
    auto removed = disk_.remove(path());
    return !removed && removed.error().code == Code::not_found ? Status(base::ok) : removed;
}

}  // namespace tidemill::store
