#include "seeds.h"

#include <fmt/format.h>

#include <cstdlib>
#include <fstream>
#include <vector>

#include "base/text.h"

namespace tidemill::sim {
namespace {

constexpr std::uint64_t repeat_one_in = 50;
constexpr std::size_t failures_told_max = 10;

bool replays = false;  // set once by main()

// Lines "WORLD SEED # why"; a seed that failed once is tried for ever.
std::vector<std::uint64_t> committed_seeds(const std::string& world) {
    std::vector<std::uint64_t> seeds;
    std::ifstream file(TIDEMILL_SIM_SEEDS_FILE);
    for (std::string line; std::getline(file, line);) {
        const auto words = base::split(line, ' ');
        if (words.size() >= 2 && words[0] == world) {
            if (const auto seed = base::parse_number<std::uint64_t>(words[1])) {
                seeds.push_back(*seed);
            }
        }
    }
    return seeds;
}

class Run {
public:
    Run(const SeedPlan& plan, const World& world) : plan_(plan), world_(world) {}

    void seed(std::uint64_t number) {
        const auto report = world_(number);
        if (replays) {
            fmt::print("{}: seed {}, options: {}\n", plan_.name, number, report.options);
        }
        ++count_;
        for (const auto& [probe, times] : report.probes) {
            probes_[probe] += times;
        }
        if (report.failure) {
            fail(number, report, *report.failure);
        } else if (!replays && number % repeat_one_in == 0 &&
                   world_(number).trace_hash != report.trace_hash) {
            fail(number, report, "a second run of the seed took another way: not deterministic");
        }
    }

    int finish() {
        std::string reached;
        for (const auto& [probe, times] : probes_) {
            reached += fmt::format(" {}={}", probe, times);
        }
        fmt::print("{}: {} seeds, {} failed;{}\n", plan_.name, count_, failed_, reached);
        if (count_ >= 1'000) {
            for (const auto& probe : plan_.must_reach) {
                if (probes_[probe] == 0) {
                    fmt::print("{}: \"{}\" was never reached\n", plan_.name, probe);
                    ++failed_;
                }
            }
        }
        return failed_ == 0 ? EXIT_SUCCESS : EXIT_FAILURE;
    }

private:
    void fail(std::uint64_t number, const SimReport& report, const std::string& why) {
        if (++failed_ <= failures_told_max) {
            fmt::print("{}: seed {} failed: {}\n  options: {}\n  replay: ./dev sim {} {}\n",
                       plan_.name, number, why, report.options, number, plan_.name);
            std::fflush(stdout);
        }
    }

    const SeedPlan& plan_;
    const World& world_;
    std::uint64_t count_ = 0;
    std::uint64_t failed_ = 0;
    std::map<std::string, std::uint64_t> probes_;
};

}  // namespace

bool is_replay() {
    return replays;
}

void tell(base::Duration elapsed, std::string_view line) {
    if (replays) {
        fmt::print("{:>12.6f}s {}\n", std::chrono::duration<double>(elapsed).count(), line);
    }
}

std::optional<SeedRange> parse_seed_range(std::string_view text) {
    const auto parts = base::split(text, '-');
    const auto from = base::parse_number<std::uint64_t>(parts.front());
    const auto to = base::parse_number<std::uint64_t>(parts.back());
    if (!from || !to || parts.size() > 2 || *from > *to) {
        return std::nullopt;
    }
    return SeedRange{*from, *to};
}

int run_seeds(const SeedPlan& plan, const World& world, int argc, char** argv) {
    SeedRange range{plan.from, plan.to};
    const char* const asked = argc > 1 ? argv[1] : std::getenv("TIDEMILL_SIM_SEEDS");
    if (asked != nullptr) {
        const auto parsed = parse_seed_range(asked);
        if (!parsed) {
            fmt::print(stderr, "\"{}\": expected a seed or FROM-TO\n", asked);
            return 2;
        }
        range = *parsed;
        replays = range.from == range.to;
    }
    Run run(plan, world);
    if (asked == nullptr) {
        for (const auto seed : committed_seeds(plan.name)) {
            run.seed(seed);
        }
    }
    for (auto seed = range.from; seed <= range.to; ++seed) {
        run.seed(seed);
    }
    return run.finish();
}

}  // namespace tidemill::sim

// Where a leak or overflow was allocated is not worth a third of the time in ten thousand runs; a
// failing seed is replayed with ASAN_OPTIONS=malloc_context_size=30.
extern "C" const char* __asan_default_options();
extern "C" const char* __asan_default_options() {
    return "malloc_context_size=1";
}
