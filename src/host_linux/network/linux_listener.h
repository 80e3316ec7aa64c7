// Listening sockets.
#pragma once

#include <cstdint>
#include <map>
#include <memory>
#include <mutex>
#include <string>
#include <string_view>

#include "host/network.h"
#include "host/stream.h"
#include "host_linux/loop/epoll_loop.h"
#include "host_linux/unique_fd.h"

namespace tidemill::host_linux {

class LinuxListener final : public host::Listener, private Device {
public:
    // Takes over a non-blocking listening socket. Errors: exhausted (limits of the loop).
    static base::Result<std::unique_ptr<LinuxListener>> create(EpollLoop& loop, UniqueFd fd,
                                                               host::Address local);
    ~LinuxListener() override;

    async::Task<base::Result<std::unique_ptr<host::Stream>>> accept() override;
    const host::Address& local() const override { return local_; }
    int fd() const { return fd_.get(); }

private:
    LinuxListener(EpollLoop& loop, UniqueFd fd, host::Address local);
    void on_events(std::uint32_t) override { edge_.signal(); }

    EpollLoop& loop_;
    UniqueFd fd_;
    host::Address local_;
    host::Edge edge_;
    std::uint64_t accept_turn_ = 0;
    std::uint32_t accepted_in_turn_ = 0;
};

// A socket bound and listening at `at`. A Unix socket's file of a dead listener is replaced; the
// file stays when the listener closes, because a process that it was passed to may still serve it.
// Errors: as Network::listen().
base::Result<UniqueFd> open_listening_socket(const host::Address& at,
                                             const host::ListenOptions& options);

// Where a bound socket really is: the port that the kernel chose. Errors: invalid.
base::Result<host::Address> local_address(int fd);

// Listening sockets passed by the parent process, by name. Shared by all loops of a process; any
// thread.
class InheritedListeners {
public:
    static constexpr const char* variable = "TIDEMILL_LISTENERS";

    InheritedListeners() = default;
    // Reads "name=fd,name=fd" from the environment and removes it from there, so that no child
    // mistakes it for its own. Call once, before threads start. Errors: invalid (not that form, or
    // a descriptor that is no listening socket).
    static base::Result<std::unique_ptr<InheritedListeners>> from_environment();
    // Each once. Errors: not_found.
    base::Result<UniqueFd> take(std::string_view name);

private:
    base::Status add(std::string_view entry);

    std::mutex mutex_;
    std::map<std::string, UniqueFd, std::less<>> sockets_;
};

}  // namespace tidemill::host_linux
