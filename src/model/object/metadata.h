// What every object has: names, versions, times, labels, owners.
#pragma once

#include <cstdint>
#include <optional>
#include <string>
#include <vector>

#include "base/result.h"
#include "base/time.h"
#include "model/object/json_fields.h"

namespace tidemill::model {

struct OwnerReference {
    std::string api_version = {};
    std::string kind = {};
    std::string name = {};
    std::string uid = {};
    bool controller = false;            // the one owner whose controller manages this object
    bool block_owner_deletion = false;  // foreground deletion of the owner waits for this object

    friend bool operator==(const OwnerReference&, const OwnerReference&) = default;
};

struct Metadata {
    std::string namespace_name = {};  // empty for kinds that live in no namespace
    std::string name = {};
    std::string generate_name = {};
    std::string uid = {};
    std::uint64_t resource_version =
        0;  // the store's revision of the last write; 0 means none given
    std::int64_t generation = 0;
    std::optional<base::WallTime> creation_timestamp = {};
    std::optional<base::WallTime> deletion_timestamp = {};
    std::optional<std::int64_t> deletion_grace_period_seconds = {};
    TextMap labels = {};
    TextMap annotations = {};
    std::vector<OwnerReference> owner_references = {};
    std::vector<std::string> finalizers = {};
    JsonObject other =
        {};  // members that nobody here reads (managedFields, for one), kept as they came

    // The owner whose controller manages this object, or nullptr.
    const OwnerReference* controller() const;
    bool owned_by(std::string_view uid_of_owner) const;

    friend bool operator==(const Metadata&, const Metadata&) = default;
};

// Errors: invalid, with the path of the first member of a wrong type ("metadata.labels.app: must be
// a string").
base::Result<Metadata> metadata_from_json(const JsonObject& document);
// Unset members are left out, as Kubernetes leaves them.
JsonObject to_json(const Metadata& metadata);

}  // namespace tidemill::model
