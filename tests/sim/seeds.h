// Runs a simulated world for many seeds and says which failed. One for all worlds.
#pragma once

#include <cstdint>
#include <functional>
#include <map>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "base/time.h"

namespace tidemill::sim {

struct SimReport {
    std::optional<std::string> failure;  // the first; nothing: all invariants held
    std::string options;                 // what the seed drew, for the person who replays it
    std::uint64_t trace_hash = 0;        // equal in two runs of one seed
    // How often each rare path was taken; a world whose faults never bite proves nothing.
    std::map<std::string, std::uint64_t> probes;
};

using World = std::function<SimReport(std::uint64_t seed)>;

struct SeedPlan {
    std::string name;  // of the world, as in seeds.txt
    std::uint64_t from = 1;
    std::uint64_t to = 10'000;  // included
    // Probes that must not be zero once at least 1,000 seeds ran.
    std::vector<std::string> must_reach;
};

// True while one seed is replayed alone: worlds then tell() what they do.
bool is_replay();
// Prints a line of a replay; nothing in a run of many seeds. elapsed: since the world began.
void tell(base::Duration elapsed, std::string_view line);

// The main() of a world's test: runs the committed seeds of seeds.txt, then the range, one in fifty
// twice to compare trace hashes. The range comes from the first argument or TIDEMILL_SIM_SEEDS
// ("5", "1-2000"). Prints every failing seed with its options and how to replay it; of a seed that
// is asked for alone, its options and its trace too. 0 when all held.
int run_seeds(const SeedPlan& plan, const World& world, int argc, char** argv);

struct SeedRange {
    std::uint64_t from;
    std::uint64_t to;
};
std::optional<SeedRange> parse_seed_range(std::string_view text);

}  // namespace tidemill::sim
