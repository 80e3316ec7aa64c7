// Build steps in sandboxes of their own.
#pragma once

#include <cstdint>
#include <map>
#include <memory>
#include <string>

#include "async/event.h"
#include "async/scope.h"
#include "builder/build_runner.h"
#include "host/host.h"
#include "host/launcher.h"
#include "sandbox/planner.h"

namespace tidemill::builder {

// The launcher's only user: a build and an instance never share one, because events go to one
// waiter. Steps run as users that own nothing, with less weight than any instance, with the
// network of the host.
class SandboxRunner final : public BuildRunner {
public:
    struct Options {
        sandbox::Policy policy;
        std::string log_directory;  // emptied by start()
        std::uint64_t memory_bytes_max = 2048ULL << 20;
        std::uint32_t processes_max = 1024;
        // A tenth of an instance that asks for a core: a build slows down before traffic does.
        std::uint32_t cpu_milli_weight = 100;
        std::uint64_t log_bytes_max = 64U << 20;
        std::size_t steps_max = 16;
        base::Duration launch_timeout = std::chrono::seconds(30);
    };
    // All outlive it.
    SandboxRunner(host::Host& host, host::Launcher& launcher, Options options);
    ~SandboxRunner() override;

    // Ends what a crash left running, then watches. Before any run(). Errors: unavailable.
    async::Task<base::Status> start();

    async::Task<base::Result<StepEnd>> run(BuildStep step, StepLog& log,
                                           std::shared_ptr<void> holds) override;

private:
    struct Running;
    class Tail;
    class Guard;

    base::Result<host::LaunchPlan> plan(const BuildStep& step, const std::string& name);
    async::Task<void> watch();
    async::Task<void> compare_with_scan();
    async::Task<void> finish(std::string name, std::shared_ptr<void> holds);
    void ended(const std::string& name, const host::InstanceExit& exit);

    host::Host& host_;
    host::Launcher& launcher_;
    Options options_;
    sandbox::HostRoot root_;
    std::map<std::string, std::unique_ptr<Running>> running_;
    // Last: its tasks use all of the above.
    async::Scope tasks_;
};

}  // namespace tidemill::builder
