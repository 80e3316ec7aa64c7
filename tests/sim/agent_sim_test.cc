#include "agent_world.h"

int main(int argc, char** argv) {
    tidemill::sim::SeedPlan plan;
    plan.name = "agent";
    plan.to = 1'500;
    plan.must_reach = {"adopt",
                       "adopt the frozen",
                       "wake",
                       "drain",
                       "drain bound",
                       "grace over",
                       "unheard",
                       "no launch",
                       "ExitCode",
                       "OOMKilled",
                       "Signal",
                       "Stopped",
                       "PortTaken",
                       "end all",
                       "freeze",
                       "freeze failed",
                       "not frozen, ended",
                       "thaw",
                       "thaw refused",
                       "thaw to end",
                       "kept enough",
                       "evict",
                       "unready",
                       "kill the sick",
                       "kill",
                       "reset",
                       "partition",
                       "disk full"};
    return tidemill::sim::run_seeds(plan, tidemill::sim::run_agent_world, argc, argv);
}
