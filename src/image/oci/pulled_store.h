// The images of this machine that others built.
#pragma once

#include <cstdint>
#include <set>
#include <string>
#include <vector>

#include "base/result.h"
#include "host/disk.h"
#include "image/oci/layers.h"
#include "image/oci/manifest.h"
#include "image/oci/oci_config.h"

namespace tidemill::image {

// A directory of the form
//   version                of this form
//   images/HEX.json        what is known of one image, named by the digest under which it was asked
//                          for (its index's or its manifest's): written last, durably
//   trees/HEX/             its layers unpacked on top of each other, named by its manifest's digest
//   blobs/HEX              manifests, configurations and layers as they came
//   incoming/N/            what is being made; swept by open()
// An image is there when images/HEX.json is. One tree per image, not per layer: images share the
// blobs, so that a base is fetched once, and an instance's root is one directory, which overlayfs
// takes and which can be mounted as it is where there is no overlayfs.
//
// find() and list() may run on any thread at any time, name_work() on one, the others on one at a
// time.
class PulledStore {
public:
    struct Limits {
        LayerLimits layers;
        std::size_t images_max = 2000;
    };
    // Makes the directory, or takes it over and sweeps what a crash left. `disk` outlives it.
    // `owners`: whether this process may give files away. Errors: invalid (a newer version),
    // exhausted, unavailable.
    static base::Result<PulledStore> open(host::Disk& disk, std::string directory,
                                          LayerStack::Owners owners, const Limits& limits);

    struct Image {
        std::string digest;    // as it was asked for
        std::string manifest;  // of what runs here; the same unless `digest` is of an index
        OciConfig config;
        std::string tree;
        std::set<std::string> names;       // "docker.io/library/nginx", "dev.local/default/shop"
        std::set<std::string> namespaces;  // where somebody was allowed to pull it
        base::WallTime created;            // when it was stored
        std::uint64_t bytes = 0;           // unpacked
    };
    // Errors: not_found, invalid (TM-413: damaged).
    base::Result<Image> find(std::string_view digest) const;
    base::Result<std::vector<Image>> list() const;

    // A new name for a directory in which an image is made; the caller makes it, and removes it.
    std::string name_work();
    // Puts blob `digest` at `path` if it is here already; true then. It stays there even if it is
    // collected meanwhile.
    base::Result<bool> reuse_blob(std::string_view digest, const std::string& path);
    // Keeps the file at `path`, whose bytes have that digest, for others too.
    base::Status keep_blob(std::string_view digest, const std::string& path);

    struct NewImage {
        std::string digest;               // as it was asked for
        std::string index;                // the text; empty where the digest is the manifest's
        std::string manifest;             // the text
        std::string config;               // the text
        std::vector<std::string> layers;  // files in the directory of the work, checked
        std::string name;
        std::string name_space;
    };
    // Unpacks and keeps an image that was made in `work`. Durable when it returns; nothing is left
    // of it when it fails. Errors: those of LayerStack, invalid (TM-423, 425, 427), exhausted
    // (TM-426: images_max; TM-428: the disk), unavailable.
    base::Result<Image> put(const std::string& work, const NewImage& image, base::WallTime now);
    // The image is known under this name too, and to this namespace. Errors: not_found.
    base::Status add_name(std::string_view digest, const std::string& name,
                          const std::string& name_space);

    // Forgets every image that is neither in `in_use`, by the digest it was asked for, nor younger
    // than `keep_since`, then removes what no image needs and is not younger. Returns the digests
    // removed.
    base::Result<std::vector<std::string>> collect(const std::set<std::string>& in_use,
                                                   base::WallTime keep_since);

private:
    struct Record;
    PulledStore(host::Disk& disk, std::string directory, LayerStack::Owners owners,
                const Limits& limits)
        : disk_(&disk), directory_(std::move(directory)), owners_(owners), limits_(limits) {}

    std::string record_path(std::string_view digest) const;
    std::string blob_path(std::string_view digest) const;
    std::string tree_path(std::string_view digest) const;
    base::Result<Record> read_record(std::string_view digest) const;
    base::Status write_record(const Record& record);
    base::Result<std::string> read_blob(std::string_view digest) const;
    base::Result<Image> image_of(const Record& record) const;
    base::Status write_blob(const std::string& work, std::string_view text);
    base::Result<std::uint64_t> unpack(const std::string& tree, const NewImage& image,
                                       const OciConfig& config);

    host::Disk* disk_;
    std::string directory_;
    LayerStack::Owners owners_;
    Limits limits_;
    std::uint64_t incoming_next_ = 0;
};

}  // namespace tidemill::image
