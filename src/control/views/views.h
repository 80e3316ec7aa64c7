// Instances and revisions as the Pods and Deployments that tools of Kubernetes expect: read only,
// made when somebody looks.
#pragma once

#include <cstdint>
#include <string>
#include <string_view>

#include "control/change.h"
#include "link/messages.h"
#include "model/object/object.h"

namespace tidemill::control {

// The Deployment of a Revision: "NAME-deployment" with its replicas.
model::Object deployment_view(const model::Object& revision, std::int32_t wanted,
                              std::int32_t ready);

// Of a Pod view: the instance's own name, by which agents and logs know it.
inline constexpr std::string_view instance_annotation = "tidemill.dev/instance";

// The Pod of one instance. `restarts` are those of its revision here since one was last ready.
model::Object pod_view(const model::Object& revision, const link::InstanceReport& instance);

// The Pod's name for an instance ("NAMESPACE/NAME-random" gives "NAME-deployment-random"), and the
// other way round.
std::string pod_name(const model::Object& revision, const std::string& instance);

}  // namespace tidemill::control
