// What to ask about the image of a Revision, and with which credentials.
#pragma once

#include "control/images.h"
#include "control/revision/instance_spec.h"

namespace tidemill::control {

// The image as it was resolved once, else as the Revision names it: a tag that moves does not move
// a revision, and neither does a restart of ours. Credentials are those of its imagePullSecrets,
// then those of its ServiceAccount ("default" unless it names one), as Kubernetes has it; Secrets
// that are not there, or are of another type, are passed over.
ImageQuestion make_image_question(const model::Object& revision, const FindObject& find);

}  // namespace tidemill::control
