#include "image/oci/archive.h"

#include <fmt/format.h>

#include <algorithm>

#include "image/digest.h"
#include "image/oci/tree_path.h"
#include "wire/json.h"

namespace tidemill::image {
namespace {

using base::Code;
using base::fail;

constexpr std::uint64_t document_bytes_max = 4U << 20;
constexpr std::string_view config_type = "application/vnd.oci.image.config.v1+json";
constexpr std::string_view layer_type = "application/vnd.oci.image.layer.v1.tar";
// An index may name an index; deeper is nobody's.
constexpr int nesting_max = 4;

class Finder {
public:
    Finder(host::Disk& disk, const std::string& root) : disk_(disk), root_(root) {}

    base::Result<FoundImage> run() {
        if (auto index = read_in_tree(disk_, root_, "index.json", document_bytes_max)) {
            return from_layout(*std::move(index));
        }
        const auto saved = read_in_tree(disk_, root_, "manifest.json", document_bytes_max);
        if (!saved) {
            return fail(Code::invalid,
                        "TM-429: it holds neither index.json (an OCI layout) nor manifest.json "
                        "(docker save)");
        }
        return from_docker(*saved);
    }

private:
    static std::string blob_path(std::string_view digest) {
        return fmt::format("blobs/sha256/{}", digest_hex(digest));
    }
    base::Result<std::string> read_blob(const Descriptor& descriptor) {
        auto text = read_in_tree(disk_, root_, blob_path(descriptor.digest), document_bytes_max);
        if (!text) {
            return fail(Code::invalid, "TM-429: blob {} is not in it", descriptor.digest);
        }
        if (const auto digest = digest_of(*text); digest != descriptor.digest) {
            return fail(Code::invalid, "TM-423: blob {} has the digest {}", descriptor.digest,
                        digest);
        }
        return text;
    }

    base::Result<FoundImage> from_layout(std::string text) {
        for (int depth = 0; depth < nesting_max; ++depth) {
            TRY(auto document, read_manifest(text));
            if (auto* const manifest = std::get_if<Manifest>(&document)) {
                return from_manifest(std::move(text), std::move(*manifest));
            }
            const auto& index = std::get<Index>(document);
            if (index.empty()) {
                return fail(Code::invalid, "TM-429: its index names no image");
            }
            const bool alone = index.size() == 1;
            const auto without_platform = std::ranges::count(index, "", &IndexEntry::os);
            if (!alone && without_platform > 1) {
                return fail(Code::invalid,
                            "TM-429: it holds {} images; export the one that is wanted",
                            index.size());
            }
            const auto chosen =
                alone ? base::Result<IndexEntry>(index.front()) : choose_platform(index);
            if (!chosen) {
                return std::unexpected(chosen.error());
            }
            TRY(text, read_blob(chosen->descriptor));
        }
        return fail(Code::invalid, "TM-429: its indexes name each other too deeply");
    }

    base::Result<FoundImage> from_manifest(std::string text, Manifest manifest) {
        FoundImage found{
            .manifest = std::move(text), .content = manifest, .config = {}, .layers = {}};
        TRY(found.config, read_blob(manifest.config));
        for (const auto& layer : manifest.layers) {
            TRY(auto path, file(blob_path(layer.digest)));
            found.layers.push_back(std::move(path));
        }
        return found;
    }

    base::Result<std::string> file(std::string_view name) {
        TRY(auto path, resolve_in_tree(disk_, root_, name, LastLink::followed));
        const auto info = disk_.info(path);
        if (!info || info->type != host::FileInfo::Type::file) {
            return fail(Code::invalid, "TM-429: \"{}\" is not in it", name);
        }
        return path;
    }

    // The form is described nowhere but in Docker's own reader (docker/docker image/tarexport):
    // [{"Config": path, "RepoTags": […], "Layers": [paths]}].
    base::Result<FoundImage> from_docker(std::string_view text) {
        const auto document = wire::parse_json(text);
        if (!document) {
            return fail(Code::invalid, "TM-429: manifest.json: {}", document.error().message);
        }
        const wire::JsonReader root(*document);
        const auto images = root.elements();
        if (!images || images->size() != 1) {
            return fail(Code::invalid,
                        "TM-429: manifest.json names {} images; save the one that is wanted",
                        images ? images->size() : 0);
        }
        const auto config = images->front().at("Config").string();
        const auto layers = images->front().at("Layers").elements();
        if (!config || !layers) {
            return fail(Code::invalid, "TM-429: manifest.json: {}",
                        (config ? layers.error() : config.error()).message);
        }
        FoundImage found;
        auto config_text = read_in_tree(disk_, root_, *config, document_bytes_max);
        if (!config_text) {
            return fail(Code::invalid, "TM-429: \"{}\" is not in it", *config);
        }
        found.config = *std::move(config_text);
        found.content.config = {std::string(config_type), digest_of(found.config),
                                found.config.size()};
        for (const auto& each : *layers) {
            TRY(const auto name, each.string());
            TRY(auto path, file(name));
            TRY(auto layer, describe(path));
            found.content.layers.push_back(std::move(layer));
            found.layers.push_back(std::move(path));
        }
        found.manifest = write_manifest(found.content);
        return found;
    }

    base::Result<Descriptor> describe(const std::string& path) {
        TRY(const auto file, disk_.open(path, host::Disk::Open::read, 0));
        Digester digester;
        std::string chunk(256 << 10, '\0');
        std::uint64_t size = 0;
        for (;;) {
            TRY(const auto got, file->read_at(size, chunk));
            if (got == 0) {
                break;
            }
            digester.add(std::string_view(chunk).substr(0, got));
            size += got;
        }
        return Descriptor{std::string(layer_type), digester.finish(), size};
    }

    host::Disk& disk_;
    const std::string& root_;
};

}  // namespace

base::Result<FoundImage> find_image(host::Disk& disk, const std::string& root) {
    return Finder(disk, root).run();
}

}  // namespace tidemill::image
