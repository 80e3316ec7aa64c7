// Kubernetes objects in protobuf, which kubectl's typed commands send (`kubectl create secret`), as
// Json.
#pragma once

#include <string_view>

#include "base/result.h"
#include "wire/json.h"

namespace tidemill::wire {

// The media type of such bodies.
inline constexpr std::string_view kube_protobuf_type = "application/vnd.kubernetes.protobuf";

// Reads the envelope ("k8s\0" and a runtime.Unknown) and the object in it, as its JSON form: bytes
// are base64, times RFC 3339, fields at their Go zero value are left out where the JSON form does
// the same. Known: v1 Namespace, Secret, ConfigMap, ServiceAccount, Service, Event, and
// DeleteOptions of any group. status but for Namespace's phase, selfLink and managedFields are the
// server's own and are left out; fields that these versions do not know are skipped, as protobuf
// wants it. Source: generated.proto of k8s.io/api and k8s.io/apimachinery 0.32. Errors: invalid
// (not such an envelope, compressed, a field given twice, a string that is not UTF-8), not_found (a
// kind not in the list), exhausted (a limit).
base::Result<Json> parse_kube_protobuf(std::string_view body, const JsonLimits& limits = {});

}  // namespace tidemill::wire
