// Requests from outside to end or to reload.
#pragma once

#include "async/task.h"

namespace tidemill::host {

// Signals sent to this process, one at a time. The ones handled are chosen when it is made.
class Signals {
public:
    virtual ~Signals() = default;
    // The number of the next signal. At most one waiter.
    virtual async::Task<int> next() = 0;
};

}  // namespace tidemill::host
