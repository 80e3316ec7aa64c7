// A machine made from a seed.
#pragma once

#include <cstdint>
#include <string>

#include "async/virtual_loop.h"
#include "host/host.h"
#include "host_sim/dice.h"
#include "host_sim/sim_clock.h"
#include "host_sim/sim_disk.h"
#include "host_sim/sim_network.h"
#include "host_sim/sim_offload.h"
#include "host_sim/sim_processes.h"
#include "host_sim/trace.h"

namespace tidemill::host_sim {

struct SimOptions {
    DiskOptions disk;
    NetworkOptions network;
    OffloadOptions offload;
    base::WallTime wall_base{1'800'000'000'000'000'000};  // 2027-01-15

    // A calm machine: delays, but no faults.
    static SimOptions calm() { return {}; }
    // Drawn from the seed so that runs differ in kind, not only in luck: each fault is wholly off
    // in most runs and frequent in some ("swarm testing", A. Groce et al., ISSTA 2012).
    static SimOptions swarm(std::uint64_t seed);
    // One line, for the report of a failing seed.
    std::string text() const;
};

// All devices of one machine on one virtual loop. To kill a process, destroy the objects it would
// consist of, its SimOffload too; the disk keeps what it wrote. To cut the power, do so for all
// processes and call disk.crash().
class SimHost {
public:
    explicit SimHost(std::uint64_t seed, SimOptions options = SimOptions::calm());

    // What a service of the node `node` is given.
    host::Host host(const std::string& node = "host");
    const SimOptions& options() const { return options_; }
    // Equal in two runs of one seed.
    std::uint64_t trace_hash() const;

private:
    SimOptions options_;

public:
    Trace trace;
    async::VirtualLoop loop;
    SimClock clock;
    SimRandom random;
    SimDisk disk;
    SimNetwork network;
    SimProcesses processes;
    SimResolver resolver;
};

}  // namespace tidemill::host_sim
