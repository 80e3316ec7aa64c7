// A proxy worker with everything around it in memory, and a small language to play with it.
#pragma once

#include <memory>
#include <string>
#include <vector>

#include "host/host.h"
#include "proxy/memory_network_test.h"
#include "proxy/worker.h"

namespace tidemill::proxy::testing {

struct FakeClock final : host::Clock {
    explicit FakeClock(async::Loop& at) : loop(at) {}
    base::WallTime wall_now() const override { return {1'700'000'000'000'000'000 + loop.now().ns}; }
    base::Instant monotonic_now() const override { return loop.now(); }
    async::Loop& loop;
};

struct FakeRandom final : host::Random {
    explicit FakeRandom(std::uint64_t seed) : dice({seed, seed + 1, seed + 2, seed + 3}) {}
    void fill(std::span<std::byte> bytes) override {
        for (auto& byte : bytes) {
            byte = static_cast<std::byte>(dice.next());
        }
    }
    Dice dice;
};

struct KeptLines final : LogSink {
    bool write(std::string_view lines) override {
        text += lines;
        return true;
    }
    std::string text;
};

struct KeptReports final : WorkerWatcher {
    void wake(const std::string& revision, std::uint32_t waiting) override {
        wakes.emplace_back(revision, waiting);
    }
    void drained(const std::string& instance) override { drains.push_back(instance); }
    void held(HeldReport report) override { helds.push_back(std::move(report)); }
    void activity(std::vector<ActivityReport> reports) override {
        for (auto& report : reports) {
            activities.push_back(std::move(report));
        }
    }
    std::vector<std::pair<std::string, std::uint32_t>> wakes;
    std::vector<std::string> drains;
    std::vector<HeldReport> helds;
    std::vector<ActivityReport> activities;
};

// Rooms that a worker never enters.
struct NoDisk;
struct World {
    explicit World(WorkerOptions options = tested(), std::optional<std::uint64_t> seed = {})
        : loop(seed),
          network(loop),
          clock(loop),
          random(seed.value_or(1)),
          door(std::make_shared<MemoryListener::Door>(loop)),
          // A worker uses loop, clock, random and network; the others stay unbound.
          host{loop,
               clock,
               random,
               *static_cast<host::Disk*>(unbound()),
               network,
               *static_cast<host::Processes*>(unbound()),
               *static_cast<host::Resolver*>(unbound())},
          worker(std::make_unique<Worker>(host, options, reports, lines, 0, nullptr)) {
        worker->serve(std::make_unique<MemoryListener>(loop, door));
    }
    ~World() { worker.reset(); }
    static WorkerOptions tested() {
        WorkerOptions options;
        options.bugs = Bugs::Mode::abort;
        return options;
    }

    // app.default.localhost -> default/app-1
    void route(mesh::RevisionRule rule = {}) {
        rule.name = "default/app-1";
        rule.service = "default/app";
        mesh::TableBuilder builder;
        builder.begin(1, mesh::TableBuilder::Mode::replace);
        builder.put(rule);
        builder.put(mesh::HostSpec{.host = "app.default.localhost",
                                   .service = "default/app",
                                   .route = "app",
                                   .tag = {},
                                   .targets = {{"default/app-1", 100}}});
        worker->set_table(*builder.commit(1));
    }
    static std::string address(int number) { return "127.0.0.1:" + std::to_string(9000 + number); }
    // Instances 0..count-1 in that state; those that are ready listen.
    void endpoints(int count, mesh::EndpointState state = mesh::EndpointState::ready) {
        std::vector<EndpointNews> news;
        for (int i = 0; i < count; ++i) {
            news.push_back({"app-1-" + std::to_string(i), address(i), state});
            if (state == mesh::EndpointState::ready) {
                network.open(address(i));
            }
        }
        worker->set_endpoints("default/app-1", news);
        loop.run_ready();
    }
    std::unique_ptr<Party> connect() {
        auto party = MemoryListener::knock(loop, *door);
        loop.run_ready();
        return party;
    }
    // Sends and lets all happen that can without time passing.
    void say(Party& party, std::string_view text) {
        party.send(text);
        loop.run_ready();
    }
    std::string hear(Party& party) {
        loop.run_ready();
        auto heard = party.take();
        loop.run_ready();
        return heard;
    }
    // The connection that instance `number` got as its `nth`.
    Party& instance(int number, std::size_t nth = 0) {
        return *network.accepted(address(number)).at(nth);
    }
    std::size_t instance_connections(int number) {
        return network.accepted(address(number)).size();
    }
    std::string log() {
        worker->log().flush();
        return std::exchange(lines.text, {});
    }

    async::VirtualLoop loop;
    MemoryNetwork network;
    FakeClock clock;
    FakeRandom random;
    std::shared_ptr<MemoryListener::Door> door;
    KeptReports reports;
    KeptLines lines;
    host::Host host;
    std::unique_ptr<Worker> worker;

private:
    static void* unbound() {
        alignas(16) static char nothing[16];
        return nothing;
    }
};

inline constexpr std::string_view simple_get =
    "GET /a?b=c HTTP/1.1\r\nHost: app.default.localhost\r\n\r\n";
inline constexpr std::string_view simple_ok =
    "HTTP/1.1 200 OK\r\nContent-Length: 2\r\nDate: Thu, 01 Jan 1970 00:00:00 GMT\r\n\r\nok";

}  // namespace tidemill::proxy::testing
