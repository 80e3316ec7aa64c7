#include "host_linux/unique_fd.h"

#include <unistd.h>

namespace tidemill::host_linux {

void UniqueFd::reset() {
    if (fd_ >= 0) {
        // Never tried again after EINTR: Linux has released the number already (close(2)).
        ::close(std::exchange(fd_, -1));
    }
}

}  // namespace tidemill::host_linux
