#include "control_world.h"

int main(int argc, char** argv) {
    tidemill::sim::SeedPlan plan;
    plan.name = "control";
    plan.to = 600;  // with sanitizers a third of a second each; ./dev sim runs more
    plan.must_reach = {"deploy", "update", "delete",    "pin",     "drift",
                       "kill",   "reset",  "partition", "no start"};
    return tidemill::sim::run_seeds(plan, tidemill::sim::run_control_world, argc, argv);
}
