#include "mutants.h"
#include "store_world.h"

int main(int argc, char** argv) {
    return tidemill::sim::hunt_mutants(
        {
            "store.acknowledge_before_commit",
            "store.no_sync",
            "store.no_directory_sync",
            "store.no_checkpoint_at_open",
            "store.revision_of_newest_object",
            "store.failed_commit_applied",
            "store.refused_write_stays",
            "store.stale_update_accepted",
            "store.delete_ignores_preconditions",
            "store.status_overtakes",
            "store.watch_tells_latest_only",
            "store.quiet_watch_skips",
            "store.slow_watch_jumps",
            "store.pages_of_different_states",
            "store.garbage_forgotten",
        },
        tidemill::sim::run_store_world, 2'000, argc, argv);
}
