#include "builder/build_cache.h"

#include <fmt/format.h>

#include <algorithm>
#include <vector>

#include "image/tar.h"

namespace tidemill::builder {
namespace {
constexpr image::TreeLimits tree_limits{.bytes_max = 2048ULL << 20, .entries_max = 400'000};
constexpr std::string_view tar_suffix = ".tar";
constexpr std::string_view used_suffix = ".used";  // its modification time is the last use
}  // namespace

std::string BuildCache::path(std::string_view key, std::string_view suffix) const {
    return fmt::format("{}/{}{}", directory_, key, suffix);
}

void BuildCache::touch(std::string_view key) {
    // A use that is not written down makes the entry look older than it is; nothing else.
    if (auto file = disk_.open(path(key, used_suffix), host::Disk::Open::create)) {
        static_cast<void>((*file)->write_at(0, "used\n"));
    }
}

base::Result<BuildCache::Found> BuildCache::restore(std::string_view key, const std::string& to) {
    const auto file = disk_.open(path(key, tar_suffix), host::Disk::Open::read);
    if (!file) {
        return Found::miss;
    }
    const auto entries = image::unpack_tar(disk_, **file, to, {.limits = tree_limits});
    if (entries) {
        touch(key);
        return Found::hit;
    }
    if (entries.error().code != base::Code::invalid) {
        return std::unexpected(entries.error());
    }
    CHECK_OK(disk_.remove_tree(path(key, tar_suffix)));
    CHECK_OK(disk_.remove_tree(to));
    CHECK_OK(disk_.make_directories(to));
    return Found::miss;
}

base::Status BuildCache::save(std::string_view key, const std::string& from) {
    CHECK_OK(disk_.make_directories(directory_));
    TRY(const auto entries, image::list_tree(disk_, from, tree_limits));
    const auto temporary = path(key, ".new");
    const auto write = [&]() -> base::Status {
        CHECK_OK(disk_.remove_tree(temporary));
        TRY(const auto file, disk_.open(temporary, host::Disk::Open::create_new));
        TRY(const auto packed, image::pack_tree(disk_, from, entries, "", *file, ""));
        if (packed.bytes > bytes_max_) {
            return disk_.remove(temporary);
        }
        // A name that is there must have its bytes, also after a power cut.
        CHECK_OK(file->sync());
        touch(key);
        return disk_.rename(temporary, path(key, tar_suffix));
    };
    if (auto written = write(); !written) {
        static_cast<void>(disk_.remove_tree(temporary));
        return written;
    }
    return evict();
}

base::Status BuildCache::evict() {
    struct Kept {
        std::string key;
        std::uint64_t bytes = 0;
        base::WallTime used;
    };
    std::vector<Kept> kept;
    std::uint64_t total = 0;
    TRY(const auto names, disk_.list(directory_));
    for (const auto& name : names) {
        if (!name.ends_with(tar_suffix)) {
            continue;
        }
        Kept each{.key = name.substr(0, name.size() - tar_suffix.size())};
        TRY(const auto info, disk_.info(directory_ + "/" + name));
        each.bytes = info.size;
        if (const auto used = disk_.info(path(each.key, used_suffix))) {
            each.used = used->modified;
        }
        total += each.bytes;
        kept.push_back(std::move(each));
    }
    std::ranges::sort(kept, {}, &Kept::used);
    for (const auto& oldest : kept) {
        if (total <= bytes_max_) {
            break;
        }
        CHECK_OK(disk_.remove(path(oldest.key, tar_suffix)));
        CHECK_OK(disk_.remove_tree(path(oldest.key, used_suffix)));
        total -= oldest.bytes;
    }
    return base::ok;
}

}  // namespace tidemill::builder
