// This process as a client: the command line's way to the world.
#pragma once

#include <string>
#include <vector>

namespace tidemill::app {

// Does what the words say and returns the exit code. SIGINT gives up with 130.
int run_client(std::vector<std::string> words);

}  // namespace tidemill::app
