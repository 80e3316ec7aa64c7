#include "host_sim/sim_processes.h"

#include <algorithm>

#include "async/event.h"

namespace tidemill::host_sim {

using base::Code;
using base::fail;

class SimProcesses::SimProcess final : public host::Process {
public:
    SimProcess(async::Loop& loop, std::int32_t pid, const SimProgram& program)
        : pid_(pid), program_(program), ended_(loop) {
        exit_.owner = this;
        exit_.arm(loop, loop.now() + program.runs_for);
    }

    std::int32_t pid() const override { return pid_; }
    async::Task<host::ExitStatus> wait() override {
        co_await ended_.wait();
        co_return status_;
    }
    base::Status signal(int number) override {
        const bool ignored = number != 9 && std::ranges::count(program_.ignores, number) != 0;
        if (number != 0 && !ignored && !ended_.is_set()) {
            end({.code = std::nullopt, .signal = number});
        }
        return base::ok;
    }
    host::Stream* in() override { return nullptr; }
    host::Stream* out() override { return nullptr; }
    host::Stream* err() override { return nullptr; }

private:
    struct Exit final : async::Timer {
        SimProcess* owner = nullptr;
        void fire() override { owner->end(owner->program_.ends); }
    };
    void end(host::ExitStatus status) {
        status_ = status;
        exit_.disarm();
        ended_.set();
    }

    std::int32_t pid_;
    SimProgram program_;
    host::ExitStatus status_;
    async::Event ended_;
    Exit exit_;
};

base::Result<std::unique_ptr<host::Process>> SimProcesses::spawn(
    const host::SpawnOptions& options) {
    if (options.argv.empty() || !programs_.contains(options.argv.front())) {
        return fail(Code::not_found, "{}: no such program",
                    options.argv.empty() ? "(nothing)" : options.argv.front());
    }
    using Output = host::SpawnOptions::Output;
    if (options.out == Output::piped || options.err == Output::piped ||
        options.in == host::SpawnOptions::Input::piped || !options.listeners.empty()) {
        return fail(Code::invalid, "{}: simulated programs have no pipes and no sockets",
                    options.argv.front());
    }
    trace_.add("spawn", static_cast<std::uint64_t>(pid_next_));
    return std::make_unique<SimProcess>(loop_, pid_next_++, programs_.at(options.argv.front()));
}

async::Task<base::Result<std::vector<host::IpAddress>>> SimResolver::resolve(
    std::string name, base::Instant deadline) {
    if (name == "localhost" || name.ends_with(".localhost")) {
        std::vector<host::IpAddress> loopback{host::IpAddress::loopback(0)};
        co_return loopback;
    }
    const auto answer =
        loop_.now() + dice_.between(std::chrono::microseconds(50), std::chrono::milliseconds(50));
    co_await async::sleep_until(loop_, std::min(answer, deadline));
    if (answer > deadline) {
        co_return fail(Code::deadline, "{}: no answer before the deadline", name);
    }
    if (dice_.chance(fails_ppm_)) {
        co_return fail(Code::unavailable, "{}: the name server did not answer", name);
    }
    const auto found = names_.find(name);
    if (found == names_.end() || found->second.empty()) {
        co_return fail(Code::not_found, "{}: no such name", name);
    }
    co_return found->second;
}

}  // namespace tidemill::host_sim
