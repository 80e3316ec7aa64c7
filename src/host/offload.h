// A thread beside the loop for work that blocks.
#pragma once

#include <functional>

#include "base/result.h"

namespace tidemill::host {

// Runs work off the loop, one piece after the other in the order submitted. In simulation it runs
// it on the loop after a delay.
class Offload {
public:
    virtual ~Offload() = default;
    // `work` runs elsewhere; then `done` runs on the loop that made this. Errors: exhausted (as
    // many wait as were allowed when it was made).
    virtual base::Status submit(std::move_only_function<void()> work,
                                std::move_only_function<void()> done) = 0;
};

}  // namespace tidemill::host
