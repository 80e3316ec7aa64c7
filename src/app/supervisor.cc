#include "app/supervisor.h"

#include <fmt/format.h>
#include <fmt/ranges.h>

#include <algorithm>
#include <array>
#include <csignal>
#include <utility>

#include "async/deadline.h"
#include "async/event.h"

namespace tidemill::app {
namespace {

using base::Code;
using base::fail;
using base::Status;
using namespace std::chrono_literals;

// A role that crashes at once is started again at once, and then ever later: an endless crash must
// not take a core, and a single one must not be seen by a request (issue: the proxy is back within
// 1 s).
constexpr base::Duration restart_pause_least = 0ms;
constexpr base::Duration restart_pause_step = 50ms;
constexpr base::Duration restart_pause_most = 5s;
// A role that ran this long has recovered: the pause starts anew.
constexpr base::Duration recovered_after = 10s;
// What is left running after this is killed. Longer than the agent's own limit for instances.
constexpr base::Duration stop_limit = 20s;
// Launchers remove the control groups of what has ended before they end, which takes as long as the
// kernel takes to let go of the dead.
constexpr base::Duration orphans_limit = 2s;

}  // namespace

struct Supervisor::Role {
    Role(std::string role_name, async::Loop& loop)
        : name(std::move(role_name)), ready(loop), ended(loop) {
        ended.set();
    }
    std::string name;
    std::vector<std::string> listeners;  // prefixes of the names it is passed
    std::unique_ptr<host::Process> process;
    async::Event ready;
    async::Event ended;
    std::uint32_t restarts = 0;
    bool has_been_ready = false;
};

Supervisor::Supervisor(host::Host& host, host::Signals& signals, telemetry::Logger& log,
                       Options options, std::string program, std::function<void()> on_ready)
    : host_(host),
      signals_(signals),
      log_(log),
      options_(std::move(options)),
      program_(std::move(program)),
      on_ready_(std::move(on_ready)),
      end_(host.loop),
      work_(host.loop, 64) {
    const std::array<std::pair<const char*, std::vector<std::string>>, 3> roles{
        {{"control", {"api", "control"}}, {"agent", {"agent"}}, {"proxy", {"http", "metrics"}}}};
    for (const auto& [name, listeners] : roles) {
        auto role = std::make_unique<Role>(name, host.loop);
        role->listeners = listeners;
        roles_.push_back(std::move(role));
    }
}

Supervisor::~Supervisor() {
    work_.cancel();
}

Status Supervisor::listen(const std::string& name, const std::string& address,
                          const host::ListenOptions& options) {
    TRY(const auto where, host::parse_address(address));
    auto listener = host_.network.listen(where, options);
    if (!listener) {
        return base::wrap(fmt::format("{}: ", name), std::move(listener).error());
    }
    listeners_.push_back({name, *std::move(listener)});
    return base::ok;
}

Status Supervisor::open_listeners() {
    const auto add_all = [&](const std::string& prefix,
                             const std::vector<std::string>& addresses) -> Status {
        // A machine without IPv6 has no ::1; the default list must not fail for that.
        Status last = base::ok;
        std::size_t opened = 0;
        for (const auto& address : addresses) {
            const auto name = fmt::format("{}.{}", prefix, opened);
            last = listen(name, address, {});
            if (last) {
                ++opened;
            } else if (last.error().code != Code::unavailable) {
                return last;
            }
        }
        return opened > 0 ? Status(base::ok) : last;
    };
    CHECK_OK(add_all("http", options_.http));
    CHECK_OK(add_all("api", options_.api));
    CHECK_OK(listen("metrics", options_.metrics, {}));
    host::ListenOptions local;
    local.unix_mode = 0660;
    CHECK_OK(listen("api-socket", "unix:" + options_.data + "/api.sock", local));
    host::ListenOptions link;
    link.unix_mode = 0600;
    CHECK_OK(listen("control", "unix:" + options_.run + "/control.sock", link));
    return listen("agent", "unix:" + options_.run + "/agent.sock", link);
}

std::vector<std::string> Supervisor::addresses(const std::string& prefix) const {
    std::vector<std::string> found;
    for (const auto& named : listeners_) {
        if (named.name.starts_with(prefix)) {
            found.push_back(host::to_string(named.listener->local()));
        }
    }
    return found;
}

async::Task<Status> Supervisor::run() {
    CO_CHECK_OK(validate(options_));
    CO_CHECK_OK(host_.disk.make_directories(options_.data, 0700));
    CO_CHECK_OK(host_.disk.make_directories(options_.run, 0700));
    auto lock = host_.disk.lock(options_.data + "/lock");
    if (!lock) {
        co_return base::wrap(
            fmt::format(
                "TM-101: {} is in use by another tidemill up; stop that one, or give this one "
                "its own --data: ",
                options_.data),
            std::move(lock).error());
    }
    lock_ = *std::move(lock);
    CO_CHECK_OK(open_listeners());
    // Launchers outlive their roles for a moment, instances for long.
    CO_CHECK_OK(host_.processes.adopt_orphans());
    for (auto& role : roles_) {
        CO_CHECK_OK(work_.spawn(keep_running(*role)));
    }
    CO_CHECK_OK(work_.spawn(announce()));
    CO_CHECK_OK(work_.spawn(wait_for_signal()));
    co_await end_.wait();
    stopping_ = true;
    if (!failure_) {
        // As after a crash: what ran before this start is not ours to end.
        for (auto& role : roles_) {
            if (role->process != nullptr) {
                (void)role->process->signal(SIGKILL);
                co_await role->ended.wait();
            }
        }
        co_return failure_;
    }
    // The proxy first, so that nobody is routed to what goes away; the agent last, which stops the
    // instances.
    for (const char* name : {"proxy", "control", "agent"}) {
        co_await stop(
            **std::ranges::find_if(roles_, [&](const auto& r) { return r->name == name; }));
    }
    co_await clean_up();
    co_return base::ok;
}

async::Task<void> Supervisor::wait_for_signal() {
    for (;;) {
        const int number = co_await signals_.next();
        if (number == SIGCHLD) {
            (void)host_.processes.reap_orphans();
        }
        if (number == SIGINT || number == SIGTERM) {
            log_.info("stopping", {{"signal", std::to_string(number)}});
            end_.set();
            co_return;
        }
    }
}

async::Task<void> Supervisor::announce() {
    for (auto& role : roles_) {
        co_await role->ready.wait();
    }
    // stdout: the one line that scripts wait for.
    fmt::print("ready http={} api={} metrics={} data={}\n", fmt::join(addresses("http"), ","),
               fmt::join(addresses("api."), ","), fmt::join(addresses("metrics"), ","),
               options_.data);
    std::fflush(stdout);
    on_ready_();
}

async::Task<void> Supervisor::keep_running(Role& role) {
    base::Duration pause = restart_pause_least;
    while (!stopping_) {
        host::SpawnOptions spawn;
        spawn.argv = {program_, "role", role.name};
        // With the ports that the kernel chose where 0 was asked for.
        Options told = options_;
        told.http = addresses("http");
        told.api = addresses("api.");
        for (auto& word : to_words(told)) {
            spawn.argv.push_back(std::move(word));
        }
        spawn.out = host::SpawnOptions::Output::piped;
        spawn.err = host::SpawnOptions::Output::inherit;
        spawn.with_parent = host::SpawnOptions::WithParent::dies;
        for (const auto& named : listeners_) {
            const bool wanted = std::ranges::any_of(
                role.listeners, [&](const auto& prefix) { return named.name.starts_with(prefix); });
            if (wanted) {
                spawn.listeners.push_back({named.name, named.listener.get()});
            }
        }
        const auto began = host_.loop.now();
        auto process = host_.processes.spawn(spawn);
        if (!process) {
            log_.error("role did not start",
                       {{"role", role.name}, {"error", process.error().message}});
        } else {
            role.process = *std::move(process);
            role.ended.reset();
            host::ExitStatus exit;
            {
                async::Scope reader(host_.loop, 1);
                (void)reader.spawn(read_ready(role, *role.process->out()));
                exit = co_await role.process->wait();
            }
            role.process.reset();
            role.ready.reset();
            role.ended.set();
            if (stopping_) {
                co_return;
            }
            // A role that says no before it ever served says so again: whoever started this
            // wants to know now. A crash may be a passing thing.
            if (!role.has_been_ready && exit.code) {
                failure_ = fail(Code::unavailable,
                                "the {} role does not start; its reason stands above", role.name);
                end_.set();
                co_return;
            }
            ++role.restarts;
            log_.error("role ended, starting it again",
                       {{"role", role.name}, {"exit", exit.text()}});
        }
        if (host_.loop.now() - began > recovered_after) {
            pause = restart_pause_least;
        }
        if (pause > 0ms) {
            co_await async::sleep_for(host_.loop, pause);
        }
        pause = std::min(pause * 2 + restart_pause_step, restart_pause_most);
    }
}

async::Task<void> Supervisor::read_ready(Role& role, host::Stream& out) {
    std::string line;
    for (;;) {
        std::array<char, 256> bytes{};
        const auto got = out.try_read(bytes.data(), bytes.size());
        if (got.kind == host::IoResult::Kind::blocked) {
            co_await out.readable();
            continue;
        }
        if (!got.ok()) {
            co_return;
        }
        line.append(bytes.data(), got.bytes);
        if (line.find("ready\n") != std::string::npos) {
            line.clear();
            role.ready.set();
            role.has_been_ready = true;
        } else if (line.size() > 4096) {
            line.clear();
        }
    }
}

// After everything has stopped: nothing of this boot is kept. Records of instances that run all the
// same are, for the next start to find.
async::Task<void> Supervisor::clean_up() {
    const base::Instant until = host_.loop.now() + orphans_limit;
    while (host_.processes.reap_orphans() && host_.loop.now() < until) {
        co_await async::sleep_for(host_.loop, 2ms);
    }
    const auto names = host_.disk.list(options_.run);
    if (!names) {
        co_return;
    }
    for (const auto& name : *names) {
        const auto records = host_.disk.list(fmt::format("{}/{}/instances", options_.run, name));
        if (records && !records->empty()) {
            co_return;
        }
    }
    listeners_.clear();
    if (auto removed = host_.disk.remove_tree(options_.run); !removed) {
        log_.warn("sockets and records of this boot are left",
                  {{"directory", options_.run}, {"error", removed.error().message}});
    }
}

namespace {

async::Task<base::Result<base::Unit>> wait_for(async::Event& event) {
    co_await event.wait();
    co_return base::ok;
}

}  // namespace

async::Task<void> Supervisor::stop(Role& role) {
    if (role.process == nullptr) {
        co_return;
    }
    (void)role.process->signal(SIGTERM);
    auto ended = co_await async::with_deadline(host_.loop, host_.loop.now() + stop_limit,
                                               wait_for(role.ended));
    if (!ended && role.process != nullptr) {
        log_.error("role did not stop in time and is killed", {{"role", role.name}});
        (void)role.process->signal(SIGKILL);
        co_await role.ended.wait();
    }
}

}  // namespace tidemill::app
