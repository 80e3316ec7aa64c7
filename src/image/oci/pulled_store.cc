#include "image/oci/pulled_store.h"

#include <fmt/format.h>

#include <algorithm>
#include <array>
#include <utility>

#include "base/text.h"
#include "image/digest.h"
#include "image/oci/tree_path.h"
#include "wire/json.h"

namespace tidemill::image {
namespace {

using base::Code;
using base::fail;

constexpr std::string_view version_now = "1";
constexpr std::uint64_t document_bytes_max = 4U << 20;
// What must be in every tree, so that one which nothing can be added to can be mounted too.
constexpr std::array directories_inside{"dev", "proc", "run", "sys", "tmp", "var/tmp", "etc"};
constexpr std::array files_inside{"etc/hostname", "etc/hosts", "etc/resolv.conf"};

// A full disk says so in one way, whatever was being written.
base::Error with_disk(base::Error error) {
    if (error.code == Code::exhausted && !error.message.starts_with("TM-")) {
        error.message = "TM-428: no room for the image: " + error.message;
    }
    return error;
}

}  // namespace

struct PulledStore::Record {
    std::string digest;
    std::string manifest;
    std::set<std::string> names;
    std::set<std::string> namespaces;
    base::WallTime created;
    std::uint64_t bytes = 0;
};

base::Result<PulledStore> PulledStore::open(host::Disk& disk, std::string directory,
                                            LayerStack::Owners owners, const Limits& limits) {
    PulledStore store(disk, std::move(directory), owners, limits);
    for (const auto* part : {"/blobs", "/trees", "/images", "/incoming"}) {
        CHECK_OK(disk.make_directories(store.directory_ + part, 0700));
    }
    const auto version_path = store.directory_ + "/version";
    if (const auto version = host::read_file(disk, version_path, 64)) {
        if (base::trim(base::split(*version, '\n').front()) != version_now) {
            return fail(Code::invalid,
                        "{}: was written by a newer tidemill (version {}, this build knows {})",
                        store.directory_, *version, version_now);
        }
    } else if (version.error().code == Code::not_found) {
        CHECK_OK(host::write_file_durably(disk, version_path, fmt::format("{}\n", version_now)));
    } else {
        return std::unexpected(version.error());
    }
    const auto incoming = store.directory_ + "/incoming";
    TRY(const auto left, disk.list(incoming));
    for (const auto& each : left) {
        CHECK_OK(disk.remove_tree(incoming + "/" + each));
    }
    return store;
}

std::string PulledStore::record_path(std::string_view digest) const {
    return fmt::format("{}/images/{}.json", directory_, digest_hex(digest));
}
std::string PulledStore::blob_path(std::string_view digest) const {
    return fmt::format("{}/blobs/{}", directory_, digest_hex(digest));
}
std::string PulledStore::tree_path(std::string_view digest) const {
    return fmt::format("{}/trees/{}", directory_, digest_hex(digest));
}

base::Result<PulledStore::Record> PulledStore::read_record(std::string_view digest) const {
    TRY(const auto text, host::read_file(*disk_, record_path(digest), document_bytes_max));
    const auto document = wire::parse_json(text);
    if (!document) {
        return fail(Code::invalid, "{}: {}", record_path(digest), document.error().message);
    }
    const wire::JsonReader root(*document);
    Record record;
    TRY(record.digest, root.at("digest").string());
    TRY(record.manifest, root.at("manifest").string());
    const auto read_set = [](const wire::JsonReader& from,
                             std::set<std::string>& into) -> base::Status {
        TRY(const auto elements, from.elements());
        for (const auto& each : elements) {
            TRY(const auto text, each.string());
            into.emplace(text);
        }
        return base::ok;
    };
    CHECK_OK(read_set(root.at("names"), record.names));
    CHECK_OK(read_set(root.at("namespaces"), record.namespaces));
    TRY(const auto created, root.at("created").string());
    TRY(record.created, base::parse_rfc3339(created));
    TRY(const auto bytes, root.at("bytes").integer(0));
    record.bytes = static_cast<std::uint64_t>(bytes);
    if (record.digest != digest || !is_digest(record.manifest)) {
        return fail(Code::invalid, "{}: names another image", record_path(digest));
    }
    return record;
}

base::Status PulledStore::write_record(const Record& record) {
    const auto write_set = [](const std::set<std::string>& from) {
        wire::JsonArray array;
        for (const auto& each : from) {
            array.push_back(wire::Json(each));
        }
        return array;
    };
    return host::write_file_durably(
        *disk_, record_path(record.digest),
        wire::write_json(wire::JsonObject{{"version", 1},
                                          {"digest", record.digest},
                                          {"manifest", record.manifest},
                                          {"names", write_set(record.names)},
                                          {"namespaces", write_set(record.namespaces)},
                                          {"created", base::format_rfc3339_ns(record.created)},
                                          {"bytes", record.bytes}}));
}

base::Result<std::string> PulledStore::read_blob(std::string_view digest) const {
    TRY(auto text, host::read_file(*disk_, blob_path(digest), document_bytes_max));
    if (digest_of(text) != digest) {
        return fail(Code::invalid, "blob {}: its bytes are {}", digest, digest_of(text));
    }
    return text;
}

base::Result<PulledStore::Image> PulledStore::image_of(const Record& record) const {
    const auto read = [&]() -> base::Result<OciConfig> {
        TRY(const auto text, read_blob(record.manifest));
        TRY(const auto document, read_manifest(text));
        const auto* const manifest = std::get_if<Manifest>(&document);
        if (manifest == nullptr) {
            return fail(Code::invalid, "blob {}: is no manifest", record.manifest);
        }
        TRY(const auto config, read_blob(manifest->config.digest));
        if (auto there = disk_->info(tree_path(record.manifest)); !there) {
            return std::unexpected(std::move(there).error());
        }
        return read_oci_config(config);
    };
    auto config = read();
    if (!config) {
        return fail(Code::invalid, "TM-413: image {}: is damaged: {}", record.digest,
                    config.error().message);
    }
    return Image{.digest = record.digest,
                 .manifest = record.manifest,
                 .config = *std::move(config),
                 .tree = tree_path(record.manifest),
                 .names = record.names,
                 .namespaces = record.namespaces,
                 .created = record.created,
                 .bytes = record.bytes};
}

base::Result<PulledStore::Image> PulledStore::find(std::string_view digest) const {
    TRY(const auto record, read_record(digest));
    return image_of(record);
}

base::Result<std::vector<PulledStore::Image>> PulledStore::list() const {
    TRY(const auto names, disk_->list(directory_ + "/images"));
    std::vector<Image> found;
    for (const auto& name : names) {
        const auto digest = "sha256:" + name.substr(0, name.find('.'));
        if (!name.ends_with(".json") || !is_digest(digest)) {
            continue;  // one that is being written
        }
        // What cannot be read is no image; it is collected like any other.
        if (auto image = find(digest)) {
            found.push_back(*std::move(image));
        }
    }
    return found;
}

std::string PulledStore::name_work() {
    return fmt::format("{}/incoming/{}", directory_, incoming_next_++);
}

base::Result<bool> PulledStore::reuse_blob(std::string_view digest, const std::string& path) {
    if (const auto made = disk_->make_hard_link(blob_path(digest), path); !made) {
        if (made.error().code == Code::not_found) {
            return false;
        }
        return std::unexpected(made.error());
    }
    return true;
}

base::Status PulledStore::keep_blob(std::string_view digest, const std::string& path) {
    if (disk_->info(blob_path(digest))) {
        return base::ok;
    }
    TRY(const auto file, disk_->open(path, host::Disk::Open::read_write, 0600));
    if (auto synced = file->sync(); !synced) {
        return std::unexpected(with_disk(std::move(synced).error()));
    }
    CHECK_OK(disk_->make_hard_link(path, blob_path(digest)));
    return disk_->sync_directory(directory_ + "/blobs");
}

base::Status PulledStore::write_blob(const std::string& work, std::string_view text) {
    const auto digest = digest_of(text);
    if (disk_->info(blob_path(digest))) {
        return base::ok;
    }
    const auto path = fmt::format("{}/{}", work, digest_hex(digest));
    CHECK_OK(disk_->remove_tree(path));
    {
        TRY(const auto file, disk_->open(path, host::Disk::Open::create_new, 0600));
        CHECK_OK(file->write_at(0, text));
    }
    return keep_blob(digest, path);
}

base::Result<std::uint64_t> PulledStore::unpack(const std::string& tree, const NewImage& image,
                                                const OciConfig& config) {
    CHECK_OK(disk_->make_directories(tree, 0755));
    // Instances read it as users that own nothing.
    CHECK_OK(disk_->set_mode(tree, 0755));
    LayerStack stack(*disk_, tree, owners_, limits_.layers);
    for (std::size_t i = 0; i < image.layers.size(); ++i) {
        TRY(const auto layer, disk_->open(image.layers[i], host::Disk::Open::read, 0));
        CHECK_OK(stack.apply(*layer, config.diff_ids[i]));
    }
    for (const std::string_view name : directories_inside) {
        TRY(const auto made, make_directories_in_tree(*disk_, tree, name));
    }
    for (const std::string_view name : files_inside) {
        TRY(const auto path, resolve_in_tree(*disk_, tree, name, LastLink::kept));
        if (!disk_->info(path)) {
            TRY(const auto file, disk_->open(path, host::Disk::Open::create_new, 0644));
        }
    }
    return stack.bytes();
}

base::Result<PulledStore::Image> PulledStore::put(const std::string& work, const NewImage& image,
                                                  base::WallTime now) {
    Record record{.digest = image.digest,
                  .manifest = digest_of(image.manifest),
                  .names = {image.name},
                  .namespaces = {image.name_space},
                  .created = now,
                  .bytes = 0};
    const auto fill = [&]() -> base::Status {
        TRY(const auto config, read_oci_config(image.config));
        if (config.diff_ids.size() != image.layers.size()) {
            return fail(Code::invalid,
                        "TM-423: the image has {} layers, but its configuration says {}",
                        image.layers.size(), config.diff_ids.size());
        }
        TRY(const auto records, disk_->list(directory_ + "/images"));
        if (records.size() >= limits_.images_max) {
            return fail(Code::exhausted, "TM-426: {} images are kept already, which is the limit",
                        records.size());
        }
        CHECK_OK(write_blob(work, image.config));
        CHECK_OK(write_blob(work, image.manifest));
        if (!image.index.empty()) {
            CHECK_OK(write_blob(work, image.index));
        }
        const auto place = tree_path(record.manifest);
        if (!disk_->info(place)) {
            const auto tree = work + "/tree";
            CHECK_OK(disk_->remove_tree(tree));
            TRY(record.bytes, unpack(tree, image, config));
            CHECK_OK(disk_->sync_tree(tree));
            CHECK_OK(disk_->rename(tree, place));
            CHECK_OK(disk_->sync_directory(directory_ + "/trees"));
        }
        // Another digest may lead to the same tree, and its names go on being known.
        if (auto known = read_record(record.digest)) {
            record.names.merge(known->names);
            record.namespaces.merge(known->namespaces);
            record.bytes = std::max(record.bytes, known->bytes);
        }
        return write_record(record);
    };
    if (auto filled = fill(); !filled) {
        return std::unexpected(with_disk(std::move(filled).error()));
    }
    return image_of(record);
}

base::Status PulledStore::add_name(std::string_view digest, const std::string& name,
                                   const std::string& name_space) {
    TRY(auto record, read_record(digest));
    const bool new_name = record.names.insert(name).second;
    const bool new_space = record.namespaces.insert(name_space).second;
    return new_name || new_space ? write_record(record) : base::Status(base::ok);
}

base::Result<std::vector<std::string>> PulledStore::collect(const std::set<std::string>& in_use,
                                                            base::WallTime keep_since) {
    std::vector<std::string> removed;
    std::set<std::string, std::less<>> blobs;  // hexadecimal
    std::set<std::string, std::less<>> trees;
    TRY(const auto records, disk_->list(directory_ + "/images"));
    bool all_known = true;
    for (const auto& name : records) {
        const auto digest = "sha256:" + name.substr(0, name.find('.'));
        if (!name.ends_with(".json") || !is_digest(digest)) {
            continue;
        }
        const auto record = read_record(digest);
        if (!in_use.contains(digest) && (!record || record->created < keep_since)) {
            CHECK_OK(disk_->remove(directory_ + "/images/" + name));
            removed.push_back(digest);
            continue;
        }
        blobs.emplace(digest_hex(digest));
        if (!record) {
            all_known = false;  // what runs of it needs a tree, and nobody knows which
            continue;
        }
        trees.emplace(digest_hex(record->manifest));
        blobs.emplace(digest_hex(record->manifest));
        const auto document = read_manifest(read_blob(record->manifest).value_or(""));
        if (const auto* const manifest = document ? std::get_if<Manifest>(&*document) : nullptr) {
            blobs.emplace(digest_hex(manifest->config.digest));
            for (const auto& layer : manifest->layers) {
                blobs.emplace(digest_hex(layer.digest));
            }
        }
    }
    if (!removed.empty()) {
        // First, and durably: a record whose tree is gone would be a damaged image.
        CHECK_OK(disk_->sync_directory(directory_ + "/images"));
    }
    if (!all_known) {
        return removed;
    }
    TRY(const auto had_trees, disk_->list(directory_ + "/trees"));
    for (const auto& each : had_trees) {
        if (!trees.contains(each)) {
            CHECK_OK(disk_->remove_tree(directory_ + "/trees/" + each));
        }
    }
    TRY(const auto had_blobs, disk_->list(directory_ + "/blobs"));
    for (const auto& each : had_blobs) {
        const auto path = directory_ + "/blobs/" + each;
        // A young one may be what a pull has fetched first.
        const auto info = disk_->info(path);
        if (!blobs.contains(each) && (!info || info->modified < keep_since)) {
            CHECK_OK(disk_->remove(path));
        }
    }
    return removed;
}

}  // namespace tidemill::image
