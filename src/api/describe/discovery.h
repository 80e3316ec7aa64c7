// What can be asked for: the documents from which clients learn kinds, names and verbs.
#pragma once

#include <span>
#include <string_view>

#include "api/request/refusal.h"
#include "model/object/json_fields.h"

namespace tidemill::api {

// A resource that is not a kind of object in the store: asked and answered, nothing more.
struct PlatformResource {
    std::string_view group;
    std::string_view version;
    std::string_view kind;
    std::string_view plural;
    std::string_view singular;
    bool namespaced = false;
    std::span<const std::string_view> verbs;
};
std::span<const PlatformResource> platform_resources();

model::Json version_document(std::string_view build);
// /api and /apis as Kubernetes had them first.
model::Json api_versions();
model::Json api_groups();
// /apis/GROUP. Errors: 404.
Answered<model::Json> api_group(std::string_view group);
// /api/v1 and /apis/GROUP/VERSION. Errors: 404.
Answered<model::Json> api_resources(std::string_view group, std::string_view version);

// The same at once, for clients that ask for APIGroupDiscoveryList: the core group for /api, all
// others for /apis. `version` is "v2" or "v2beta1".
enum class Root : std::uint8_t { core, groups };
model::Json aggregated(Root root, std::string_view version);

}  // namespace tidemill::api
