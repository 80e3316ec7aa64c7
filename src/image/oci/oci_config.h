// How an image that others built says it is started: image-spec v1.1 config.md.
#pragma once

#include <cstdint>
#include <string>
#include <string_view>
#include <vector>

#include "base/result.h"
#include "host/disk.h"
#include "image/config.h"

namespace tidemill::image {

struct OciConfig {
    std::vector<std::string> entrypoint;
    std::vector<std::string> command;  // CMD: arguments of the entrypoint, or all where it is empty
    NamedTexts environment;
    std::string working_directory;
    std::string user;                          // "", "name", "7", "7:8", "name:group"
    std::vector<std::uint16_t> exposed_ports;  // TCP, in rising order
    std::vector<std::string> diff_ids;         // of the layers, uncompressed

    friend bool operator==(const OciConfig&, const OciConfig&) = default;
};

// Errors: invalid (TM-423: malformed; TM-425: of another system or architecture; TM-427: something
// in it that cannot be started).
base::Result<OciConfig> read_oci_config(std::string_view text);

// As whom an image's program runs.
struct OciUser {
    std::uint32_t uid = 0;
    std::uint32_t gid = 0;
    std::string home;  // empty: not known

    friend bool operator==(const OciUser&, const OciUser&) = default;
};

// Looks `user` up in the passwd and group files of the unpacked tree; numbers need not stand there,
// and then the group is 0, as container engines have it. Errors: invalid (TM-427: a name that the
// image does not know).
base::Result<OciUser> find_user(host::Disk& disk, const std::string& tree, std::string_view user);

}  // namespace tidemill::image
