#include "mutants.h"

#include <fmt/format.h>

#include <cstdlib>

#include "base/mutant.h"

namespace tidemill {
namespace {

std::string_view active;
bool reached = false;

}  // namespace

namespace base {

bool mutant_active(std::string_view name) {
    if (name != active) {
        return false;
    }
    reached = true;
    return true;
}

}  // namespace base

namespace sim {
namespace {

constexpr std::uint64_t sound_seeds = 50;

bool found(std::string_view name, const World& world, std::uint64_t seeds_max) {
    active = name;
    reached = false;
    for (std::uint64_t seed = 1; seed <= seeds_max; ++seed) {
        const auto report = world(seed);
        if (report.failure) {
            fmt::print("{}: found by seed {}: {}\n", name, seed, *report.failure);
            return true;
        }
    }
    fmt::print("{}: NOT FOUND in {} seeds{}\n", name, seeds_max,
               reached ? "" : " (its place was never reached, or has another name)");
    return false;
}

}  // namespace

int hunt_mutants(const std::vector<std::string_view>& names, const World& world,
                 std::uint64_t seeds_max, int argc, char** argv) {
    int escaped = 0;
    for (std::uint64_t seed = 1; seed <= sound_seeds && argc < 2; ++seed) {
        if (const auto report = world(seed); report.failure) {
            fmt::print("without any bug: seed {} failed: {}\n", seed, *report.failure);
            ++escaped;
        }
    }
    for (const auto name : names) {
        if (argc < 2 || name == argv[1]) {
            escaped += found(name, world, seeds_max) ? 0 : 1;
            std::fflush(stdout);
        }
    }
    return escaped == 0 ? EXIT_SUCCESS : EXIT_FAILURE;
}

}  // namespace sim
}  // namespace tidemill
