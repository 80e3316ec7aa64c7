// Which image a revision names.
#pragma once

#include <string>
#include <string_view>

#include "base/result.h"

namespace tidemill::image {

// Where images from source live: no registry, this machine's own store.
inline constexpr std::string_view local_registry = "dev.local";

// What one namespace calls its images of one source.
struct ImageName {
    std::string name_space;  // a DNS label
    std::string name;        // a DNS label

    // "dev.local/NAMESPACE/NAME".
    std::string text() const;
    friend auto operator<=>(const ImageName&, const ImageName&) = default;
};

// Errors: invalid (not two DNS labels; they become names of directories).
base::Status check_name(const ImageName& name);

// One image, exactly.
struct ImageReference {
    ImageName name;
    std::string digest;

    // "dev.local/NAMESPACE/NAME@sha256:…".
    std::string text() const;
    friend auto operator<=>(const ImageReference&, const ImageReference&) = default;
};

// Errors: invalid (TM-411: an image of a registry, one without a digest, or text that is no
// reference).
base::Result<ImageReference> parse_reference(std::string_view text);

}  // namespace tidemill::image
