#include "host_linux/network/socket_holder.h"

#include <dirent.h>
#include <fcntl.h>
#include <fmt/format.h>
#include <sys/socket.h>
#include <unistd.h>

#include <memory>
#include <string_view>
#include <vector>

#include "base/text.h"
#include "host_linux/unique_fd.h"

namespace tidemill::host_linux {
namespace {

using host::IpAddress;

constexpr std::size_t proc_file_bytes_max = 16 << 20;

std::string read_proc(const std::string& path) {
    const UniqueFd fd(::open(path.c_str(), O_RDONLY | O_CLOEXEC));
    std::string text;
    char buffer[16'384];
    while (fd && text.size() < proc_file_bytes_max) {
        const auto got = ::read(fd.get(), buffer, sizeof buffer);
        if (got <= 0) {
            break;
        }
        text.append(buffer, static_cast<std::size_t>(got));
    }
    return text;
}

std::vector<std::string> list_directory(const std::string& path) {
    std::vector<std::string> names;
    const std::unique_ptr<DIR, int (*)(DIR*)> directory(::opendir(path.c_str()), ::closedir);
    while (directory) {
        const dirent* const entry = ::readdir(directory.get());
        if (entry == nullptr) {
            break;
        }
        names.emplace_back(entry->d_name);
    }
    return names;
}

// An address as /proc/net/tcp shows it: each 32-bit word in the machine's byte order, in hex.
std::string proc_form(const IpAddress& address) {
    const std::size_t size = address.family == IpAddress::Family::v4 ? 4 : 16;
    std::string text;
    for (std::size_t word = 0; word < size; word += 4) {
        for (std::size_t i = 4; i-- > 0;) {
            fmt::format_to(std::back_inserter(text), "{:02X}", address.bytes[word + i]);
        }
    }
    return text;
}

std::vector<std::string_view> fields_of(std::string_view line) {
    std::vector<std::string_view> fields;
    for (const auto field : base::split(line, ' ')) {
        if (!field.empty()) {
            fields.push_back(field);
        }
    }
    return fields;
}

// The socket's inode number, as text, or nothing. Columns: proc(5), /proc/net/tcp.
std::string find_listening_inode(const std::string& table, const IpAddress& address) {
    IpAddress any = address;
    any.bytes.fill(0);
    const std::string all = proc_form(any);
    const std::string wanted = proc_form(address);
    for (const auto line : base::split(table, '\n')) {
        const auto fields = fields_of(line);
        constexpr std::string_view listening = "0A";
        if (fields.size() < 10 || fields[3] != listening) {
            continue;
        }
        const auto colon = fields[1].find(':');
        if (colon == std::string_view::npos ||
            fields[1].substr(colon + 1) != fmt::format("{:04X}", address.port)) {
            continue;
        }
        const auto ip = fields[1].substr(0, colon);
        if (ip == wanted || ip == all || wanted == all) {
            return std::string(fields[9]);
        }
    }
    return {};
}

std::optional<SocketHolder> find_holder(const std::string& inode) {
    const std::string wanted = fmt::format("socket:[{}]", inode);
    for (const auto& name : list_directory("/proc")) {
        const auto pid = base::parse_number<std::int32_t>(name);
        if (!pid) {
            continue;
        }
        const std::string descriptors = "/proc/" + name + "/fd";
        for (const auto& fd : list_directory(descriptors)) {
            char target[64];
            const auto size = ::readlink((descriptors + "/" + fd).c_str(), target, sizeof target);
            if (size > 0 && std::string_view(target, static_cast<std::size_t>(size)) == wanted) {
                return describe_process(*pid);
            }
        }
    }
    return std::nullopt;
}

}  // namespace

std::optional<SocketHolder> describe_process(std::int32_t pid) {
    std::string program = read_proc(fmt::format("/proc/{}/comm", pid));
    if (program.empty()) {
        return std::nullopt;
    }
    if (program.ends_with('\n')) {
        program.pop_back();
    }
    return SocketHolder{.pid = pid, .program = std::move(program)};
}

std::optional<SocketHolder> find_tcp_listener(const IpAddress& address) {
    // A socket on [::] may hold the IPv4 port too.
    const bool is_v4 = address.family == IpAddress::Family::v4;
    std::string inode =
        find_listening_inode(read_proc(is_v4 ? "/proc/net/tcp" : "/proc/net/tcp6"), address);
    if (inode.empty()) {
        IpAddress other;
        other.family = is_v4 ? IpAddress::Family::v6 : IpAddress::Family::v4;
        other.port = address.port;
        inode = find_listening_inode(read_proc(is_v4 ? "/proc/net/tcp6" : "/proc/net/tcp"), other);
    }
    return inode.empty() ? std::nullopt : find_holder(inode);
}

host::Peer unix_peer(int fd) {
    host::Peer peer;
    ucred credentials{};
    socklen_t size = sizeof credentials;
    if (::getsockopt(fd, SOL_SOCKET, SO_PEERCRED, &credentials, &size) == 0) {
        peer.uid = credentials.uid;
        peer.gid = credentials.gid;
        // 0 for a process outside our PID namespace.
        if (credentials.pid > 0) {
            peer.pid = credentials.pid;
        }
    }
    return peer;
}

}  // namespace tidemill::host_linux
