// What an instance of a Revision is, complete for an agent that asks nobody else.
#pragma once

#include <functional>
#include <string>
#include <vector>

#include "base/result.h"
#include "control/change.h"
#include "link/messages.h"

namespace tidemill::control {

// What an image says of itself. Whoever keeps images answers it (images.h).
struct ImageFacts {
    std::string digest;  // "registry/name@sha256:…"; empty where the registry gives none
    std::vector<std::string> entrypoint;
    std::vector<std::string> arguments;
    // Runtime, environment, working directory, mounts, way of listening, user.
    link::InstanceSpec base;
};

// How long an idle instance stays frozen where tidemill.dev/keep-frozen says nothing: the time
// within which most functions that are called at all are called again (Shahrad et al., Serverless
// in the Wild, ATC 2020, find 10 to 20 minutes to be what clouds keep; ours costs no processor
// meanwhile).
inline constexpr base::Duration keep_frozen_default = std::chrono::minutes(10);

// Finds the ConfigMap or Secret of a name in the revision's namespace, or null.
using FindObject = std::function<ObjectPtr(model::KindId kind, const std::string& name)>;

// Errors: invalid (the spec cannot be read), not_found (a ConfigMap, Secret or key that is not
// optional is not there; names it).
base::Result<link::InstanceSpec> make_instance_spec(const model::Object& revision,
                                                    const ImageFacts& image,
                                                    base::Duration progress_deadline,
                                                    const FindObject& find);

}  // namespace tidemill::control
