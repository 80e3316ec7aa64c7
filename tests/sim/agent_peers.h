// Control and proxies of the agent's world, down to the wire. They outlive the agent.
#pragma once

#include <cstdint>
#include <functional>
#include <map>
#include <optional>
#include <set>
#include <string>
#include <vector>

#include "async/scope.h"
#include "host_sim/sim_host.h"
#include "link/connection.h"
#include "link/session.h"
#include "link/table.h"

namespace tidemill::sim {

// What a peer knows of who serves: the agent's table, mirrored.
class EndpointMirror {
public:
    void begin() { receiver_.emplace(10'000); }
    // ok for whatever is no message of a table. True when something has changed.
    base::Result<bool> take(link::Message message);
    const std::vector<link::Endpoint>& of(const std::string& revision) const;
    std::vector<std::string> ready(const std::string& revision) const;
    const std::map<std::string, std::vector<link::Endpoint>>& all() const { return endpoints_; }

private:
    std::optional<link::TableReceiver> receiver_;
    std::map<std::string, std::vector<link::Endpoint>> endpoints_;
};

// Says how many should run; while it is away nobody does.
class AgentsControl final : public link::Session {
public:
    explicit AgentsControl(host_sim::SimHost& machine);

    void want(const link::WantedRevision& wanted);
    void want_none(const std::string& revision);
    // The number of instances wanted; nothing: the revision is not known.
    std::optional<std::uint32_t> wanted(const std::string& revision) const;
    void go();
    void come();
    bool is_here() const { return scope_.size() > 0; }
    // In this life of it.
    bool has_heard_end_of(const std::string& instance) const { return ends_.contains(instance); }
    const EndpointMirror& mirror() const { return mirror_; }

    void connected(link::Connection& connection, const link::Hello& peer) override;
    base::Status received(link::Connection& connection, link::Message message) override;
    void disconnected(link::Connection& connection, const base::Error& why) override;

    static constexpr std::string_view address = "unix:/run/control.sock";

private:
    host::Host host_;
    std::unique_ptr<link::Table> table_;
    std::map<std::string, link::WantedRevision> wanted_;
    EndpointMirror mirror_;
    std::set<std::string> ends_;
    std::unique_ptr<host::Listener> listener_;
    async::Scope scope_;
};

// Holds requests while nobody serves, wakes, gives each to a ready instance, and says when a
// draining one has none left.
class AgentsProxy final : public link::Session {
public:
    AgentsProxy(host_sim::SimHost& machine, std::string name,
                std::function<void(const std::string& instance, base::Duration span)> occupy);

    // A request that takes so long once it is given to an instance.
    void request(const std::string& revision, base::Duration span);
    // All that waits gives up.
    void give_up() { waiting_.clear(); }
    void instance_ended(const std::string& instance) { in_flight_.erase(instance); }
    std::size_t in_flight(const std::string& instance) const;
    std::size_t waiting() const;
    const EndpointMirror& mirror() const { return mirror_; }
    const std::string& name() const { return name_; }

    void connected(link::Connection& connection, const link::Hello& peer) override;
    base::Status received(link::Connection& connection, link::Message message) override;
    void disconnected(link::Connection& connection, const base::Error& why) override;

    static constexpr std::string_view address = "unix:/run/agent.sock";

private:
    struct Held {
        base::Duration span;
    };
    void turn();
    async::Task<void> turn_again();
    async::Task<void> run_request(std::string instance, base::Duration span);

    host_sim::SimHost& machine_;
    host::Host host_;
    std::string name_;
    std::function<void(const std::string&, base::Duration)> occupy_;
    link::Connection* agent_ = nullptr;
    EndpointMirror mirror_;
    std::map<std::string, std::vector<Held>> waiting_;  // by revision
    std::map<std::string, std::size_t> in_flight_;      // by instance
    std::size_t turns_ = 0;
    bool is_turning_ = false;  // turn_again() waits
    async::Scope scope_;
};

}  // namespace tidemill::sim
