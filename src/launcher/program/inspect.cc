#include "launcher/program/inspect.h"

#include <arpa/inet.h>
#include <dirent.h>
#include <fcntl.h>
#include <unistd.h>

#include <cerrno>
#include <cstdio>
#include <cstdlib>
#include <cstring>

namespace tidemill::launcher {
namespace {

constexpr std::size_t processes_max = 256;
constexpr std::size_t inodes_max = 4096;
constexpr std::size_t table_bytes = 1U << 20;

struct Work {
    std::int32_t pids[processes_max];
    std::size_t pid_count;
    std::uint64_t inodes[inodes_max];
    std::size_t inode_count;
    bool is_cut;  // something of the instance was not seen
    char table[table_bytes];
};

void add_from_cgroup(const Cgroup& cgroup, Work& work) {
    Path path;
    if (!cgroup.procs_path(path)) {
        return;
    }
    std::string_view list = read_file(path.c_str(), work.table, table_bytes);
    while (!list.empty() && work.pid_count < processes_max) {
        work.pids[work.pid_count++] = static_cast<std::int32_t>(parse_number(list));
        const void* end = std::memchr(list.data(), '\n', list.size());
        if (end == nullptr) {
            break;
        }
        list.remove_prefix(static_cast<std::size_t>(static_cast<const char*>(end) - list.data()) +
                           1);
    }
}

// Without cgroups: whoever descends from init. Repeated passes over /proc, since a child may come
// before its parent.
void add_descendants(std::int32_t init, Work& work) {
    work.pids[work.pid_count++] = init;
    const auto known = [&](std::int32_t pid) {
        for (std::size_t i = 0; i < work.pid_count; ++i) {
            if (work.pids[i] == pid) {
                return true;
            }
        }
        return false;
    };
    for (bool grew = true; grew;) {
        grew = false;
        DIR* all = ::opendir("/proc");
        if (all == nullptr) {
            return;
        }
        while (const dirent* entry = ::readdir(all)) {
            const auto pid = static_cast<std::int32_t>(parse_number(entry->d_name));
            ProcessStat stat;
            if (pid > 1 && work.pid_count < processes_max && !known(pid) && read_stat(pid, stat) &&
                known(stat.parent)) {
                work.pids[work.pid_count++] = pid;
                grew = true;
            }
        }
        ::closedir(all);
    }
}

void add_inodes(std::int32_t pid, Work& work) {
    const Path directory("/proc/", static_cast<std::uint64_t>(pid), "/fd");
    DIR* all = ::opendir(directory.c_str());
    if (all == nullptr) {
        work.is_cut = work.is_cut || errno != ENOENT;  // else it has just ended
        return;
    }
    std::size_t seen = 0;
    while (const dirent* entry = ::readdir(all)) {
        char target[64];
        const ssize_t size = ::readlinkat(::dirfd(all), entry->d_name, target, sizeof(target) - 1);
        if (size > 8 && std::memcmp(target, "socket:[", 8) == 0) {
            if (work.inode_count == inodes_max) {
                work.is_cut = true;
                break;
            }
            target[size] = '\0';
            work.inodes[work.inode_count++] = parse_number(target + 8);
        }
        if (++seen > 1024) {
            work.is_cut = true;
            break;
        }
    }
    ::closedir(all);
}

void add_instance(const Cgroup& cgroup, std::int32_t init, Work& work) {
    add_from_cgroup(cgroup, work);
    if (work.pid_count == 0) {
        add_descendants(init, work);
    }
    work.is_cut = work.is_cut || work.pid_count == processes_max;
    for (std::size_t i = 0; i < work.pid_count; ++i) {
        add_inodes(work.pids[i], work);
    }
}

bool holds(const Work& work, std::uint64_t inode) {
    for (std::size_t i = 0; i < work.inode_count; ++i) {
        if (work.inodes[i] == inode) {
            return true;
        }
    }
    return false;
}

// A line of /proc/net/tcp or tcp6.
struct TcpLine {
    bool is_listening = false;
    std::uint16_t port = 0;
    std::uint64_t inode = 0;
    char address[INET6_ADDRSTRLEN] = {};
};

bool read_tcp_line(const char* line, std::uint8_t family, TcpLine& into) {
    // "sl local remote st tx:rx tr:when retrnsmt uid timeout inode"; addresses are words in the
    // machine's order, ports in hexadecimal (proc(5)). State 0A is listening.
    char local[64];
    char state[8];
    unsigned long long inode = 0;
    if (std::sscanf(line, "%*s %63s %*s %7s %*s %*s %*s %*s %*s %llu", local, state, &inode) != 3) {
        return false;
    }
    const char* colon = std::strchr(local, ':');
    if (colon == nullptr) {
        return false;
    }
    std::uint32_t words[4]{};
    for (int i = 0; i < (family == 4 ? 1 : 4); ++i) {
        char word[9]{};
        std::memcpy(word, local + 8 * i, 8);
        words[i] = static_cast<std::uint32_t>(std::strtoul(word, nullptr, 16));
    }
    into.is_listening = std::strcmp(state, "0A") == 0;
    into.port = static_cast<std::uint16_t>(std::strtoul(colon + 1, nullptr, 16));
    into.inode = inode;
    ::inet_ntop(family == 4 ? AF_INET : AF_INET6, words, into.address, sizeof(into.address));
    return true;
}

void add_ip(const char* line, std::uint8_t family, const Work& work, Sockets& into) {
    TcpLine found;
    if (!read_tcp_line(line, family, found) || !found.is_listening || !holds(work, found.inode)) {
        return;
    }
    auto& socket = into.items[into.count++];
    socket.family = family;
    socket.port = found.port;
    std::memcpy(socket.address, found.address, sizeof(found.address));
}

// How well a listening socket fits a connection to 127.0.0.1: the kernel takes the best.
int fit_of(const char* address) {
    constexpr struct {
        const char* address;
        int fit;
    } all[] = {{"127.0.0.1", 3},
               {"::ffff:127.0.0.1", 3},
               {"0.0.0.0", 2},
               {"::ffff:0.0.0.0", 2},
               {"::", 1}};
    for (const auto& one : all) {
        if (std::strcmp(address, one.address) == 0) {
            return one.fit;
        }
    }
    return 0;
}

struct Listeners {
    static constexpr std::size_t max = 16;  // one, unless SO_REUSEPORT shares it
    std::uint64_t inodes[max];
    std::size_t count = 0;
    int fit = 0;
};

// Reads no further than the listening sockets, which come first (net/ipv4/tcp_ipv4.c,
// tcp_get_idx): behind them stands every connection of the machine.
void add_listeners(const char* path, std::uint8_t family, std::uint16_t port, Listeners& into) {
    const Fd file(::open(path, O_RDONLY | O_CLOEXEC));
    char text[8192];
    std::size_t had = 0;
    bool is_head = true;
    while (file.open()) {
        const ssize_t got = ::read(file.get(), text + had, sizeof(text) - had);
        if (got <= 0) {
            return;
        }
        had += static_cast<std::size_t>(got);
        std::size_t at = 0;
        while (char* end = static_cast<char*>(std::memchr(text + at, '\n', had - at))) {
            *end = '\0';
            const char* line = text + at;
            at = static_cast<std::size_t>(end - text) + 1;
            TcpLine found;
            if (is_head || !read_tcp_line(line, family, found)) {
                is_head = false;
                continue;
            }
            if (!found.is_listening) {
                return;
            }
            const int fit = found.port == port ? fit_of(found.address) : 0;
            if (fit > into.fit) {
                into.count = 0;
                into.fit = fit;
            }
            if (fit != 0 && fit == into.fit && into.count < Listeners::max) {
                into.inodes[into.count++] = found.inode;
            }
        }
        had -= at;
        std::memmove(text, text + at, had);
        if (had == sizeof(text)) {
            return;  // not such a file
        }
    }
}

// Which process has the socket open. Ours and those of other users only as far as they can be seen.
void name_holder(const Listeners& listeners, Work& work, Holder& into) {
    DIR* all = ::opendir("/proc");
    if (all == nullptr) {
        return;
    }
    while (const dirent* entry = ::readdir(all)) {
        const auto pid = static_cast<std::int32_t>(parse_number(entry->d_name));
        if (pid <= 0) {
            continue;
        }
        work.inode_count = 0;
        add_inodes(pid, work);
        for (std::size_t i = 0; i < listeners.count; ++i) {
            if (!holds(work, listeners.inodes[i])) {
                continue;
            }
            into.pid = pid;
            const Path path("/proc/", static_cast<std::uint64_t>(pid), "/comm");
            const std::string_view name = read_file(path.c_str(), into.name, sizeof(into.name));
            if (!name.empty() && name.back() == '\n') {
                into.name[name.size() - 1] = '\0';
            }
            ::closedir(all);
            return;
        }
    }
    ::closedir(all);
}

void add_unix(char* line, const Work& work, Sockets& into) {
    // "Num: RefCount Protocol Flags Type St Inode Path"; flag 10000 is listening.
    char flags[16];
    unsigned long long inode = 0;
    char path[112] = "";
    if (std::sscanf(line, "%*s %*s %*s %15s %*s %*s %llu %111s", flags, &inode, path) < 2 ||
        std::strcmp(flags, "00010000") != 0 || !holds(work, inode)) {
        return;
    }
    auto& socket = into.items[into.count++];
    socket.family = 1;
    socket.port = 0;
    std::snprintf(socket.address, sizeof(socket.address), "%s", path);
}

}  // namespace

void find_listening(const Cgroup& cgroup, std::int32_t init, Sockets& into) {
    // Asked for when something is wrong: not kept between times.
    auto* work = static_cast<Work*>(std::calloc(1, sizeof(Work)));
    if (work == nullptr) {
        return;
    }
    add_instance(cgroup, init, *work);
    into.processes = static_cast<std::uint32_t>(work->pid_count);
    constexpr struct {
        const char* file;
        std::uint8_t family;
    } tables[] = {{"/net/tcp", 4}, {"/net/tcp6", 6}, {"/net/unix", 1}};
    for (const auto& table : tables) {
        const Path path("/proc/", static_cast<std::uint64_t>(init), table.file);
        read_file(path.c_str(), work->table, table_bytes);
        char* rest = nullptr;
        for (char* line = ::strtok_r(work->table, "\n", &rest);
             line != nullptr && into.count < Sockets::max;
             line = ::strtok_r(nullptr, "\n", &rest)) {
            if (table.family == 1) {
                add_unix(line, *work, into);
            } else {
                add_ip(line, table.family, *work, into);
            }
        }
    }
    std::free(work);
}

void find_holder(const Cgroup& cgroup, std::int32_t init, std::uint16_t port, Holder& into) {
    Listeners listeners;
    const auto pid = static_cast<std::uint64_t>(init);
    add_listeners(Path("/proc/", pid, "/net/tcp").c_str(), 4, port, listeners);
    add_listeners(Path("/proc/", pid, "/net/tcp6").c_str(), 6, port, listeners);
    if (listeners.count == 0) {
        into.kind = HolderKind::nobody;
        return;
    }
    auto* work = static_cast<Work*>(std::calloc(1, sizeof(Work)));
    if (work == nullptr) {
        return;
    }
    add_instance(cgroup, init, *work);
    for (std::size_t i = 0; i < listeners.count; ++i) {
        if (holds(*work, listeners.inodes[i])) {
            into.kind = HolderKind::instance;
        }
    }
    if (into.kind != HolderKind::instance && !work->is_cut) {
        into.kind = HolderKind::other;
        name_holder(listeners, *work, into);
    }
    std::free(work);
}

}  // namespace tidemill::launcher
