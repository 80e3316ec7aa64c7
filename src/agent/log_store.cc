#include "agent/log_store.h"

#include <fmt/format.h>

#include <algorithm>
#include <vector>

#include "base/mutant.h"

namespace tidemill::agent {
namespace {

// More than the largest log of Policy::log_bytes_max that anybody sets by mistake.
constexpr std::uint64_t file_bytes_max = 256U << 20;

std::string read_from(host::Disk& disk, const std::string& path, std::uint64_t offset,
                      std::size_t bytes_max) {
    std::string bytes;
    if (auto file = disk.open(path, host::Disk::Open::read)) {
        bytes.resize(bytes_max);
        const auto got = (*file)->read_at(offset, std::span(bytes.data(), bytes.size()));
        bytes.resize(got.value_or(0));
    }
    return bytes;
}

}  // namespace

std::string LogStore::directory_of(std::string_view instance) const {
    return fmt::format("{}/{}", directory_, instance);
}

std::string LogStore::path(std::string_view instance, int file) const {
    return fmt::format("{}/{}/{}.log", directory_, instance, file);
}

std::vector<int> LogStore::in_order(const std::string& instance) {
    // The time at a line's beginning has a fixed width, so text order is time order.
    std::string first[2];
    std::vector<int> files;
    for (const int file : {0, 1}) {
        first[file] = read_from(disk_, path(instance, file), 0, 30);
        if (!first[file].empty()) {
            files.push_back(file);
        }
    }
    std::ranges::sort(files, {}, [&](int file) { return first[file]; });
    return files;
}

base::Result<std::string> LogStore::read(const std::string& instance, const Selection& selection) {
    // The name comes from outside and becomes part of a path.
    if (instance.empty() || instance.find('/') != std::string::npos || instance.starts_with('.') ||
        !disk_.info(directory_of(instance))) {
        return base::fail(base::Code::not_found, "instance {}: no log is kept", instance);
    }
    std::string all;
    for (const int file : in_order(instance)) {
        all += host::read_file(disk_, path(instance, file), file_bytes_max).value_or("");
    }
    if (const auto end = all.rfind('\n'); end != std::string::npos) {
        all.resize(end + 1);
    }
    std::size_t from = 0;
    if (!selection.since.empty()) {
        while (from < all.size() &&
               std::string_view(all).substr(from, selection.since.size()) < selection.since) {
            const auto end = all.find('\n', from);
            from = end == std::string::npos ? all.size() : end + 1;
        }
    }
    if (selection.tail_lines) {
        std::size_t at = all.size();
        std::uint64_t lines = 0;
        while (at > from) {
            const auto end = at < 2 ? std::string::npos : all.rfind('\n', at - 2);
            if (lines++ == *selection.tail_lines) {
                break;
            }
            at = end == std::string::npos ? 0 : end + 1;
        }
        from = std::max(from, *selection.tail_lines == 0 ? all.size() : at);
    }
    return all.substr(from);
}

std::string LogStore::last(const std::string& instance, std::size_t bytes_max) {
    std::string text;
    for (const int file : in_order(instance)) {
        if (auto opened = disk_.open(path(instance, file), host::Disk::Open::read)) {
            const auto size = (*opened)->size().value_or(0);
            text += read_from(disk_, path(instance, file), size > bytes_max ? size - bytes_max : 0,
                              bytes_max);
        }
    }
    if (text.size() > bytes_max) {
        text.erase(0, text.size() - bytes_max);
        const auto end = text.find('\n');
        text.erase(0, end == std::string::npos ? 0 : end + 1);
    }
    return text;
}

LogStore::Follow LogStore::at_end(const std::string& instance) {
    const auto files = in_order(instance);
    Follow follow;
    if (!files.empty()) {
        follow.file = files.back();
        if (auto file = disk_.open(path(instance, follow.file), host::Disk::Open::read)) {
            follow.offset = (*file)->size().value_or(0);
        }
    }
    return follow;
}

std::string LogStore::more(const std::string& instance, Follow& follow, std::size_t bytes_max) {
    if (follow.file < 0) {
        const auto files = in_order(instance);
        if (files.empty()) {
            return "";
        }
        follow = {.file = files.front(), .offset = 0};
    }
    std::string text = read_from(disk_, path(instance, follow.file), follow.offset, bytes_max);
    if (const auto end = text.rfind('\n'); end != std::string::npos) {
        text.resize(end + 1);
    } else {
        text.clear();  // a line on its way
    }
    follow.offset += text.size();
    if (text.empty()) {
        // Nothing more here: the other file goes on if it is the younger.
        const auto files = in_order(instance);
        if (files.size() == 2 && files.back() != follow.file) {
            follow = {.file = files.back(), .offset = 0};
        } else if (auto file = disk_.open(path(instance, follow.file), host::Disk::Open::read);
                   file && (*file)->size().value_or(0) < follow.offset) {
            follow.offset = 0;  // emptied and begun again while we looked away
        }
    }
    return text;
}

void LogStore::recover(const std::map<std::string, std::string>& living) {
    const auto names = disk_.list(directory_);
    if (!names) {
        return;
    }
    std::vector<std::pair<base::WallTime, std::string>> found;
    for (const auto& name : *names) {
        if (living.contains(name)) {
            continue;
        }
        const auto info = disk_.info(directory_of(name));
        found.emplace_back(info ? info->modified : base::WallTime{}, name);
    }
    std::ranges::sort(found);
    for (auto& [when, name] : found) {
        if (std::ranges::find(ended_, name, &Ended::instance) == ended_.end()) {
            ended_.push_back(remembered(name));
        }
    }
    collect();
}

LogStore::Ended LogStore::remembered(const std::string& instance) {
    const auto end = disk_.read_link(directory_of(instance) + "/end");
    const auto colon = end ? end->find(':') : std::string::npos;
    if (colon == std::string::npos) {
        // "REVISION-RANDOM": good enough to count by when nothing was written.
        return {instance, instance.substr(0, instance.rfind('-')), Cause::asked};
    }
    return {instance, end->substr(colon + 1),
            end->starts_with("crashed") ? Cause::crashed : Cause::asked};
}

void LogStore::ended(const std::string& instance, const std::string& revision, Cause cause) {
    if (!disk_.info(directory_of(instance))) {
        return;  // it never ran: nothing is kept of it that could push out a log
    }
    // For recover(). A link, because a full disk has room for one; it says so already when an
    // earlier agent died over this.
    (void)disk_.make_link(
        fmt::format("{}:{}", cause == Cause::crashed ? "crashed" : "asked", revision),
        directory_of(instance) + "/end");
    ended_.push_back({instance, revision, cause});
    collect();
}

std::optional<std::string> LogStore::last_ended(const std::string& revision) const {
    const auto found =
        std::ranges::find(ended_.rbegin(), ended_.rend(), revision, &Ended::revision);
    return found == ended_.rend() ? std::nullopt : std::optional(found->instance);
}

void LogStore::collect() {
    std::map<std::string, std::size_t> kept;
    std::map<std::string, bool> crash_kept;
    std::size_t total = 0;
    std::deque<Ended> left;
    for (auto it = ended_.rbegin(); it != ended_.rend(); ++it) {
        bool keep = ++kept[TIDEMILL_MUTANT("agent.logs_of_all_are_one") ? "" : it->revision] <=
                    limits_.ended_per_revision_max;
        if (it->cause == Cause::crashed && !crash_kept[it->revision]) {
            crash_kept[it->revision] = true;
            keep = true;
        }
        if (keep && ++total <= limits_.ended_max) {
            left.push_front(*it);
        } else {
            // Tried again at the next start if it fails now.
            (void)disk_.remove_tree(directory_of(it->instance));
        }
    }
    ended_ = std::move(left);
}

}  // namespace tidemill::agent
