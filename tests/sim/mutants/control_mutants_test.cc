#include "control_world.h"
#include "mutants.h"

int main(int argc, char** argv) {
    return tidemill::sim::hunt_mutants(
        {
            "control.route_before_ready",
            "control.latest_ready_goes_back",
            "control.max_scale_ignored",
            "control.never_gives_up",
            "control.table_before_agent_was_heard",
            "control.table_before_images",
            "control.ghosts_answer",
            "control.deleted_goes_on_running",
            "control.deleted_stays_routed",
            "control.news_during_work_is_lost",
            "control.failure_is_final",
            "control.drift_stays",
            "control.restart_forgets",
        },
        tidemill::sim::run_control_world, 2'000, argc, argv);
}
