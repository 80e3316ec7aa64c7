#include "agent/ports.h"

namespace tidemill::agent {

base::Result<std::uint16_t> Ports::take(host::Network& network) {
    const std::uint32_t count = last_ - first_ + 1U;
    for (std::uint32_t i = 0; i < count; ++i) {
        const std::uint16_t port = next_;
        next_ = next_ == last_ ? first_ : static_cast<std::uint16_t>(next_ + 1);
        // Listening for a moment is the only honest question; it costs two system calls.
        if (!held_.contains(port) && network.listen(host::IpAddress::loopback(port), {})) {
            held_.insert(port);
            return port;
        }
    }
    return base::fail(base::Code::exhausted, "all ports from {} to {} are in use", first_, last_);
}

}  // namespace tidemill::agent
