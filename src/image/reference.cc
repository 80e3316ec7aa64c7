#include "image/reference.h"

#include <fmt/format.h>

#include <algorithm>

#include "base/text.h"
#include "image/digest.h"
#include "model/object/names.h"

namespace tidemill::image {
namespace {

// RFC 1123, as Kubernetes names namespaces and services.
bool is_label(std::string_view text) {
    const auto is_alnum = [](char c) { return (c >= 'a' && c <= 'z') || (c >= '0' && c <= '9'); };
    return !text.empty() && text.size() <= 63 && is_alnum(text.front()) && is_alnum(text.back()) &&
           std::ranges::all_of(text, [&](char c) { return is_alnum(c) || c == '-'; });
}

}  // namespace

std::string ImageName::text() const {
    return fmt::format("{}/{}/{}", local_registry, name_space, name);
}

std::string ImageReference::text() const {
    return name.text() + "@" + digest;
}

base::Status check_name(const ImageName& name) {
    for (const auto& part : {name.name_space, name.name}) {
        if (!is_label(part)) {
            return base::fail(base::Code::invalid,
                              "name \"{}\": must be at most 63 lower-case letters, digits and '-', "
                              "and begin and end with a letter or digit",
                              part);
        }
    }
    return base::ok;
}

base::Result<ImageReference> parse_reference(std::string_view text) {
    if (const auto why = model::check_image_reference(text); !why.empty()) {
        return base::fail(base::Code::invalid, "TM-411: image \"{}\": {}", text, why);
    }
    const auto parts = base::split(text, '/');
    if (parts.front() != local_registry) {
        return base::fail(base::Code::invalid,
                          "TM-411: image {}: is one of a registry, and not of this machine's own "
                          "store ({}/NAMESPACE/NAME@sha256:…)",
                          text, local_registry);
    }
    const auto at = text.find('@');
    if (parts.size() != 3 || at == std::string_view::npos) {
        return base::fail(
            base::Code::invalid,
            "TM-411: image {}: an image from source is named {}/NAMESPACE/NAME@sha256:… "
            "with its digest; tidemill deploy prints it, tidemill revisions shows it",
            text, local_registry);
    }
    const auto last = parts[2];
    const auto split_at = last.find('@');
    ImageReference reference{.name = {.name_space = std::string(parts[1]),
                                      .name = std::string(last.substr(0, split_at))},
                             .digest = std::string(last.substr(split_at + 1))};
    if (auto named = check_name(reference.name); !named) {
        return base::fail(base::Code::invalid, "TM-411: image {}: {}", text, named.error().message);
    }
    if (!is_digest(reference.digest)) {
        return base::fail(base::Code::invalid,
                          "TM-411: image {}: the digest must be sha256: and 64 hexadecimal digits",
                          text);
    }
    return reference;
}

}  // namespace tidemill::image
