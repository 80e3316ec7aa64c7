// Where lines for the operator go: stderr, or a file.
#pragma once

#include <cstdint>
#include <string>
#include <string_view>
#include <utility>

#include "base/result.h"
#include "host_linux/unique_fd.h"

namespace tidemill::host_linux {

// Appends whole lines; lines of several processes do not mix (O_APPEND, one write each). One
// thread. Never fails: a log must not stop what it tells of.
class AppendFile {
public:
    // A copy of the descriptor, so that it stays ours when the process closes its own.
    static base::Result<AppendFile> standard_error();
    // Made if it is not there. Errors: not_found (its directory), denied, exhausted.
    static base::Result<AppendFile> open(const std::string& path, unsigned mode = 0600);

    // Waits for a reader that is slow, at most 100 ms; then, or on error, the rest is dropped.
    void write(std::string_view line);
    std::uint64_t dropped_bytes() const { return dropped_bytes_; }

private:
    explicit AppendFile(UniqueFd fd) : fd_(std::move(fd)) {}

    UniqueFd fd_;
    std::uint64_t dropped_bytes_ = 0;
};

}  // namespace tidemill::host_linux
