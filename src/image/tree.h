// A directory as a list: what a layer is made of.
#pragma once

#include <cstdint>
#include <string>
#include <string_view>
#include <vector>

#include "base/result.h"
#include "host/disk.h"

namespace tidemill::image {

struct TreeLimits {
    std::uint64_t bytes_max = 512U << 20;  // of all files together
    std::size_t entries_max = 100'000;
    std::size_t path_bytes_max = 1024;
    std::size_t depth_max = 64;
};

struct TreeEntry {
    enum class Type : std::uint8_t { file, program, directory, link } type = Type::file;
    std::string path;  // relative, with '/', no "." or ".."
    std::uint64_t size = 0;
    std::string target;  // of a link

    // Permission bits, the only ones that are kept: 0644, 0755 for programs and directories.
    unsigned mode() const;
    friend bool operator==(const TreeEntry&, const TreeEntry&) = default;
};

// A path that stays inside, in its only form: no empty parts, no "." or "..", not absolute, UTF-8
// without control characters, within the limits. Errors: invalid.
base::Status check_tree_path(std::string_view path, const TreeLimits& limits);
// A link at `path` whose target leads to a place inside. Errors: invalid.
base::Status check_tree_link(std::string_view path, std::string_view target);

// All that is below `root`, sorted by path, so that a directory comes before what is in it. Follows
// no link. Errors: invalid (a device, socket or pipe; a path or link that is refused), exhausted (a
// limit).
base::Result<std::vector<TreeEntry>> list_tree(host::Disk& disk, const std::string& root,
                                               const TreeLimits& limits);

// Makes `entry` (not a file) below `root`. Parents must be there.
base::Status make_entry(host::Disk& disk, const std::string& root, const TreeEntry& entry);

}  // namespace tidemill::image
