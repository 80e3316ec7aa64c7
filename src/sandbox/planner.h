// How one instance is confined.
#pragma once

#include <cstdint>
#include <string>
#include <vector>

#include "base/result.h"
#include "host/launcher.h"
#include "sandbox/host_root.h"
#include "sandbox/workload.h"

namespace tidemill::sandbox {

// What the operator decides for all instances of this machine.
struct Policy {
    std::uint64_t memory_bytes_default = 512U << 20;
    // Threads count; ordinary runtimes stay below a hundred.
    std::uint32_t processes_default = 1024;
    std::uint64_t open_files_max = 65'536;
    std::uint64_t tmp_bytes_max = 64U << 20;  // of /tmp; counts as the instance's memory
    std::uint64_t shm_bytes_max = 64U << 20;  // as container engines give
    // What an instance of an image may write to its root; counts as the instance's memory.
    std::uint64_t image_bytes_max = 1024U << 20;
    std::uint64_t log_bytes_max = 16U << 20;
    // Killed for memory before anything of the host or the platform: half of the way to "first".
    std::int32_t oom_score_adjust = 500;
    // Further read-only paths of the host, such as "/opt/node".
    std::vector<std::string> host_paths;
    // Masked wherever a visible directory would show them: the DATA directory above all.
    std::vector<std::string> secrets;
};

// The whole plan. Pure. As much isolation as `host` can give: namespaces as root, else a user
// namespace, else none (then paths inside are turned into those of the host in command, directory
// and environment). Errors: invalid (a path that is not absolute or climbs, a reserved or malformed
// variable, a file to give where there is no namespace to give it in; TM-430: an image, the same).
base::Result<host::LaunchPlan> plan_launch(const Workload& workload, const Policy& policy,
                                           const HostRoot& root,
                                           const host::LauncherCapabilities& host);

// Users of instances: systemd's table (https://systemd.io/UIDS-GIDS/) leaves this range to nobody.
inline constexpr std::uint32_t uid_base = 0x7000'0000;
inline constexpr std::uint32_t uid_count = 65'536;
// The user for an instance: the same name begins its search at the same place, and none of `taken`
// is given. Errors: exhausted.
base::Result<std::uint32_t> choose_uid(std::string_view instance,
                                       const std::vector<std::uint32_t>& taken);

}  // namespace tidemill::sandbox
