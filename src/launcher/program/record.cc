#include "launcher/program/record.h"

#include <unistd.h>

#include <cstring>

namespace tidemill::launcher {

void fill_boot_id(char (&into)[40]) {
    char text[64];
    const std::string_view id = read_file("/proc/sys/kernel/random/boot_id", text, sizeof(text));
    std::memset(into, 0, sizeof(into));
    std::memcpy(into, id.data(), id.size() < 36 ? id.size() : 36);
}

template <typename T>
static bool put(int file, std::size_t offset, const T& value) {
    return ::pwrite(file, &value, sizeof(value), static_cast<off_t>(offset)) == sizeof(value);
}

bool write_process(int file, std::int32_t pid, std::uint64_t start_ticks) {
    return put(file, offsetof(Record, start_ticks), start_ticks) &&
           put(file, offsetof(Record, pid), pid);
}

bool write_ending(int file, const Ending& ending) {
    constexpr std::uint32_t yes = 1;
    return put(file, offsetof(Record, ending), ending) && put(file, offsetof(Record, ended), yes);
}

}  // namespace tidemill::launcher
