// How the program ends, for scripts.
#pragma once

#include <cstdint>
#include <string>

#include "base/result.h"

namespace tidemill::cli {

// Stable: scripts rely on them. `tidemill help exit-codes` prints them.
enum class Exit : std::uint8_t {
    done = 0,
    failure = 1,      // what was asked for was tried and did not work
    usage = 2,        // the words or flags make no sense; nothing was tried
    not_found = 3,    // what was named is not there
    denied = 4,       // who asked may not, or could not prove who they are
    conflict = 5,     // somebody else changed it meanwhile, or it is there already
    deadline = 6,     // waited as long as allowed
    unreachable = 7,  // no server answers, or it cannot serve now
    interrupted = 130,
};

// The exit code that tells a script what a caller could do about `code`.
Exit exit_of(base::Code code);
// The text of `tidemill help exit-codes`.
std::string exit_codes_help();

}  // namespace tidemill::cli
