// A stream over a stream, such as TLS. Plugged in by app; nobody else knows which one it is.
#pragma once

#include <memory>
#include <string>

#include "async/task.h"
#include "base/result.h"
#include "host/stream.h"

namespace tidemill::http {

class StreamAdapter {
public:
    virtual ~StreamAdapter() = default;
    // Does the handshake. `name` is who the peer must be (client side), empty on the server side.
    // Errors: denied (the peer could not prove who it is), unavailable, deadline, invalid.
    virtual async::Task<base::Result<std::unique_ptr<host::Stream>>> wrap(
        std::unique_ptr<host::Stream> stream, std::string name, base::Instant deadline) = 0;
};

}  // namespace tidemill::http
