#include "host_linux/process/terminal.h"

#include <unistd.h>

namespace tidemill::host_linux {

bool is_terminal(int descriptor) {
    return ::isatty(descriptor) == 1;
}

}  // namespace tidemill::host_linux
