// Planted bugs: proof that a world would notice.
#pragma once

#include <cstdint>
#include <string_view>
#include <vector>

#include "seeds.h"

namespace tidemill::sim {

// A main(): makes each bug of `names` active in turn and runs seeds until the world fails; tells
// the seed. 0 when each was found within `seeds_max` seeds, and a world without a bug is sound for
// the first seeds (the build with the hooks is the same program). An argument picks one bug.
int hunt_mutants(const std::vector<std::string_view>& names, const World& world,
                 std::uint64_t seeds_max, int argc, char** argv);

}  // namespace tidemill::sim
