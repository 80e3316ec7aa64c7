#include "proxy/service.h"

#include <numeric>
#include <utility>

namespace tidemill::proxy {
namespace {

mesh::EndpointState state_of(link::InstanceState state) {
    switch (state) {
        case link::InstanceState::starting:
            return mesh::EndpointState::starting;
        case link::InstanceState::ready:
            return mesh::EndpointState::ready;
        case link::InstanceState::draining:
        case link::InstanceState::stopping:
            return mesh::EndpointState::draining;
        case link::InstanceState::frozen:
        case link::InstanceState::ended:
            break;
    }
    return mesh::EndpointState::gone;
}

mesh::HostSpec spec_of(link::HostRoute route) {
    mesh::HostSpec spec;
    spec.host = std::move(route.host);
    spec.service = std::move(route.service);
    spec.route = std::move(route.route);
    spec.tag = std::move(route.tag);
    for (auto& target : route.targets) {
        spec.targets.push_back({std::move(target.revision), target.percent});
    }
    return spec;
}

mesh::RevisionRule rule_of(link::RevisionPolicy policy) {
    mesh::RevisionRule rule;
    rule.name = std::move(policy.revision);
    rule.service = std::move(policy.service);
    rule.configuration = std::move(policy.configuration);
    rule.container_concurrency = policy.container_concurrency;
    rule.timeout = policy.timeout;
    rule.response_start_timeout = policy.response_start_timeout;
    rule.idle_timeout = policy.idle_timeout;
    rule.queue_max = policy.queue_max;
    rule.protocol = policy.protocol == link::RevisionPolicy::Protocol::h2c
                        ? mesh::InstanceProtocol::http2
                        : mesh::InstanceProtocol::http1;
    return rule;
}

}  // namespace

template <typename Work>
void Service::with_worker(Desk& desk, Work work) {
    if (&desk.seat.host.loop == &main_.loop) {
        work(desk);
    } else {
        desk.seat.host.loop.post_remote([&desk, work = std::move(work)]() mutable { work(desk); });
    }
}

Service::Service(host::Host& main, std::vector<Seat> seats, ServiceOptions options)
    : main_(main),
      options_(options),
      count_(seats.size()),
      control_(*this),
      agent_(*this),
      admin_(*this),
      table_(std::make_shared<const mesh::RouteTable>()),
      routes_known_(main.loop),
      endpoints_known_(main.loop),
      reporter_(main.loop, 1) {
    desks_.reserve(count_);
    for (const Seat& seat : seats) {
        desks_.push_back(std::make_unique<Desk>(*this, seat, desks_.size()));
    }
    Neighbours* const neighbours = count_ > 1 ? this : nullptr;
    for (const auto& desk : desks_) {
        with_worker(*desk, [neighbours, worker = options.worker](Desk& at) {
            at.worker =
                std::make_unique<Worker>(at.seat.host, worker, at, at.seat.log, at.at, neighbours);
        });
    }
    static_cast<void>(reporter_.spawn(report_each_second()));
}

Service::~Service() = default;

template <typename Work>
void Service::from_worker(const Desk& desk, Work work) {
    if (&desk.seat.host.loop == &main_.loop) {
        work();
    } else {
        main_.loop.post_remote(std::move(work));
    }
}

// Also from a worker to one on the same loop by way of the loop: a letter is never read inside the
// call that wrote it.
void Service::post(std::size_t to, std::move_only_function<void(Worker&)> letter) {
    Desk& desk = *desks_[to];
    desk.seat.host.loop.post_remote(
        [&desk, letter = std::move(letter)]() mutable { letter(*desk.worker); });
}

void Service::serve(std::size_t at, std::unique_ptr<host::Listener> listener) {
    with_worker(*desks_.at(at), [listener = std::move(listener)](Desk& desk) mutable {
        desk.worker->serve(std::move(listener));
    });
}

// From the workers
// ------------------------------------------------------------------------------

void Service::Desk::wake(const std::string& revision, std::uint32_t waiting) {
    service.from_worker(*this,
                        [this, revision, waiting] { service.add_wake(at, revision, waiting); });
}

void Service::Desk::drained(const std::string& instance) {
    service.from_worker(*this, [this, instance] { service.add_drained(at, instance); });
}

void Service::Desk::held(HeldReport report) {
    service.from_worker(*this, [this, report = std::move(report)] {
        if (service.control_.connection == nullptr) {
            return;
        }
        link::HeldRequest held;
        held.revision = report.revision;
        held.instance = report.instance;
        held.request_id = report.request_id;
        held.began = report.began;
        held.stages = {{"hold", {}, report.hold},
                       {"connect", report.hold, report.connect},
                       {"respond", report.hold + report.connect, report.respond}};
        held.total = report.total;
        // Only explain reads it: what does not fit in the queue is not worth waiting for.
        static_cast<void>(service.control_.connection->push(held));
    });
}

void Service::Desk::activity(std::vector<ActivityReport> reports) {
    service.from_worker(*this,
                        [this, reports = std::move(reports)] { service.add_activity(reports); });
}

void Service::add_wake(std::size_t at, const std::string& revision, std::uint32_t waiting) {
    auto& counts = waiting_[revision];
    counts.resize(desks_.size());
    counts[at] = waiting;
    if (agent_.connection != nullptr) {
        // The worker repeats it until endpoints come, so a wake that is lost here is said again.
        agent_.connection->set(
            link::Wake{revision, std::accumulate(counts.begin(), counts.end(), 0U)});
    }
}

void Service::add_drained(std::size_t at, const std::string& instance) {
    auto& done = drained_[instance];
    done.insert(at);
    if (done.size() == desks_.size() && agent_.connection != nullptr) {
        agent_.connection->set(link::Drained{instance});
        drained_.erase(instance);
    }
}

void Service::add_activity(const std::vector<ActivityReport>& reports) {
    for (const auto& report : reports) {
        auto& sum = activity_[report.revision];
        sum.concurrency_average += report.activity.concurrency_average;
        sum.requests += static_cast<double>(report.activity.requests);
        sum.waiting += report.activity.waiting;
        sum.in_flight += report.activity.in_flight;
    }
}

async::Task<void> Service::report_each_second() {
    auto next = main_.loop.now();
    while (true) {
        next = next + std::chrono::seconds(1);
        co_await async::sleep_until(main_.loop, next);
        // Workers on this loop have reported a moment ago, those of other threads within this
        // second.
        co_await async::yield(main_.loop);
        waiting_.clear();
        const auto wall = main_.clock.wall_now();
        for (const auto& [revision, sum] : std::exchange(activity_, {})) {
            if (control_.connection != nullptr) {
                control_.connection->set(link::RevisionStats{revision, wall,
                                                             sum.concurrency_average, sum.requests,
                                                             sum.waiting, sum.in_flight});
            }
        }
    }
}

// From control and agent
// ------------------------------------------------------------------------

void Service::Control::connected(link::Connection& made, const link::Hello&) {
    connection = &made;
    ++conversation;
    table = std::make_unique<link::TableReceiver>(service.options_.changes_max);
}

base::Status Service::Control::received(link::Connection&, link::Message message) {
    if (!link::TableReceiver::is_table_message(message)) {
        return base::ok;
    }
    TRY(auto change, table->take(std::move(message)));
    return change ? service.change_routes(*std::move(change)) : base::ok;
}

void Service::routes_applied(std::uint64_t conversation, std::uint64_t version) {
    if (control_.connection != nullptr && control_.conversation == conversation) {
        // Lost where the queue is full: control then goes on after its patience.
        static_cast<void>(control_.connection->push(link::Commit{version}));
    }
}

void Service::Control::disconnected(link::Connection& gone, const base::Error&) {
    if (connection == &gone) {
        connection = nullptr;
    }
}

void Service::Agent::connected(link::Connection& made, const link::Hello&) {
    connection = &made;
    table = std::make_unique<link::TableReceiver>(service.options_.changes_max);
}

base::Status Service::Agent::received(link::Connection&, link::Message message) {
    if (!link::TableReceiver::is_table_message(message)) {
        return base::ok;
    }
    TRY(auto change, table->take(std::move(message)));
    return change ? service.change_endpoints(*std::move(change)) : base::ok;
}

void Service::Agent::disconnected(link::Connection& gone, const base::Error&) {
    if (connection == &gone) {
        connection = nullptr;
    }
}

async::Task<void> Service::tables_known() {
    co_await routes_known_.wait();
    co_await endpoints_known_.wait();
}

base::Status Service::change_routes(link::TableReceiver::Change change) {
    builder_.begin(change.version, change.mode == link::Begin::Mode::replace
                                       ? mesh::TableBuilder::Mode::replace
                                       : mesh::TableBuilder::Mode::change);
    for (auto& message : change.deletes) {
        if (const auto* host = std::get_if<link::DeleteHost>(&message)) {
            builder_.erase_host(host->host);
        } else if (const auto* policy = std::get_if<link::DeletePolicy>(&message)) {
            builder_.erase_revision(policy->revision);
        }
    }
    for (auto& message : change.puts) {
        if (auto* host = std::get_if<link::HostRoute>(&message)) {
            builder_.put(spec_of(std::move(*host)));
        } else if (auto* policy = std::get_if<link::RevisionPolicy>(&message)) {
            builder_.put(rule_of(std::move(*policy)));
        }
    }
    TRY(table_, builder_.commit(change.version));
    // Control is told when every worker has it: only then is a route said to be ready.
    const auto missing = std::make_shared<std::size_t>(desks_.size());
    for (const auto& desk : desks_) {
        with_worker(*desk, [this, table = table_, missing, version = change.version,
                            conversation = control_.conversation](Desk& at) {
            at.worker->set_table(table);
            from_worker(at, [this, missing, version, conversation] {
                if (--*missing == 0) {
                    routes_applied(conversation, version);
                }
            });
        });
    }
    routes_known_.set();
    return base::ok;
}

base::Status Service::change_endpoints(link::TableReceiver::Change change) {
    std::map<std::string, std::vector<EndpointNews>> named;
    if (change.mode == link::Begin::Mode::replace) {
        for (const auto& [revision, endpoints] : endpoints_) {
            named[revision];
        }
    }
    for (const auto& message : change.deletes) {
        if (const auto* gone = std::get_if<link::DeleteEndpoints>(&message)) {
            named[gone->revision].clear();
        }
    }
    for (auto& message : change.puts) {
        if (auto* news = std::get_if<link::RevisionEndpoints>(&message)) {
            auto& endpoints = named[news->revision];
            endpoints.clear();
            for (auto& endpoint : news->endpoints) {
                if (endpoint.state != link::InstanceState::ended) {
                    endpoints.push_back({std::move(endpoint.instance), std::move(endpoint.address),
                                         state_of(endpoint.state)});
                }
            }
        }
    }
    for (const auto& [revision, endpoints] : named) {
        set_endpoints(revision, endpoints);
    }
    endpoints_known_.set();
    return base::ok;
}

void Service::set_endpoints(const std::string& revision,
                            const std::vector<EndpointNews>& endpoints) {
    for (const auto& endpoint : endpoints_[revision]) {
        drained_.erase(endpoint.instance);  // who still drains says so again
    }
    if (endpoints.empty()) {
        endpoints_.erase(revision);
    } else {
        endpoints_[revision] = endpoints;
    }
    for (const auto& desk : desks_) {
        with_worker(*desk, [revision, endpoints](Desk& at) {
            at.worker->set_endpoints(revision, endpoints);
        });
    }
}

// Admin, and the end
// ----------------------------------------------------------------------------

async::Task<MetricsSnapshot> Service::metrics() {
    struct Collected {
        explicit Collected(async::Loop& loop) : all(loop) {}
        MetricsSnapshot sum;
        std::size_t missing = 0;
        async::Event all;
    };
    // Shared: the one who asked may be gone before the last worker has answered.
    auto collected = std::make_shared<Collected>(main_.loop);
    collected->missing = desks_.size();
    for (const auto& desk : desks_) {
        with_worker(*desk, [this, collected](Desk& at) {
            from_worker(at, [collected, snapshot = at.worker->snapshot()] {
                collected->sum.add(snapshot);
                if (--collected->missing == 0) {
                    collected->all.set();
                }
            });
        });
    }
    co_await collected->all.wait();
    co_return std::move(collected->sum);
}

async::Task<void> Service::Admin::handle(http::Request& request, http::Answer& answer) {
    http::Headers headers;
    std::string body;
    int status = 200;
    if (request.path == "/metrics") {
        headers.add("Content-Type", "text/plain; version=0.0.4");
        const auto snapshot = co_await service.metrics();
        body = snapshot.to_prometheus();
    } else if (request.path == "/healthz") {
        status = service.stopping_ ? 503 : 200;
        body = service.stopping_ ? "stopping\n" : "ok\n";
    } else {
        status = 404;
        body = "here are /metrics and /healthz\n";
    }
    // A client that is gone needs no answer.
    static_cast<void>(co_await answer.send(status, std::move(headers), std::move(body)));
}

async::Task<void> Service::stop(base::Instant deadline) {
    struct Stopped {
        explicit Stopped(async::Loop& loop) : all(loop) {}
        std::size_t missing = 0;
        async::Event all;
    };
    stopping_ = true;
    auto stopped = std::make_shared<Stopped>(main_.loop);
    stopped->missing = desks_.size();
    for (const auto& desk : desks_) {
        with_worker(*desk, [this, stopped, deadline](Desk& at) {
            at.stopping = std::make_unique<async::Scope>(at.seat.host.loop, 1);
            const auto end = [](Service& self, Desk& of, std::shared_ptr<Stopped> tell,
                                base::Instant by) -> async::Task<void> {
                co_await of.worker->stop(by);
                self.from_worker(of, [tell = std::move(tell)] {
                    if (--tell->missing == 0) {
                        tell->all.set();
                    }
                });
            };
            static_cast<void>(at.stopping->spawn(end(*this, at, stopped, deadline)));
        });
    }
    co_await stopped->all.wait();
}

}  // namespace tidemill::proxy
