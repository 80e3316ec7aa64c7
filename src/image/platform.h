// What this machine runs, in the words of image indexes.
#pragma once

#include <string_view>

namespace tidemill::image {

// As Go names architectures (GOARCH), and so OCI does.
#if defined(__x86_64__)
inline constexpr std::string_view host_architecture = "amd64";
#elif defined(__aarch64__)
inline constexpr std::string_view host_architecture = "arm64";
#else
#error "name this architecture as Go does (GOARCH), for OCI image configurations"
#endif

}  // namespace tidemill::image
