// Names to addresses.
#pragma once

#include <string>
#include <vector>

#include "async/task.h"
#include "base/result.h"
#include "base/time.h"
#include "host/address.h"

namespace tidemill::host {

class Resolver {
public:
    virtual ~Resolver() = default;
    // At least one address, port 0. "localhost" and names below it are loopback without asking
    // anybody (RFC 6761 section 6.3). Errors: not_found, unavailable, deadline.
    virtual async::Task<base::Result<std::vector<IpAddress>>> resolve(std::string name,
                                                                      base::Instant deadline) = 0;
};

}  // namespace tidemill::host
