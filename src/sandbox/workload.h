// What is to run in a sandbox, in the words of this room. Who asks (agent, builder) fills it in.
#pragma once

#include <cstdint>
#include <optional>
#include <string>
#include <utility>
#include <vector>

#include "host/launcher.h"

namespace tidemill::sandbox {

struct Mount {
    std::string source;  // a directory or file of the host
    std::string target;
    host::MountPlan::Access access = host::MountPlan::Access::read_only;
};

struct InlineFile {
    std::string target;
    std::string content;
    std::uint32_t mode = 0444;
};

struct Workload {
    std::string instance;
    std::string note;  // given back by Launcher::scan()
    std::string host_name;
    // An image unpacked on the host: the root of the instance, in place of the host's own files.
    struct Image {
        std::string tree;
        // read_only: as `readOnlyRootFilesystem` asks for.
        host::MountPlan::Access access = host::MountPlan::Access::read_write;
    };
    std::optional<Image> image;
    // A path inside first, or a name that is looked for in PATH.
    std::vector<std::string> command;
    std::vector<std::pair<std::string, std::string>> environment;
    std::string directory = "/";
    std::vector<Mount> mounts;
    std::vector<InlineFile> files;
    std::uint32_t uid = 0;
    std::optional<std::uint32_t> gid;     // the same as uid where it is not given
    std::uint64_t memory_bytes_max = 0;   // 0: Policy's default
    std::uint32_t cpu_milli_max = 0;      // 0: no quota
    std::uint32_t cpu_milli_request = 0;  // 0: no weight of its own
    std::uint32_t processes_max = 0;      // 0: Policy's default
    std::optional<std::uint16_t> port;    // $PORT
    std::string listen_path;              // a Unix socket passed as a descriptor; empty: none
    std::string log_directory;
};

}  // namespace tidemill::sandbox
