#include "host_sim/sim_host.h"

namespace tidemill::host_sim {

SimOptions SimOptions::swarm(std::uint64_t seed) {
    Dice dice(seed, "options");
    SimOptions options;
    const auto sometimes = [&](std::uint64_t one_in, std::uint32_t most_ppm) -> std::uint32_t {
        return dice.one_in(one_in) ? static_cast<std::uint32_t>(1 + dice.below(most_ppm)) : 0;
    };
    options.disk.read_fails_ppm = sometimes(8, 2'000);
    options.disk.write_fails_ppm = sometimes(4, 20'000);
    options.disk.sync_fails_ppm = sometimes(4, 50'000);
    options.network.short_ppm = sometimes(2, 900'000);
    options.network.reset_ppm = sometimes(4, 10'000);
    options.network.refused_ppm = sometimes(4, 100'000);
    if (dice.one_in(3)) {
        options.network.delay_max =
            dice.between(std::chrono::milliseconds(1), std::chrono::milliseconds(300));
    }
    if (dice.one_in(3)) {
        options.offload.delay_max =
            dice.between(std::chrono::milliseconds(1), std::chrono::milliseconds(100));
    }
    return options;
}

std::string SimOptions::text() const {
    return fmt::format(
        "disk.read_fails_ppm={} disk.write_fails_ppm={} disk.sync_fails_ppm={} "
        "net.short_ppm={} net.reset_ppm={} net.refused_ppm={} net.delay_max={} "
        "offload.delay_max={}",
        disk.read_fails_ppm, disk.write_fails_ppm, disk.sync_fails_ppm, network.short_ppm,
        network.reset_ppm, network.refused_ppm, base::format_duration(network.delay_max),
        base::format_duration(offload.delay_max));
}

SimHost::SimHost(std::uint64_t seed, SimOptions options)
    : options_(options),
      loop(seed),
      clock(loop, options.wall_base),
      random(seed),
      disk(seed, clock, trace, options.disk),
      network(loop, seed, trace, options.network),
      processes(loop, trace),
      resolver(loop, seed) {}

host::Host SimHost::host(const std::string& node) {
    return {loop, clock, random, disk, network.node(node), processes, resolver};
}

std::uint64_t SimHost::trace_hash() const {
    Trace whole = trace;
    whole.on_event = nullptr;
    whole.add("end", loop.steps(), static_cast<std::uint64_t>(loop.now().ns));
    return whole.hash();
}

}  // namespace tidemill::host_sim
