// The images of this machine that were made from source.
#pragma once

#include <cstdint>
#include <set>
#include <string>
#include <vector>

#include "base/result.h"
#include "host/clock.h"
#include "host/disk.h"
#include "image/config.h"
#include "image/reference.h"
#include "image/tree.h"

namespace tidemill::image {

// A directory of the form
//   version                          of this form
//   blobs/sha256/HEX                 layers (tar), configurations and manifests, as OCI has them
//   trees/HEX/                       a layer unpacked, named by its manifest; what instances mount
//   layouts/NAMESPACE/NAME/          an OCI image layout of one name: oci-layout, index.json, and
//                                    blobs, a link to the above, so that `skopeo copy oci:…` reads
//                                    it
//   incoming/N/                      what put() is writing; swept by open()
// An image is there when index.json of its name lists it; everything else follows from that.
//
// Keeps no state but a counter: resolve() and list() may run on any thread at any time, the others
// on one thread at a time.
class ImageStore {
public:
    struct Limits {
        TreeLimits tree{.bytes_max = 2048ULL << 20, .entries_max = 400'000};
        std::size_t images_per_name_max = 1000;
    };
    // Makes the directory, or takes it over and sweeps what a crash left. `disk` outlives it.
    // Errors: invalid (a newer version), exhausted, unavailable.
    static base::Result<ImageStore> open(host::Disk& disk, std::string directory,
                                         const Limits& limits);

    // Stores the tree at `root`, which is read and not kept. The same tree and configuration give
    // the same digest; storing it again changes nothing. Durable when it returns. Errors: invalid
    // (see list_tree), exhausted (a limit; disk full), unavailable.
    base::Result<ImageReference> put(const ImageName& name, const std::string& root,
                                     const ImageConfig& config, base::WallTime now);

    struct Resolved {
        ImageReference reference;
        ImageConfig config;
        std::string tree;  // where it lies unpacked
    };
    // Errors: not_found (TM-412), invalid (TM-413: damaged).
    base::Result<Resolved> resolve(const ImageReference& reference) const;
    // resolve() of parse_reference().
    base::Result<Resolved> resolve(std::string_view reference) const;

    struct Listed {
        ImageReference reference;
        base::WallTime created;  // when it was stored first
        std::uint64_t bytes = 0;
    };
    // Sorted by name, then oldest first.
    base::Result<std::vector<Listed>> list() const;

    // Forgets every image that is neither in `in_use` nor younger than `keep_since`, then removes
    // blobs and trees that no image needs. Returns the references removed.
    base::Result<std::vector<ImageReference>> collect(const std::set<ImageReference>& in_use,
                                                      base::WallTime keep_since);

    // Reads every byte of the image again: blobs against their digests, the tree against the layer.
    // Errors: invalid (TM-413, names the first thing that is wrong), not_found.
    base::Status verify(const ImageReference& reference);

private:
    struct Indexed;
    ImageStore(host::Disk& disk, std::string directory, const Limits& limits)
        : disk_(&disk), directory_(std::move(directory)), limits_(limits) {}

    static bool lists(const std::vector<Indexed>& images, std::string_view digest);
    std::string blob_path(std::string_view digest) const;
    std::string tree_path(std::string_view digest) const;
    std::string layout_path(const ImageName& name) const;
    base::Result<std::vector<Indexed>> read_index(const ImageName& name) const;
    base::Status write_index(const ImageName& name, const std::vector<Indexed>& images);
    base::Result<std::vector<ImageName>> names() const;
    base::Result<std::string> read_blob(std::string_view digest) const;
    base::Result<std::string> layer_of(std::string_view manifest) const;
    base::Status place(const std::string& from, const std::string& to);
    base::Status sweep();

    host::Disk* disk_;
    std::string directory_;
    Limits limits_;
    std::uint64_t incoming_next_ = 0;
};

}  // namespace tidemill::image
