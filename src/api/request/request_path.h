// Which thing a path names.
#pragma once

#include <optional>
#include <string>
#include <string_view>

#include "api/request/refusal.h"

namespace tidemill::api {

// A path below /api/V or /apis/G/V that names a resource. Empty parts were not given.
struct ResourcePath {
    std::string group;  // empty for the core group
    std::string version;
    std::string space;  // the namespace
    std::string resource;
    std::string name;
    std::string subresource;

    friend bool operator==(const ResourcePath&, const ResourcePath&) = default;
};

struct RequestPath {
    std::string text;                      // in its one form
    std::optional<ResourcePath> resource;  // nothing: a page, such as /version or discovery
};

// Strict, because what is authorised must be what is served: a path that is not in its normal form
// (RFC 3986 section 6.2.2), has an empty or escaped-slash segment, or goes on behind a subresource
// is refused. Errors: 400, 404.
Answered<RequestPath> parse_path(std::string_view path);

}  // namespace tidemill::api
