// What of this host's own file system an instance may see.
#pragma once

#include <string>
#include <vector>

#include "host/disk.h"

namespace tidemill::sandbox {

// Found once, when the agent starts. An allow-list: what is not named here is not inside, so that a
// secret nobody thought of stays outside.
struct HostRoot {
    std::vector<std::string> directories;  // "/usr" and, on hosts without merged /usr, "/bin", …
    // {"/bin", "usr/bin"}: links to be made inside.
    std::vector<std::pair<std::string, std::string>> links;
    // Files and directories below /etc that programs and libraries need and that are no secrets.
    std::vector<std::string> etc;
    std::string hosts;  // content of /etc/hosts

    friend bool operator==(const HostRoot&, const HostRoot&) = default;
};

HostRoot survey_host_root(host::Disk& disk);

}  // namespace tidemill::sandbox
