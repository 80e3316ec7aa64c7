// The rules of volumes and where they are mounted.
#include <fmt/format.h>

#include <algorithm>
#include <array>
#include <set>

#include "model/object/names.h"
#include "model/serving/pod_validation.h"

namespace tidemill::model {
namespace {

constexpr std::array<std::string_view, 3> reserved_paths = {"/", "/dev", "/dev/log"};
// What an instance may be given files from; other sources are refused by the table in fields.h.
constexpr std::array<std::string_view, 4> sources = {"secret", "configMap", "projected",
                                                     "emptyDir"};

std::vector<std::string> below(const std::string& path, std::span<const std::string_view> names) {
    std::vector<std::string> out;
    for (const auto name : names) {
        out.push_back(fmt::format("{}.{}", path, name));
    }
    return out;
}

std::vector<std::string> below(const std::string& path, const std::vector<std::string>& names) {
    std::vector<std::string> out;
    for (const auto& name : names) {
        out.push_back(fmt::format("{}.{}", path, name));
    }
    return out;
}

// As Go's path.Clean: no empty, "." or ".." parts.
std::string clean(std::string_view path) {
    const bool absolute = path.starts_with('/');
    std::vector<std::string_view> parts;
    std::size_t start = 0;
    while (start <= path.size()) {
        const auto end = std::min(path.find('/', start), path.size());
        const auto part = path.substr(start, end - start);
        start = end + 1;
        if (part == ".." && !parts.empty() && parts.back() != "..") {
            parts.pop_back();
        } else if (part == ".." && !absolute) {
            parts.push_back(part);
        } else if (!part.empty() && part != "." && part != "..") {
            parts.push_back(part);
        }
    }
    const auto joined = fmt::format("{}{}", absolute ? "/" : "", fmt::join(parts, "/"));
    return joined.empty() ? "." : joined;
}

void check_items(const std::vector<KeyToPath>& items, const std::string& path, Problems& out) {
    for (std::size_t i = 0; i < items.size(); ++i) {
        const auto at = fmt::format("{}.items[{}]", path, i);
        if (items[i].key.empty()) {
            out.push_back(missing_field(at + ".key"));
        }
        if (items[i].path.empty()) {
            out.push_back(missing_field(at + ".path"));
        }
    }
}

void check_projection(const Projection& projection, const std::string& path, Problems& out) {
    if (projection.given.empty()) {
        constexpr std::array<std::string_view, 4> known = {"secret", "configMap",
                                                           "serviceAccountToken", "downwardAPI"};
        out.push_back(missing_one_of(below(path, known)));
    } else if (projection.given.size() > 1) {
        out.push_back(multiple_one_of(below(path, projection.given)));
    }
    const auto check = [&](const std::optional<VolumeFiles>& files, std::string_view name) {
        if (files) {
            const auto at = fmt::format("{}.{}", path, name);
            if (files->name.empty()) {
                out.push_back(missing_field(at + ".name"));
            }
            check_items(files->items, at, out);
        }
    };
    check(projection.secret, "secret");
    check(projection.config_map, "configMap");
    if (std::ranges::find(projection.given, "serviceAccountToken") != projection.given.end() &&
        projection.token_path.empty()) {
        out.push_back(missing_field(path + ".serviceAccountToken.path"));
    }
}

void check_volume(const Volume& volume, const std::string& path, Problems& out) {
    if (volume.name.empty()) {
        out.push_back(missing_field(path + ".name"));
    } else if (!check_dns1123_label(volume.name).empty()) {
        out.push_back(invalid_value(volume.name, path + ".name"));
    }
    if (volume.secret) {
        check_items(volume.secret->items, path, out);
    }
    if (volume.config_map) {
        check_items(volume.config_map->items, path, out);
    }
    for (std::size_t i = 0; i < volume.projected.size(); ++i) {
        check_projection(volume.projected[i], fmt::format("{}.projected[{}]", path, i), out);
    }
    if (const auto& empty = volume.empty_directory) {
        if (!empty->medium.empty() && empty->medium != "Memory") {
            out.push_back(invalid_value(empty->medium, path + ".emptyDir.medium"));
        }
        if (empty->size_limit && empty->size_limit->is_negative()) {
            out.push_back(invalid_value(empty->size_limit->text(), path + ".emptyDir.sizeLimit"));
        }
    }
    if (volume.given.empty()) {
        out.push_back(missing_one_of(below(path, sources)));
    } else if (volume.given.size() > 1) {
        out.push_back(multiple_one_of(below(path, volume.given)));
    }
}

}  // namespace

Problems validate_volumes(const RevisionSpec& spec, const std::string& path) {
    std::set<std::string_view> mounted;
    for (const auto& container : spec.containers) {
        for (const auto& mount : container.volume_mounts) {
            mounted.insert(mount.name);
        }
    }
    Problems out;
    std::set<std::string_view> names;
    for (std::size_t i = 0; i < spec.volumes.size(); ++i) {
        const auto& volume = spec.volumes[i];
        const auto at = fmt::format("{}[{}]", path, i);
        if (!names.insert(volume.name).second) {
            out.push_back(plain_problem(fmt::format("duplicate volume name \"{}\"", volume.name),
                                        {at + ".name"}));
        }
        if (!mounted.contains(volume.name)) {
            out.push_back(plain_problem(
                fmt::format("volume with name \"{}\" not mounted", volume.name), {at + ".name"}));
        }
        check_volume(volume, at, out);
    }
    return out;
}

Problems validate_volume_mounts(const Container& container, const std::vector<Volume>& volumes,
                                const std::string& path) {
    Problems out;
    std::set<std::string> seen;
    for (std::size_t i = 0; i < container.volume_mounts.size(); ++i) {
        const auto& mount = container.volume_mounts[i];
        const auto at = fmt::format("{}[{}]", path, i);
        const auto volume = std::ranges::find(volumes, mount.name, &Volume::name);
        if (volume == volumes.end()) {
            out.push_back(plain_problem("volumeMount has no matching volume", {at + ".name"}));
        }
        const auto cleaned = clean(mount.mount_path);
        const auto path_at = at + ".mountPath";
        if (mount.mount_path.empty()) {
            out.push_back(missing_field(path_at));
        } else if (std::ranges::find(reserved_paths, cleaned) != reserved_paths.end()) {
            out.push_back(plain_problem(fmt::format("mountPath \"{}\" is a reserved path", cleaned),
                                        {path_at}));
        } else if (!mount.mount_path.starts_with('/')) {
            out.push_back(invalid_value(mount.mount_path, path_at));
        } else if (seen.contains(cleaned)) {
            out.push_back(
                invalid_value(fmt::format("\"{}\" must be unique", mount.mount_path), path_at));
        }
        seen.insert(cleaned);
        const bool writable = volume != volumes.end() && volume->writable();
        if (!writable && !mount.read_only) {
            out.push_back(plain_problem("volume mount should be readOnly for this type of volume",
                                        {at + ".readOnly"}));
        }
        if (!mount.mount_propagation.empty()) {
            out.push_back(plain_problem(
                fmt::format("Volume Mount Propagation support is disabled, but found volume mount "
                            "{} with mount propagation",
                            mount.name),
                {at}));
        }
    }
    return out;
}

}  // namespace tidemill::model
