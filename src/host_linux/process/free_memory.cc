#include "host_linux/process/free_memory.h"

#include <malloc.h>

namespace tidemill::host_linux {

void give_back_free_memory() {
    // Keeps a megabyte at the top, so that the next request need not ask for it again.
    static_cast<void>(::malloc_trim(1U << 20));
}

}  // namespace tidemill::host_linux
