// What instances said: found, read, and thrown away in time.
#pragma once

#include <cstdint>
#include <deque>
#include <map>
#include <optional>
#include <string>
#include <string_view>

#include "base/result.h"
#include "host/disk.h"

namespace tidemill::agent {

// One directory per instance below DATA/logs, two files in each, which the instance's own init
// writes in turn. This reads and removes, and leaves a link "end" that says whose log it was. One
// thread.
class LogStore {
public:
    struct Limits {
        std::size_t ended_per_revision_max = 3;  // and the last that crashed, besides
        std::size_t ended_max = 1000;
    };
    LogStore(host::Disk& disk, std::string directory, Limits limits)
        : disk_(disk), directory_(std::move(directory)), limits_(limits) {}

    std::string directory_of(std::string_view instance) const;
    // What lies there from before; `revision_of` names those that still live (""). Removes what is
    // over the limits.
    void recover(const std::map<std::string, std::string>& living);
    enum class Cause : std::uint8_t { asked, crashed };
    // The instance's log will not grow any more; removes older ones over the limits.
    void ended(const std::string& instance, const std::string& revision, Cause cause);

    // The last of `revision` ("NAMESPACE/NAME") that ended, if its log is kept.
    std::optional<std::string> last_ended(const std::string& revision) const;

    // Whole lines, oldest first. Errors: not_found.
    struct Selection {
        std::optional<std::uint64_t> tail_lines;
        std::string since;  // lines before this RFC 3339 time are left out; empty: none
    };
    base::Result<std::string> read(const std::string& instance, const Selection& selection);
    // The last lines, of at most `bytes_max`; empty when there is no log.
    std::string last(const std::string& instance, std::size_t bytes_max);

    // A place in a log that grows: what has come since the last call, at most `bytes_max`.
    struct Follow {
        int file = -1;  // not begun
        std::uint64_t offset = 0;
    };
    std::string more(const std::string& instance, Follow& follow, std::size_t bytes_max);
    // At the end of what is there now.
    Follow at_end(const std::string& instance);

private:
    struct Ended {
        std::string instance;
        std::string revision;  // "NAMESPACE/NAME"; only "NAME" where nothing of its end was written
        Cause cause;
    };
    std::string path(std::string_view instance, int file) const;
    // What an earlier agent wrote of its end.
    Ended remembered(const std::string& instance);
    // The file whose first line is older comes first; missing ones are left out.
    std::vector<int> in_order(const std::string& instance);
    void collect();

    host::Disk& disk_;
    std::string directory_;
    Limits limits_;
    std::deque<Ended> ended_;  // oldest first
};

}  // namespace tidemill::agent
