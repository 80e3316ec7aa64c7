#include "host_linux/disk/scratch_directory.h"

#include <stdlib.h>

#include "base/check.h"
#include "host_linux/disk/remove_tree.h"

namespace tidemill::host_linux {

ScratchDirectory::ScratchDirectory(const std::string& parent) : path_(parent + "/scratch-XXXXXX") {
    CHECK(::mkdtemp(path_.data()) != nullptr);
}

ScratchDirectory::~ScratchDirectory() {
    // What cannot be removed is left: a destructor has nobody to tell.
    [[maybe_unused]] const auto removed = remove_tree(path_);
}

}  // namespace tidemill::host_linux
