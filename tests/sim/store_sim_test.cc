#include "store_world.h"

int main(int argc, char** argv) {
    tidemill::sim::SeedPlan plan;
    plan.name = "store";
    plan.must_reach = {"appeared late", "close",       "collected",    "conflict",  "kill",
                       "list expired",  "not_found",   "open failed",  "power cut", "power off",
                       "refused full",  "unavailable", "watch expired"};
    return tidemill::sim::run_seeds(plan, tidemill::sim::run_store_world, argc, argv);
}
