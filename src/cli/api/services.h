// Calls about one Knative Service that several commands make.
#pragma once

#include <functional>
#include <string>

#include "cli/api/session.h"
#include "cli/api/traffic.h"
#include "wire/json.h"

namespace tidemill::cli {

// Errors: not_found (names those that are near), and those of the call. The session outlives it.
async::Task<base::Result<wire::Json>> get_service(Session& session, std::string space,
                                                  std::string name);

// Reads the service, makes a merge patch of it and writes it; again, up to five times, when
// somebody else was faster. `query` goes behind the path of the write, e.g. "?dryRun=All". Errors:
// those of `patch_of` and the calls.
async::Task<base::Result<wire::Json>> change_service(
    Session& session, std::string space, std::string name,
    std::function<base::Result<wire::Json>(const wire::Json& service)> patch_of,
    std::string query = {});

// Writes what `wish` makes of the service's traffic. Errors: those of plan_traffic and the calls.
async::Task<base::Result<wire::Json>> change_traffic(Session& session, std::string space,
                                                     std::string name, TrafficWish wish);

// The revisions of one service. Errors: those of the call.
async::Task<base::Result<wire::Json>> get_revisions(Session& session, std::string space,
                                                    std::string name);

// Where requests go in: --proxy, else $TIDEMILL_PROXY, else the port that the service's URL names,
// else what the platform says of itself, else 127.0.0.1:8080.
async::Task<std::string> proxy_address(Session& session, std::string url);

}  // namespace tidemill::cli
