#include "app/control/fixed_routes.h"

#include <fmt/format.h>

#include <utility>

#include "base/text.h"
#include "link/codec.h"

namespace tidemill::app {

base::Result<FixedRoutes> read_fixed_routes(host::Disk& disk, const std::string& path) {
    TRY(const auto text, host::read_file(disk, path, 16U << 20));
    FixedRoutes routes;
    std::size_t number = 0;
    for (const auto raw : base::split(text, '\n')) {
        ++number;
        const auto line = base::trim(raw);
        if (line.empty() || line.front() == '#') {
            continue;
        }
        auto message = link::decode(line);
        if (!message) {
            return base::wrap(fmt::format("{}:{}: ", path, number), message.error());
        }
        if (std::holds_alternative<link::WantedRevision>(*message)) {
            routes.for_agents.push_back(*std::move(message));
        } else if (std::holds_alternative<link::HostRoute>(*message) ||
                   std::holds_alternative<link::RevisionPolicy>(*message)) {
            routes.for_proxies.push_back(*std::move(message));
        } else {
            return base::fail(base::Code::invalid,
                              "{}:{}: expected a HostRoute, RevisionPolicy or WantedRevision", path,
                              number);
        }
    }
    return routes;
}

}  // namespace tidemill::app
