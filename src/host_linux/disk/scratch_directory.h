// A directory that lasts as long as its owner.
#pragma once

#include <string>

namespace tidemill::host_linux {

// Made fresh with mode 0700 below `parent`, removed with all that is in it. Fails the process if it
// cannot be made: for tests and tools.
class ScratchDirectory {
public:
    explicit ScratchDirectory(const std::string& parent = ".");
    ScratchDirectory(const ScratchDirectory&) = delete;
    ScratchDirectory& operator=(const ScratchDirectory&) = delete;
    ~ScratchDirectory();

    const std::string& path() const { return path_; }

private:
    std::string path_;
};

}  // namespace tidemill::host_linux
