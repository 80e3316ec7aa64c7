#include "launcher/program/root.h"

#include <fcntl.h>
#include <sched.h>
#include <sys/mount.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <sys/sysmacros.h>
#include <sys/wait.h>
#include <unistd.h>

#include <cstdio>
#include <cstdlib>
#include <cstring>

namespace tidemill::launcher {
namespace {

struct Device {
    const char* name;
    unsigned major_number;
    unsigned minor_number;
};
// The OCI runtime specification's default devices; ptmx comes with devpts.
constexpr Device devices[] = {{"null", 1, 3},   {"zero", 1, 5},    {"full", 1, 7},
                              {"random", 1, 8}, {"urandom", 1, 9}, {"tty", 5, 0}};
constexpr std::size_t device_count = sizeof(devices) / sizeof(devices[0]);

// Of an instance's root itself: inline files are in it too, so it is as large as they may be.
constexpr std::uint64_t root_bytes_max = frame_bytes_max + (1U << 20);

// Where the parts of an image's root are put together, on the stage.
constexpr const char* image_lower = "/lower";
constexpr const char* image_upper = "/upper";
constexpr const char* image_root = "/root";
constexpr const char* image_files = "/files";

const Mount* root_of(const Plan& plan) {
    return plan.mount_count != 0 && plan.mounts[0].kind == Mount::Kind::root ? &plan.mounts[0]
                                                                             : nullptr;
}

// What was taken hold of before the host's files went out of sight.
struct Held {
    int mounts[mounts_max];
    int devices[device_count];
};

int hold_bind(const char* source, std::uint64_t attributes, std::uint64_t clear) {
    const int tree =
        ::open_tree(AT_FDCWD, source, OPEN_TREE_CLONE | OPEN_TREE_CLOEXEC | AT_RECURSIVE);
    if (tree < 0) {
        return -1;
    }
    struct mount_attr wanted{};
    wanted.attr_set = attributes;
    wanted.attr_clr = clear;
    wanted.propagation = MS_PRIVATE;
    if (::mount_setattr(tree, "", AT_EMPTY_PATH | AT_RECURSIVE, &wanted, sizeof(wanted)) != 0) {
        const int error = errno;
        ::close(tree);
        errno = error;
        return -1;
    }
    return tree;
}

int hold_new(const char* type, unsigned attributes) {
    const Fd context(::fsopen(type, FSOPEN_CLOEXEC));
    if (!context.open() ||
        ::fsconfig(context.get(), FSCONFIG_CMD_CREATE, nullptr, nullptr, 0) != 0) {
        return -1;
    }
    return ::fsmount(context.get(), FSMOUNT_CLOEXEC, attributes);
}

Failure hold(const Plan& plan, Held& held) {
    for (std::uint32_t i = 0; i < plan.mount_count; ++i) {
        const Mount& mount = plan.mounts[i];
        held.mounts[i] = -1;
        switch (mount.kind) {
            case Mount::Kind::bind: {
                const std::uint64_t flags = MOUNT_ATTR_NOSUID | MOUNT_ATTR_NODEV |
                                            (mount.writable ? 0U : MOUNT_ATTR_RDONLY);
                held.mounts[i] = hold_bind(mount.source, flags, 0);
                if (held.mounts[i] < 0 && !(mount.optional && errno == ENOENT)) {
                    return failure("bind", mount.source);
                }
                break;
            }
            case Mount::Kind::root:
                held.mounts[i] = hold_bind(
                    mount.source, MOUNT_ATTR_NOSUID | MOUNT_ATTR_NODEV | MOUNT_ATTR_RDONLY, 0);
                if (held.mounts[i] < 0) {
                    return failure("image", mount.source);
                }
                break;
            case Mount::Kind::proc:
                held.mounts[i] =
                    hold_new("proc", MOUNT_ATTR_NOSUID | MOUNT_ATTR_NODEV | MOUNT_ATTR_NOEXEC);
                if (held.mounts[i] < 0) {
                    return failure("proc", mount.target);
                }
                break;
            case Mount::Kind::sysfs:
                held.mounts[i] = hold_new("sysfs", MOUNT_ATTR_NOSUID | MOUNT_ATTR_NODEV |
                                                       MOUNT_ATTR_NOEXEC | MOUNT_ATTR_RDONLY);
                if (held.mounts[i] < 0 && !mount.optional) {
                    return failure("sysfs", mount.target);
                }
                break;
            case Mount::Kind::devices:
                // Only the owner of the first user namespace may make device nodes.
                for (std::size_t d = 0; d < device_count; ++d) {
                    held.devices[d] = -1;
                    if (plan.isolation == Isolation::user_namespace) {
                        const Path path("/dev/", devices[d].name);
                        held.devices[d] =
                            hold_bind(path.c_str(), MOUNT_ATTR_NOSUID | MOUNT_ATTR_NOEXEC, 0);
                        if (held.devices[d] < 0) {
                            return failure("bind-device", devices[d].name);
                        }
                    }
                }
                break;
            case Mount::Kind::tmpfs:
            case Mount::Kind::link:
            case Mount::Kind::directory:
            case Mount::Kind::file:
                break;
        }
    }
    return {};
}

bool make_parents(const char* target) {
    const char* slash = std::strrchr(target, '/');
    if (slash == nullptr || slash == target) {
        return true;
    }
    return make_directories(
        Path(std::string_view(target, static_cast<std::size_t>(slash - target))).c_str(), 0755);
}

bool is_directory(int fd) {
    struct stat info{};
    return ::fstat(fd, &info) == 0 && S_ISDIR(info.st_mode);
}

// Moves a held mount to its place, which is made where it is not there. A link that an image has in
// that place is followed, inside the root; one that leads nowhere makes room.
bool place(int fd, const char* target) {
    const auto attempt = [&] {
        return ::move_mount(fd, "", AT_FDCWD, target,
                            MOVE_MOUNT_F_EMPTY_PATH | MOVE_MOUNT_T_SYMLINKS) == 0;
    };
    if (attempt()) {
        return true;
    }
    if (errno != ENOENT || !make_parents(target)) {
        return false;
    }
    struct stat info{};
    if (::lstat(target, &info) == 0 && S_ISLNK(info.st_mode) && ::unlink(target) != 0) {
        return false;
    }
    if (is_directory(fd)) {
        if (::mkdir(target, 0755) != 0 && errno != EEXIST) {
            return false;
        }
    } else {
        const Fd file(::open(target, O_CREAT | O_WRONLY | O_CLOEXEC | O_NOFOLLOW, 0444));
        if (!file.open()) {
            return false;
        }
    }
    return attempt();
}

bool mount_tmpfs(const char* target, std::uint64_t bytes_max, std::uint32_t mode,
                 unsigned long flags) {
    char options[96];
    std::snprintf(options, sizeof(options), "size=%llu,nr_inodes=%llu,mode=%o",
                  static_cast<unsigned long long>(bytes_max == 0 ? 4096 : bytes_max),
                  // An inode costs about a kilobyte of kernel memory.
                  static_cast<unsigned long long>(bytes_max / 4096 + 1024), mode);
    return ::mount("tmpfs", target, "tmpfs", flags, options) == 0;
}

Failure make_devices(const Mount& mount, const Held& held) {
    ::umask(0);
    if (!make_directories(mount.target, 0755) ||
        !mount_tmpfs(mount.target, 64 * 1024, 0755, MS_NOSUID | MS_NOEXEC)) {
        return failure("dev", mount.target);
    }
    for (std::size_t d = 0; d < device_count; ++d) {
        const Path path(mount.target, "/", devices[d].name);
        const bool made =
            held.devices[d] >= 0
                ? place(held.devices[d], path.c_str())
                : ::mknod(path.c_str(), S_IFCHR | 0666,
                          makedev(devices[d].major_number, devices[d].minor_number)) == 0;
        if (!made) {
            return failure("mknod", devices[d].name);
        }
    }
    constexpr const char* links[][2] = {{"/proc/self/fd", "/fd"},
                                        {"/proc/self/fd/0", "/stdin"},
                                        {"/proc/self/fd/1", "/stdout"},
                                        {"/proc/self/fd/2", "/stderr"},
                                        {"pts/ptmx", "/ptmx"}};
    for (const auto& link : links) {
        if (::symlink(link[0], Path(mount.target, link[1]).c_str()) != 0) {
            return failure("dev-link", link[1]);
        }
    }
    constexpr unsigned long quiet = MS_NOSUID | MS_NOEXEC;
    const Path pts(mount.target, "/pts");
    if (::mkdir(pts.c_str(), 0755) != 0 || ::mount("devpts", pts.c_str(), "devpts", quiet,
                                                   "newinstance,ptmxmode=0666,mode=0620") != 0) {
        return failure("devpts", "/dev/pts");
    }
    const Path shm(mount.target, "/shm");
    if (::mkdir(shm.c_str(), 01777) != 0 ||
        !mount_tmpfs(shm.c_str(), mount.bytes_max, 01777, quiet | MS_NODEV)) {
        return failure("shm", "/dev/shm");
    }
    const Path queue(mount.target, "/mqueue");
    if (::mkdir(queue.c_str(), 0755) != 0 ||
        (::mount("mqueue", queue.c_str(), "mqueue", quiet | MS_NODEV, nullptr) != 0 &&
         errno != ENODEV)) {
        return failure("mqueue", "/dev/mqueue");
    }
    return {};
}

// Files that are put over those of an image are made on the stage and mounted like anything else:
// the image may have one of that name, and may be one that nothing can be written to.
Failure hold_files(const Plan& plan, Held& held) {
    if (::mkdir(image_files, 0755) != 0) {
        return failure("file", image_files);
    }
    for (std::uint32_t i = 0; i < plan.mount_count; ++i) {
        const Mount& mount = plan.mounts[i];
        if (mount.kind != Mount::Kind::file) {
            continue;
        }
        const Path path(image_files, "/", std::uint64_t{i});
        const Fd file(::open(path.c_str(), O_CREAT | O_EXCL | O_WRONLY | O_CLOEXEC, 0600));
        if (!file.open() ||
            ::write(file.get(), mount.content.data(), mount.content.size()) !=
                static_cast<ssize_t>(mount.content.size()) ||
            ::fchmod(file.get(), mount.mode & 07777) != 0) {
            return failure("file", mount.target);
        }
        held.mounts[i] =
            hold_bind(path.c_str(), MOUNT_ATTR_RDONLY | MOUNT_ATTR_NOSUID | MOUNT_ATTR_NODEV, 0);
        if (held.mounts[i] < 0) {
            return failure("file", mount.target);
        }
    }
    return {};
}

Failure make_file(const Mount& mount) {
    if (!make_parents(mount.target)) {
        return failure("file", mount.target);
    }
    const Fd file(::open(mount.target, O_CREAT | O_EXCL | O_WRONLY | O_CLOEXEC | O_NOFOLLOW, 0600));
    if (!file.open() ||
        ::write(file.get(), mount.content.data(), mount.content.size()) !=
            static_cast<ssize_t>(mount.content.size()) ||
        ::fchmod(file.get(), mount.mode & 07777) != 0) {
        return failure("file", mount.target);
    }
    return {};
}

Failure apply(const Plan& plan, const Held& held) {
    for (std::uint32_t i = 0; i < plan.mount_count; ++i) {
        const Mount& mount = plan.mounts[i];
        bool made = true;
        const char* step = "mount";
        switch (mount.kind) {
            case Mount::Kind::bind:
            case Mount::Kind::proc:
            case Mount::Kind::sysfs:
                if (held.mounts[i] >= 0) {
                    made = place(held.mounts[i], mount.target);
                    ::close(held.mounts[i]);
                }
                break;
            case Mount::Kind::tmpfs:
                step = "tmpfs";
                made = make_directories(mount.target, 0755) &&
                       mount_tmpfs(mount.target, mount.bytes_max, mount.mode,
                                   MS_NOSUID | MS_NODEV | (mount.writable ? 0UL : MS_RDONLY));
                break;
            case Mount::Kind::devices:
                if (const Failure why = make_devices(mount, held)) {
                    return why;
                }
                break;
            case Mount::Kind::link:
                step = "link";
                made = make_parents(mount.target) && ::symlink(mount.source, mount.target) == 0;
                break;
            case Mount::Kind::directory:
                step = "directory";
                made = make_directories(mount.target, 0755) &&
                       ::chmod(mount.target, mount.mode & 07777) == 0;
                break;
            case Mount::Kind::file:
                step = "file";
                if (held.mounts[i] >= 0) {
                    made = place(held.mounts[i], mount.target);
                    ::close(held.mounts[i]);
                } else if (const Failure why = make_file(mount)) {
                    return why;
                }
                break;
            case Mount::Kind::root:
                break;
        }
        if (!made) {
            return failure(step, mount.target);
        }
    }
    return {};
}

Failure restrict_paths(const Plan& plan) {
    for (std::uint32_t i = 0; i < plan.read_only.count; ++i) {
        const char* path = plan.read_only.items[i];
        const Fd tree(hold_bind(
            path, MOUNT_ATTR_RDONLY | MOUNT_ATTR_NOSUID | MOUNT_ATTR_NODEV | MOUNT_ATTR_NOEXEC, 0));
        if (!tree.open() ? errno != ENOENT : !place(tree.get(), path)) {
            return failure("read-only", path);
        }
    }
    for (std::uint32_t i = 0; i < plan.masked.count; ++i) {
        const char* path = plan.masked.items[i];
        struct stat info{};
        if (::stat(path, &info) != 0) {
            continue;
        }
        if (S_ISDIR(info.st_mode)) {
            if (!mount_tmpfs(path, 0, 0555, MS_RDONLY | MS_NOSUID | MS_NODEV | MS_NOEXEC)) {
                return failure("mask", path);
            }
        } else {
            const Fd tree(hold_bind("/dev/null", MOUNT_ATTR_RDONLY | MOUNT_ATTR_NOEXEC, 0));
            if (!tree.open() || !place(tree.get(), path)) {
                return failure("mask", path);
            }
        }
    }
    return {};
}

// The caller becomes alone in an empty tmpfs, its root.
Failure enter_stage(const char* stage) {
    if (::mount(nullptr, "/", nullptr, MS_REC | MS_PRIVATE, nullptr) != 0) {
        return failure("private", "/");
    }
    if (!mount_tmpfs(stage, root_bytes_max, 0755, MS_NOSUID | MS_NODEV)) {
        return failure("root", stage);
    }
    if (::chdir(stage) != 0 || ::syscall(SYS_pivot_root, ".", ".") != 0 ||
        ::umount2(".", MNT_DETACH) != 0 || ::chdir("/") != 0) {
        return failure("pivot-root", stage);
    }
    return {};
}

// The same from the empty namespace: what lies under the new root is empty too, so changing the
// root is enough.
Failure enter_empty(int empty) {
    if (::setns(empty, CLONE_NEWNS) != 0 || ::unshare(CLONE_NEWNS) != 0) {
        return failure("mount-namespace", "");
    }
    if (!mount_tmpfs("/stage", root_bytes_max, 0755, MS_NOSUID | MS_NODEV)) {
        return failure("root", "/stage");
    }
    if (::chdir("/stage") != 0 || ::chroot(".") != 0 || ::chdir("/") != 0) {
        return failure("change-root", "/stage");
    }
    return {};
}

// What is above the image: empty, and of the owner and mode of the image's own root.
Failure make_upper(const Mount& mount) {
    struct stat info{};
    const Path data(image_upper, "/data");
    const Path work(image_upper, "/work");
    if (::mkdir(image_upper, 0755) != 0 || ::stat(image_lower, &info) != 0 ||
        !mount_tmpfs(image_upper, mount.bytes_max, 0755, MS_NOSUID | MS_NODEV) ||
        ::mkdir(data.c_str(), 0755) != 0 || ::mkdir(work.c_str(), 0700) != 0 ||
        ::chmod(data.c_str(), info.st_mode & 07777) != 0) {
        return failure("image-upper", image_upper);
    }
    // In a user namespace most owners cannot be named; then the root is ours.
    [[maybe_unused]] const int given = ::chown(data.c_str(), info.st_uid, info.st_gid);
    return {};
}

// The image becomes the caller's root; the stage goes out of sight.
Failure enter_image(const Plan& plan, const Mount& mount, Held& held) {
    const Fd tree(held.mounts[0]);
    held.mounts[0] = -1;
    const bool is_layered = mount.bytes_max != 0;
    const char* const lower = is_layered ? image_lower : image_root;
    if (::mkdir(image_root, 0755) != 0 || (is_layered && ::mkdir(image_lower, 0755) != 0) ||
        ::move_mount(tree.get(), "", AT_FDCWD, lower, MOVE_MOUNT_F_EMPTY_PATH) != 0) {
        return failure("image", mount.source);
    }
    if (is_layered) {
        if (const Failure why = make_upper(mount)) {
            return why;
        }
        const Path options("lowerdir=", image_lower, ",upperdir=", image_upper,
                           "/data,workdir=", image_upper, "/work",
                           plan.isolation == Isolation::user_namespace ? ",userxattr" : "");
        if (::mount("overlay", image_root, "overlay", MS_NOSUID | MS_NODEV, options.c_str()) != 0) {
            return failure("overlay", mount.source);
        }
    }
    if (const Failure why = hold_files(plan, held)) {
        return why;
    }
    if (::chdir(image_root) != 0 || ::syscall(SYS_pivot_root, ".", ".") != 0 ||
        ::umount2(".", MNT_DETACH) != 0 || ::chdir("/") != 0) {
        return failure("pivot-root", image_root);
    }
    return {};
}

}  // namespace

bool overlay_works(const char* stage) {
    const std::uint64_t uid = ::geteuid();
    const std::uint64_t gid = ::getegid();
    const pid_t child = ::fork();
    if (child == 0) {
        bool ready = ::unshare(CLONE_NEWNS | (uid == 0 ? 0 : CLONE_NEWUSER)) == 0;
        if (uid != 0) {
            ready = ready && write_file("/proc/self/setgroups", "deny") &&
                    write_file("/proc/self/uid_map", Path("0 ", uid, " 1").view()) &&
                    write_file("/proc/self/gid_map", Path("0 ", gid, " 1").view());
        }
        ready = ready && !enter_stage(stage) && ::mkdir(image_lower, 0755) == 0 &&
                ::mkdir(image_root, 0755) == 0;
        Mount nothing{};
        nothing.bytes_max = 64 * 1024;
        const Path options("lowerdir=", image_lower, ",upperdir=", image_upper,
                           "/data,workdir=", image_upper, "/work", uid == 0 ? "" : ",userxattr");
        ::_exit(ready && !make_upper(nothing) &&
                        ::mount("overlay", image_root, "overlay", 0, options.c_str()) == 0 &&
                        ::mkdir(Path(image_root, "/made").c_str(), 0755) == 0
                    ? 0
                    : 1);
    }
    int status = 1;
    return child > 0 && ::waitpid(child, &status, 0) == child && status == 0;
}

Fd make_empty_namespace(const char* stage) {
    int made[2];
    int release[2];
    if (::pipe2(made, O_CLOEXEC) != 0) {
        return Fd();
    }
    const Fd made_read(made[0]);
    Fd made_write(made[1]);
    if (::pipe2(release, O_CLOEXEC) != 0) {
        return Fd();
    }
    Fd release_read(release[0]);
    Fd release_write(release[1]);
    const pid_t child = ::fork();
    if (child == 0) {
        struct mount_attr fixed{};
        fixed.attr_set = MOUNT_ATTR_RDONLY | MOUNT_ATTR_NOSUID | MOUNT_ATTR_NODEV;
        release_write.reset(-1);
        if (::unshare(CLONE_NEWNS) != 0 || enter_stage(stage) || ::mkdir("/stage", 0755) != 0 ||
            ::mount_setattr(AT_FDCWD, "/", 0, &fixed, sizeof(fixed)) != 0 ||
            ::write(made_write.get(), "", 1) != 1) {
            ::_exit(1);
        }
        char byte = 0;
        [[maybe_unused]] const ssize_t got = ::read(release_read.get(), &byte, 1);
        ::_exit(0);
    }
    made_write.reset(-1);
    char byte = 0;
    Fd found;
    if (child > 0 && ::read(made_read.get(), &byte, 1) == 1) {
        const Path path("/proc/", static_cast<std::uint64_t>(child), "/ns/mnt");
        found.reset(::open(path.c_str(), O_RDONLY | O_CLOEXEC));
    }
    release_write.reset(-1);
    if (child > 0) {
        ::waitpid(child, nullptr, 0);
    }
    return found;
}

Failure build_root(const Plan& plan, int empty, const char* stage) {
    static Held held;
    if (const Failure why = hold(plan, held)) {
        return why;
    }
    if (const Failure why = empty >= 0 ? enter_empty(empty) : enter_stage(stage)) {
        return why;
    }
    ::umask(0022);
    const Mount* const image = root_of(plan);
    if (image != nullptr) {
        if (const Failure why = enter_image(plan, *image, held)) {
            return why;
        }
    }
    if (const Failure why = apply(plan, held)) {
        return why;
    }
    if (const Failure why = restrict_paths(plan)) {
        return why;
    }
    if (image != nullptr && image->bytes_max != 0) {
        // As container engines do; where it cannot be made, changing to it says so.
        make_directories(plan.directory, 0755);
        if (image->writable) {
            return {};
        }
    }
    struct mount_attr fixed{};
    fixed.attr_set = MOUNT_ATTR_RDONLY;
    if (::mount_setattr(AT_FDCWD, "/", 0, &fixed, sizeof(fixed)) != 0) {
        return failure("root-read-only", "/");
    }
    return {};
}

}  // namespace tidemill::launcher
