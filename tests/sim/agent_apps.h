// Programs of users in the agent's world. They live on the machine: an agent that dies leaves them.
#pragma once

#include <cstdint>
#include <map>
#include <memory>
#include <optional>
#include <set>
#include <string>

#include "async/scope.h"
#include "host_sim/sim_host.h"
#include "host_sim/sim_launcher.h"
#include "link/messages.h"

namespace tidemill::sim {

// How the program of one revision behaves.
struct Program {
    link::WantedRevision wanted;  // what control says of it; `instances` aside
    base::Duration boot_max{};    // until it listens
    enum class Habit : std::uint8_t {
        serves,
        flaky,   // one in three exits, or is killed for its memory, within 8 s
        hangs,   // one in three stops to answer within 8 s
        exits,   // always, within 300 ms
        silent,  // never listens
    } habit = Habit::serves;
    bool is_single = false;  // one thing at a time: a question waits for the request before it

    bool is_broken() const { return habit == Habit::exits || habit == Habit::silent; }
};

class Apps {
public:
    Apps(host_sim::SimHost& machine, host_sim::SimInstances& instances, std::uint64_t seed)
        : machine_(machine),
          instances_(instances),
          dice_(seed, "apps"),
          host_(machine.host("app")) {}

    // Before any instance of it. `name` is the revision's.
    void install(const std::string& name, Program program) { programs_[name] = std::move(program); }
    const std::map<std::string, Program>& programs() const { return programs_; }
    // Of an instance that begins to run, and of one that has ended.
    void started(const host::LaunchPlan& plan);
    void ended(const host::LaunchPlan& plan);
    // Nobody exits or hangs any more who has not begun to.
    void calm_down() { is_calm_ = true; }

    // It serves a request for so long; one that does one thing at a time answers nobody else.
    void occupy(const std::string& instance, base::Duration span);
    // For so long it answers with 503.
    void be_unready(const std::string& instance, base::Duration span);
    // How long it has answered so without a pause, or well; 0: now and then otherwise.
    base::Duration unready_for(const std::string& instance) const;
    base::Duration well_for(const std::string& instance) const;
    // One in so many instances that start on a port finds another process there, which stays for a
    // while and answers everybody. 0: none.
    void set_squatters(std::uint64_t one_in) { squatters_one_in_ = one_in; }
    host::PortHolder holder_of(const std::string& instance, std::uint16_t port) const;
    bool met_a_squatter(const std::string& instance) const {
        return met_a_squatter_.contains(instance);
    }
    // It will not answer again.
    void hang(const std::string& instance);
    // Whether a question of its readiness probe was, or would have been, answered with yes.
    bool has_answered(const std::string& instance) const;
    bool is_hung(const std::string& instance) const;
    // It has a log, with its first line in it unless the disk was full.
    bool has_logged(const std::string& instance) const { return logged_.contains(instance); }
    bool log_is_there(const std::string& instance) const;

private:
    struct App {
        explicit App(async::Loop& loop) : scope(loop, 2) {}
        std::string instance;
        const Program* program = nullptr;
        host::Address address;
        std::unique_ptr<host::Listener> listener;
        base::Instant busy_until;
        base::Instant unready_since;
        base::Instant unready_until;
        bool has_answered = false;
        bool is_hung = false;
        async::Scope scope;
    };

    // A process that nobody here started.
    struct Squatter final : async::Timer {
        Squatter(Apps& those, std::uint16_t number)
            : apps(those), port(number), scope(those.machine_.loop, 1) {}
        void fire() override { apps.squatters_.erase(port); }
        Apps& apps;
        std::uint16_t port;
        std::unique_ptr<host::Listener> listener;
        async::Scope scope;
    };

    void squat(std::uint16_t port);
    async::Task<void> answer_in_place(host::Listener& listener);
    async::Task<void> rest(const App& app);
    void write_log(const host::LaunchPlan& plan);
    async::Task<void> serve(App& app, base::Duration boot);
    async::Task<void> answer(App& app, host::Stream& stream);
    async::Task<bool> read_head(host::Stream& stream);
    async::Task<void> write_all(host::Stream& stream, std::string_view text);
    async::Task<void> misbehave(App& app, base::Duration after);
    host::InstanceExit draw_exit();

    host_sim::SimHost& machine_;
    host_sim::SimInstances& instances_;
    host_sim::Dice dice_;
    host::Host host_;
    std::map<std::string, Program> programs_;
    std::map<std::string, std::unique_ptr<App>> apps_;
    std::map<std::string, bool> answered_;  // of all that ever ran
    std::map<std::string, std::string> logged_;
    std::map<std::uint16_t, std::unique_ptr<Squatter>> squatters_;
    std::set<std::string> met_a_squatter_;
    std::uint64_t squatters_one_in_ = 0;
    bool is_calm_ = false;
};

// The environment's PORT; 0 for a function.
std::uint16_t port_of(const host::LaunchPlan& plan);

}  // namespace tidemill::sim
