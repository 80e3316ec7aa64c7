// What an instance says, kept on disk within a limit.
#pragma once

#include <cstddef>
#include <cstdint>

#include "launcher/program/system.h"

namespace tidemill::launcher {

// Two files written in turn, each at most half of the limit; when one is full the other is emptied
// and goes on. Both are open from the beginning, so that writing needs no path and no privilege.
// A full disk drops lines and counts them, and says so in the log when there is room again.
class LogFile {
public:
    // Goes on in the younger file of a directory that was used before. Thrown away if `directory`
    // is empty.
    Failure open(const char* directory, std::uint64_t bytes_max);
    int descriptor(int which) const { return files_[which].get(); }

    // Takes what a stream said; splits it into lines. A line longer than 16 KiB (the buffer of a
    // container runtime, which Kubernetes' readers expect) is kept in parts marked P.
    struct Stream {
        const char* name;
        std::size_t had = 0;
        char buffer[16 * 1024];
    };
    // Reads once from `pipe`; false at its end or when nothing is there now.
    bool pump(int pipe, Stream& stream);
    // Writes a line without its end as a part.
    void flush(Stream& stream);

private:
    void line(const Stream& stream, const char* text, std::size_t size, char tag);
    void write(const char* text, std::size_t size);

    Fd files_[2];
    int now_ = 0;
    std::uint64_t size_ = 0;
    std::uint64_t size_max_ = 0;
    std::uint64_t dropped_ = 0;
    std::size_t pending_ = 0;
    char out_[48 * 1024];
    void put_out();
};

}  // namespace tidemill::launcher
