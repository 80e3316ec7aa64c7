#include <gtest/gtest.h>

#include <vector>

#include "auth/certificate.h"
#include "host_sim/sim_host.h"
#include "http/client.h"
#include "http/server.h"
#include "http/tls.h"

namespace tidemill::http {
namespace {

using base::Code;
using namespace std::chrono_literals;

constexpr const char* address = "127.0.0.1:8080";

// Answers as the path says, and notes whom it lost.
struct Echo final : Handler {
    explicit Echo(async::Loop& l) : loop(l) {}

    async::Task<void> handle(Request& request, Answer& answer) override {
        struct Leave {
            int& count;
            ~Leave() { ++count; }
        };
        const Leave leave{left};
        ++begun;
        if (request.path == "/echo") {
            auto body = co_await request.body.read_all(1U << 20);
            if (!body) {
                const int status = body.error().code == Code::exhausted ? 413 : 400;
                co_await answer.send(status, {}, body.error().message);
                co_return;
            }
            co_await answer.send(200, {{"X-Method", request.method}}, *std::move(body));
        } else if (request.path == "/stream") {
            co_await answer.begin(200, {});
            for (int i = 0; i < 5; ++i) {
                co_await async::sleep_for(loop, 10ms);
                co_await answer.write("line " + std::to_string(i) + "\n");
            }
            co_await answer.end();
        } else if (request.path == "/forever") {
            co_await answer.begin(200, {});
            co_await async::sleep_for(loop, std::chrono::hours(100));
        } else if (request.path == "/half") {
            co_await answer.begin(200, {});
            co_await answer.write("half");
        } else {
            co_await answer.send(404, {}, "no such path");
        }
    }
    async::Loop& loop;
    int begun = 0;
    int left = 0;
};

struct World {
    explicit World(std::uint64_t seed, StreamAdapter* server_tls = nullptr)
        : sim(seed),
          host(sim.host("server")),
          handler(sim.loop),
          server(host, handler, ServerLimits{}),
          scope(sim.loop, 4) {
        listener = *host.network.listen(*host::parse_address(address), {});
        EXPECT_TRUE(scope.spawn(server.serve(*listener, server_tls)));
    }
    ~World() { scope.cancel(); }

    std::unique_ptr<ClientConnection> connect(StreamAdapter* tls = nullptr,
                                              const char* name = "localhost") {
        auto connection = sim.loop.run(ClientConnection::open(host, *host::parse_address(address),
                                                              tls, name, sim.loop.now() + 5s));
        EXPECT_TRUE(connection) << connection.error().message;
        return connection ? *std::move(connection) : nullptr;
    }

