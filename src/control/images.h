// Where control learns what an image is.
#pragma once

#include <string>

#include "async/task.h"
#include "base/result.h"
#include "control/revision/instance_spec.h"

namespace tidemill::control {

// Answered by whoever keeps images; control links no image code. On the loop's thread.
class Images {
public:
    Images() = default;
    Images(const Images&) = delete;
    Images& operator=(const Images&) = delete;
    virtual ~Images() = default;

    // What an image reference is and how it starts. Cancelled by dropping. Errors: not_found,
    // invalid (not an image, or one that this version cannot run; the message is for the user),
    // unavailable (asked again later).
    virtual async::Task<base::Result<ImageFacts>> describe(std::string image) = 0;
};

}  // namespace tidemill::control
