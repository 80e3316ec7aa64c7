#include "agent/reason.h"

#include <fmt/format.h>

#include "base/mutant.h"
#include "host/process.h"

namespace tidemill::agent {

Reason explain_exit(const host::InstanceExit& exit, std::uint64_t memory_bytes_max) {
    if (!TIDEMILL_MUTANT("agent.memory_not_named") && exit.oom_kills > 0 &&
        (exit.signal == 9 || !exit.code)) {
        return {"OOMKilled",
                fmt::format("killed by the kernel: it needed more than its {} MiB of memory; raise "
                            "resources.limits.memory",
                            memory_bytes_max >> 20)};
    }
    // The kernel may have killed a child, and the main process ended for want of it.
    const std::string evidence =
        exit.oom_kills > 0
            ? fmt::format("; {} of its processes had been killed for its limit of {} MiB of memory",
                          exit.oom_kills, memory_bytes_max >> 20)
            : std::string();
    if (exit.signal) {
        return {
            fmt::format("Signal{}", *exit.signal),
            "ended by " + host::ExitStatus{.code = {}, .signal = exit.signal}.text() + evidence};
    }
    if (exit.code) {
        return {fmt::format("ExitCode{}", *exit.code),
                fmt::format("ended by itself with exit code {}{}{}", *exit.code,
                            *exit.code == 0 ? "; a service must keep running" : "", evidence)};
    }
    return {"Ended", "ended while nobody could see how"};
}

Reason explain_port_taken(std::uint16_t port, const host::PortHolder& holder) {
    const std::string who = holder.pid == 0
                                ? std::string("another process of this machine")
                                : fmt::format("process {} ({})", holder.pid, holder.name);
    return {"PortTaken",
            fmt::format("port {} is taken by {}, which answers in place of the app; it is started "
                        "again on another port",
                        port, who)};
}

Reason explain_not_listening(std::uint16_t port, base::Duration waited,
                             std::span<const host::ListeningSocket> listening) {
    std::string message = fmt::format("does not listen on 127.0.0.1:{} ($PORT) after {}", port,
                                      base::format_duration(waited));
    if (listening.empty()) {
        message += "; it listens on nothing";
    } else {
        message += "; it listens on ";
        for (std::size_t i = 0; i < listening.size(); ++i) {
            const auto& socket = listening[i];
            message += i == 0 ? "" : ", ";
            switch (socket.family) {
                case host::ListeningSocket::Family::ipv4:
                    message += fmt::format("{}:{}", socket.address, socket.port);
                    break;
                case host::ListeningSocket::Family::ipv6:
                    message += fmt::format("[{}]:{}", socket.address, socket.port);
                    break;
                case host::ListeningSocket::Family::unix_path:
                    message += socket.address.empty() ? "a socket that was passed" : socket.address;
                    break;
            }
        }
        message += " instead";
    }
    message += fmt::format("; make it listen on 0.0.0.0:$PORT");
    return {"NotListening", std::move(message)};
}

}  // namespace tidemill::agent
