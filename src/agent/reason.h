// Why an instance is not what it should be: a stable word for programs, a sentence for people.
#pragma once

#include <cstdint>
#include <span>
#include <string>

#include "host/launcher.h"

namespace tidemill::agent {

struct Reason {
    std::string word;  // "ExitCode3", "OOMKilled", "Signal11", "NotListening", …
    std::string message;
    friend bool operator==(const Reason&, const Reason&) = default;
};

// Of an end that nobody asked for. memory_bytes_max: the instance's limit, for the message.
Reason explain_exit(const host::InstanceExit& exit, std::uint64_t memory_bytes_max);
// Of an app whose `port` another process listens on.
Reason explain_port_taken(std::uint16_t port, const host::PortHolder& holder);
// Of an app that does not answer on `port`: says what it listens on instead.
Reason explain_not_listening(std::uint16_t port, base::Duration waited,
                             std::span<const host::ListeningSocket> listening);

}  // namespace tidemill::agent
