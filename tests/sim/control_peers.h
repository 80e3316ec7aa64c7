// The agent and the proxy of the control world: they speak link and keep processes and load in
// memory. Both outlive control.
#pragma once

#include <cstdint>
#include <functional>
#include <map>
#include <optional>
#include <set>
#include <string>
#include <vector>

#include "async/loop.h"
#include "host_sim/dice.h"
#include "link/connection.h"
#include "link/session.h"
#include "link/table.h"

namespace tidemill::sim {

// Says what is wrong; the first counts.
using Fail = std::function<void(std::string)>;

// Runs what it is told, slowly, and goes on while control is away. Images named bad… exit at once.
class PeerAgent final : public link::Session {
public:
    PeerAgent(async::Loop& loop, std::uint64_t seed, Fail fail)
        : loop_(loop), dice_(seed, "agent"), fail_(std::move(fail)) {}

    void connected(link::Connection& connection, const link::Hello& peer) override;
    base::Status received(link::Connection& connection, link::Message message) override;
    void disconnected(link::Connection& connection, const base::Error& why) override;

    // What a proxy says when requests wait.
    void wake(const std::string& revision);
    // Starts, readies and stops what is due.
    void turn();

    // At any time, under this name.
    bool ever_ready(const std::string& revision) const { return ever_ready_.contains(revision); }
    // Since it was last asked for in its present form.
    bool came_up(const std::string& revision) const;
    std::size_t running(const std::string& revision) const;
    std::size_t ready(const std::string& revision) const;
    std::vector<std::string> revisions() const;
    // True when a ready instance of the revision is another program.
    bool serves_other(const std::string& revision, std::string_view program) const;
    // Asked before a table is obeyed: may this revision be asked to have this many?
    std::function<void(const std::string& revision, std::uint32_t before, std::uint32_t next,
                       std::uint32_t max)>
        audit;

private:
    struct Instance {
        std::string name;
        base::Instant due;
        std::string program;
        bool ready = false;
    };
    struct Revision {
        std::optional<link::WantedRevision> wanted;
        std::vector<Instance> instances;
        base::Instant lease;       // woken instances stay so long
        base::Instant not_before;  // back-off after a failure
        bool came_up = false;
    };
    void obey(const link::TableReceiver::Change& change);
    void want(const std::string& name, std::optional<link::WantedRevision> wanted);
    bool turn_revision(const std::string& name, Revision& revision);
    void publish(const std::string& name, const Revision& revision);

    async::Loop& loop_;
    host_sim::Dice dice_;
    Fail fail_;
    link::Table endpoints_;
    link::Connection* control_ = nullptr;
    std::optional<link::TableReceiver> receiver_;
    std::map<std::string, Revision> revisions_;
    std::set<std::string> ever_ready_;
    std::uint64_t started_ = 0;
};

// Mirrors the routes, has load on hosts and reports it every second.
class PeerProxy final : public link::Session {
public:
    PeerProxy(PeerAgent& agent, Fail fail) : agent_(agent), fail_(std::move(fail)) {}

    void connected(link::Connection& connection, const link::Hello& peer) override;
    base::Status received(link::Connection& connection, link::Message message) override;
    void disconnected(link::Connection& connection, const base::Error& why) override;

    void set_load(const std::string& host, double load) { load_[host] = load; }
    void second(base::WallTime now);
    // The load that goes to a revision now.
    double load_of(const std::string& revision) const;
    const std::map<std::string, link::HostRoute>& hosts() const { return hosts_; }

private:
    void check(const link::HostRoute& route);

    PeerAgent& agent_;
    Fail fail_;
    link::Connection* control_ = nullptr;
    std::optional<link::TableReceiver> receiver_;
    std::map<std::string, link::HostRoute> hosts_;
    std::set<std::string> policies_;
    std::map<std::string, double> load_;
};

}  // namespace tidemill::sim
