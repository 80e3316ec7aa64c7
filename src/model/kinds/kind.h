// The kinds of objects that this version knows, as data: the API's discovery, its paths and its
// tables are all read from here, and nothing else names a kind's plural or columns.
#pragma once

#include <cstdint>
#include <span>
#include <string>
#include <string_view>

#include "base/result.h"
#include "base/time.h"
#include "model/object/json_fields.h"

namespace tidemill::model {

struct Object;

// `core_service` is Kubernetes' own Service (a name for an address), `service` is Knative's.
enum class KindId : std::uint8_t {
    service,
    configuration,
    revision,
    route,
    core_namespace,
    config_map,
    secret,
    service_account,
    core_service,
    event,
    pod,
    deployment,
};

// How one cell of a kind's table is made: from the document by `path` (see print_cell), or by
// `compute` where Kubernetes prints something that no single field holds. Exactly one of both is
// set.
struct Column {
    std::string_view name;
    std::string_view type;  // "string", "integer" or "date", as in a Table's columnDefinitions
    std::string_view format = {};  // "name" for the column that names the object, else empty
    int priority = 0;              // columns above 0 are shown with -o wide only
    std::string_view path = {};
    Json (*compute)(const Object& object, base::WallTime now) = nullptr;
};

// Who may bring such an object into being.
enum class Origin : std::uint8_t {
    stored,  // written by users and controllers
    view,    // computed from instances and revisions; read only
};

struct Kind {
    KindId id;
    std::string_view group;  // empty for the core group
    std::string_view version;
    std::string_view kind;
    std::string_view plural;
    std::string_view singular;
    std::span<const std::string_view> short_names = {};
    std::span<const std::string_view> categories = {};
    bool namespaced = true;
    bool has_status = false;  // has a /status subresource, so that spec writes leave status alone
    bool has_generation = false;  // metadata.generation counts changes outside metadata and status
    Origin origin = Origin::stored;
    std::span<const std::string_view> verbs;
    std::span<const Column> columns;  // the first is always the name
    // What a fieldSelector may ask besides metadata.name and metadata.namespace: paths of text
    // fields.
    std::span<const std::string_view> selectable_fields = {};
    // What such an object is, in one sentence for `kubectl explain`.
    std::string_view meaning = {};

    // "serving.knative.dev/v1", or "v1" in the core group.
    std::string api_version() const;
    // "services.serving.knative.dev", or "pods": how errors name a resource.
    std::string group_resource() const;
};

// Every kind, in the order of KindId.
std::span<const Kind> all_kinds();
const Kind& kind_of(KindId id);

// The kind a document says it is. Errors: invalid (no such kind; says which are known by that
// name).
base::Result<KindId> find_kind(std::string_view api_version, std::string_view kind);
// The kind served under /apis/GROUP/VERSION/PLURAL (group "" is /api). Errors: not_found.
base::Result<KindId> find_resource(std::string_view group, std::string_view version,
                                   std::string_view plural);

}  // namespace tidemill::model
