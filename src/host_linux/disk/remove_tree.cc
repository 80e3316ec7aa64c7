#include "host_linux/disk/remove_tree.h"

#include <dirent.h>
#include <fcntl.h>
#include <fmt/format.h>
#include <sys/stat.h>
#include <unistd.h>

#include <cerrno>
#include <memory>
#include <string_view>
#include <utility>
#include <vector>

#include "host_linux/system_error.h"
#include "host_linux/unique_fd.h"

namespace tidemill::host_linux {
namespace {

// Directories below this depth are moved up beside the first level and deleted there.
constexpr int depth_max = 32;

class TreeRemover {
public:
    explicit TreeRemover(const std::string& path) : path_(path) {}

    base::Status run() {
        const auto top = open_directory(AT_FDCWD, path_.c_str());
        if (!top) {
            if (errno == ENOENT) {
                return base::ok;
            }
            if (errno != ENOTDIR && errno != ELOOP) {
                return fail_with(errno, path_);
            }
            return ::unlink(path_.c_str()) == 0 || errno == ENOENT ? base::Status(base::ok)
                                                                   : fail_with(errno, path_);
        }
        top_ = top.get();
        do {
            moved_up_ = false;
            CHECK_OK(empty(top_, 1));
        } while (moved_up_);
        if (::rmdir(path_.c_str()) != 0 && errno != ENOENT) {
            return fail_with(errno, path_);
        }
        return base::ok;
    }

private:
    static UniqueFd open_directory(int parent, const char* name) {
        constexpr int flags = O_RDONLY | O_DIRECTORY | O_NOFOLLOW | O_CLOEXEC;
        UniqueFd fd(::openat(parent, name, flags));
        if (!fd && errno == EACCES) {
            // Its owner took away the permission that deleting needs. Changed through a descriptor,
            // since a name could have become a link to something else by now.
            const UniqueFd at(
                ::openat(parent, name, O_PATH | O_DIRECTORY | O_NOFOLLOW | O_CLOEXEC));
            if (at) {
                ::chmod(fmt::format("/proc/self/fd/{}", at.get()).c_str(), 0700);
            }
            fd = UniqueFd(::openat(parent, name, flags));
        }
        return fd;
    }

    // Deletes what is in `directory`, a descriptor that stays the caller's.
    base::Status empty(int directory, int depth) {
        std::vector<std::string> names;
        CHECK_OK(read_names(directory, names));
        for (const auto& name : names) {
            CHECK_OK(remove_entry(directory, name, depth));
        }
        return base::ok;
    }

    base::Status read_names(int directory, std::vector<std::string>& names) {
        // fdopendir takes the descriptor over, so it gets one of its own.
        const int copy = ::openat(directory, ".", O_RDONLY | O_DIRECTORY | O_CLOEXEC);
        const std::unique_ptr<DIR, int (*)(DIR*)> stream(copy < 0 ? nullptr : ::fdopendir(copy),
                                                         ::closedir);
        if (!stream) {
            return fail_with(errno, path_);
        }
        errno = 0;
        while (const dirent* const entry = ::readdir(stream.get())) {
            const std::string_view name = entry->d_name;
            if (name != "." && name != "..") {
                names.emplace_back(name);
            }
        }
        return errno == 0 ? base::Status(base::ok) : fail_with(errno, path_);
    }

    base::Status remove_entry(int parent, const std::string& name, int depth) {
        if (::unlinkat(parent, name.c_str(), 0) == 0 || errno == ENOENT) {
            return base::ok;
        }
        if (errno == EACCES) {
            ::fchmod(parent, 0700);
            if (::unlinkat(parent, name.c_str(), 0) == 0 || errno == ENOENT) {
                return base::ok;
            }
        }
        if (errno != EISDIR && errno != EPERM) {  // POSIX says EPERM for a directory, Linux EISDIR
            return fail_with(errno, path_ + "/…/" + name);
        }
        if (depth >= depth_max && parent != top_) {
            const std::string fresh = fmt::format(".removing-{}", ++moved_);
            if (::renameat(parent, name.c_str(), top_, fresh.c_str()) == 0) {
                moved_up_ = true;
                return base::ok;
            }
            return fail_with(errno, path_ + "/…/" + name);
        }
        {
            const auto child = open_directory(parent, name.c_str());
            if (!child) {
                return fail_with(errno, path_ + "/…/" + name);
            }
            CHECK_OK(empty(child.get(), depth + 1));
        }
        if (::unlinkat(parent, name.c_str(), AT_REMOVEDIR) != 0 && errno != ENOENT) {
            return fail_with(errno, path_ + "/…/" + name);
        }
        return base::ok;
    }

    const std::string& path_;
    int top_ = -1;
    bool moved_up_ = false;
    std::uint64_t moved_ = 0;
};

}  // namespace

base::Status remove_tree(const std::string& path) {
    return TreeRemover(path).run();
}

}  // namespace tidemill::host_linux
