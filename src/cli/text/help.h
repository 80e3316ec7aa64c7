// What the program says about itself.
#pragma once

#include <string>

#include "cli/command.h"

namespace tidemill::cli {

// All commands, one line each.
std::string general_help();
// One command: usage, examples first, then its flags.
std::string help_of(const Command& command);

}  // namespace tidemill::cli
