// Trees as tar archives: the strict reader of what strangers send, the writer whose bytes are
// always the same.
#pragma once

#include <cstdint>
#include <functional>
#include <string>
#include <string_view>
#include <vector>

#include "base/result.h"
#include "host/disk.h"
#include "image/tree.h"

namespace tidemill::image {

// The modification time of everything in a layer: 1980-01-01T00:00:00Z, the earliest that zip
// archives, and so Python wheels, can hold. Builds get it as SOURCE_DATE_EPOCH.
inline constexpr std::int64_t source_date_epoch = 315'532'800;

struct UnpackOptions {
    TreeLimits limits;
    // True for paths that are left out with all that is below them; empty: none.
    std::function<bool(std::string_view path)> skip;
};

// Unpacks tar, plain or gzip, into the empty directory `to`; what is there after a failure is for
// the caller to remove. Only permission to execute is kept of modes; owners and times are dropped;
// a directory may be named late, or not at all. Errors: invalid (not a tar; a path that is
// absolute, climbs or stands twice; a link that leads out; a device; a hard link), exhausted (a
// limit, disk), unavailable (disk).
base::Result<std::vector<TreeEntry>> unpack_tar(host::Disk& disk, host::File& tar,
                                                const std::string& to,
                                                const UnpackOptions& options);

struct PackedLayer {
    std::string digest;  // of the tar: OCI's diff_id too, because it is not compressed
    std::uint64_t bytes = 0;
};

// Writes `entries` of the tree at `root` to `tar`, each under `prefix` ("app/", or nothing), and
// the same content as a tree of its own into the directory `copy_to` unless that is empty: one
// pass, so that the two cannot differ. Equal trees give equal bytes: order as given, owner 0, mode
// of TreeEntry, time source_date_epoch. Errors: exhausted, unavailable (disk), conflict (a file
// changed meanwhile).
base::Result<PackedLayer> pack_tree(host::Disk& disk, const std::string& root,
                                    const std::vector<TreeEntry>& entries, std::string_view prefix,
                                    host::File& tar, const std::string& copy_to);

}  // namespace tidemill::image
