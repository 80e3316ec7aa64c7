// Layers of strangers' images put on top of each other: image-spec v1.1 layer.md.
#pragma once

#include <cstdint>
#include <string>
#include <string_view>

#include "base/result.h"
#include "host/disk.h"

namespace tidemill::image {

struct LayerLimits {
    std::uint64_t bytes_max = 8ULL << 30;   // of all layers of one image, unpacked
    std::uint64_t entries_max = 1'000'000;  // the same
    std::size_t path_bytes_max = 4096;      // PATH_MAX
};

// Applies the layers of one image, the lowest first, to the directory `root`, which is its own and
// empty at first: what is there at the end is what a process of the image sees.
//
// Nothing is written outside `root`: names that climb are refused, links on the way are resolved
// inside. Owners are kept where this process may give files away, modes but for set-user-ID and
// set-group-ID of files (they have no effect in an instance), times of files; devices, pipes and
// extended attributes are left out. After a failure `root` is for the caller to remove.
class LayerStack {
public:
    enum class Owners : std::uint8_t { kept, dropped };
    LayerStack(host::Disk& disk, std::string root, Owners owners, const LayerLimits& limits);

    // `layer`: a tar, plain or by gzip or zstd. `diff_id`: the digest of the tar, or empty where it
    // is not known. Errors: invalid (TM-424: not such a file, cut short, a name that climbs, a link
    // that leads nowhere; TM-423: another diff_id), exhausted (TM-426: a limit; TM-428: the disk),
    // unavailable (the disk).
    base::Status apply(host::File& layer, std::string_view diff_id);

    std::uint64_t bytes() const { return totals_.bytes; }
    std::uint64_t entries() const { return totals_.entries; }

    struct Totals {
        std::uint64_t bytes = 0;   // of files
        std::uint64_t stream = 0;  // of archives, decompressed
        std::uint64_t entries = 0;
    };

private:
    host::Disk& disk_;
    std::string root_;
    Owners owners_;
    LayerLimits limits_;
    Totals totals_;
};

}  // namespace tidemill::image
