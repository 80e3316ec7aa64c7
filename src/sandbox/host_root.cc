#include "sandbox/host_root.h"

#include <algorithm>
#include <array>
#include <string_view>

namespace tidemill::sandbox {
namespace {

// Names below /etc as they are, and families of names by their beginning.
constexpr std::array etc_names{"alternatives",   "ca-certificates",
                               "debian_version", "fonts",
                               "gai.conf",       "host.conf",
                               "ld.so.cache",    "ld.so.conf",
                               "ld.so.conf.d",   "locale.alias",
                               "localtime",      "magic",
                               "mime.types",     "networks",
                               "nsswitch.conf",  "os-release",
                               "perl",           "protocols",
                               "resolv.conf",    "services",
                               "ssl/certs",      "ssl/openssl.cnf",
                               "terminfo",       "timezone",
                               "pki/tls/certs",  "pki/ca-trust/extracted"};
constexpr std::array etc_families{"java-", "python3", "php", "ruby", "nodejs"};

constexpr std::uint64_t hosts_bytes_max = 64 << 10;

}  // namespace

HostRoot survey_host_root(host::Disk& disk) {
    HostRoot root;
    root.directories.emplace_back("/usr");
    for (const std::string_view name : {"bin", "sbin", "lib", "lib32", "lib64"}) {
        const std::string path = "/" + std::string(name);
        const auto info = disk.info(path);
        if (info && info->type == host::FileInfo::Type::link) {
            // The one link that distributions make here (merged /usr, file-hierarchy(7)).
            root.links.emplace_back(path, "usr/" + std::string(name));
        } else if (info && info->type == host::FileInfo::Type::directory) {
            root.directories.push_back(path);
        }
    }
    for (const std::string_view name : etc_names) {
        std::string path = "/etc/" + std::string(name);
        if (disk.info(path)) {
            root.etc.push_back(std::move(path));
        }
    }
    if (const auto names = disk.list("/etc")) {
        for (const auto& name : *names) {
            const auto matches = [&](std::string_view family) { return name.starts_with(family); };
            if (std::ranges::any_of(etc_families, matches)) {
                root.etc.push_back("/etc/" + name);
            }
        }
    }
    root.hosts = host::read_file(disk, "/etc/hosts", hosts_bytes_max)
                     .value_or("127.0.0.1 localhost\n::1 localhost\n");
    return root;
}

}  // namespace tidemill::sandbox