    host_sim::SimHost sim;
    host::Host host;
    Echo handler;
    std::unique_ptr<host::Listener> listener;
    Server server;
    async::Scope scope;
};

async::Task<base::Result<std::string>> exchange(ClientConnection& connection, std::string method,
                                                std::string target, std::string body) {
    ClientRequest request;
    request.method = std::move(method);
    request.target = std::move(target);
    request.host = "localhost";
    request.body = std::move(body);
    const auto deadline = base::Instant::never();
    CO_TRY(auto response, co_await connection.send(std::move(request), deadline));
    CO_TRY(auto text, co_await response.body().read_all(8U << 20));
    co_return std::to_string(response.status) + " " + text;
}

TEST(Http, ManyExchangesOnOneConnectionForEverySplittingOfTheBytes) {
    for (std::uint64_t seed = 0; seed < 30; ++seed) {
        World world(seed);
        const auto connection = world.connect();
        for (int i = 0; i < 5; ++i) {
            const std::string body(static_cast<std::size_t>(i) * 30'000, 'b');
            EXPECT_EQ(*world.sim.loop.run(exchange(*connection, "POST", "/echo", body)),
                      "200 " + body);
            EXPECT_TRUE(connection->reusable());
        }
        EXPECT_EQ(*world.sim.loop.run(exchange(*connection, "GET", "/stream", "")),
                  "200 line 0\nline 1\nline 2\nline 3\nline 4\n");
        EXPECT_EQ(*world.sim.loop.run(exchange(*connection, "GET", "/none", "")),
                  "404 no such path");
    }
}

TEST(Http, ABodyFromASourceIsSentInChunks) {
    World world(1);
    const auto connection = world.connect();
    ClientRequest request;
    request.method = "POST";
    request.target = "/echo";
    request.host = "localhost";
    int left = 3;
    request.body_source = [&left]() -> async::Task<base::Result<std::optional<std::string>>> {
        if (left-- == 0) {
            co_return std::nullopt;
        }
        co_return std::string(1'000, 'x');
    };
    auto ask = [](ClientConnection& c, ClientRequest r) -> async::Task<std::size_t> {
        auto response = co_await c.send(std::move(r), base::Instant::never());
        co_return (co_await response->body().read_all(10'000))->size();
    };
    EXPECT_EQ(world.sim.loop.run(ask(*connection, std::move(request))), 3'000U);
}

TEST(Http, ABodyOverTheLimitIsAnsweredAndTheConnectionClosed) {
    World world(2);
    const auto connection = world.connect();
    const auto answer =
        world.sim.loop.run(exchange(*connection, "POST", "/echo", std::string(2U << 20, 'x')));
    ASSERT_TRUE(answer) << answer.error().message;
    EXPECT_TRUE(answer->starts_with("413 ")) << *answer;
    EXPECT_FALSE(connection->reusable());
}

TEST(Http, AnAnswerLeftUnfinishedIsSeenToBeCut) {
    World world(3);
    const auto connection = world.connect();
    EXPECT_EQ(world.sim.loop.run(exchange(*connection, "GET", "/half", "")).error().code,
              Code::unavailable);
}

TEST(Http, AHandlerIsDroppedWhenItsClientGoesAway) {
    World world(4);
    auto connection = world.connect();
    {
        async::Scope scope(world.sim.loop, 1);
        auto ask = [](ClientConnection& c) -> async::Task<void> {
            (void)co_await exchange(c, "GET", "/forever", "");
        };
        ASSERT_TRUE(scope.spawn(ask(*connection)));
        world.sim.loop.run_for(1s);
        EXPECT_EQ(world.handler.begun, 1);
        EXPECT_EQ(world.handler.left, 0);
    }
    connection.reset();
    world.sim.loop.run_for(1s);
    EXPECT_EQ(world.handler.left, 1);
}

async::Task<std::string> raw(host::Host& host, std::string bytes) {
    auto stream =
        *co_await host.network.connect(*host::parse_address(address), base::Instant::never());
    EXPECT_TRUE(co_await write_all(*stream, bytes));
    ReadBuffer buffer(*stream, 1U << 16);
    for (;;) {
        const auto more = co_await buffer.fill();
        if (!more || !*more) {
            co_return std::string(buffer.held());
        }
    }
}

TEST(Http, MalformedRequestsAreAnsweredWithTheirRuleAndClosed) {
    World world(5);
    for (const auto& [bytes, status] : std::vector<std::pair<std::string, std::string>>{
             {"GET / HTTP/1.1\r\n\r\n", "400"},
             {"GET / HTTP/1.1\r\nHost: a\r\nHost: b\r\n\r\n", "400"},
             {"POST / HTTP/1.1\r\nHost: a\r\nContent-Length: 1\r\nTransfer-Encoding: "
              "chunked\r\n\r\n",
              "400"},
             {"GET / HTTP/3.0\r\nHost: a\r\n\r\n", "505"},
         }) {
        const auto answer = world.sim.loop.run(raw(world.host, bytes));
        EXPECT_TRUE(answer.starts_with("HTTP/1.1 " + status)) << bytes << " -> " << answer;
        EXPECT_NE(answer.find("Connection: close"), std::string::npos);
    }
    EXPECT_EQ(world.handler.begun, 0);
}

TEST(Http, ASlowHeadEndsAtItsDeadline) {
    World world(6);
    const auto began = world.sim.loop.now();
    EXPECT_EQ(world.sim.loop.run(raw(world.host, "GET / HTTP/1.1\r\nHo")), "");
    EXPECT_LE(world.sim.loop.now() - began, base::Duration(11s));
}

TEST(Http, ExpectContinueIsAnsweredBeforeTheBody) {
    World world(7);
    const auto answer = world.sim.loop.run(
        raw(world.host,
            "POST /echo HTTP/1.1\r\nHost: a\r\nExpect: 100-continue\r\nContent-Length: 2\r\n"
            "Connection: close\r\n\r\nok"));
    EXPECT_NE(answer.find("200 OK"), std::string::npos);
    EXPECT_TRUE(answer.ends_with("ok"));
}

struct Pki {
    auth::Identity authority =
        *auth::make_authority("test", base::WallTime{1'800'000'000'000'000'000});
    auth::Identity leaf = *auth::issue(
        authority,
        {.common_name = "api", .dns_names = {"localhost"}, .ip_addresses = {"127.0.0.1"}},
        base::WallTime{1'800'000'000'000'000'000});
};

TEST(Tls, CarriesExchangesWhateverTheNetworkDoes) {
    // OpenSSL checks validity against the real clock, so the certificates must be valid today.
    Pki pki;
    pki.authority = *auth::make_authority("test", base::WallTime{1'700'000'000'000'000'000});
    pki.leaf = *auth::issue(pki.authority,
                            {.common_name = "api",
                             .dns_names = {"localhost"},
                             .ip_addresses = {"127.0.0.1"},
                             .lifetime = std::chrono::hours(24 * 3'000)},
                            base::WallTime{1'700'000'000'000'000'000});
    const auto server = *TlsServer::make(pki.leaf.certificate_pem, pki.leaf.key_pem, "");
    const auto client = *TlsClient::make(pki.authority.certificate_pem, "", "");
    for (std::uint64_t seed = 0; seed < 10; ++seed) {
        World world(seed, server.get());
        for (const char* name : {"localhost", "127.0.0.1"}) {
            const auto connection = world.connect(client.get(), name);
            ASSERT_NE(connection, nullptr);
            for (const std::size_t size : {0U, 10U, 200'000U}) {
                const std::string body(size, 't');
                EXPECT_EQ(*world.sim.loop.run(exchange(*connection, "POST", "/echo", body)),
                          "200 " + body);
            }
        }
    }
    World world(99, server.get());
    const auto stranger = *TlsClient::make(
        auth::make_authority("other", base::WallTime{1'700'000'000'000'000'000})->certificate_pem,
        "", "");
    const auto refused = [&](StreamAdapter& tls, const char* name) {
        return world.sim.loop
            .run(ClientConnection::open(world.host, *host::parse_address(address), &tls, name,
                                        world.sim.loop.now() + 5s))
            .error()
            .code;
    };
    EXPECT_EQ(refused(*stranger, "localhost"), Code::denied);
    EXPECT_EQ(refused(*client, "evil.example"), Code::denied);
}

TEST(Tls, RefusesPemThatIsNone) {
    EXPECT_FALSE(TlsServer::make("nonsense", "nonsense", ""));
    EXPECT_FALSE(TlsClient::make("nonsense", "", ""));
}

TEST(Message, QueriesAndPercents) {
    const auto parameters = parse_query("a=1&b=%20x+y&&c&d=%zz&e=a%3Db");
    ASSERT_EQ(parameters.size(), 5U);
    EXPECT_EQ(parameters[1].second, " x y");
    EXPECT_EQ(parameters[2].first, "c");
    EXPECT_EQ(parameters[3].second, "%zz");
    EXPECT_EQ(parameters[4].second, "a=b");
    EXPECT_EQ(percent_decode(percent_encode("a/b c\xff")), "a/b c\xff");
    EXPECT_FALSE(percent_decode("%4"));
}

}  // namespace
}  // namespace tidemill::http
