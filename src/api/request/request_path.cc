#include "api/request/request_path.h"

#include <fmt/format.h>

#include <vector>

#include "base/text.h"
#include "wire/url.h"

namespace tidemill::api {
namespace {

constexpr std::size_t path_bytes_max = 4'096;

// Kubernetes' rule for names that become path segments (apimachinery pkg/api/validation/path),
// and nothing that would not survive a log line.
bool is_segment_name(std::string_view segment) {
    if (segment.empty() || segment == "." || segment == "..") {
        return false;
    }
    for (const char c : segment) {
        if (c == '/' || c == '%' || static_cast<unsigned char>(c) < 0x20 || c == 0x7f) {
            return false;
        }
    }
    return true;
}

}  // namespace

Answered<RequestPath> parse_path(std::string_view path) {
    if (path.size() > path_bytes_max) {
        return refuse(bad_request("the path is longer than 4096 bytes"));
    }
    const auto normal = wire::normalise_path(path);
    if (!normal) {
        return refuse(bad_request(normal.error().message));
    }
    if (*normal != path) {
        return refuse(bad_request(
            fmt::format("the path is not in its normal form, which is {} (TM-306)", *normal)));
    }
    RequestPath out{.text = *normal, .resource = std::nullopt};
    std::vector<std::string> segments;
    for (const auto part : base::split(std::string_view(*normal).substr(1), '/')) {
        auto decoded = wire::percent_decode(part);
        if (!decoded) {
            return refuse(bad_request(decoded.error().message));
        }
        segments.push_back(*std::move(decoded));
    }
    const std::size_t front = segments.front() == "api" ? 2 : 3;
    if ((segments.front() != "api" && segments.front() != "apis") || segments.size() <= front) {
        return out;
    }
    for (const auto& segment : segments) {
        if (!is_segment_name(segment)) {
            return refuse(no_such_path());
        }
    }
    ResourcePath resource;
    resource.group = front == 2 ? "" : segments[1];
    resource.version = segments[front - 1];
    std::size_t at = front;
    // /namespaces/NS/status is about the namespace itself; everything else behind a namespace is in
    // it.
    const bool within = segments[at] == "namespaces" && segments.size() >= at + 3 &&
                        !(resource.group.empty() && segments.size() == at + 3 &&
                          (segments[at + 2] == "status" || segments[at + 2] == "finalize"));
    if (within) {
        resource.space = segments[at + 1];
        at += 2;
    }
    const auto take = [&] { return at < segments.size() ? segments[at++] : std::string(); };
    resource.resource = take();
    resource.name = take();
    resource.subresource = take();
    if (at != segments.size()) {
        return refuse(no_such_path());
    }
    out.resource = std::move(resource);
    return out;
}

}  // namespace tidemill::api
