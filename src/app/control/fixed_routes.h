// Tables from a file instead of from controllers: for trying the data plane and the agent alone.
#pragma once

#include <string>
#include <vector>

#include "base/result.h"
#include "host/disk.h"
#include "link/messages.h"

namespace tidemill::app {

struct FixedRoutes {
    std::vector<link::Message> for_proxies;  // HostRoute, RevisionPolicy
    std::vector<link::Message> for_agents;   // WantedRevision
};

// Each line of the file is one message of link as JSON; empty lines and lines that begin with '#'
// are passed over. Errors: not_found, invalid (with the line's number).
base::Result<FixedRoutes> read_fixed_routes(host::Disk& disk, const std::string& path);

}  // namespace tidemill::app
