// What an image consists of, as registries and layouts say it: image-spec v1.1 manifest.md and
// image-index.md, and Docker's schema 2, which has the same members.
#pragma once

#include <cstdint>
#include <string>
#include <string_view>
#include <variant>
#include <vector>

#include "base/result.h"

namespace tidemill::image {

struct Descriptor {
    std::string media_type;
    std::string digest;
    std::uint64_t size = 0;

    friend bool operator==(const Descriptor&, const Descriptor&) = default;
};

struct Manifest {
    Descriptor config;
    std::vector<Descriptor> layers;  // the lowest first

    friend bool operator==(const Manifest&, const Manifest&) = default;
};

// One image of several.
struct IndexEntry {
    Descriptor descriptor;
    std::string os;
    std::string architecture;
    std::string name;  // annotation org.opencontainers.image.ref.name, in layouts

    friend bool operator==(const IndexEntry&, const IndexEntry&) = default;
};
using Index = std::vector<IndexEntry>;

struct ManifestLimits {
    std::size_t layers_max = 256;   // Docker's own limit is 127
    std::size_t entries_max = 512;  // of an index
};

// Errors: invalid (TM-423: malformed, no digest that is known, of schema 1; TM-425: something else
// than an image, layers that lie elsewhere), exhausted (TM-426).
base::Result<std::variant<Manifest, Index>> read_manifest(std::string_view text,
                                                          const ManifestLimits& limits = {});

// That for linux on this machine's architecture; an entry without a platform is taken when it is
// the only one. Errors: invalid (TM-425, names what there is).
base::Result<IndexEntry> choose_platform(const Index& index);

std::string write_manifest(const Manifest& manifest);

}  // namespace tidemill::image
