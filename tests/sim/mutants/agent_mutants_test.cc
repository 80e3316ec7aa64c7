#include "agent_world.h"
#include "mutants.h"

int main(int argc, char** argv) {
    return tidemill::sim::hunt_mutants(
        {
            "agent.adopts_nobody",
            "agent.adopted_port_is_free",
            "agent.adopted_hang_for_ever",
            "agent.max_scale_ignored",
            "agent.stops_while_control_is_away",
            "agent.lease_ignored",
            "agent.wake_never_ends",
            "agent.drains_nobody",
            "agent.one_proxy_speaks_for_all",
            "agent.no_grace",
            "agent.stop_without_an_end",
            "agent.lost_sigterm_stays_lost",
            "agent.offered_unasked",
            "agent.dead_stay_endpoints",
            "agent.unheard_launch_is_left_alone",
            "agent.end_reported_twice",
            "agent.end_while_away_is_nobodys",
            "agent.memory_not_named",
            "agent.no_back_off",
            "agent.first_restart_waits",
            "agent.logs_of_all_are_one",
        },
        tidemill::sim::run_agent_world, 2'000, argc, argv);
}
