#include "app/roles.h"

#include <csignal>

namespace tidemill::app {

std::string control_socket(const Options& options) {
    return options.run + "/control.sock";
}
std::string agent_socket(const Options& options) {
    return options.run + "/agent.sock";
}

async::Task<void> wait_for_end(host::Signals& signals) {
    for (;;) {
        const int number = co_await signals.next();
        if (number == SIGTERM || number == SIGINT) {
            co_return;
        }
    }
}

}  // namespace tidemill::app
