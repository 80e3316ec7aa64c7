// What to do when our own code is wrong.
#pragma once

#include <source_location>

namespace tidemill::base {

// Writes the broken promise and its place to stderr and ends the process by abort().
[[noreturn]] void check_failed(const char* expression,
                               std::source_location where = std::source_location::current());

}  // namespace tidemill::base

// Our own bug: on in release too, because a control plane that restarts from its log is safer than
// one that guesses. Never for input from outside; not in proxy, whose requests must not share a
// fate.
#define CHECK(expression) \
    ((expression) ? static_cast<void>(0) : ::tidemill::base::check_failed(#expression))
