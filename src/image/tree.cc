#include "image/tree.h"

#include <algorithm>

#include "base/bytes.h"
#include "base/check.h"
#include "base/text.h"

namespace tidemill::image {

using base::Code;
using base::fail;

unsigned TreeEntry::mode() const {
    switch (type) {
        case Type::file:
            return 0644;
        case Type::program:
        case Type::directory:
            return 0755;
        case Type::link:
            return 0777;
    }
    return 0;
}

base::Status check_tree_path(std::string_view path, const TreeLimits& limits) {
    if (path.empty() || path.front() == '/') {
        return fail(Code::invalid, "path \"{}\": must be relative and not empty", path);
    }
    if (path.size() > limits.path_bytes_max) {
        return fail(Code::invalid, "path \"{}…\": is longer than {} bytes", path.substr(0, 64),
                    limits.path_bytes_max);
    }
    const auto is_control = [](char c) {
        return static_cast<unsigned char>(c) < 0x20 || c == 0x7f;
    };
    if (!base::is_utf8(path) || std::ranges::any_of(path, is_control)) {
        return fail(Code::invalid, "path \"{}\": is not UTF-8, or holds control characters",
                    base::is_utf8(path) ? std::string(path)
                                        : base::to_hex(base::as_bytes(path.substr(0, 64))));
    }
    const auto parts = base::split(path, '/');
    if (parts.size() > limits.depth_max) {
        return fail(Code::invalid, "path \"{}\": is deeper than {} directories", path,
                    limits.depth_max);
    }
    for (const auto part : parts) {
        if (part.empty() || part == "." || part == "..") {
            return fail(Code::invalid, "path \"{}\": leaves its folder, or is not in plain form",
                        path);
        }
        if (part.size() > 255) {  // NAME_MAX
            return fail(Code::invalid, "path \"{}\": a name is longer than 255 bytes", path);
        }
    }
    return base::ok;
}

base::Status check_tree_link(std::string_view path, std::string_view target) {
    // How deep below the root the link's own directory lies, then where each step leads.
    auto depth = std::ranges::count(path, '/');
    bool stays =
        !target.empty() && target.front() != '/' && target.size() < 4096 && base::is_utf8(target);
    for (const auto part : base::split(target, '/')) {
        if (part == "..") {
            stays = stays && --depth >= 0;
        } else if (!part.empty() && part != ".") {
            ++depth;
        }
    }
    if (!stays) {
        return fail(Code::invalid, "link \"{}\" -> \"{}\": leads out of the folder", path,
                    base::is_utf8(target) ? target.substr(0, 256) : "(not UTF-8)");
    }
    return base::ok;
}

base::Result<std::vector<TreeEntry>> list_tree(host::Disk& disk, const std::string& root,
                                               const TreeLimits& limits) {
    using Type = TreeEntry::Type;
    std::vector<TreeEntry> entries;
    std::vector<std::string> directories{""};  // to be read
    std::uint64_t bytes = 0;
    while (!directories.empty()) {
        const auto directory = std::move(directories.back());
        directories.pop_back();
        TRY(const auto names, disk.list(directory.empty() ? root : root + "/" + directory));
        for (const auto& name : names) {
            TreeEntry entry{.path = directory.empty() ? name : directory + "/" + name};
            CHECK_OK(check_tree_path(entry.path, limits));
            const auto full = root + "/" + entry.path;
            TRY(const auto info, disk.info(full));
            switch (info.type) {
                case host::FileInfo::Type::file:
                    entry.type = (info.mode & 0111U) != 0 ? Type::program : Type::file;
                    entry.size = info.size;
                    bytes += info.size;
                    break;
                case host::FileInfo::Type::directory:
                    entry.type = Type::directory;
                    directories.push_back(entry.path);
                    break;
                case host::FileInfo::Type::link: {
                    entry.type = Type::link;
                    TRY(entry.target, disk.read_link(full));
                    CHECK_OK(check_tree_link(entry.path, entry.target));
                    break;
                }
                case host::FileInfo::Type::other:
                    return fail(Code::invalid, "\"{}\": is a device, socket or pipe", entry.path);
            }
            entries.push_back(std::move(entry));
            if (entries.size() > limits.entries_max) {
                return fail(Code::exhausted, "the folder holds more than {} files",
                            limits.entries_max);
            }
            if (bytes > limits.bytes_max) {
                return fail(Code::exhausted, "the folder holds more than {} MiB",
                            limits.bytes_max >> 20U);
            }
        }
    }
    std::ranges::sort(entries, {}, &TreeEntry::path);
    return entries;
}

base::Status make_entry(host::Disk& disk, const std::string& root, const TreeEntry& entry) {
    const auto path = root + "/" + entry.path;
    if (entry.type == TreeEntry::Type::link) {
        return disk.make_link(entry.target, path);
    }
    CHECK(entry.type == TreeEntry::Type::directory);
    CHECK_OK(disk.make_directories(path, entry.mode()));
    return disk.set_mode(path, entry.mode());
}

}  // namespace tidemill::image
