// The agent on `link`: tables and messages of control and proxies.
#pragma once

#include <cstdint>
#include <deque>
#include <map>
#include <memory>

#include "agent/agent.h"
#include "link/session.h"
#include "link/table.h"

namespace tidemill::agent {

// What the agent says goes into a table that every peer mirrors, and to every control there is. One
// that connects is told first how those ended that nobody has replaced, perhaps again, then what
// lives.
// What peers say goes to the agent. Whoever owns it feeds the two sessions with connections.
class LinkService final : public Reports {
public:
    struct Limits {
        std::size_t table_changes_max = 100'000;
        std::size_t log_readers_max = 64;
        // Ends kept for a control that was away: of each revision, and of all.
        std::size_t ends_per_revision_max = 3;
        std::size_t revisions_with_ends_max = 1'000;
    };
    LinkService(host::Host& host, Limits limits);
    ~LinkService() override;
    // Before any connection; `agent` outlives it.
    void serve(Agent& agent);

    // What every peer mirrors: RevisionEndpoints.
    link::Table& table() { return table_; }
    link::Session& control() { return control_; }
    link::Session& proxies() { return proxies_; }

    void endpoints(const link::RevisionEndpoints& endpoints) override;
    void report(const link::InstanceReport& report) override;
    void cold_start(const link::ColdStart& start) override;

private:
    class Control final : public link::Session {
    public:
        explicit Control(LinkService& service) : service_(service) {}
        void connected(link::Connection& connection, const link::Hello& peer) override;
        base::Status received(link::Connection& connection, link::Message message) override;
        void disconnected(link::Connection& connection, const base::Error& why) override;

    private:
        LinkService& service_;
    };
    class Proxies final : public link::Session {
    public:
        explicit Proxies(LinkService& service) : service_(service) {}
        void connected(link::Connection& connection, const link::Hello& peer) override;
        base::Status received(link::Connection& connection, link::Message message) override;
        void disconnected(link::Connection& connection, const base::Error& why) override;

    private:
        LinkService& service_;
    };
    struct ControlPeer {
        link::TableReceiver wanted;
        std::map<std::uint64_t, std::unique_ptr<async::Scope>> readers;  // by request
    };

    void keep_end(const link::InstanceReport& report);
    void forget_ends(const link::TableReceiver::Change& change);
    base::Status read_log(link::Connection& connection, ControlPeer& peer,
                          const link::LogRequest& request);
    async::Task<void> send_log(link::Connection& connection, link::LogRequest request);
    async::Task<bool> send_chunks(link::Connection& connection, std::uint64_t id, std::string text);

    host::Host& host_;
    Limits limits_;
    Agent* agent_ = nullptr;
    Control control_;
    Proxies proxies_;
    link::Table table_;
    std::map<link::Connection*, std::unique_ptr<ControlPeer>> controls_;
    std::map<link::Connection*, std::uint64_t> proxy_ids_;
    std::uint64_t last_id_ = 0;
    // Ends that nobody asked for, by revision, oldest first, until one of it is ready: why it does
    // not serve, which its living instances cannot tell.
    std::map<std::string, std::deque<link::InstanceReport>> ends_;
};

}  // namespace tidemill::agent
