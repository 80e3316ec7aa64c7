// Telling systemd how we are (sd_notify(3)), without its library.
#pragma once

#include <string>
#include <string_view>

#include "base/result.h"

namespace tidemill::host_linux {

// Sends `state`, e.g. "READY=1", to the datagram socket that $NOTIFY_SOCKET names; a leading '@'
// stands for the abstract namespace. Errors: unavailable, invalid (the path is too long).
base::Status notify_service_manager(const std::string& socket, std::string_view state);

}  // namespace tidemill::host_linux
