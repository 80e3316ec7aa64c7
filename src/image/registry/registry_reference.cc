#include "image/registry/registry_reference.h"

#include <fmt/format.h>

#include <algorithm>

#include "base/text.h"
#include "image/digest.h"
#include "image/reference.h"

namespace tidemill::image {
namespace {

using base::Code;
using base::fail;

constexpr std::string_view docker_hub = "docker.io";
constexpr std::string_view docker_hub_index = "index.docker.io";
constexpr std::size_t tag_length_max = 128;
constexpr std::size_t name_length_max = 255;

bool is_digit(char c) {
    return c >= '0' && c <= '9';
}
bool is_lower(char c) {
    return c >= 'a' && c <= 'z';
}
bool is_alphanumeric(char c) {
    return is_lower(base::to_lower(c)) || is_digit(c);
}

// One part of a repository's path: runs of lower-case letters and digits, with ".", "_", "__" or
// any number of "-" between two of them.
bool is_path_part(std::string_view part) {
    if (part.empty() || !(is_lower(part.front()) || is_digit(part.front())) ||
        !(is_lower(part.back()) || is_digit(part.back()))) {
        return false;
    }
    for (std::size_t i = 0; i < part.size();) {
        if (is_lower(part[i]) || is_digit(part[i])) {
            ++i;
            continue;
        }
        const auto end = std::min(part.find_first_not_of(part[i], i), part.size());
        const auto length = end - i;
        const bool good =
            part[i] == '-' || (part[i] == '.' && length == 1) || (part[i] == '_' && length <= 2);
        if (!good || !(is_lower(part[end]) || is_digit(part[end]))) {
            return false;
        }
        i = end;
    }
    return true;
}

bool is_tag(std::string_view tag) {
    return !tag.empty() && tag.size() <= tag_length_max && tag.front() != '.' &&
           tag.front() != '-' && std::ranges::all_of(tag, [](char c) {
               return is_alphanumeric(c) || c == '_' || c == '.' || c == '-';
           });
}

// A host name or address, perhaps with a port.
bool is_registry(std::string_view text) {
    auto host = text;
    if (const auto colon = text.rfind(':'); colon != std::string_view::npos && text.back() != ']') {
        host = text.substr(0, colon);
        const auto port = base::parse_number<std::uint16_t>(text.substr(colon + 1));
        if (!port || *port == 0) {
            return false;
        }
    }
    if (host.starts_with('[') && host.ends_with(']')) {
        return std::ranges::all_of(host.substr(1, host.size() - 2), [](char c) {
            return is_digit(c) || (base::to_lower(c) >= 'a' && base::to_lower(c) <= 'f') ||
                   c == ':' || c == '.';
        });
    }
    return std::ranges::all_of(base::split(host, '.'), [](std::string_view label) {
        return !label.empty() && label.front() != '-' && label.back() != '-' &&
               std::ranges::all_of(label, [](char c) { return is_alphanumeric(c) || c == '-'; });
    });
}

// Whether the first part of a name says where the image is, or is already a part of its path.
bool names_registry(std::string_view part) {
    return part.find_first_of(".:") != std::string_view::npos || part == "localhost" ||
           std::ranges::any_of(part, [](char c) { return c >= 'A' && c <= 'Z'; });
}

}  // namespace

std::string RegistryReference::text() const {
    return fmt::format("{}/{}{}{}{}{}", registry, repository, tag.empty() ? "" : ":", tag,
                       digest.empty() ? "" : "@", digest);
}

std::string RegistryReference::pinned(std::string_view resolved_digest) const {
    return fmt::format("{}/{}@{}", registry == docker_hub ? docker_hub_index : registry, repository,
                       resolved_digest);
}

base::Result<RegistryReference> parse_registry_reference(std::string_view text) {
    const auto refuse = [&](std::string_view why) {
        return fail(Code::invalid, "TM-411: image \"{}\": {}", text, why);
    };
    RegistryReference reference;
    auto name = text;
    if (const auto at = name.find('@'); at != std::string_view::npos) {
        reference.digest = name.substr(at + 1);
        name = name.substr(0, at);
        if (!is_digest(reference.digest)) {
            return refuse("the digest must be sha256: and 64 lower-case hexadecimal digits");
        }
    }
    auto path = name;
    reference.registry = docker_hub;
    if (const auto slash = name.find('/');
        slash != std::string_view::npos && names_registry(name.substr(0, slash))) {
        reference.registry = base::lower(name.substr(0, slash));
        path = name.substr(slash + 1);
        if (!is_registry(reference.registry)) {
            return refuse("the registry is no host name with or without a port");
        }
        if (reference.registry == docker_hub_index) {
            reference.registry = docker_hub;
        }
    }
    if (const auto colon = path.find(':'); colon != std::string_view::npos) {
        reference.tag = path.substr(colon + 1);
        path = path.substr(0, colon);
        if (!is_tag(reference.tag)) {
            return refuse("the tag must be at most 128 letters, digits, '_', '.' and '-'");
        }
    } else if (reference.digest.empty()) {
        reference.tag = "latest";
    }
    if (path.empty() || path.size() > name_length_max) {
        return refuse("the repository's name is empty or too long");
    }
    if (!std::ranges::all_of(base::split(path, '/'), is_path_part)) {
        return refuse(
            "the repository's name must be lower-case letters and digits, with '.', '_', '-' or "
            "'/' between them");
    }
    reference.repository = reference.registry == docker_hub && !path.contains('/')
                               ? "library/" + std::string(path)
                               : std::string(path);
    return reference;
}

bool is_local_image(std::string_view text) {
    return text.starts_with(local_registry) && text.substr(local_registry.size()).starts_with('/');
}

}  // namespace tidemill::image
