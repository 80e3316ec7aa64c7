// What is kept of an instance in the run directory, so that whoever comes next finds it.
#pragma once

#include <cstdint>
#include <string_view>

#include "launcher/program/system.h"
#include "launcher/protocol.h"

namespace tidemill::launcher {

// The beginning of the file RUN/instances/NAME; `note_bytes` of note follow. Written whole before
// the instance is cloned, `process` filled in after, `ending` written by the instance's own init.
struct Record {
    static constexpr std::uint32_t magic_now = 0x4352'4d54;  // "TMRC"
    static constexpr std::uint32_t version_now = 1;

    std::uint32_t magic;
    std::uint32_t version;
    char boot_id[40];
    std::int32_t pid;
    std::uint32_t uid;
    std::uint64_t start_ticks;
    std::int64_t launched_wall_ns;
    std::uint32_t note_bytes;
    // 0 while it runs. Written after `ending`, so that a half-written end is none.
    std::uint32_t ended;
    Ending ending;
    char listen_path[112];
};

void fill_boot_id(char (&into)[40]);
// False with errno.
bool write_process(int file, std::int32_t pid, std::uint64_t start_ticks);
bool write_ending(int file, const Ending& ending);

}  // namespace tidemill::launcher
