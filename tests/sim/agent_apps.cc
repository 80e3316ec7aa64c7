#include "agent_apps.h"

#include <algorithm>
#include <string_view>

#include "agent/note.h"
#include "base/check.h"
#include "base/text.h"

namespace tidemill::sim {
namespace {

using namespace std::chrono_literals;
using Habit = Program::Habit;

}  // namespace

std::uint16_t port_of(const host::LaunchPlan& plan) {
    for (const auto& variable : plan.environment) {
        if (variable.starts_with("PORT=")) {
            return base::parse_number<std::uint16_t>(std::string_view(variable).substr(5))
                .value_or(0);
        }
    }
    return 0;
}

host::InstanceExit Apps::draw_exit() {
    host::InstanceExit how;
    switch (dice_.below(4)) {
        case 0:
            how.signal = 11;
            break;
        case 1:
            how.signal = 9;
            how.oom_kills = 1;
            break;
        default:
            how.code = static_cast<int>(dice_.below(4));
            break;
    }
    return how;
}

void Apps::write_log(const host::LaunchPlan& plan) {
    const auto path = plan.log_directory + "/0.log";
    if (!machine_.disk.make_directories(plan.log_directory, 0700)) {
        return;
    }
    logged_[plan.instance] = plan.log_directory;
    // On a full disk the files stay empty.
    if (const auto file = machine_.disk.open(path, host::Disk::Open::create, 0600)) {
        (void)(*file)->write_at(0, base::format_rfc3339_ns(machine_.clock.wall_now()) +
                                       " stdout F " + plan.instance + "\n");
    }
}

void Apps::started(const host::LaunchPlan& plan) {
    const auto note = agent::read_note(plan.note);
    CHECK(note.has_value());
    auto made = std::make_unique<App>(machine_.loop);
    App& app = *made;
    app.instance = plan.instance;
    app.program = &programs_.at(note->revision);
    answered_[app.instance] = false;
    write_log(plan);
    const auto port = port_of(plan);
    if (port == 0) {
        // The launcher's part: the socket is there before the program.
        app.address = host::UnixAddress{plan.listen_path};
        auto listener = host_.network.listen(app.address, {});
        CHECK(listener.has_value());
        app.listener = *std::move(listener);
    } else {
        app.address = host::IpAddress::loopback(port);
        if (!is_calm_ && squatters_one_in_ > 0 && dice_.one_in(squatters_one_in_)) {
            met_a_squatter_.insert(plan.instance);
            squat(port);
        }
    }
    const auto habit = app.program->habit;
    if (habit != Habit::silent) {
        (void)app.scope.spawn(serve(app, dice_.between(base::Duration(0), app.program->boot_max)));
    }
    if (habit == Habit::exits) {
        (void)app.scope.spawn(misbehave(app, dice_.between(0ms, 300ms)));
    } else if ((habit == Habit::flaky || habit == Habit::hangs) && dice_.one_in(3)) {
        (void)app.scope.spawn(misbehave(app, dice_.between(0ms, 8s)));
    }
    apps_[app.instance] = std::move(made);
}

void Apps::ended(const host::LaunchPlan& plan) {
    const auto found = apps_.find(plan.instance);
    CHECK(found != apps_.end());
    answered_[plan.instance] = found->second->has_answered;
    found->second->listener.reset();
    if (found->second->scope.size() == 0) {
        apps_.erase(found);
        return;
    }
    // Perhaps called by one of its own tasks, which no one may destroy while it runs.
    auto dead = std::move(found->second);
    apps_.erase(found);
    machine_.loop.post_remote([dead = std::move(dead)] { dead->scope.cancel(); });
}

async::Task<void> Apps::misbehave(App& app, base::Duration after) {
    co_await async::sleep_for(machine_.loop, after);
    co_await rest(app);
    if (is_calm_ && app.program->habit != Habit::exits) {
        co_return;
    }
    if (app.program->habit == Habit::hangs) {
        app.is_hung = true;
    } else {
        (void)instances_.end(app.instance, draw_exit());
    }
}

async::Task<void> Apps::serve(App& app, base::Duration boot) {
    co_await async::sleep_for(machine_.loop, boot);
    co_await rest(app);
    if (app.listener == nullptr) {
        auto listener = host_.network.listen(app.address, {});
        if (!listener) {
            host::InstanceExit taken;
            taken.code = 98;
            (void)instances_.end(app.instance, taken);
            co_return;
        }
        app.listener = *std::move(listener);
        // A question that only connects is answered by the kernel.
        app.has_answered = app.has_answered ||
                           app.program->wanted.spec.readiness.kind == link::ProbeSpec::Kind::tcp;
    }
    for (;;) {
        auto stream = co_await app.listener->accept();
        if (!stream) {
            co_return;
        }
        co_await answer(app, **stream);
    }
}

// False: the other side is gone.
async::Task<bool> Apps::read_head(host::Stream& stream) {
    std::string head;
    while (head.find("\r\n\r\n") == std::string::npos) {
        char bytes[512];
        const auto got = stream.try_read(bytes, sizeof(bytes));
        if (got.ok()) {
            head.append(bytes, got.bytes);
        } else if (got.kind == host::IoResult::Kind::blocked) {
            co_await stream.readable();
        } else {
            co_return false;
        }
    }
    co_return true;
}

async::Task<void> Apps::write_all(host::Stream& stream, std::string_view text) {
    while (!text.empty()) {
        const auto put = stream.try_write(text);
        if (put.ok()) {
            text.remove_prefix(put.bytes);
        } else if (put.kind == host::IoResult::Kind::blocked) {
            co_await stream.writable();
        } else {
            co_return;
        }
    }
}

// While it is frozen or stopped.
async::Task<void> Apps::rest(const App& app) {
    while (instances_.rests(app.instance)) {
        co_await async::sleep_for(machine_.loop, 5ms);
    }
}

async::Task<void> Apps::answer(App& app, host::Stream& stream) {
    if (!co_await read_head(stream)) {
        co_return;
    }
    co_await rest(app);
    while (app.is_hung || app.busy_until > machine_.loop.now()) {
        co_await async::sleep_for(
            machine_.loop, app.is_hung ? base::Duration(1s) : app.busy_until - machine_.loop.now());
        co_await rest(app);
    }
    if (machine_.loop.now() < app.unready_until) {
        co_await write_all(stream, "HTTP/1.1 503 Service Unavailable\r\nContent-Length: 0\r\n\r\n");
        co_return;
    }
    // Before the bytes go: whoever reads them may rely on it.
    app.has_answered = true;
    co_await write_all(stream, "HTTP/1.1 200 OK\r\nContent-Length: 0\r\n\r\n");
}

void Apps::squat(std::uint16_t port) {
    auto listener = host_.network.listen(host::IpAddress::loopback(port), {});
    if (!listener) {
        return;
    }
    auto made = std::make_unique<Squatter>(*this, port);
    made->listener = *std::move(listener);
    made->arm(machine_.loop, machine_.loop.now() + dice_.between(100ms, 3s));
    (void)made->scope.spawn(answer_in_place(*made->listener));
    squatters_[port] = std::move(made);
}

async::Task<void> Apps::answer_in_place(host::Listener& listener) {
    for (;;) {
        auto stream = co_await listener.accept();
        if (!stream) {
            co_return;
        }
        if (co_await read_head(**stream)) {
            co_await write_all(**stream, "HTTP/1.1 200 OK\r\nContent-Length: 0\r\n\r\n");
        }
    }
}

host::PortHolder Apps::holder_of(const std::string& instance, std::uint16_t port) const {
    host::PortHolder holder;
    const auto found = apps_.find(instance);
    if (squatters_.contains(port)) {
        holder.who = host::PortHolder::Who::other;
        holder.pid = 7;
        holder.name = "squatter";
    } else if (found != apps_.end() && found->second->listener != nullptr) {
        holder.who = host::PortHolder::Who::instance;
    } else {
        holder.who = host::PortHolder::Who::nobody;
    }
    return holder;
}

void Apps::be_unready(const std::string& instance, base::Duration span) {
    if (const auto found = apps_.find(instance); found != apps_.end()) {
        App& app = *found->second;
        const auto now = machine_.loop.now();
        if (now >= app.unready_until) {
            app.unready_since = now;
        }
        app.unready_until = std::max(app.unready_until, now + span);
    }
}

base::Duration Apps::unready_for(const std::string& instance) const {
    const auto found = apps_.find(instance);
    const auto now = machine_.loop.now();
    return found == apps_.end() || now >= found->second->unready_until
               ? base::Duration(0)
               : now - found->second->unready_since;
}

base::Duration Apps::well_for(const std::string& instance) const {
    const auto found = apps_.find(instance);
    const auto now = machine_.loop.now();
    if (found == apps_.end() || found->second->listener == nullptr || found->second->is_hung) {
        return base::Duration(0);
    }
    return now - std::min(now, std::max(found->second->unready_until, found->second->busy_until));
}

void Apps::occupy(const std::string& instance, base::Duration span) {
    if (const auto found = apps_.find(instance);
        found != apps_.end() && found->second->program->is_single) {
        found->second->busy_until = std::max(found->second->busy_until, machine_.loop.now() + span);
    }
}

void Apps::hang(const std::string& instance) {
    if (const auto found = apps_.find(instance); found != apps_.end()) {
        found->second->is_hung = true;
    }
}

bool Apps::has_answered(const std::string& instance) const {
    if (const auto found = apps_.find(instance); found != apps_.end()) {
        return found->second->has_answered;
    }
    const auto found = answered_.find(instance);
    return found != answered_.end() && found->second;
}

bool Apps::log_is_there(const std::string& instance) const {
    return machine_.disk.info(logged_.at(instance)).has_value();
}

bool Apps::is_hung(const std::string& instance) const {
    const auto found = apps_.find(instance);
    return found != apps_.end() && found->second->is_hung;
}

}  // namespace tidemill::sim
