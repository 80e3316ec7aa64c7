// Images that come as files: an OCI layout, or what `docker save` writes.
#pragma once

#include <string>
#include <vector>

#include "base/result.h"
#include "host/disk.h"
#include "image/oci/manifest.h"

namespace tidemill::image {

// One image, ready to be stored: its documents, and where its blobs lie.
struct FoundImage {
    std::string manifest;  // the text, whose digest is the image's
    Manifest content;
    std::string config;               // the text
    std::vector<std::string> layers;  // paths on the host, in the order of `content`
};

// The image in the unpacked archive at `root`: that for this machine where there are several. A
// `docker save` archive, which has no manifest of this kind, gets one; the same archive always the
// same. Bytes are not checked against digests that were given (PulledStore does that). Errors:
// invalid (TM-429: no image, or several; those of read_manifest), exhausted, unavailable.
base::Result<FoundImage> find_image(host::Disk& disk, const std::string& root);

}  // namespace tidemill::image
