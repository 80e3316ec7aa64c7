// The command line.
#pragma once

#include <string>
#include <vector>

#include "cli/context.h"

namespace tidemill::cli {

// Does what `words` (without the program's name) say and returns the exit code (exit_code.h).
// Dropping the task gives up; what was asked of the server may go on. The context outlives it.
async::Task<int> run(Context& context, std::vector<std::string> words);

}  // namespace tidemill::cli
