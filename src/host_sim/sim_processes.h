// Programs that are only a running time and an end, and names that are only a table.
#pragma once

#include <map>
#include <string>
#include <vector>

#include "async/loop.h"
#include "host/process.h"
#include "host/resolver.h"
#include "host_sim/dice.h"
#include "host_sim/trace.h"

namespace tidemill::host_sim {

// What happens when a program of this path is spawned. No pipes and no sockets: what needs a
// program's bytes is tested end to end.
struct SimProgram {
    base::Duration runs_for = std::chrono::milliseconds(10);
    host::ExitStatus ends{.code = 0, .signal = std::nullopt};
    // Signals that it ignores; 9 is never ignored.
    std::vector<int> ignores;
};

class SimProcesses final : public host::Processes {
public:
    SimProcesses(async::Loop& loop, Trace& trace) : loop_(loop), trace_(trace) {}

    void install(const std::string& path, SimProgram program) {
        programs_[path] = std::move(program);
    }
    // Errors: not_found, invalid (a pipe or a socket was asked for).
    base::Result<std::unique_ptr<host::Process>> spawn(const host::SpawnOptions& options) override;
    std::int32_t self() const override { return 1; }
    // No program of this world has children.
    base::Status adopt_orphans() override { return base::ok; }
    bool reap_orphans() override { return false; }

private:
    class SimProcess;
    async::Loop& loop_;
    Trace& trace_;
    std::map<std::string, SimProgram> programs_;
    std::int32_t pid_next_ = 100;
};

class SimResolver final : public host::Resolver {
public:
    SimResolver(async::Loop& loop, std::uint64_t seed) : loop_(loop), dice_(seed, "resolver") {}

    void set(const std::string& name, std::vector<host::IpAddress> addresses) {
        names_[name] = std::move(addresses);
    }
    void set_fails_ppm(std::uint32_t per_million) { fails_ppm_ = per_million; }
    async::Task<base::Result<std::vector<host::IpAddress>>> resolve(
        std::string name, base::Instant deadline) override;

private:
    async::Loop& loop_;
    Dice dice_;
    std::map<std::string, std::vector<host::IpAddress>> names_;
    std::uint32_t fails_ppm_ = 0;
};

}  // namespace tidemill::host_sim
