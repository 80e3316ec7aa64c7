#include "builder/sandbox_runner.h"

#include <fmt/format.h>

#include <utility>

#include "async/deadline.h"
#include "async/loop.h"
#include "base/text.h"

namespace tidemill::builder {
namespace {

using base::Code;
using base::fail;
using namespace std::chrono_literals;

// A step's end is an event; only its log is looked for. Short enough for a person to call it live.
constexpr base::Duration log_poll = 50ms;
constexpr base::Duration end_timeout = 10s;
constexpr std::size_t log_read_bytes_max = 256 << 10;
constexpr std::string_view name_prefix = "build-";

async::Task<base::Status> wait_for(async::Event& event) {
    co_await event.wait();
    co_return base::ok;
}

}  // namespace

std::string StepEnd::text(base::Duration time_max) const {
    if (is_out_of_time) {
        return fmt::format("was ended after {}", base::format_duration(time_max));
    }
    const std::string how = code     ? fmt::format("ended with exit code {}", *code)
                            : signal ? fmt::format("was ended by signal {}", *signal)
                                     : "ended while nobody could see how";
    return is_out_of_memory ? how + " (out of memory)" : how;
}

struct SandboxRunner::Running {
    explicit Running(async::Loop& loop) : gone(loop) {}
    async::Event gone;
    host::InstanceExit exit;
};

// What a step writes, as the launcher keeps it: two files in turn, lines in the form of CRI,
// "TIME STREAM F|P TEXT".
class SandboxRunner::Tail {
public:
    Tail(host::Disk& disk, std::string directory) : disk_(disk), directory_(std::move(directory)) {}

    void read(StepLog& log) {
        drain(log);
        // The other file grows only when this one is full for good.
        const auto other = disk_.info(path(1 - file_));
        if (other && other->size > 0 && other->size != left_size_) {
            drain(log);
            left_size_ = offset_;
            file_ = 1 - file_;
            offset_ = 0;
            pending_.clear();
            drain(log);
        }
    }

private:
    std::string path(int file) const { return fmt::format("{}/{}.log", directory_, file); }

    void drain(StepLog& log) {
        const auto file = disk_.open(path(file_), host::Disk::Open::read, 0);
        if (!file) {
            return;
        }
        std::string chunk(log_read_bytes_max, '\0');
        for (;;) {
            const auto got = (*file)->read_at(offset_, chunk);
            if (!got || *got == 0) {
                return;
            }
            offset_ += *got;
            pending_.append(chunk, 0, *got);
            std::size_t from = 0;
            for (auto end = pending_.find('\n'); end != std::string::npos;
                 end = pending_.find('\n', from)) {
                take(std::string_view(pending_).substr(from, end - from), log);
                from = end + 1;
            }
            pending_.erase(0, from);
        }
    }
    void take(std::string_view line, StepLog& log) {
        for (int field = 0; field < 2; ++field) {
            const auto space = line.find(' ');
            if (space == std::string_view::npos) {
                return;
            }
            line.remove_prefix(space + 1);
        }
        if (line.size() < 2) {
            return;
        }
        part_ += line.substr(2);
        if (line.front() == 'F') {
            log.line(part_);
            part_.clear();
        }
    }

