#include <fmt/format.h>

#include <utility>

#include "agent/agent.h"
#include "agent/link_service.h"
#include "app/roles.h"
#include "base/bytes.h"
#include "launcher/launcher.h"
#include "link/session.h"

namespace tidemill::app {
namespace {

using namespace std::chrono_literals;

// An app that does not end in this time when the platform stops is killed.
constexpr base::Duration end_grace = 8s;
constexpr base::Duration launcher_limit = 10s;
constexpr std::size_t peers_max = 64;

void say_what_is_missing(telemetry::Logger& log, const host::LauncherCapabilities& can) {
    if (!can.namespaces) {
        log.warn(
            can.user_namespaces
                ? "not root: instances are confined by a user namespace, without limits that "
                  "only root can set; run as root, or see tidemill doctor"
                : "not root and no user namespaces: instances are not confined; run as root, or "
                  "see tidemill doctor");
    }
    if (!can.cgroup_memory || !can.cgroup_pids || !can.cgroup_cpu) {
        log.warn(
            "cgroup controllers are missing: limits of these are not enforced",
            {{"memory", can.cgroup_memory}, {"pids", can.cgroup_pids}, {"cpu", can.cgroup_cpu}});
    }
}

}  // namespace

async::Task<base::Status> run_agent(Process& process, Options options) {
    auto& host = process.host();
    launcher::Options launcher_options;
    launcher_options.run_directory = options.run + "/i";
    launcher_options.cgroup_name = fmt::format("tidemill/{:016x}", base::fnv1a(options.data));
    CO_TRY(const auto launcher,
           co_await launcher::ProgramLauncher::start(host, std::move(launcher_options),
                                                     host.loop.now() + launcher_limit));
    say_what_is_missing(process.log(), launcher->capabilities());

    agent::LinkService link(host, {});
    agent::Options agent_options;
    agent_options.data_directory = options.data;
    agent_options.run_directory = options.run + "/s";
    agent_options.policy.secrets = {options.data, options.run};
    agent::Agent agent(host, *launcher, link, std::move(agent_options));
    link.serve(agent);
    CO_CHECK_OK(co_await agent.start());

    CO_TRY(const auto listener, host.network.inherited("agent"));
    async::Scope scope(host.loop, 4);
    CO_CHECK_OK(scope.spawn(
        link::keep_answering(host, *listener, process.hello(), link.proxies(), {}, peers_max)));
    CO_CHECK_OK(scope.spawn(link::keep_calling(host, host::UnixAddress{control_socket(options)},
                                               process.hello(), link.control(), {})));
    process.log().info("agent serves", {{"instances", agent.instance_count()}});
    Process::say_ready();
    co_await wait_for_end(process.signals());
    co_await agent.end_all(end_grace);
    co_return base::ok;
}

}  // namespace tidemill::app
