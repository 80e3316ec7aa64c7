// The role as control and agent see it, over link, on a simulated machine.
#include "proxy/service.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "host_sim/sim_host.h"

namespace tidemill::proxy {
namespace {

using namespace std::chrono_literals;
using ::testing::HasSubstr;
using ::testing::StartsWith;

struct KeptLines final : LogSink {
    bool write(std::string_view lines) override {
        text += lines;
        return true;
    }
    std::string text;
};

// Control or agent: keeps a table that the proxy mirrors, and what the proxy said.
struct Peer final : link::Session {
    void connected(link::Connection& connection, const link::Hello&) override {
        connection.follow(table);
        ++connections;
    }
    base::Status received(link::Connection&, link::Message message) override {
        messages.push_back(std::move(message));
        return base::ok;
    }
    void disconnected(link::Connection&, const base::Error&) override {}
    template <typename T>
    std::vector<T> heard() const {
        std::vector<T> found;
        for (const auto& message : messages) {
            if (const auto* wanted = std::get_if<T>(&message)) {
                found.push_back(*wanted);
            }
        }
        return found;
    }
    link::Table table;
    std::vector<link::Message> messages;
    int connections = 0;
};

// An instance that answers each request after `takes`.
async::Task<void> answer_all(async::Loop& loop, host::Listener& listener, base::Duration takes);
async::Task<void> converse(async::Loop& loop, std::unique_ptr<host::Stream> stream,
                           base::Duration takes) {
    std::string got;
    while (true) {
        char buffer[4096];
        const auto result = stream->try_read(buffer, sizeof buffer);
        if (result.kind == host::IoResult::Kind::blocked) {
            co_await stream->readable();
            continue;
        }
        if (!result.ok()) {
            co_return;
        }
        got.append(buffer, result.bytes);
        if (!got.ends_with("\r\n\r\n")) {
            continue;
        }
        got.clear();
        co_await async::sleep_for(loop, takes);
        const std::string answer = "HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\nok";
        for (std::size_t sent = 0; sent < answer.size();) {
            const auto wrote = stream->try_write(std::string_view(answer).substr(sent));
            if (wrote.kind == host::IoResult::Kind::blocked) {
                co_await stream->writable();
            } else if (!wrote.ok()) {
                co_return;
            }
            sent += wrote.bytes;
        }
    }
}
async::Task<void> answer_all(async::Loop& loop, host::Listener& listener, base::Duration takes) {
    async::Scope connections(loop, 100);
    while (true) {
        auto stream = co_await listener.accept();
        if (stream) {
            static_cast<void>(connections.spawn(converse(loop, *std::move(stream), takes)));
        }
    }
}

struct Role {
    explicit Role(std::uint64_t seed)
        : machine(seed),
          host(machine.host("proxy")),
          others(machine.host("others")),
          scope(machine.loop, 100) {
        ServiceOptions options;
        options.worker.bugs = Bugs::Mode::abort;
        service = std::make_unique<Service>(host, std::vector<Seat>{{host, lines}, {host, lines}},
                                            options);
        for (std::size_t i = 0; i < service->workers(); ++i) {
            service->serve(i, *host.network.listen(worker_address(i), {}));
        }
        control_listener = *others.network.listen(host::IpAddress::loopback(7001), {});
        agent_listener = *others.network.listen(host::IpAddress::loopback(7002), {});
        spawn(link::keep_answering(others, *control_listener, hello("control"), control, {}, 4));
        spawn(link::keep_answering(others, *agent_listener, hello("agent"), agent, {}, 4));
        spawn(link::keep_calling(host, host::IpAddress::loopback(7001), hello("proxy"),
                                 service->control_session(), {}));
        spawn(link::keep_calling(host, host::IpAddress::loopback(7002), hello("proxy"),
                                 service->agent_session(), {}));

        link::RevisionPolicy policy;
        policy.revision = "default/app-1";
        policy.service = "default/app";
        policy.timeout = 60s;
        link::HostRoute route;
        route.host = "app.default.localhost";
        route.service = "default/app";
        route.targets = {{"default/app-1", 100}};
        control.table.put(policy);
        control.table.put(route);
        control.table.commit();
        machine.loop.run_for(100ms);
    }
    ~Role() {
        scope.cancel();
        service.reset();
    }
    static link::Hello hello(const char* role) {
        link::Hello hello;
        hello.role = role;
        hello.boot_id = role;
        return hello;
    }
    static host::Address worker_address(std::size_t i) {
        return host::IpAddress::loopback(static_cast<std::uint16_t>(8080 + i));
    }
    void spawn(async::Task<void> work) { ASSERT_TRUE(scope.spawn(std::move(work))); }
    void endpoint(link::InstanceState state) {
        link::RevisionEndpoints endpoints;
        endpoints.revision = "default/app-1";
        endpoints.endpoints = {{"app-1-0", "127.0.0.1:9000", state}};
        agent.table.put(endpoints);
        agent.table.commit();
    }
    void listen(base::Duration takes = 0s) {
        instance_listener = *others.network.listen(host::IpAddress::loopback(9000), {});
        spawn(answer_all(machine.loop, *instance_listener, takes));
    }
    // Asks worker `at`; what it said is appended to `into`.
    static async::Task<void> ask(Role& role, std::size_t at, std::string& into) {
        auto stream =
            co_await role.others.network.connect(worker_address(at), role.machine.loop.now() + 10s);
        if (!stream) {
            into = "no connection";
            co_return;
        }
        const std::string_view request = "GET / HTTP/1.1\r\nHost: app.default.localhost\r\n\r\n";
        for (std::size_t sent = 0; sent < request.size();) {
            const auto wrote = (*stream)->try_write(request.substr(sent));
            if (wrote.kind == host::IoResult::Kind::blocked) {
                co_await (*stream)->writable();
            } else if (!wrote.ok()) {
                co_return;
            }
            sent += wrote.bytes;
        }
        while (!into.ends_with("ok")) {
            char buffer[4096];
            const auto result = (*stream)->try_read(buffer, sizeof buffer);
            if (result.kind == host::IoResult::Kind::blocked) {
                co_await (*stream)->readable();
            } else if (!result.ok()) {
                co_return;
            } else {
                into.append(buffer, result.bytes);
            }
        }
    }

