#include "launcher/program/cgroup.h"

#include <fcntl.h>
#include <signal.h>
#include <sys/stat.h>
#include <unistd.h>

#include <cstring>

namespace tidemill::launcher {
namespace {

constexpr std::string_view controller_names[CgroupHome::controller_count] = {
    "memory", "cpu", "cpuacct", "pids", "freezer"};

// The next piece of `text` up to `separator`, taken off it.
std::string_view next(std::string_view& text, char separator) {
    const void* at = std::memchr(text.data(), separator, text.size());
    const std::size_t length =
        at == nullptr ? text.size()
                      : static_cast<std::size_t>(static_cast<const char*>(at) - text.data());
    const std::string_view piece(text.data(), length);
    text = {text.data() + length, text.size() - length};
    if (at != nullptr) {
        text.remove_prefix(1);
    }
    return piece;
}

bool lists(std::string_view list, std::string_view word, char separator) {
    while (!list.empty()) {
        if (next(list, separator) == word) {
            return true;
        }
    }
    return false;
}

// This process's group in the hierarchy that /proc/self/cgroup lists with `controller`; "" names
// that of version 2.
std::string_view own_group(std::string_view self, std::string_view controller) {
    while (!self.empty()) {
        std::string_view line = next(self, '\n');
        next(line, ':');
        const std::string_view controllers = next(line, ':');
        if (controller.empty() ? controllers.empty() : lists(controllers, controller, ',')) {
            return line;
        }
    }
    return {};
}

void copy(char (&into)[512], std::string_view text) {
    if (text.size() < sizeof(into)) {
        std::memcpy(into, text.data(), text.size());
        into[text.size()] = '\0';
    }
}

}  // namespace

bool CgroupHome::leads(std::uint8_t which) const {
    for (std::uint8_t i = 0; i < which; ++i) {
        if (std::strcmp(places_[i].directory, places_[which].directory) == 0) {
            return false;
        }
    }
    return true;
}

void CgroupHome::offer(std::uint8_t controller, std::string_view mount, std::string_view own,
                       std::string_view name, std::uint8_t version) {
    Path directory(mount);
    if (own != "/") {
        directory.add(own);
    }
    directory.add("/");
    directory.add(name);
    if (directory.good() && directory.view().size() + name_bytes_max + 32 < 512 &&
        make_directories(directory.c_str(), 0755)) {
        Place& place = controller == controller_count ? core_ : places_[controller];
        copy(place.directory, directory.view());
        place.version = version;
    }
}

void CgroupHome::enable_v2(std::string_view mount, std::string_view own, std::string_view name) {
    // Controllers are handed down level by level: to every directory from our own group to `name`.
    Path at(mount);
    if (own != "/") {
        at.add(own);
    }
    char text[512];
    const std::string_view have =
        read_file(Path(at.view(), "/cgroup.controllers").c_str(), text, sizeof(text));
    for (const std::uint8_t which : {memory, cpu, pids}) {
        bool given = false;
        std::string_view list = have;
        if (!list.empty() && list.back() == '\n') {
            list.remove_suffix(1);
        }
        if (lists(list, controller_names[which], ' ')) {
            const Path word("+", controller_names[which]);
            Path level(at.view());
            std::string_view rest = name;
            given = write_file(Path(level.view(), "/cgroup.subtree_control").c_str(), word.view());
            if (!given && errno == EBUSY && own != "/") {
                // A group with processes cannot hand controllers down: those that are here, which
                // are ours when the group was delegated to us, move to a leaf.
                const Path leaf(at.view(), "/platform");
                make_directories(leaf.c_str(), 0755);
                static char procs[64 * 1024];
                std::string_view pids_here =
                    read_file(Path(at.view(), "/cgroup.procs").c_str(), procs, sizeof(procs));
                while (!pids_here.empty()) {
                    const std::string_view pid = next(pids_here, '\n');
                    write_file(Path(leaf.view(), "/cgroup.procs").c_str(), pid);
                }
                given =
                    write_file(Path(level.view(), "/cgroup.subtree_control").c_str(), word.view());
            }
            while (given && !rest.empty()) {
                level.add("/");
                level.add(next(rest, '/'));
                given =
                    write_file(Path(level.view(), "/cgroup.subtree_control").c_str(), word.view());
            }
        }
        if (given) {
            offer(which, mount, own, name, 2);
        }
    }
}

void CgroupHome::find(std::string_view name) {
    static char mounts[256 * 1024];
    static char self[16 * 1024];
    std::string_view lines = read_file("/proc/self/mountinfo", mounts, sizeof(mounts));
    const std::string_view groups = read_file("/proc/self/cgroup", self, sizeof(self));
    while (!lines.empty()) {
        // "36 35 98:0 ROOT POINT OPTIONS - TYPE SOURCE SUPEROPTIONS" (proc(5)).
        std::string_view line = next(lines, '\n');
        std::string_view fields[5];
        for (auto& field : fields) {
            field = next(line, ' ');
        }
        while (!line.empty() && next(line, ' ') != "-") {
        }
        const std::string_view type = next(line, ' ');
        next(line, ' ');
        const std::string_view point = fields[4];
        if (type == "cgroup2") {
            const std::string_view own = own_group(groups, "");
            if (!own.empty()) {
                offer(controller_count, point, own, name, 2);
                if (core_.version != 0) {
                    core_version_ = 2;
                    enable_v2(point, own, name);
                }
            }
        } else if (type == "cgroup") {
            for (std::uint8_t i = 0; i < controller_count; ++i) {
                const std::string_view own = own_group(groups, controller_names[i]);
                if (!own.empty() && lists(line, controller_names[i], ',')) {
                    offer(i, point, own, name, 1);
                }
            }
        }
    }
    bool any_v2 = false;
    for (const Place& place : places_) {
        any_v2 = any_v2 || place.version == 2;
    }
    if (!any_v2 && places_[freezer].version == 1) {
        // Mounted beside version 1 and of no further use.
        if (core_.version != 0) {
            ::rmdir(core_.directory);
        }
        core_ = {};
    }
    swap_counts_ =
        has(memory) &&
        (places_[memory].version == 2 ||
         ::access(Path(places_[memory].directory, "/memory.memsw.limit_in_bytes").c_str(), W_OK) ==
             0);
}

void CgroupHome::remove() const {
    for_each([](const Place& place) { ::rmdir(place.directory); });
}

Failure Cgroup::create(const Plan& plan) {
    for (std::uint8_t i = 0; i <= CgroupHome::controller_count; ++i) {
        const bool is_core = i == CgroupHome::controller_count;
        const auto& place = is_core ? home_.core() : home_.place(CgroupHome::Controller(i));
        if (place.version == 0 || (!is_core && !home_.leads(i))) {
            continue;
        }
        const Path directory(place.directory, "/", name_);
        if (::mkdir(directory.c_str(), 0755) != 0 && errno != EEXIST) {
            const int error = errno;
            remove();
            return {"cgroup", error, place.directory};
        }
    }
    const auto set = [&](CgroupHome::Controller which, const char* file, std::uint64_t value) {
        return write_number(Path(home_.place(which).directory, "/", name_, file).c_str(), value);
    };
    bool written = true;
    if (const auto version = home_.place(CgroupHome::memory).version;
        version != 0 && plan.memory_bytes_max != 0) {
        if (version == 1) {
            written = set(CgroupHome::memory, "/memory.limit_in_bytes", plan.memory_bytes_max);
            if (home_.swap_counts()) {
                set(CgroupHome::memory, "/memory.memsw.limit_in_bytes", plan.memory_bytes_max);
            }
        } else {
            written = set(CgroupHome::memory, "/memory.max", plan.memory_bytes_max);
            set(CgroupHome::memory, "/memory.swap.max", 0);
        }
    }
    if (const auto version = home_.place(CgroupHome::cpu).version; version != 0) {
        constexpr std::uint64_t period_usec = 100'000;  // the kernel's default
        const std::uint64_t quota = std::uint64_t{plan.cpu_milli_max} * period_usec / 1000;
        // Kubernetes' conversion: 1024 shares are one core; version 2 spreads 2…262144 shares over
        // weights 1…10000 (KEP-2254).
        std::uint64_t shares = std::uint64_t{plan.cpu_milli_weight} * 1024 / 1000;
        shares = shares < 2 ? 2 : shares;
        if (version == 1) {
            if (plan.cpu_milli_max != 0) {
                written = set(CgroupHome::cpu, "/cpu.cfs_quota_us", quota) && written;
            }
            if (plan.cpu_milli_weight != 0) {
                set(CgroupHome::cpu, "/cpu.shares", shares);
            }
        } else {
            if (plan.cpu_milli_max != 0) {
                written =
                    write_file(Path(home_.place(CgroupHome::cpu).directory, "/", name_, "/cpu.max")
                                   .c_str(),
                               Path(quota, " ", period_usec).view()) &&
                    written;
            }
            if (plan.cpu_milli_weight != 0) {
                set(CgroupHome::cpu, "/cpu.weight", 1 + (shares - 2) * 9999 / 262'142);
            }
        }
    }
    if (home_.has(CgroupHome::pids) && plan.processes_max != 0) {
        // One more: the instance's init is not the user's.
        written =
            set(CgroupHome::pids, "/pids.max", std::uint64_t{plan.processes_max} + 1) && written;
    }
    if (!written) {
        const int error = errno;
        remove();
        return {"cgroup-limit", error, home_.place(CgroupHome::memory).directory};
    }
    return {};
}

Fd Cgroup::open_directory() const {
    if (home_.core().version != 2) {
        return Fd();
    }
    return Fd(
        ::open(Path(home_.core().directory, "/", name_).c_str(), O_PATH | O_DIRECTORY | O_CLOEXEC));
}

void Cgroup::open_joins(Fd (&into)[joins_max]) const {
    for (std::uint8_t i = 0; i < joins_max; ++i) {
        const auto& place = home_.place(CgroupHome::Controller(i));
        if (place.version != 1 || !home_.leads(i)) {
            continue;
        }
        // "tasks" moves one thread without the lock that "cgroup.procs" takes, and this process
        // has one thread.
        into[i].reset(
            ::open(Path(place.directory, "/", name_, "/tasks").c_str(), O_WRONLY | O_CLOEXEC));
    }
}

Failure Cgroup::join(const Fd (&joins)[joins_max]) {
    for (const Fd& file : joins) {
        if (file.open() && ::write(file.get(), "0", 1) != 1) {
            return failure("cgroup-join", "");
        }
    }
    return {};
}

std::uint64_t Cgroup::oom_kills() const {
    const auto& place = home_.place(CgroupHome::memory);
    if (place.version == 0) {
        return 0;
    }
    char text[512];
    const char* file = place.version == 1 ? "/memory.oom_control" : "/memory.events";
    return number_after(
        read_file(Path(place.directory, "/", name_, file).c_str(), text, sizeof(text)), "oom_kill");
}

std::uint64_t Cgroup::memory_bytes() const {
    const auto& place = home_.place(CgroupHome::memory);
    char text[64];
    const char* file = place.version == 1 ? "/memory.usage_in_bytes" : "/memory.current";
    return place.version == 0
               ? 0
               : parse_number(read_file(Path(place.directory, "/", name_, file).c_str(), text,
                                        sizeof(text)));
}

std::uint64_t Cgroup::cpu_usec() const {
    char text[512];
    if (const auto& place = home_.place(CgroupHome::cpuacct); place.version == 1) {
        return parse_number(read_file(Path(place.directory, "/", name_, "/cpuacct.usage").c_str(),
                                      text, sizeof(text))) /
               1000;
    }
    if (home_.core().version == 2) {
        return number_after(read_file(Path(home_.core().directory, "/", name_, "/cpu.stat").c_str(),
                                      text, sizeof(text)),
                            "usage_usec");
    }
    return 0;
}

bool Cgroup::freeze(bool wanted) const {
    if (const auto& place = home_.place(CgroupHome::freezer); place.version == 1) {
        return write_file(Path(place.directory, "/", name_, "/freezer.state").c_str(),
                          wanted ? "FROZEN" : "THAWED");
    }
    if (home_.core().version == 2) {
        return write_file(Path(home_.core().directory, "/", name_, "/cgroup.freeze").c_str(),
                          wanted ? "1" : "0");
    }
    errno = EOPNOTSUPP;
    return false;
}

bool Cgroup::is_frozen() const {
    char text[32];
    if (const auto& place = home_.place(CgroupHome::freezer); place.version == 1) {
        const auto state =
            read_file(Path(place.directory, "/", name_, "/freezer.self_freezing").c_str(), text,
                      sizeof(text));
        return state.starts_with('1');
    }
    if (home_.core().version == 2) {
        const auto state = read_file(
            Path(home_.core().directory, "/", name_, "/cgroup.freeze").c_str(), text, sizeof(text));
        return state.starts_with('1');
    }
    return false;
}

bool Cgroup::procs_path(Path& into) const {
    for (std::uint8_t i = 0; i <= CgroupHome::controller_count; ++i) {
        const auto& place = i == CgroupHome::controller_count
                                ? home_.core()
                                : home_.place(CgroupHome::Controller(i));
        if (place.version != 0) {
            into = Path(place.directory, "/", name_, "/cgroup.procs");
            return true;
        }
    }
    return false;
}

void Cgroup::kill_all() const {
    Path path;
    static char text[64 * 1024];
    if (!procs_path(path)) {
        return;
    }
    std::string_view list = read_file(path.c_str(), text, sizeof(text));
    while (!list.empty()) {
        const auto pid = static_cast<pid_t>(parse_number(next(list, '\n')));
        if (pid > 1) {
            ::kill(pid, SIGKILL);
        }
    }
}

bool Cgroup::remove() const {
    bool gone = true;
    for (std::uint8_t i = 0; i <= CgroupHome::controller_count; ++i) {
        const auto& place = i == CgroupHome::controller_count
                                ? home_.core()
                                : home_.place(CgroupHome::Controller(i));
        if (place.version != 0 && ::rmdir(Path(place.directory, "/", name_).c_str()) != 0 &&
            errno != ENOENT) {
            gone = false;
        }
    }
    return gone;
}

}  // namespace tidemill::launcher
