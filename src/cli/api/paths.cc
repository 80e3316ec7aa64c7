#include "cli/api/paths.h"

#include <fmt/format.h>

#include "wire/url.h"

namespace tidemill::cli::paths {
namespace {

std::string below(std::string_view root, std::string_view space, std::string_view plural,
                  std::string_view name) {
    std::string out(root);
    if (!space.empty()) {
        out += "/namespaces/" + wire::percent_encode(space);
    }
    out += "/" + std::string(plural);
    if (!name.empty()) {
        out += "/" + wire::percent_encode(name);
    }
    return out;
}

}  // namespace

std::string serving(std::string_view space, std::string_view plural, std::string_view name) {
    return below("/apis/serving.knative.dev/v1", space, plural, name);
}

std::string core(std::string_view space, std::string_view plural, std::string_view name) {
    return below("/api/v1", space, plural, name);
}

std::string platform(std::string_view space, std::string_view plural, std::string_view name) {
    return below("/apis/tidemill.dev/v1", space, plural, name);
}

std::string with_label(std::string_view key, std::string_view value) {
    return "?labelSelector=" + wire::percent_encode(fmt::format("{}={}", key, value));
}

}  // namespace tidemill::cli::paths
