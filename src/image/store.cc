#include "image/store.h"

#include <fmt/format.h>

#include <algorithm>

#include "base/text.h"
#include "image/digest.h"
#include "image/tar.h"
#include "wire/json.h"

namespace tidemill::image {
namespace {

using base::Code;
using base::fail;

constexpr std::string_view version_now = "1";
constexpr std::uint64_t document_bytes_max = 4 << 20;
constexpr std::string_view manifest_type = "application/vnd.oci.image.manifest.v1+json";
constexpr std::string_view config_type = "application/vnd.oci.image.config.v1+json";
constexpr std::string_view layer_type = "application/vnd.oci.image.layer.v1.tar";
constexpr std::string_view annotation_created = "dev.tidemill.created";
constexpr std::string_view annotation_bytes = "dev.tidemill.bytes";
constexpr std::string_view annotation_name = "org.opencontainers.image.ref.name";

wire::JsonObject descriptor(std::string_view type, std::string_view digest, std::uint64_t size) {
    return {{"mediaType", type}, {"digest", digest}, {"size", size}};
}

base::Status write_new(host::Disk& disk, const std::string& path, std::string_view bytes) {
    TRY(const auto file, disk.open(path, host::Disk::Open::create_new, 0600));
    return file->write_at(0, bytes);
}

std::unexpected<base::Error> damaged(const ImageReference& reference, std::string_view what) {
    return fail(Code::invalid,
                "TM-413: image {}: is damaged: {}; deploy the source again, which makes it anew",
                reference.text(), what);
}

}  // namespace

// One image in index.json.
struct ImageStore::Indexed {
    std::string digest;
    std::uint64_t manifest_size = 0;
    base::WallTime created;
    std::uint64_t bytes = 0;
};

bool ImageStore::lists(const std::vector<Indexed>& images, std::string_view digest) {
    return std::ranges::find(images, digest, &Indexed::digest) != images.end();
}

base::Result<ImageStore> ImageStore::open(host::Disk& disk, std::string directory,
                                          const Limits& limits) {
    ImageStore store(disk, std::move(directory), limits);
    for (const auto* part : {"/blobs/sha256", "/trees", "/layouts", "/incoming"}) {
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
    CHECK_OK(store.sweep());
    return store;
}

std::string ImageStore::blob_path(std::string_view digest) const {
    return fmt::format("{}/blobs/sha256/{}", directory_, digest_hex(digest));
}
std::string ImageStore::tree_path(std::string_view digest) const {
    return fmt::format("{}/trees/{}", directory_, digest_hex(digest));
}
std::string ImageStore::layout_path(const ImageName& name) const {
    return fmt::format("{}/layouts/{}/{}", directory_, name.name_space, name.name);
}

base::Status ImageStore::sweep() {
    const auto incoming = directory_ + "/incoming";
    TRY(const auto left, disk_->list(incoming));
    for (const auto& each : left) {
        CHECK_OK(disk_->remove_tree(incoming + "/" + each));
    }
    return base::ok;
}

// Moves to its place what is content-addressed: whoever was there first has the same bytes.
base::Status ImageStore::place(const std::string& from, const std::string& to) {
    if (disk_->info(to)) {
        return base::ok;
    }
    return disk_->rename(from, to);
}

base::Result<ImageReference> ImageStore::put(const ImageName& name, const std::string& root,
                                             const ImageConfig& config, base::WallTime now) {
    CHECK_OK(check_name(name));
    TRY(const auto entries, list_tree(*disk_, root, limits_.tree));
    const auto incoming = fmt::format("{}/incoming/{}", directory_, incoming_next_++);
    CHECK_OK(disk_->remove_tree(incoming));
    const auto fill = [&]() -> base::Result<ImageReference> {
        const auto tree = incoming + "/tree";
        CHECK_OK(disk_->make_directories(tree, 0755));
        // Instances read it as users that own nothing.
        CHECK_OK(disk_->set_mode(tree, 0755));
        TRY(auto tar, disk_->open(incoming + "/layer", host::Disk::Open::create_new, 0600));
        TRY(const auto layer, pack_tree(*disk_, root, entries,
                                        std::string(app_directory.substr(1)) + "/", *tar, tree));
        tar.reset();
        const auto config_text = write_config(config, layer.digest);
        const auto config_digest = digest_of(config_text);
        const auto manifest = wire::write_json(wire::JsonObject{
            {"schemaVersion", 2},
            {"mediaType", manifest_type},
            {"config", descriptor(config_type, config_digest, config_text.size())},
            {"layers", wire::JsonArray{descriptor(layer_type, layer.digest, layer.bytes)}}});
        const ImageReference reference{.name = name, .digest = digest_of(manifest)};
        TRY(auto images, read_index(name));
        if (lists(images, reference.digest) && disk_->info(tree_path(reference.digest))) {
            return reference;
        }
        if (images.size() >= limits_.images_per_name_max) {
            return fail(
                Code::exhausted,
                "TM-414: image {}: {} versions are kept already, which is the limit; delete "
                "old revisions",
                name.text(), images.size());
        }
        CHECK_OK(write_new(*disk_, incoming + "/config", config_text));
        CHECK_OK(write_new(*disk_, incoming + "/manifest", manifest));
        CHECK_OK(disk_->sync_tree(incoming));
        CHECK_OK(place(incoming + "/layer", blob_path(layer.digest)));
        CHECK_OK(place(incoming + "/config", blob_path(config_digest)));
        CHECK_OK(place(incoming + "/manifest", blob_path(reference.digest)));
        CHECK_OK(place(tree, tree_path(reference.digest)));
        CHECK_OK(disk_->sync_directory(directory_ + "/blobs/sha256"));
        CHECK_OK(disk_->sync_directory(directory_ + "/trees"));
        std::erase_if(images, [&](const auto& each) { return each.digest == reference.digest; });
        images.push_back({.digest = reference.digest,
                          .manifest_size = manifest.size(),
                          .created = now,
                          .bytes = layer.bytes});
        CHECK_OK(write_index(name, images));
        return reference;
    };
    auto result = fill();
    if (auto removed = disk_->remove_tree(incoming); !removed && result) {
        return std::unexpected(removed.error());
    }
    return result;
}

base::Result<std::vector<ImageStore::Indexed>> ImageStore::read_index(const ImageName& name) const {
    auto text = host::read_file(*disk_, layout_path(name) + "/index.json", document_bytes_max);
    if (!text) {
        if (text.error().code == Code::not_found) {
            return std::vector<Indexed>();
        }
        return std::unexpected(text.error());
    }
    TRY(const auto document, wire::parse_json(*text));
    TRY(const auto manifests, wire::JsonReader(document).at("manifests").elements());
    std::vector<Indexed> images;
    for (const auto& each : manifests) {
        Indexed image;
        TRY(image.digest, each.at("digest").string());
        TRY(const auto size, each.at("size").integer(0));
        image.manifest_size = static_cast<std::uint64_t>(size);
        TRY(const auto created, each.at("annotations").at(annotation_created).string());
        TRY(image.created, base::parse_rfc3339(created));
        TRY(const auto bytes, each.at("annotations").at(annotation_bytes).string());
        image.bytes = base::parse_number<std::uint64_t>(bytes).value_or(0);
        if (!is_digest(image.digest)) {
            return each.at("digest").fail("is no digest");
        }
        images.push_back(std::move(image));
    }
    return images;
}

base::Status ImageStore::write_index(const ImageName& name, const std::vector<Indexed>& images) {
    const auto layout = layout_path(name);
    if (!disk_->info(layout + "/oci-layout")) {
        CHECK_OK(disk_->make_directories(layout, 0700));
        if (!disk_->info(layout + "/blobs")) {
            CHECK_OK(disk_->make_link("../../../blobs", layout + "/blobs"));
        }
        CHECK_OK(host::write_file_durably(*disk_, layout + "/oci-layout",
                                          R"({"imageLayoutVersion":"1.0.0"})"));
        CHECK_OK(disk_->sync_directory(directory_ + "/layouts/" + name.name_space));
        CHECK_OK(disk_->sync_directory(directory_ + "/layouts"));
    }
    wire::JsonArray manifests;
    for (const auto& image : images) {
        auto entry = descriptor(manifest_type, image.digest, image.manifest_size);
        entry["annotations"] =
            wire::JsonObject{{annotation_name, digest_hex(image.digest)},
                             {annotation_created, base::format_rfc3339_ns(image.created)},
                             {annotation_bytes, std::to_string(image.bytes)}};
        manifests.push_back(std::move(entry));
    }
    return host::write_file_durably(
        *disk_, layout + "/index.json",
        wire::write_json(
            wire::JsonObject{{"schemaVersion", 2}, {"manifests", std::move(manifests)}}));
}

base::Result<std::string> ImageStore::read_blob(std::string_view digest) const {
    TRY(auto text, host::read_file(*disk_, blob_path(digest), document_bytes_max));
    if (digest_of(text) != digest) {
        return fail(Code::invalid, "blob {}: its bytes are {}", digest, digest_of(text));
    }
    return text;
}

base::Result<std::string> ImageStore::layer_of(std::string_view manifest) const {
    TRY(const auto document, wire::parse_json(manifest));
    TRY(const auto digest,
        wire::JsonReader(document).at("layers").at(std::size_t{0}).at("digest").string());
    if (!is_digest(digest)) {
        return fail(Code::invalid, "manifest: \"{}\" is no digest", digest);
    }
    return std::string(digest);
}

base::Result<ImageStore::Resolved> ImageStore::resolve(const ImageReference& reference) const {
    TRY(const auto images, read_index(reference.name));
    if (!lists(images, reference.digest)) {
        return fail(
            Code::not_found,
            "TM-412: image {}: is not on this machine; it was removed after no revision used "
            "it, or was built elsewhere: deploy the source again",
            reference.text());
    }
    const auto manifest = read_blob(reference.digest);
    if (!manifest) {
        return damaged(reference, manifest.error().message);
    }
    const auto read = [&]() -> base::Result<ImageConfig> {
        TRY(const auto document, wire::parse_json(*manifest));
        TRY(const auto digest, wire::JsonReader(document).at("config").at("digest").string());
        if (!is_digest(digest)) {
            return fail(Code::invalid, "manifest: \"{}\" is no digest", digest);
        }
        TRY(const auto text, read_blob(digest));
        return read_config(text);
    };
    auto config = read();
    if (!config) {
        return damaged(reference, config.error().message);
    }
    Resolved resolved{
        .reference = reference, .config = *std::move(config), .tree = tree_path(reference.digest)};
    if (!disk_->info(resolved.tree)) {
        return damaged(reference, resolved.tree + " is not there");
    }
    return resolved;
}

base::Result<ImageStore::Resolved> ImageStore::resolve(std::string_view reference) const {
    TRY(const auto parsed, parse_reference(reference));
    return resolve(parsed);
}

base::Result<std::vector<ImageName>> ImageStore::names() const {
    std::vector<ImageName> found;
    const auto layouts = directory_ + "/layouts";
    TRY(const auto name_spaces, disk_->list(layouts));
    for (const auto& name_space : name_spaces) {
        TRY(const auto inside, disk_->list(layouts + "/" + name_space));
        for (const auto& name : inside) {
            found.push_back({.name_space = name_space, .name = name});
        }
    }
    return found;
}

base::Result<std::vector<ImageStore::Listed>> ImageStore::list() const {
    std::vector<Listed> listed;
    TRY(const auto all, names());
    for (const auto& name : all) {
        TRY(const auto images, read_index(name));
        for (const auto& image : images) {
            listed.push_back({.reference = {.name = name, .digest = image.digest},
                              .created = image.created,
                              .bytes = image.bytes});
        }
    }
    return listed;
}

base::Result<std::vector<ImageReference>> ImageStore::collect(
    const std::set<ImageReference>& in_use, base::WallTime keep_since) {
    std::vector<ImageReference> removed;
    std::set<std::string, std::less<>> blobs;  // hexadecimal
    std::set<std::string, std::less<>> trees;
    TRY(const auto all, names());
    for (const auto& name : all) {
        TRY(const auto images, read_index(name));
        std::vector<Indexed> kept;
        for (const auto& image : images) {
            ImageReference reference{.name = name, .digest = image.digest};
            if (image.created < keep_since && !in_use.contains(reference)) {
                removed.push_back(std::move(reference));
            } else {
                kept.push_back(image);
            }
        }
        if (kept.empty()) {
            // Its index goes with it.
            CHECK_OK(disk_->remove_tree(layout_path(name)));
        } else if (kept.size() != images.size()) {
            CHECK_OK(write_index(name, kept));
        }
        for (const auto& image : kept) {
            trees.emplace(digest_hex(image.digest));
            blobs.emplace(digest_hex(image.digest));
            // A manifest that cannot be read keeps nothing but itself: its image cannot start.
            if (const auto manifest = read_blob(image.digest)) {
                TRY(const auto document, wire::parse_json(*manifest));
                TRY(const auto config,
                    wire::JsonReader(document).at("config").at("digest").string());
                TRY(const auto layer, layer_of(*manifest));
                if (is_digest(config)) {
                    blobs.emplace(digest_hex(config));
                }
                blobs.emplace(digest_hex(layer));
            }
        }
    }
    TRY(const auto had_trees, disk_->list(directory_ + "/trees"));
    for (const auto& each : had_trees) {
        if (!trees.contains(each)) {
            CHECK_OK(disk_->remove_tree(directory_ + "/trees/" + each));
        }
    }
    TRY(const auto had_blobs, disk_->list(directory_ + "/blobs/sha256"));
    for (const auto& each : had_blobs) {
        if (!blobs.contains(each)) {
            CHECK_OK(disk_->remove(directory_ + "/blobs/sha256/" + each));
        }
    }
    return removed;
}

base::Status ImageStore::verify(const ImageReference& reference) {
    TRY(const auto resolved, resolve(reference));
    TRY(const auto manifest, read_blob(reference.digest));
    TRY(const auto layer, layer_of(manifest));
    // The tree is packed again: its bytes must be those of the layer.
    const auto again = fmt::format("{}/incoming/{}", directory_, incoming_next_++);
    TRY(const auto tar, disk_->open(again, host::Disk::Open::create, 0600));
    const auto compare = [&]() -> base::Status {
        const auto entries = list_tree(*disk_, resolved.tree, limits_.tree);
        if (!entries) {
            return damaged(reference, entries.error().message);
        }
        TRY(const auto packed, pack_tree(*disk_, resolved.tree, *entries,
                                         std::string(app_directory.substr(1)) + "/", *tar, ""));
        if (packed.digest != layer) {
            return damaged(reference, "its tree is not what the layer says");
        }
        TRY(const auto stored, disk_->open(blob_path(layer), host::Disk::Open::read, 0));
        Digester digester;
        std::string chunk(256 << 10, '\0');
        for (std::uint64_t offset = 0;;) {
            TRY(const auto got, stored->read_at(offset, chunk));
            if (got == 0) {
                break;
            }
            digester.add(std::string_view(chunk).substr(0, got));
            offset += got;
        }
        if (digester.finish() != layer) {
            return damaged(reference, "its layer's bytes are not those of its digest");
        }
        return base::ok;
    };
    auto result = compare();
    CHECK_OK(disk_->remove(again));
    return result;
}

}  // namespace tidemill::image
