#include "control_world.h"

int main(int argc, char** argv) {
    tidemill::sim::SeedPlan plan;
    plan.name = "control";
    plan.to = 3'000;
    plan.must_reach = {"deploy", "update", "delete",    "pin",     "drift",
                       "kill",   "reset",  "partition", "no start"};
    return tidemill::sim::run_seeds(plan, tidemill::sim::run_control_world, argc, argv);
}
