// The access log as a file that does not grow without end.
#pragma once

#include <cstdint>
#include <memory>
#include <string>

#include "host/disk.h"
#include "proxy/access_log.h"

namespace tidemill::app {

// Appends; at `bytes_max` the file is renamed to PATH.1, replacing the one before, and a new one
// begun. On a full disk lines are lost, and the proxy counts them; requests go on.
class AccessLogFile final : public proxy::LogSink {
public:
    AccessLogFile(host::Disk& disk, std::string path, std::uint64_t bytes_max);
    bool write(std::string_view lines) override;

private:
    host::Disk& disk_;
    std::string path_;
    std::uint64_t bytes_max_;
    std::unique_ptr<host::File> file_;
    std::uint64_t size_ = 0;
};

}  // namespace tidemill::app
