// The kinds' fields as OpenAPI schemas, made from the tables that admission checks documents by.
#pragma once

#include <string>

#include "model/kinds/kind.h"
#include "model/object/json_fields.h"

namespace tidemill::api {

// Version 2 and 3 point to definitions differently, and only version 3 can say "integer or text".
enum class OpenApi : std::uint8_t { v2, v3 };

// True when the kind has a table of fields, and so a schema.
bool has_schema(const model::Kind& kind);
// "dev.knative.serving.v1.Service", "io.k8s.api.core.v1.ConfigMap". As Kubernetes names them.
std::string schema_name(const model::Kind& kind);
// The schema of a whole document, with x-kubernetes-group-version-kind. Precondition: has_schema.
model::JsonObject schema_of(const model::Kind& kind, OpenApi version);

// What the kinds' schemas point to: metadata, which all have in common.
inline constexpr std::string_view metadata_schema_name =
    "io.k8s.apimachinery.pkg.apis.meta.v1.ObjectMeta";
model::JsonObject metadata_schema(OpenApi version);

}  // namespace tidemill::api
