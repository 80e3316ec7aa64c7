#include "image/oci/manifest.h"

#include <fmt/format.h>
#include <fmt/ranges.h>

#include <set>

#include "image/digest.h"
#include "image/platform.h"
#include "wire/json.h"

namespace tidemill::image {
namespace {

using base::Code;
using base::fail;

constexpr std::string_view manifest_type = "application/vnd.oci.image.manifest.v1+json";
constexpr std::string_view config_type = "application/vnd.oci.image.config.v1+json";
constexpr std::string_view docker_config_type = "application/vnd.docker.container.image.v1+json";
constexpr std::string_view ref_name = "org.opencontainers.image.ref.name";

base::Result<Descriptor> read_descriptor(const wire::JsonReader& from) {
    Descriptor descriptor;
    TRY(const auto type, from.at("mediaType").string_or(""));
    TRY(const auto digest, from.at("digest").string());
    TRY(const auto size, from.at("size").integer(0));
    descriptor.media_type = type;
    descriptor.digest = digest;
    descriptor.size = static_cast<std::uint64_t>(size);
    if (!is_digest(descriptor.digest)) {
        return from.at("digest").fail("is no sha256 digest, the only kind that is taken");
    }
    return descriptor;
}

base::Result<Manifest> read_image(const wire::JsonReader& root, const ManifestLimits& limits) {
    Manifest manifest;
    TRY(manifest.config, read_descriptor(root.at("config")));
    const auto& type = manifest.config.media_type;
    if (!type.empty() && type != config_type && type != docker_config_type) {
        return fail(Code::invalid, "TM-425: it is no container image but holds {}", type);
    }
    TRY(const auto layers, root.at("layers").elements());
    if (layers.size() > limits.layers_max) {
        return fail(Code::exhausted, "TM-426: it has {} layers; at most {} are taken",
                    layers.size(), limits.layers_max);
    }
    for (const auto& each : layers) {
        TRY(auto layer, read_descriptor(each));
        if (layer.media_type.contains("foreign") || layer.media_type.contains("nondistributable")) {
            return fail(Code::invalid,
                        "TM-425: layer {} is not distributed with the image ({}), and is not "
                        "fetched from elsewhere",
                        layer.digest, layer.media_type);
        }
        if (layer.media_type.contains("encrypted")) {
            return fail(Code::invalid, "TM-425: layer {} is encrypted", layer.digest);
        }
        manifest.layers.push_back(std::move(layer));
    }
    return manifest;
}

base::Result<Index> read_index(const wire::JsonReader& root, const ManifestLimits& limits) {
    Index index;
    TRY(const auto entries, root.at("manifests").elements());
    if (entries.size() > limits.entries_max) {
        return fail(Code::exhausted, "TM-426: it names {} images; at most {} are taken",
                    entries.size(), limits.entries_max);
    }
    for (const auto& each : entries) {
        IndexEntry entry;
        TRY(entry.descriptor, read_descriptor(each));
        TRY(const auto os, each.at("platform").at("os").string_or(""));
        TRY(const auto architecture, each.at("platform").at("architecture").string_or(""));
        TRY(const auto name, each.at("annotations").at(ref_name).string_or(""));
        entry.os = os;
        entry.architecture = architecture;
        entry.name = name;
        index.push_back(std::move(entry));
    }
    return index;
}

}  // namespace

base::Result<std::variant<Manifest, Index>> read_manifest(std::string_view text,
                                                          const ManifestLimits& limits) {
    const auto malformed = [](const base::Error& error) -> std::unexpected<base::Error> {
        if (error.message.starts_with("TM-")) {
            return std::unexpected(error);
        }
        return fail(error.code, "TM-423: the manifest is malformed: {}", error.message);
    };
    const auto document = wire::parse_json(text);
    if (!document) {
        return malformed(document.error());
    }
    const wire::JsonReader root(*document);
    const auto version = root.at("schemaVersion").integer();
    if (!version) {
        return malformed(version.error());
    }
    if (*version != 2) {
        return fail(Code::invalid,
                    "TM-425: the manifest is of schema {}, which registries have given up; push "
                    "the image again with a current tool",
                    *version);
    }
    if (root.at("manifests").is_present()) {
        auto index = read_index(root, limits);
        if (!index) {
            return malformed(index.error());
        }
        return *std::move(index);
    }
    auto manifest = read_image(root, limits);
    if (!manifest) {
        return malformed(manifest.error());
    }
    return *std::move(manifest);
}

base::Result<IndexEntry> choose_platform(const Index& index) {
    std::set<std::string> others;
    for (const auto& entry : index) {
        if (entry.os == "linux" && entry.architecture == host_architecture) {
            return entry;
        }
        if (!entry.os.empty() && entry.os != "unknown") {
            others.insert(entry.os + "/" + entry.architecture);
        }
    }
    if (index.size() == 1 && index.front().os.empty()) {
        return index.front();
    }
    return fail(
        Code::invalid, "TM-425: there is no image for linux/{}; there is {}", host_architecture,
        others.empty() ? "none with a platform" : fmt::format("{}", fmt::join(others, ", ")));
}

std::string write_manifest(const Manifest& manifest) {
    const auto write = [](const Descriptor& descriptor) {
        return wire::JsonObject{{"mediaType", descriptor.media_type},
                                {"digest", descriptor.digest},
                                {"size", descriptor.size}};
    };
    wire::JsonArray layers;
    for (const auto& layer : manifest.layers) {
        layers.push_back(write(layer));
    }
    return wire::write_json(wire::JsonObject{{"schemaVersion", 2},
                                             {"mediaType", manifest_type},
                                             {"config", write(manifest.config)},
                                             {"layers", std::move(layers)}});
}

}  // namespace tidemill::image
