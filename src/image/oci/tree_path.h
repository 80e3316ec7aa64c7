// Paths inside a tree whose links others made: resolved as if the tree were the whole world.
#pragma once

#include <string>
#include <string_view>

#include "base/result.h"
#include "host/disk.h"

namespace tidemill::image {

enum class LastLink : std::uint8_t { followed, kept };

// Where `path` lies on the host, below `root`, whatever links and ".." stand in it: an absolute
// link begins at `root` again, and above `root` there is nothing, as for a process whose root it
// is. Parts that are not there are taken as they are. Nobody else may change the tree meanwhile.
// Errors: invalid (more than 40 links, as Linux; a part below something that is no directory),
// those of the disk.
base::Result<std::string> resolve_in_tree(host::Disk& disk, const std::string& root,
                                          std::string_view path, LastLink last);

// The same, and directories on the way are made where they are not there (mode 0755). Errors also:
// invalid (a file is in the way).
base::Result<std::string> make_directories_in_tree(host::Disk& disk, const std::string& root,
                                                   std::string_view path);

// The text of a file of the tree. Errors: not_found, exhausted (larger), invalid (no file).
base::Result<std::string> read_in_tree(host::Disk& disk, const std::string& root,
                                       std::string_view path, std::uint64_t bytes_max);

}  // namespace tidemill::image