    host_sim::SimHost machine;
    host::Host host;
    host::Host others;
    KeptLines lines;
    Peer control;
    Peer agent;
    std::unique_ptr<host::Listener> control_listener;
    std::unique_ptr<host::Listener> agent_listener;
    std::unique_ptr<host::Listener> instance_listener;
    std::unique_ptr<Service> service;
    async::Scope scope;
};

TEST(Service, a_request_at_zero_is_held_woken_answered_and_explained) {
    for (std::uint64_t seed = 0; seed < 20; ++seed) {
        Role role(seed);
        std::string answers[2];
        role.spawn(Role::ask(role, 0, answers[0]));
        role.spawn(Role::ask(role, 1, answers[1]));
        role.machine.loop.run_for(150ms);
        const auto wakes = role.agent.heard<link::Wake>();
        ASSERT_FALSE(wakes.empty()) << seed;
        EXPECT_EQ(wakes.back().revision, "default/app-1");
        EXPECT_EQ(wakes.back().waiting, 2U) << "both workers' requests are counted";
        role.listen(10ms);
        role.endpoint(link::InstanceState::ready);
        role.machine.loop.run_for(3s);
        for (const auto& answer : answers) {
            EXPECT_THAT(answer, StartsWith("HTTP/1.1 200 OK\r\n")) << seed;
        }
        const auto held = role.control.heard<link::HeldRequest>();
        ASSERT_EQ(held.size(), 2U) << seed;
        base::Duration sum{};
        for (const auto& stage : held[0].stages) {
            EXPECT_EQ(stage.at, sum);
            sum += stage.took;
        }
        EXPECT_EQ(sum, held[0].total);
        const auto stats = role.control.heard<link::RevisionStats>();
        ASSERT_FALSE(stats.empty());
        double requests = 0;
        for (const auto& each : stats) {
            requests += each.requests;
        }
        EXPECT_EQ(requests, 2.0);
        EXPECT_EQ(stats.back().concurrency_average, 0.0);
    }
}

TEST(Service, control_is_told_of_each_version_that_every_worker_has) {
    Role role(1);
    const auto first = role.control.heard<link::Commit>();
    ASSERT_FALSE(first.empty());
    EXPECT_EQ(first.back().version, role.control.table.version());
    link::HostRoute route;
    route.host = "tag-app.default.localhost";
    route.service = "default/app";
    route.targets = {{"default/app-1", 100}};
    role.control.table.put(route);
    role.control.table.commit();
    role.machine.loop.run_for(100ms);
    EXPECT_EQ(role.control.heard<link::Commit>().back().version, role.control.table.version());
    EXPECT_GT(role.control.table.version(), first.back().version);
}

TEST(Service, a_table_stays_in_force_when_control_and_agent_are_gone) {
    Role role(1);
    role.listen();
    role.endpoint(link::InstanceState::ready);
    role.machine.loop.run_for(100ms);
    role.control_listener.reset();
    role.agent_listener.reset();
    std::string answer;
    role.spawn(Role::ask(role, 0, answer));
    role.machine.loop.run_for(1s);
    EXPECT_THAT(answer, StartsWith("HTTP/1.1 200 OK\r\n"));
}

TEST(Service, an_instance_is_drained_when_no_worker_has_a_request_of_it) {
    Role role(2);
    role.listen(500ms);
    role.endpoint(link::InstanceState::ready);
    role.machine.loop.run_for(100ms);
    std::string answer;
    role.spawn(Role::ask(role, 1, answer));
    role.machine.loop.run_for(100ms);
    role.endpoint(link::InstanceState::draining);
    role.machine.loop.run_for(200ms);
    EXPECT_TRUE(role.agent.heard<link::Drained>().empty());
    role.machine.loop.run_for(1s);
    EXPECT_THAT(answer, StartsWith("HTTP/1.1 200 OK\r\n"));
    ASSERT_EQ(role.agent.heard<link::Drained>().size(), 1U);
    EXPECT_EQ(role.agent.heard<link::Drained>()[0].instance, "app-1-0");
}

TEST(Service, metrics_are_the_sum_of_all_workers) {
    Role role(3);
    role.listen();
    role.endpoint(link::InstanceState::ready);
    role.machine.loop.run_for(100ms);
    std::string answers[3];
    for (std::size_t i = 0; i < 3; ++i) {
        role.spawn(Role::ask(role, i % 2, answers[i]));
    }
    role.machine.loop.run_for(1s);
    const auto snapshot = role.machine.loop.run(role.service->metrics());
    EXPECT_EQ(snapshot.revisions.at("default/app-1").metrics.answers[2], 3U);
    EXPECT_EQ(snapshot.connections_accepted, 3U);
}

TEST(Service, stopping_waits_for_all_workers) {
    Role role(4);
    role.listen(500ms);
    role.endpoint(link::InstanceState::ready);
    role.machine.loop.run_for(100ms);
    std::string answer;
    role.spawn(Role::ask(role, 1, answer));
    role.machine.loop.run_for(100ms);
    role.machine.loop.run(role.service->stop(role.machine.loop.now() + 10s));
    role.machine.loop.run_for(100ms);
    EXPECT_THAT(answer, StartsWith("HTTP/1.1 200 OK\r\n"));
}

// Worker 0 and worker 1 both have requests for one instance that takes one at a time. One of them
// keeps its slot; whoever it is, it never has two.
struct CountingInstance {
    async::Task<void> serve(async::Loop& loop, host::Listener& listener) {
        async::Scope connections(loop, 1000);
        while (true) {
            auto stream = co_await listener.accept();
            if (stream) {
                static_cast<void>(connections.spawn(converse(loop, *std::move(stream))));
            }
        }
    }
    async::Task<void> converse(async::Loop& loop, std::unique_ptr<host::Stream> stream) {
        std::string got;
        while (true) {
            char buffer[4096];
            const auto result = stream->try_read(buffer, sizeof buffer);
            if (result.kind == host::IoResult::Kind::blocked) {
                co_await stream->readable();
                continue;
            }
            if (!result.ok()) {
                co_return;
            }
            got.append(buffer, result.bytes);
            if (!got.ends_with("\r\n\r\n")) {
                continue;
            }
            got.clear();
            running += 1;
            worst = std::max(worst, running);
            co_await async::sleep_for(loop, 5ms);
            running -= 1;
            const std::string answer = "HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\nok";
            for (std::size_t sent = 0; sent < answer.size();) {
                const auto wrote = stream->try_write(std::string_view(answer).substr(sent));
                if (wrote.kind == host::IoResult::Kind::blocked) {
                    co_await stream->writable();
                } else if (!wrote.ok()) {
                    co_return;
                }
                sent += wrote.bytes;
            }
        }
    }
    int running = 0;
    int worst = 0;
};

TEST(Service, one_at_a_time_holds_across_workers_and_all_are_answered) {
    for (std::uint64_t seed = 0; seed < 100; ++seed) {
        Role role(seed);
        link::RevisionPolicy policy;
        policy.revision = "default/app-1";
        policy.service = "default/app";
        policy.timeout = 60s;
        policy.container_concurrency = 1;
        role.control.table.put(policy);
        role.control.table.commit();
        role.machine.loop.run_for(100ms);
        std::string answers[10];
        for (std::size_t i = 0; i < 10; ++i) {
            role.spawn(Role::ask(role, i % 2, answers[i]));
        }
        role.machine.loop.run_for(50ms);
        const auto wakes = role.agent.heard<link::Wake>();
        ASSERT_FALSE(wakes.empty()) << seed;
        CountingInstance instance;
        role.instance_listener = *role.others.network.listen(host::IpAddress::loopback(9000), {});
        async::Scope running(role.machine.loop, 1);
        ASSERT_TRUE(running.spawn(instance.serve(role.machine.loop, *role.instance_listener)));
        role.endpoint(link::InstanceState::ready);
        role.machine.loop.run_for(200ms);
        role.machine.loop.run_for(1s);
        ASSERT_EQ(instance.worst, 1) << seed;
        // Two who do not wait to the end: their slots must come back.
        for (std::size_t i = 0; i < 2; ++i) {
            async::Scope impatient(role.machine.loop, 1);
            std::string unheard;
            ASSERT_TRUE(impatient.spawn(Role::ask(role, i, unheard)));
            role.machine.loop.run_for(3ms);
        }
        role.machine.loop.run_for(3s);
        for (const auto& answer : answers) {
            ASSERT_THAT(answer, StartsWith("HTTP/1.1 200 OK\r\n")) << seed;
        }
        std::string last[2];
        role.spawn(Role::ask(role, 0, last[0]));
        role.spawn(Role::ask(role, 1, last[1]));
        role.machine.loop.run_for(1s);
        EXPECT_THAT(last[0], StartsWith("HTTP/1.1 200 OK\r\n")) << seed;
        EXPECT_THAT(last[1], StartsWith("HTTP/1.1 200 OK\r\n")) << seed;
        // One more for each impatient client, whose request the instance may still be running.
        ASSERT_LE(instance.worst, 3) << seed;
    }
}

}  // namespace
}  // namespace tidemill::proxy
