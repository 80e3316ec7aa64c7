// host::LaunchPlan as the program sees it: pointers into the frame that carried it.
#pragma once

#include <cstdint>
#include <string_view>

#include "launcher/protocol.h"

namespace tidemill::launcher {

struct Mount {
    enum class Kind : std::uint8_t {
        bind,
        tmpfs,
        proc,
        sysfs,
        devices,
        link,
        directory,
        file,
        root
    };
    Kind kind;
    bool writable;
    bool optional;
    const char* source;
    const char* target;
    std::uint64_t bytes_max;
    std::uint32_t mode;
    std::string_view content;
};

struct Texts {
    std::uint32_t count = 0;
    const char** items = nullptr;  // one more than count, null at the end
};

enum class Isolation : std::uint8_t { namespaces, user_namespace, none };

struct Plan {
    std::string_view name;
    std::string_view note;
    Texts arguments;
    Texts environment;
    const char* directory;
    Isolation isolation;
    const char* host_name;
    std::uint32_t uid;
    std::uint32_t gid;
    std::uint32_t umask;
    std::uint64_t memory_bytes_max;
    std::uint32_t cpu_milli_max;
    std::uint32_t cpu_milli_weight;
    std::uint32_t processes_max;
    std::uint64_t open_files_max;
    std::uint64_t stack_bytes_max;
    std::int32_t oom_score_adjust;
    std::uint8_t seccomp;
    const char* listen_path;
    std::uint32_t listen_mode;
    std::uint32_t listen_backlog;
    const char* log_directory;
    std::uint64_t log_bytes_max;
    std::uint32_t mount_count;
    Mount* mounts;
    Texts masked;
    Texts read_only;

    // Frees the tables; texts belong to the frame.
    Plan() = default;
    Plan(const Plan&) = delete;
    Plan& operator=(const Plan&) = delete;
    ~Plan();
};

// True when the whole payload is one plan within the limits of protocol.h.
bool read_plan(Reader reader, Plan& into);

}  // namespace tidemill::launcher
