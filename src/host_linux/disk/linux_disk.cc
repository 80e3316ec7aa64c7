#include "host_linux/disk/linux_disk.h"

#include <dirent.h>
#include <fcntl.h>
#include <sys/file.h>
#include <sys/stat.h>
#include <sys/statvfs.h>
#include <sys/sysmacros.h>
#include <unistd.h>

#include <algorithm>
#include <cerrno>
#include <climits>
#include <cstdint>
#include <optional>
#include <utility>

#include "base/text.h"
#include "host_linux/disk/remove_tree.h"
#include "host_linux/system_error.h"
#include "host_linux/unique_fd.h"

namespace tidemill::host_linux {
namespace {

using base::Code;
using base::fail;
using base::Result;
using base::Status;
using host::DiskSpace;
using host::FileInfo;

Status check_path(const std::string& path) {
    if (path.empty() || path.find('\0') != std::string::npos) {
        return fail(Code::invalid, "path \"{}\": is empty or holds a zero byte", path);
    }
    return base::ok;
}

class LinuxFile final : public host::File {
public:
    LinuxFile(UniqueFd fd, std::string path) : fd_(std::move(fd)), path_(std::move(path)) {}

    Result<std::size_t> read_at(std::uint64_t offset, std::span<char> into) override {
        std::size_t had = 0;
        while (had < into.size()) {
            const auto got = ::pread(fd_.get(), into.data() + had, into.size() - had,
                                     static_cast<off_t>(offset + had));
            if (got == 0) {
                break;
            }
            if (got > 0) {
                had += static_cast<std::size_t>(got);
            } else if (errno != EINTR) {
                return failed(errno);
            }
        }
        return had;
    }
    Status write_at(std::uint64_t offset, std::string_view bytes) override {
        while (!bytes.empty()) {
            const auto put =
                ::pwrite(fd_.get(), bytes.data(), bytes.size(), static_cast<off_t>(offset));
            if (put > 0) {
                offset += static_cast<std::uint64_t>(put);
                bytes.remove_prefix(static_cast<std::size_t>(put));
            } else if (put == 0 || errno == ENOSPC || errno == EDQUOT) {
                return full(put == 0 ? ENOSPC : errno);
            } else if (errno != EINTR) {
                return failed(errno);
            }
        }
        return base::ok;
    }
    Status truncate(std::uint64_t size) override {
        if (::ftruncate(fd_.get(), static_cast<off_t>(size)) != 0) {
            return failed(errno);
        }
        return base::ok;
    }
    Result<std::uint64_t> size() override {
        struct stat info{};
        if (::fstat(fd_.get(), &info) != 0) {
            return failed(errno);
        }
        return static_cast<std::uint64_t>(info.st_size);
    }
    Status sync() override {
        // The kernel drops the pages that it could not write and forgets the error: a second
        // fdatasync would answer ok for bytes that are lost (the "fsyncgate" of 2018,
        // https://wiki.postgresql.org/wiki/Fsync_Errors).
        if (sync_error_) {
            return fail(Code::unavailable, "{}: an earlier sync failed ({}): its bytes may be lost",
                        path_, text_of(*sync_error_));
        }
        int result = 0;
        do {
            result = ::fdatasync(fd_.get());
        } while (result != 0 && errno == EINTR);
        if (result == 0) {
            return base::ok;
        }
        sync_error_ = errno;
        return errno == ENOSPC || errno == EDQUOT ? full(errno) : failed(errno);
    }

private:
    std::unexpected<base::Error> failed(int error) const { return fail_with(error, path_); }
    std::unexpected<base::Error> full(int error) const {
        struct statvfs space{};
        ::fstatvfs(fd_.get(), &space);
        return fail(Code::exhausted, "{}: {}; {} bytes are free", path_, text_of(error),
                    space.f_bavail * space.f_frsize);
    }

