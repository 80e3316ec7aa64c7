// Where control learns what an image is.
#pragma once

#include <string>
#include <vector>

#include "async/task.h"
#include "base/result.h"
#include "control/revision/instance_spec.h"

namespace tidemill::control {

struct ImageQuestion {
    std::string image;  // as a container names it, or what that was resolved to once
    std::string namespace_name;
    // Credentials for registries, as Secrets hold them (docker's config.json, or its auths alone).
    std::vector<std::string> pull_secrets = {};
};

// Answered by whoever keeps images; control links no image code. On the loop's thread.
class Images {
public:
    Images() = default;
    Images(const Images&) = delete;
    Images& operator=(const Images&) = delete;
    virtual ~Images() = default;

    // What an image reference is and how it starts; when it is answered the image is on this
    // machine. May take minutes. Cancelled by dropping. Errors: any; the message is for the user,
    // and it is asked again later.
    virtual async::Task<base::Result<ImageFacts>> describe(ImageQuestion question) = 0;
};

}  // namespace tidemill::control
