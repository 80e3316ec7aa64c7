// Names of images in registries, as people write them.
#pragma once

#include <string>
#include <string_view>

#include "base/result.h"

namespace tidemill::image {

// What a registry serves under one name. Source of the form and of Docker's short names:
// github.com/distribution/reference, normalize.go and regexp.go.
struct RegistryReference {
    std::string registry;    // "docker.io", "registry.example:5000"
    std::string repository;  // "library/nginx"
    std::string tag;         // "latest" where neither is given; empty where only a digest is
    std::string digest;      // "sha256:…", or empty; wins over the tag

    // What to ask the registry for: the digest, else the tag.
    const std::string& wanted() const { return digest.empty() ? tag : digest; }
    // In full: "docker.io/library/nginx:1.25".
    std::string text() const;
    // As Knative writes what a tag was resolved to: "index.docker.io/library/nginx@sha256:…".
    std::string pinned(std::string_view resolved_digest) const;

    friend bool operator==(const RegistryReference&, const RegistryReference&) = default;
};

// Errors: invalid (TM-411).
base::Result<RegistryReference> parse_registry_reference(std::string_view text);

// True for images of this machine's own store ("dev.local/…"), which no registry has.
bool is_local_image(std::string_view text);

}  // namespace tidemill::image
