#include <utility>

#include "app/log_file.h"
#include "app/roles.h"
#include "http/server.h"
#include "link/session.h"
#include "proxy/service.h"

namespace tidemill::app {
namespace {

using namespace std::chrono_literals;

// Requests in flight at a stop may go on for so long.
constexpr base::Duration stop_limit = 10s;

// Connections wait in the backlog until then.
async::Task<void> serve_when_known(proxy::Service& service,
                                   std::vector<std::unique_ptr<host::Listener>> listeners) {
    co_await service.tables_known();
    for (auto& listener : listeners) {
        service.serve(0, std::move(listener));
    }
    Process::say_ready();
}

}  // namespace

async::Task<base::Status> run_proxy(Process& process, Options options) {
    auto& host = process.host();
    CO_CHECK_OK(host.disk.make_directories(options.data + "/logs"));
    AccessLogFile access_log(host.disk, options.data + "/logs/access.log", 64U << 20);
    proxy::Service service(host, {{host, access_log}}, {});
    http::Server admin(host, service.admin(), {});
    CO_TRY(auto metrics, host.network.inherited("metrics"));
    async::Scope scope(host.loop, 8);
    CO_CHECK_OK(scope.spawn(admin.serve(*metrics, nullptr)));
    CO_CHECK_OK(scope.spawn(link::keep_calling(host, host::UnixAddress{agent_socket(options)},
                                               process.hello(), service.agent_session(), {})));
    CO_CHECK_OK(scope.spawn(link::keep_calling(host, host::UnixAddress{control_socket(options)},
                                               process.hello(), service.control_session(), {})));
    CO_CHECK_OK(scope.spawn(serve_when_known(service, inherited_all(host.network, "http"))));
    co_await wait_for_end(process.signals());
    co_await service.stop(host.loop.now() + stop_limit);
    co_return base::ok;
}

}  // namespace tidemill::app