    UniqueFd fd_;
    std::string path_;
    std::optional<int> sync_error_;
};

// The process that holds the lock on a file, from /proc/locks (proc(5)):
// "1: FLOCK  ADVISORY  WRITE 1234 fe:00:5678 0 EOF".
std::optional<std::int32_t> find_lock_holder(const struct stat& file) {
    const UniqueFd fd(::open("/proc/locks", O_RDONLY | O_CLOEXEC));
    std::string text;
    char buffer[16'384];
    for (ssize_t got = 0; fd && (got = ::read(fd.get(), buffer, sizeof buffer)) > 0;) {
        text.append(buffer, static_cast<std::size_t>(got));
    }
    const std::string wanted =
        fmt::format("{:02x}:{:02x}:{}", major(file.st_dev), minor(file.st_dev), file.st_ino);
    for (const auto line : base::split(text, '\n')) {
        std::vector<std::string_view> fields;
        for (const auto field : base::split(line, ' ')) {
            if (!field.empty()) {
                fields.push_back(field);
            }
        }
        if (fields.size() >= 6 && fields[1] == "FLOCK" && fields[5] == wanted) {
            const auto pid = base::parse_number<std::int32_t>(fields[4]);
            return pid && *pid > 0 ? pid : std::nullopt;  // 0: a process outside our namespace
        }
    }
    return std::nullopt;
}

}  // namespace

Result<std::unique_ptr<host::File>> LinuxDisk::open(const std::string& path, Open how,
                                                    unsigned mode) {
    CHECK_OK(check_path(path));
    // O_NONBLOCK: a FIFO that a tenant left where a file is expected must not stop us.
    int flags = O_CLOEXEC | O_NOCTTY | O_NONBLOCK;
    switch (how) {
        case Open::read:
            flags |= O_RDONLY;
            break;
        case Open::read_write:
            flags |= O_RDWR;
            break;
        case Open::create:
            flags |= O_RDWR | O_CREAT;
            break;
        case Open::create_new:
            flags |= O_RDWR | O_CREAT | O_EXCL;
            break;
    }
    UniqueFd fd(::open(path.c_str(), flags, mode));
    if (!fd) {
        return fail_with(errno, path);
    }
    return std::make_unique<LinuxFile>(std::move(fd), path);
}

Status LinuxDisk::remove(const std::string& path) {
    CHECK_OK(check_path(path));
    if (::remove(path.c_str()) != 0) {
        return fail_with(errno, path);
    }
    return base::ok;
}

Status LinuxDisk::remove_tree(const std::string& path) {
    CHECK_OK(check_path(path));
    return host_linux::remove_tree(path);
}

Status LinuxDisk::rename(const std::string& from, const std::string& to) {
    CHECK_OK(check_path(from));
    CHECK_OK(check_path(to));
    if (::rename(from.c_str(), to.c_str()) != 0) {
        return fail_with(errno, fmt::format("rename {} to {}", from, to));
    }
    return base::ok;
}

Status LinuxDisk::make_directories(const std::string& path, unsigned mode) {
    CHECK_OK(check_path(path));
    for (std::size_t at = 0; at != std::string::npos;) {
        at = path.find('/', at + 1);
        const std::string part = path.substr(0, at);
        if (::mkdir(part.c_str(), mode) == 0) {
            continue;
        }
        const int error = errno;
        struct stat info{};
        // EROFS and EACCES also mean that it may be there already.
        if (::stat(part.c_str(), &info) != 0) {
            return fail_with(error, part);
        }
        if (!S_ISDIR(info.st_mode)) {
            return fail(Code::conflict, "{}: is there and is no directory", part);
        }
    }
    return base::ok;
}

Status LinuxDisk::sync_directory(const std::string& path) {
    CHECK_OK(check_path(path));
    const UniqueFd fd(::open(path.c_str(), O_RDONLY | O_DIRECTORY | O_CLOEXEC));
    if (!fd || ::fsync(fd.get()) != 0) {
        return fail_with(errno, path);
    }
    return base::ok;
}

Status LinuxDisk::sync_tree(const std::string& path) {
    CHECK_OK(check_path(path));
    const UniqueFd fd(::open(path.c_str(), O_RDONLY | O_CLOEXEC | O_NONBLOCK | O_NOFOLLOW));
    // Reports what could not be written since the descriptor was opened (Linux 5.8, syncfs(2)).
    if (!fd || ::syncfs(fd.get()) != 0) {
        return fail_with(errno, path);
    }
    return base::ok;
}

Status LinuxDisk::make_link(const std::string& target, const std::string& path) {
    CHECK_OK(check_path(target));
    CHECK_OK(check_path(path));
    if (::symlink(target.c_str(), path.c_str()) != 0) {
        return fail_with(errno, path);
    }
    return base::ok;
}

Result<std::string> LinuxDisk::read_link(const std::string& path) {
    CHECK_OK(check_path(path));
    char target[PATH_MAX];
    const auto size = ::readlink(path.c_str(), target, sizeof target);
    if (size < 0) {
        return fail_with(errno, path);
    }
    if (static_cast<std::size_t>(size) == sizeof target) {
        return fail(Code::invalid, "{}: says more than a path can hold", path);
    }
    return std::string(target, static_cast<std::size_t>(size));
}

Status LinuxDisk::make_hard_link(const std::string& existing, const std::string& path) {
    CHECK_OK(check_path(existing));
    CHECK_OK(check_path(path));
    if (::linkat(AT_FDCWD, existing.c_str(), AT_FDCWD, path.c_str(), 0) != 0) {
        return fail_with(errno, fmt::format("link {} to {}", path, existing));
    }
    return base::ok;
}

Status LinuxDisk::set_owner(const std::string& path, std::uint32_t uid, std::uint32_t gid) {
    CHECK_OK(check_path(path));
    if (::lchown(path.c_str(), uid, gid) != 0) {
        return fail_with(errno, path);
    }
    return base::ok;
}

Status LinuxDisk::set_modified(const std::string& path, base::WallTime at) {
    CHECK_OK(check_path(path));
    constexpr std::int64_t second = 1'000'000'000;
    // Rounded down, also before 1970.
    const auto seconds = at.ns / second - (at.ns % second < 0 ? 1 : 0);
    const timespec when{.tv_sec = seconds, .tv_nsec = at.ns - seconds * second};
    const timespec times[2] = {when, when};
    if (::utimensat(AT_FDCWD, path.c_str(), times, AT_SYMLINK_NOFOLLOW) != 0) {
        return fail_with(errno, path);
    }
    return base::ok;
}

Status LinuxDisk::set_mode(const std::string& path, unsigned mode) {
    CHECK_OK(check_path(path));
    // Opened first: fchmodat() cannot be told to leave links alone before Linux 6.6.
    const UniqueFd fd(::open(path.c_str(), O_PATH | O_NOFOLLOW | O_CLOEXEC));
    struct stat found{};
    if (!fd || ::fstat(fd.get(), &found) != 0) {
        return fail_with(errno, path);
    }
    if (S_ISLNK(found.st_mode)) {
        return fail(Code::invalid, "{}: is a link, which has no mode", path);
    }
    const std::string opened = fmt::format("/proc/self/fd/{}", fd.get());
    if (::chmod(opened.c_str(), mode) != 0) {
        return fail_with(errno, path);
    }
    return base::ok;
}

Result<std::vector<std::string>> LinuxDisk::list(const std::string& path) {
    CHECK_OK(check_path(path));
    const std::unique_ptr<DIR, int (*)(DIR*)> directory(::opendir(path.c_str()), ::closedir);
    if (!directory) {
        return fail_with(errno, path);
    }
    std::vector<std::string> names;
    errno = 0;
    while (const dirent* const entry = ::readdir(directory.get())) {
        const std::string_view name = entry->d_name;
        if (name != "." && name != "..") {
            names.emplace_back(name);
        }
    }
    if (errno != 0) {
        return fail_with(errno, path);
    }
    std::ranges::sort(names);
    return names;
}

Result<FileInfo> LinuxDisk::info(const std::string& path) {
    CHECK_OK(check_path(path));
    struct stat found{};
    if (::lstat(path.c_str(), &found) != 0) {
        return fail_with(errno, path);
    }
    FileInfo info;
    info.type = S_ISREG(found.st_mode)   ? FileInfo::Type::file
                : S_ISDIR(found.st_mode) ? FileInfo::Type::directory
                : S_ISLNK(found.st_mode) ? FileInfo::Type::link
                                         : FileInfo::Type::other;
    info.size = static_cast<std::uint64_t>(found.st_size);
    info.mode = found.st_mode & 07777U;
    info.modified = {found.st_mtim.tv_sec * 1'000'000'000 + found.st_mtim.tv_nsec};
    return info;
}

Result<DiskSpace> LinuxDisk::space(const std::string& path) {
    CHECK_OK(check_path(path));
    struct statvfs found{};
    if (::statvfs(path.c_str(), &found) != 0) {
        return fail_with(errno, path);
    }
    return DiskSpace{.total_bytes = found.f_blocks * found.f_frsize,
                     .free_bytes = found.f_bavail * found.f_frsize};
}

Result<std::unique_ptr<host::File>> LinuxDisk::lock(const std::string& path) {
    CHECK_OK(check_path(path));
    // Again when the file that was locked is no longer the one at `path`: its holder removed it.
    for (int attempt = 0; attempt < 8; ++attempt) {
        UniqueFd fd(::open(path.c_str(), O_RDWR | O_CREAT | O_CLOEXEC | O_NOCTTY, 0600));
        struct stat mine{};
        if (!fd || ::fstat(fd.get(), &mine) != 0) {
            return fail_with(errno, path);
        }
        if (::flock(fd.get(), LOCK_EX | LOCK_NB) != 0) {
            if (errno != EWOULDBLOCK) {
                return fail_with(errno, path);
            }
            const auto holder = find_lock_holder(mine);
            return holder ? fail(Code::conflict, "{}: is locked by process {}", path, *holder)
                          : fail(Code::conflict, "{}: is locked by another process", path);
        }
        struct stat there{};
        if (::stat(path.c_str(), &there) == 0 && there.st_ino == mine.st_ino &&
            there.st_dev == mine.st_dev) {
            return std::make_unique<LinuxFile>(std::move(fd), path);
        }
    }
    return fail(Code::conflict, "{}: is removed and made again all the time", path);
}

}  // namespace tidemill::host_linux
