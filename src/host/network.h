// Connections to and from outside the process.
#pragma once

#include <memory>
#include <string>

#include "async/task.h"
#include "host/address.h"
#include "host/stream.h"

namespace tidemill::host {

// A socket that accepts. Belongs to one loop's thread.
class Listener {
public:
    Listener() = default;
    Listener(const Listener&) = delete;
    Listener& operator=(const Listener&) = delete;
    virtual ~Listener() = default;

    // Waits for the next connection. At most one waiter. Errors: exhausted (no file descriptor
    // left; try again after a pause), unavailable (the listener was closed).
    virtual async::Task<base::Result<std::unique_ptr<Stream>>> accept() = 0;
    // Where it listens; a port of 0 has become the one that was given.
    virtual const Address& local() const = 0;
};

struct ListenOptions {
    int backlog = 4096;
    // Several listeners of the same address share its connections (one per worker).
    enum class Sharing : std::uint8_t { exclusive, shared } sharing = Sharing::exclusive;
    // Mode of a Unix socket's file. A file of a dead listener is replaced, that of a live one is
    // not.
    unsigned unix_mode = 0600;
};

class Network {
public:
    virtual ~Network() = default;
    // Errors: unavailable (refused, no route, no such path; the message says which), deadline,
    // exhausted (no file descriptor or port left), denied (the path may not be used), invalid.
    virtual async::Task<base::Result<std::unique_ptr<Stream>>> connect(Address to,
                                                                       base::Instant deadline) = 0;
    // Errors: conflict (address in use; the message names the process if it can be known), denied,
    // invalid.
    virtual base::Result<std::unique_ptr<Listener>> listen(const Address& at,
                                                           const ListenOptions& options) = 0;
    // Takes over a listening socket that the parent process passed under this name. Errors:
    // not_found.
    virtual base::Result<std::unique_ptr<Listener>> inherited(std::string_view name) = 0;
};

}  // namespace tidemill::host
