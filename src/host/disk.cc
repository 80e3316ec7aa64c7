#include "host/disk.h"

namespace tidemill::host {

base::Result<std::string> read_file(Disk& disk, const std::string& path, std::uint64_t bytes_max) {
    TRY(auto file, disk.open(path, Disk::Open::read));
    // Not sized by size(): files under /proc say 0.
    std::string bytes;
    for (;;) {
        const std::size_t had = bytes.size();
        const std::size_t want = had == 0 ? 4096 : had;
        bytes.resize(had + want);
        TRY(const std::size_t got, file->read_at(had, std::span(bytes.data() + had, want)));
        bytes.resize(had + got);
        if (bytes.size() > bytes_max) {
            return base::fail(base::Code::exhausted, "{}: larger than {} bytes", path, bytes_max);
        }
        if (got == 0) {
            return bytes;
        }
    }
}

base::Status write_file_durably(Disk& disk, const std::string& path, std::string_view bytes,
                                unsigned mode) {
    const std::string fresh = path + ".new";
    {
        // What an earlier attempt left may have another mode: it is not written into.
        if (auto removed = disk.remove(fresh);
            !removed && removed.error().code != base::Code::not_found) {
            return removed;
        }
        TRY(auto file, disk.open(fresh, Disk::Open::create_new, mode));
        CHECK_OK(file->write_at(0, bytes));
        CHECK_OK(file->sync());
    }
    CHECK_OK(disk.rename(fresh, path));
    const auto slash = path.rfind('/');
    return disk.sync_directory(slash == std::string::npos ? "." : path.substr(0, slash));
}

}  // namespace tidemill::host
