// The proxy role: workers that carry requests, fed with tables by control and agent.
#pragma once

#include <map>
#include <memory>
#include <set>
#include <string>
#include <vector>

#include "async/event.h"
#include "async/scope.h"
#include "host/host.h"
#include "http/server.h"
#include "link/session.h"
#include "link/table.h"
#include "mesh/route_table.h"
#include "proxy/worker.h"

namespace tidemill::proxy {

// What one worker is given. All outlive the service.
struct Seat {
    host::Host& host;  // of the worker's own thread
    LogSink& log;
};

struct ServiceOptions {
    WorkerOptions worker;
    // Of one table change from control or agent.
    std::size_t changes_max = 1'000'000;
};

// Lives on the loop of `main`; a seat may be on that loop or on another thread's. Tables come in by
// control_session() and agent_session(), given to link::keep_calling(); a peer that goes away
// leaves its last table in force. Wakes, drains and statistics go out by the same connections.
class Service final : private Neighbours {
public:
    Service(host::Host& main, std::vector<Seat> seats, ServiceOptions options);
    Service(const Service&) = delete;
    Service& operator=(const Service&) = delete;
    // Every worker on another thread must have been stopped, and its loop have ended.
    ~Service() override;

    std::size_t workers() const { return desks_.size(); }
    // Begins to accept on worker `at`.
    void serve(std::size_t at, std::unique_ptr<host::Listener> listener);
    // Goes on when control and agent have each given their first table. Before that nothing should
    // be served: what a proxy does not know yet it would answer 404, while connections in the
    // backlog only wait.
    async::Task<void> tables_known();
    link::Session& control_session() { return control_; }
    link::Session& agent_session() { return agent_; }
    // GET /metrics (Prometheus text) and GET /healthz, for an admin listener.
    http::Handler& admin() { return admin_; }

    // The sum over all workers.
    async::Task<MetricsSnapshot> metrics();
    // Accepts no more, lets requests end until `deadline`, cuts off the rest. Once.
    async::Task<void> stop(base::Instant deadline);

private:
    // A worker and its way to us: what it says is carried over to the main loop.
    struct Desk final : WorkerWatcher {
        Desk(Service& owner, Seat its_seat, std::size_t number)
            : service(owner), seat(its_seat), at(number) {}
        void wake(const std::string& revision, std::uint32_t waiting) override;
        void drained(const std::string& instance) override;
        void held(HeldReport report) override;
        void activity(std::vector<ActivityReport> reports) override;

        Service& service;
        Seat seat;
        std::size_t at;
        std::unique_ptr<Worker> worker;  // touched on its own thread only
        std::unique_ptr<async::Scope> stopping;
    };
    struct Control final : link::Session {
        explicit Control(Service& owner) : service(owner) {}
        void connected(link::Connection& connection, const link::Hello& peer) override;
        base::Status received(link::Connection& connection, link::Message message) override;
        void disconnected(link::Connection& connection, const base::Error& why) override;
        Service& service;
        link::Connection* connection = nullptr;
        std::uint64_t conversation = 0;  // counts connections: versions are of one of them
        std::unique_ptr<link::TableReceiver> table;
    };
    struct Agent final : link::Session {
        explicit Agent(Service& owner) : service(owner) {}
        void connected(link::Connection& connection, const link::Hello& peer) override;
        base::Status received(link::Connection& connection, link::Message message) override;
        void disconnected(link::Connection& connection, const base::Error& why) override;
        Service& service;
        link::Connection* connection = nullptr;
        std::unique_ptr<link::TableReceiver> table;
    };
    struct Admin final : http::Handler {
        explicit Admin(Service& owner) : service(owner) {}
        async::Task<void> handle(http::Request& request, http::Answer& answer) override;
        Service& service;
    };
    struct Sum {
        double concurrency_average = 0;
        double requests = 0;
        std::uint32_t waiting = 0;
        std::uint32_t in_flight = 0;
    };

    std::size_t count() const override { return count_; }
    void post(std::size_t to, std::move_only_function<void(Worker&)> letter) override;

    // Runs `work` with the worker, on its thread.
    template <typename Work>
    void with_worker(Desk& desk, Work work);
    // Runs `work` on the main loop; from a worker's thread.
    template <typename Work>
    void from_worker(const Desk& desk, Work work);

    base::Status change_routes(link::TableReceiver::Change change);
    void routes_applied(std::uint64_t conversation, std::uint64_t version);
    base::Status change_endpoints(link::TableReceiver::Change change);
    void set_endpoints(const std::string& revision, const std::vector<EndpointNews>& endpoints);
    void add_wake(std::size_t at, const std::string& revision, std::uint32_t waiting);
    void add_drained(std::size_t at, const std::string& instance);
    void add_activity(const std::vector<ActivityReport>& reports);
    async::Task<void> report_each_second();

    host::Host& main_;
    ServiceOptions options_;
    std::size_t count_;
    Control control_;
    Agent agent_;
    Admin admin_;
    std::vector<std::unique_ptr<Desk>> desks_;
    mesh::TableBuilder builder_;
    std::shared_ptr<const mesh::RouteTable> table_;
    std::map<std::string, std::vector<EndpointNews>> endpoints_;
    std::map<std::string, std::vector<std::uint32_t>> waiting_;  // by worker, since the last second
    std::map<std::string, std::set<std::size_t>> drained_;       // instance -> workers done with it
    std::map<std::string, Sum> activity_;
    async::Event routes_known_;
    async::Event endpoints_known_;
    bool stopping_ = false;
    async::Scope reporter_;
};

}  // namespace tidemill::proxy
