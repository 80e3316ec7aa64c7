#include "link/connection.h"

#include <gtest/gtest.h>

#include <map>
#include <vector>

#include "host_sim/sim_host.h"
#include "link/codec.h"
#include "link/session.h"
#include "link/table.h"

namespace tidemill::link {
namespace {

using namespace std::chrono_literals;

constexpr const char* address = "unix:/run/control.sock";

// Keeps a table as the proxy would, and what else it hears.
struct Mirror final : Session {
    void connected(Connection& c, const Hello& peer) override {
        connection = &c;
        peer_role = peer.role;
        receiver = TableReceiver(10'000);
        ++connects;
    }
    base::Status received(Connection&, Message message) override {
        if (!TableReceiver::is_table_message(message)) {
            heard.push_back(std::move(message));
            return base::ok;
        }
        TRY(auto change, receiver.take(std::move(message)));
        if (change) {
            if (change->mode == Begin::Mode::replace) {
                table.clear();
            }
            for (auto& put : change->puts) {
                table[key_of(put)] = encode(put);
            }
            for (const auto& gone : change->deletes) {
                table.erase(key_of(gone));
            }
            version = change->version;
        }
        return base::ok;
    }
    void disconnected(Connection&, const base::Error& why) override {
        connection = nullptr;
        last_error = why.message;
    }
    Connection* connection = nullptr;
    TableReceiver receiver{0};
    std::map<std::string, std::string> table;
    std::vector<Message> heard;
    std::uint64_t version = 0;
    int connects = 0;
    std::string peer_role;
    std::string last_error;
};

// Gives its table to whoever calls.
struct Publisher final : Session {
    void connected(Connection& c, const Hello&) override {
        c.follow(table);
        connections.push_back(&c);
    }
    base::Status received(Connection&, Message message) override {
        heard.push_back(std::move(message));
        return base::ok;
    }
    void disconnected(Connection& c, const base::Error&) override { std::erase(connections, &c); }
    Table table;
    std::vector<Connection*> connections;
    std::vector<Message> heard;
};

HostRoute route(int n, std::uint32_t percent = 100) {
    return {.host = "s" + std::to_string(n) + ".localhost",
            .targets = {{"default/s-" + std::to_string(n), percent}}};
}

struct World {
    explicit World(std::uint64_t seed)
        : sim(seed), control(sim.host("control")), proxy(sim.host("proxy")), scope(sim.loop, 4) {}
    ~World() { scope.cancel(); }

    void start_control() {
        publisher = std::make_unique<Publisher>();
        listener = *control.network.listen(*host::parse_address(address), {});
        control_scope = std::make_unique<async::Scope>(sim.loop, 1);
        ASSERT_TRUE(control_scope->spawn(
            keep_answering(control, *listener, Hello{.role = "control"}, *publisher, {}, 8)));
    }
    void kill_control() {
        control_scope->cancel();
        listener.reset();
        publisher.reset();
    }
    void start_proxy(Hello hello = {.role = "proxy"}) {
        ASSERT_TRUE(scope.spawn(
            keep_calling(proxy, *host::parse_address(address), std::move(hello), mirror, {})));
    }

    host_sim::SimHost sim;
    host::Host control;
    host::Host proxy;
    Mirror mirror;
    std::unique_ptr<host::Listener> listener;
    std::unique_ptr<Publisher> publisher;
    std::unique_ptr<async::Scope> control_scope;
    async::Scope scope;
};

std::map<std::string, std::string> contents(const std::vector<Message>& values) {
    std::map<std::string, std::string> map;
    for (const auto& value : values) {
        map[key_of(value)] = encode(value);
    }
    return map;
}

TEST(Link, AMirrorFollowsEveryChangeAndARestartUnderEverySchedule) {
    for (std::uint64_t seed = 0; seed < 40; ++seed) {
        World world(seed);
        world.start_proxy();
        world.start_control();
        std::vector<Message> wanted;
        for (int round = 0; round < 20; ++round) {
            wanted.clear();
            for (int n = 0; n < 30; ++n) {
                if ((n * 7 + round) % 3 != 0) {
                    wanted.emplace_back(route(n, static_cast<std::uint32_t>(round % 4)));
                }
            }
            world.publisher->table.replace(wanted);
            world.sim.loop.run_for(1ms);
        }
        world.sim.loop.run_for(3s);
        EXPECT_EQ(world.mirror.table, contents(wanted)) << seed;
        EXPECT_EQ(world.mirror.version, world.publisher->table.version());
        EXPECT_EQ(world.mirror.peer_role, "control");

        world.kill_control();
        world.sim.loop.run_for(1s);
        EXPECT_EQ(world.mirror.table, contents(wanted)) << "the last table stays";
        world.start_control();
        wanted.resize(3);
        world.publisher->table.replace(wanted);
        world.sim.loop.run_for(3s);
        EXPECT_EQ(world.mirror.connects, 2);
        EXPECT_EQ(world.mirror.table, contents(wanted)) << seed;
    }
}

TEST(Link, MessagesOfOneKeyReplaceEachOtherAndOthersKeepTheirOrder) {
    World world(1);
    world.start_control();
    world.start_proxy();
    world.sim.loop.run_for(1s);
    ASSERT_NE(world.mirror.connection, nullptr);
    for (std::uint32_t waiting = 1; waiting <= 100; ++waiting) {
        world.mirror.connection->set(Wake{"default/a", waiting});
    }
    for (std::uint64_t id = 0; id < 10; ++id) {
        ASSERT_TRUE(world.mirror.connection->push(LogChunk{.id = id}));
    }
    world.sim.loop.run_for(1s);
    const auto& heard = world.publisher->heard;
    ASSERT_EQ(heard.size(), 11U);
    EXPECT_EQ(std::get<Wake>(heard[0]).waiting, 100U);
    for (std::uint64_t id = 0; id < 10; ++id) {
        EXPECT_EQ(std::get<LogChunk>(heard[1 + id]).id, id);
    }
}

TEST(Link, TheQueueIsBounded) {
    World world(2);
    world.start_control();
    world.start_proxy();
    world.sim.loop.run_for(1s);
    base::Status status = base::ok;
    std::size_t accepted = 0;
    while ((status = world.mirror.connection->push(LogChunk{}))) {
        ++accepted;
    }
    EXPECT_EQ(status.error().code, base::Code::exhausted);
    EXPECT_EQ(accepted, Connection::Limits{}.queue_max);
}

TEST(Link, PeersWithoutACommonProtocolDoNotSpeak) {
    World world(3);
    world.start_control();
    world.start_proxy({.protocol = 9, .protocol_lowest = 9, .role = "proxy"});
    world.sim.loop.run_for(2s);
    EXPECT_EQ(world.mirror.connects, 0);
}

TEST(Link, OneVersionAheadThatStillSpeaksOursIsUnderstood) {
    World world(4);
    world.start_control();
    world.start_proxy({.protocol = 2, .protocol_lowest = 1, .role = "proxy"});
    world.publisher->table.replace({route(1)});
    world.sim.loop.run_for(2s);
    EXPECT_EQ(world.mirror.table, contents({route(1)}));
}

}  // namespace
}  // namespace tidemill::link