    host::Disk& disk_;
    std::string directory_;
    int file_ = 0;
    std::uint64_t offset_ = 0;
    std::uint64_t left_size_ = 0;  // of the other file when it was left
    std::string pending_;          // of a line that is not whole yet
    std::string part_;             // of a line that was too long for one record
};

// Sees to it that a step which nobody waits for any more ends.
class SandboxRunner::Guard {
public:
    Guard(SandboxRunner& runner, std::string name, std::shared_ptr<void> holds)
        : runner_(runner), name_(std::move(name)), holds_(std::move(holds)) {}
    Guard(const Guard&) = delete;
    Guard& operator=(const Guard&) = delete;
    ~Guard() {
        if (is_armed_) {
            // Beyond the scope's limit the step runs on until its own end or the next start().
            static_cast<void>(runner_.tasks_.spawn(runner_.finish(name_, std::move(holds_))));
        }
    }
    void disarm() { is_armed_ = false; }

private:
    SandboxRunner& runner_;
    std::string name_;
    std::shared_ptr<void> holds_;
    bool is_armed_ = true;
};

SandboxRunner::SandboxRunner(host::Host& host, host::Launcher& launcher, Options options)
    : host_(host),
      launcher_(launcher),
      options_(std::move(options)),
      root_(sandbox::survey_host_root(host.disk)),
      // Each step may be ending while as many run; and the watcher.
      tasks_(host.loop, 2 * options_.steps_max + 2) {}

SandboxRunner::~SandboxRunner() = default;

async::Task<base::Status> SandboxRunner::start() {
    CO_TRY(const auto left, co_await launcher_.scan());
    for (const auto& each : left) {
        if (!each.exit) {
            static_cast<void>(co_await launcher_.kill(each.instance));
        }
        const auto until = host_.loop.now() + end_timeout;
        while (!co_await launcher_.forget(each.instance) && host_.loop.now() < until) {
            co_await async::sleep_for(host_.loop, 10ms);
        }
    }
    CO_CHECK_OK(host_.disk.remove_tree(options_.log_directory));
    CO_CHECK_OK(host_.disk.make_directories(options_.log_directory, 0700));
    co_return tasks_.spawn(watch());
}

async::Task<void> SandboxRunner::watch() {
    for (;;) {
        const auto event = co_await launcher_.next_event();
        if (event.kind == host::LauncherEvent::Kind::ended) {
            ended(event.instance, event.exit);
        } else if (event.kind == host::LauncherEvent::Kind::lost) {
            co_await compare_with_scan();
        }
    }
}

async::Task<void> SandboxRunner::compare_with_scan() {
    const auto known = co_await launcher_.scan();
    if (!known) {
        co_return;  // lost again: the next event says so
    }
    std::map<std::string, host::InstanceExit> exits;
    for (const auto& [name, running] : running_) {
        exits.emplace(name, host::InstanceExit{});  // unless it is known, it is gone unseen
    }
    for (const auto& each : *known) {
        if (each.exit) {
            exits[each.instance] = *each.exit;
        } else {
            exits.erase(each.instance);
        }
    }
    for (const auto& [name, exit] : exits) {
        ended(name, exit);
    }
}

void SandboxRunner::ended(const std::string& name, const host::InstanceExit& exit) {
    if (const auto found = running_.find(name); found != running_.end()) {
        found->second->exit = exit;
        found->second->gone.set();
    }
}

base::Result<host::LaunchPlan> SandboxRunner::plan(const BuildStep& step, const std::string& name) {
    sandbox::Workload workload;
    workload.instance = name;
    workload.host_name = "build";  // the same for each: some programs write it into what they make
    workload.command = step.command;
    workload.environment = step.environment;
    workload.directory = step.directory;
    workload.mounts = step.mounts;
    workload.uid = sandbox::uid_base + step.user % sandbox::uid_count;
    workload.memory_bytes_max = options_.memory_bytes_max;
    workload.cpu_milli_request = options_.cpu_milli_weight;
    workload.processes_max = options_.processes_max;
    workload.log_directory = options_.log_directory + "/" + name;
    TRY(auto plan,
        sandbox::plan_launch(workload, options_.policy, root_, launcher_.capabilities()));
    plan.log_bytes_max = options_.log_bytes_max;
    return plan;
}

async::Task<base::Result<StepEnd>> SandboxRunner::run(BuildStep step, StepLog& log,
                                                      std::shared_ptr<void> holds) {
    if (running_.size() >= options_.steps_max) {
        co_return fail(Code::exhausted, "{}: {} steps of builds run already", step.name,
                       running_.size());
    }
    const auto name = fmt::format("{}{:016x}", name_prefix, host_.random.next_u64());
    auto& running = *running_.emplace(name, std::make_unique<Running>(host_.loop)).first->second;
    auto planned = plan(step, name);
    if (!planned) {
        running_.erase(name);
        co_return base::wrap(step.name, planned.error());
    }
    Tail tail(host_.disk, planned->log_directory);
    // From here on: what was launched may run even if its answer never comes.
    Guard guard(*this, name, std::move(holds));
    auto launched =
        co_await launcher_.launch(*std::move(planned), host_.loop.now() + options_.launch_timeout);
    if (!launched) {
        co_return base::wrap(step.name, launched.error());
    }
    StepEnd end;
    const auto until = host_.loop.now() + step.time_max;
    while (!running.gone.is_set()) {
        static_cast<void>(co_await async::with_deadline(
            host_.loop, std::min(host_.loop.now() + log_poll, until), wait_for(running.gone)));
        tail.read(log);
        if (!running.gone.is_set() && host_.loop.now() >= until) {
            end.is_out_of_time = true;
            co_return end;  // the guard ends it
        }
    }
    tail.read(log);
    end.code = running.exit.code;
    end.signal = running.exit.signal;
    end.is_out_of_memory = running.exit.oom_kills > 0;
    guard.disarm();
    static_cast<void>(co_await launcher_.forget(name));
    running_.erase(name);
    static_cast<void>(host_.disk.remove_tree(options_.log_directory + "/" + name));
    co_return end;
}

async::Task<void> SandboxRunner::finish(std::string name, std::shared_ptr<void> holds) {
    auto& running = *running_.at(name);
    if (!running.gone.is_set() && co_await launcher_.kill(name)) {
        static_cast<void>(co_await async::with_deadline(host_.loop, host_.loop.now() + end_timeout,
                                                        wait_for(running.gone)));
    }
    static_cast<void>(co_await launcher_.forget(name));
    running_.erase(name);
    static_cast<void>(host_.disk.remove_tree(options_.log_directory + "/" + name));
    holds.reset();
}

}  // namespace tidemill::builder
