#include "host_linux/disk/append_file.h"

#include <fcntl.h>
#include <poll.h>
#include <unistd.h>

#include <cerrno>

#include "host_linux/system_error.h"

namespace tidemill::host_linux {
namespace {

constexpr int slow_reader_ms_max = 100;

}  // namespace

base::Result<AppendFile> AppendFile::standard_error() {
    UniqueFd fd(::fcntl(STDERR_FILENO, F_DUPFD_CLOEXEC, 3));
    if (!fd) {
        return fail_with(errno, "stderr");
    }
    return AppendFile(std::move(fd));
}

base::Result<AppendFile> AppendFile::open(const std::string& path, unsigned mode) {
    UniqueFd fd(::open(path.c_str(), O_WRONLY | O_APPEND | O_CREAT | O_CLOEXEC | O_NOCTTY, mode));
    if (!fd) {
        return fail_with(errno, path);
    }
    return AppendFile(std::move(fd));
}

void AppendFile::write(std::string_view line) {
    while (!line.empty()) {
        const auto put = ::write(fd_.get(), line.data(), line.size());
        if (put > 0) {
            line.remove_prefix(static_cast<std::size_t>(put));
            continue;
        }
        if (put < 0 && errno == EINTR) {
            continue;
        }
        // Whoever gave us the descriptor may have made it non-blocking.
        pollfd room{.fd = fd_.get(), .events = POLLOUT, .revents = 0};
        if (put < 0 && errno == EAGAIN && ::poll(&room, 1, slow_reader_ms_max) > 0) {
            continue;
        }
        dropped_bytes_ += line.size();
        return;
    }
}

}  // namespace tidemill::host_linux
