#include "app/log_file.h"

#include <utility>

namespace tidemill::app {

AccessLogFile::AccessLogFile(host::Disk& disk, std::string path, std::uint64_t bytes_max)
    : disk_(disk), path_(std::move(path)), bytes_max_(bytes_max) {}

bool AccessLogFile::write(std::string_view lines) {
    if (file_ != nullptr && size_ >= bytes_max_) {
        file_.reset();
        (void)disk_.rename(path_, path_ + ".1");
    }
    if (file_ == nullptr) {
        auto opened = disk_.open(path_, host::Disk::Open::create);
        if (!opened) {
            return false;
        }
        file_ = *std::move(opened);
        size_ = file_->size().value_or(0);
    }
    if (!file_->write_at(size_, lines)) {
        // A line cut short would be read as another: the next write begins where this one did.
        (void)file_->truncate(size_);
        return false;
    }
    size_ += lines.size();
    return true;
}

}  // namespace tidemill::app
