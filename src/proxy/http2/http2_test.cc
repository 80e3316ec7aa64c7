// HTTP/2 on either side of the proxy, with what HTTP/1.1 has: routing, holding, back-pressure,
// deadlines; and what only HTTP/2 has.
#include <map>

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "proxy/world_test.h"
#include "wire/http2/session.h"

namespace tidemill::proxy::testing {
namespace {

using namespace std::chrono_literals;
using ::testing::ElementsAre;
using ::testing::HasSubstr;
using ::testing::Not;
using wire::Http2End;
using wire::Http2Error;
using wire::Http2Field;
using wire::Http2StreamId;

// Test code's end of a connection that speaks HTTP/2.
struct Talker final : wire::Http2Events {
    Talker(World& at, Party& by, wire::Http2Role role, wire::Http2Limits limits = {})
        : world(at), party(by), session(role, limits, *this) {}

    struct Message {
        std::string head;  // "name=value\n"...
        std::string trailers;
        std::string body;
        bool ended = false;
        int closed = -1;
    };
    void on_head(Http2StreamId id, Head kind, wire::Http2Fields fields, Http2End end) override {
        auto& to = kind == Head::trailers ? messages[id].trailers : messages[id].head;
        for (const auto& field : fields) {
            to += std::string(field.name) + '=' + std::string(field.value) + '\n';
        }
        messages[id].ended = end == Http2End::here;
    }
    void on_head_too_large(Http2StreamId) override {}
    void on_data(Http2StreamId id, std::string_view bytes) override {
        messages[id].body += bytes;
        if (takes) {
            session.consumed(id, bytes.size());
        }
    }
    void on_end(Http2StreamId id) override { messages[id].ended = true; }
    void on_drained(Http2StreamId) override {}
    void on_closed(Http2StreamId id, Http2Error why) override {
        messages[id].closed = static_cast<int>(why);
    }
    void on_go_away(Http2Error why) override { gone_away = static_cast<int>(why); }

    // Says and hears until nothing moves.
    void turn() {
        for (int quiet = 0; quiet < 2;) {
            std::string out;
            if (left.empty()) {
                session.send(out, 60'000);
            }
            if (!out.empty()) {
                left += out;
            }
            if (!left.empty()) {
                left.erase(0, party.send_some(left));
            }
            world.loop.run_ready();
            const auto heard = party.take();
            if (!heard.empty()) {
                EXPECT_EQ(session.receive(heard, world.loop.now()), wire::Http2Fault::none);
            }
            quiet = out.empty() && heard.empty() ? quiet + 1 : 0;
        }
        world.loop.run_ready();
    }
    Http2StreamId ask(std::string_view method, std::string_view path, Http2End end,
                      std::vector<Http2Field> more = {}) {
        std::vector<Http2Field> head = {{":method", method},
                                        {":scheme", "http"},
                                        {":authority", "app.default.localhost"},
                                        {":path", path}};
        head.insert(head.end(), more.begin(), more.end());
        const auto id = session.open(head, end);
        EXPECT_NE(id, 0);
        return id;
    }
    void answer(Http2StreamId id, std::string_view body, std::vector<Http2Field> more = {}) {
        std::vector<Http2Field> head = {{":status", "200"}};
        head.insert(head.end(), more.begin(), more.end());
        EXPECT_TRUE(session.answer(id, head, body.empty() ? Http2End::here : Http2End::more));
        session.write(id, body);
        if (!body.empty()) {
            session.finish(id, {});
        }
        turn();
    }

    World& world;
    Party& party;
    std::string left;  // that the connection has not taken yet
    std::map<Http2StreamId, Message> messages;
    bool takes = true;
    int gone_away = -1;
    wire::Http2Session session;
};

mesh::RevisionRule h2c() {
    mesh::RevisionRule rule;
    rule.protocol = mesh::InstanceProtocol::http2;
    return rule;
}

// Downstream
// -----------------------------------------------------------------------------------------

TEST(Http2, a_request_of_prior_knowledge_reaches_an_instance_of_http1_and_its_answer_the_client) {
    World world;
    world.route();
    world.endpoints(1);
    const auto client = world.connect();
    Talker talker(world, *client, wire::Http2Role::client);
    const auto id = talker.ask("GET", "/a?b=c", Http2End::here, {{"x-request-id", "mine"}});
    talker.turn();
    const auto seen = world.hear(world.instance(0));
    EXPECT_THAT(seen, ::testing::StartsWith("GET /a?b=c HTTP/1.1\r\nhost: app.default.localhost"));
    EXPECT_THAT(seen, HasSubstr("\r\nX-Forwarded-For: 127.0.0.1\r\n"));
    EXPECT_THAT(seen, HasSubstr("\r\nX-Request-Id: mine\r\n"));
    EXPECT_THAT(seen, Not(HasSubstr("onnection")));
    world.say(world.instance(0), simple_ok);
    talker.turn();
    const auto& got = talker.messages[id];
    EXPECT_THAT(got.head, ::testing::StartsWith(":status=200\ncontent-length=2\n"));
    EXPECT_EQ(got.body, "ok");
    EXPECT_EQ(got.closed, 0);
    EXPECT_THAT(world.log(), HasSubstr(R"("status":200)"));
    EXPECT_EQ(world.worker->connections(), 1U);
}

TEST(Http2, many_requests_of_one_connection_run_together_and_answer_in_any_order) {
    World world;
    world.route();
    world.endpoints(1);
    const auto client = world.connect();
    Talker talker(world, *client, wire::Http2Role::client);
    const auto first = talker.ask("GET", "/1", Http2End::here);
    const auto second = talker.ask("GET", "/2", Http2End::here);
    const auto third = talker.ask("GET", "/3", Http2End::here);
    talker.turn();
    ASSERT_EQ(world.instance_connections(0), 3U);
    world.say(world.instance(0, 2), simple_ok);
    world.say(world.instance(0, 1), simple_ok);
    talker.turn();
    EXPECT_EQ(talker.messages[first].closed, -1);
    EXPECT_EQ(talker.messages[second].closed, 0);
    EXPECT_EQ(talker.messages[third].closed, 0);
    world.say(world.instance(0, 0), simple_ok);
    talker.turn();
    EXPECT_EQ(talker.messages[first].body, "ok");
    talker.ask("GET", "/4", Http2End::here);
    talker.turn();
    EXPECT_EQ(world.instance_connections(0), 3U);  // those to the instance are used again
}

TEST(Http2, a_body_without_a_length_becomes_chunks_and_chunks_with_trailers_become_frames) {
    World world;
    world.route();
    world.endpoints(1);
    const auto client = world.connect();
    Talker talker(world, *client, wire::Http2Role::client);
    const auto id = talker.ask("POST", "/", Http2End::more);
    talker.session.write(id, "hello");
    talker.turn();
    talker.session.write(id, " world");
    talker.session.finish(id, std::vector<Http2Field>{{"x-sum", "11"}});
    talker.turn();
    const auto seen = world.hear(world.instance(0));
    EXPECT_THAT(seen, HasSubstr("\r\nTransfer-Encoding: chunked\r\n"));
    EXPECT_THAT(seen, HasSubstr("\r\n\r\n5\r\nhello\r\n6\r\n world\r\n0\r\nx-sum: 11\r\n\r\n"));
    world.say(world.instance(0),
              "HTTP/1.1 103 Early Hints\r\nLink: l\r\n\r\n"
              "HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n3\r\nabc\r\n");
    talker.turn();
    EXPECT_EQ(talker.messages[id].body, "abc");
    EXPECT_FALSE(talker.messages[id].ended);
    world.say(world.instance(0), "0\r\nGrpc-Status: 0\r\n\r\n");
    talker.turn();
    EXPECT_THAT(talker.messages[id].head,
                ::testing::StartsWith(":status=103\nlink=l\n:status=200"));
    EXPECT_EQ(talker.messages[id].trailers, "grpc-status=0\n");
    EXPECT_EQ(talker.messages[id].closed, 0);
}

TEST(Http2, requests_of_any_split_are_the_same) {
    for (const std::size_t piece : {1U, 7U, 100U}) {
        World world;
        world.route();
        world.endpoints(1);
        const auto client = world.connect();
        Talker talker(world, *client, wire::Http2Role::client);
        const auto id = talker.ask("POST", "/x", Http2End::more, {{"content-length", "5"}});
        talker.session.write(id, "hello");
        talker.session.finish(id, {});
        std::string bytes;
        talker.session.send(bytes, SIZE_MAX);
        for (std::size_t at = 0; at < bytes.size(); at += piece) {
            world.say(*client, bytes.substr(at, piece));
        }
        EXPECT_THAT(world.hear(world.instance(0)), HasSubstr("\r\n\r\nhello"));
    }
}

TEST(Http2, a_request_waits_for_an_instance_and_a_client_that_cancels_leaves_the_queue) {
    World world;
    world.route();
    world.endpoints(0);
    const auto client = world.connect();
    Talker talker(world, *client, wire::Http2Role::client);
    const auto waits = talker.ask("GET", "/1", Http2End::here);
    const auto leaves = talker.ask("GET", "/2", Http2End::here);
    talker.turn();
    EXPECT_FALSE(world.reports.wakes.empty());
    talker.session.reset(leaves, Http2Error::cancel);
    talker.turn();
    world.endpoints(1);
    talker.turn();
    EXPECT_EQ(world.instance_connections(0), 1U);
    world.say(world.instance(0), simple_ok);
    talker.turn();
    EXPECT_EQ(talker.messages[waits].body, "ok");
    EXPECT_THAT(world.log(), HasSubstr("TM-213"));
}

TEST(Http2, a_client_that_cancels_frees_its_instance_at_once) {
    World world;
    mesh::RevisionRule rule;
    rule.container_concurrency = 1;
    world.route(rule);
    world.endpoints(1);
    const auto client = world.connect();
    Talker talker(world, *client, wire::Http2Role::client);
    const auto first = talker.ask("GET", "/1", Http2End::here);
    talker.turn();
    const auto second = talker.ask("GET", "/2", Http2End::here);
    talker.turn();
    ASSERT_EQ(world.instance_connections(0), 1U);
    talker.session.reset(first, Http2Error::cancel);
    talker.turn();
    EXPECT_TRUE(world.instance(0, 0).closed());
    ASSERT_EQ(world.instance_connections(0), 2U);
    world.say(world.instance(0, 1), simple_ok);
    talker.turn();
    EXPECT_EQ(talker.messages[second].body, "ok");
}

TEST(Http2, an_answer_that_is_cut_is_seen_as_cut) {
    World world;
    world.route();
    world.endpoints(1);
    const auto client = world.connect();
    Talker talker(world, *client, wire::Http2Role::client);
    const auto id = talker.ask("GET", "/", Http2End::here);
    talker.turn();
    world.say(world.instance(0), "HTTP/1.1 200 OK\r\nContent-Length: 10\r\n\r\nabc");
    world.instance(0).close();
    talker.turn();
    EXPECT_EQ(talker.messages[id].body, "abc");
    EXPECT_FALSE(talker.messages[id].ended);
    EXPECT_EQ(talker.messages[id].closed, static_cast<int>(Http2Error::internal_error));
    const auto next = talker.ask("GET", "/", Http2End::here);
    talker.turn();
    world.say(world.instance(0, 1), simple_ok);
    talker.turn();
    EXPECT_EQ(talker.messages[next].body, "ok");
}

TEST(Http2, a_slow_reader_stops_the_instance_and_costs_bounded_memory) {
    World world;
    world.network.options.capacity_bytes = 16 * 1024;
    world.route();
    world.endpoints(1);
    const auto client = world.connect();
    Talker talker(world, *client, wire::Http2Role::client);
    talker.takes = false;
    const auto id = talker.ask("GET", "/", Http2End::here);
    talker.turn();
    world.say(world.instance(0), "HTTP/1.1 200 OK\r\nContent-Length: 10000000\r\n\r\n");
    std::size_t sent = 0;
    for (int i = 0; i < 1000 && world.instance(0).send(std::string(1000, 'x')); ++i) {
        sent += 1000;
        world.loop.run_ready();
        talker.turn();
    }
    EXPECT_EQ(talker.messages[id].body.size(), 64U * 1024);  // its window
    EXPECT_LT(sent, 64U * 1024 + 32 * 1024 + 2 * 64 * 1024 + 16 * 1024);
    talker.takes = true;
    talker.session.consumed(id, talker.messages[id].body.size());
    talker.turn();
    EXPECT_GT(talker.messages[id].body.size(), 64U * 1024);
    // It never takes the rest: it is cut off like one of HTTP/1.1.
    talker.takes = false;
    world.instance(0).send(std::string(16'000, 'x'));
    world.loop.run_ready();
    for (int i = 0; i < 100; ++i) {
        world.instance(0).send(std::string(1000, 'x'));
        talker.turn();
    }
    world.loop.run_for(200s);
    talker.turn();
    EXPECT_EQ(talker.messages[id].closed, static_cast<int>(Http2Error::internal_error));
    EXPECT_THAT(world.log(), HasSubstr("TM-217"));
}

TEST(Http2, a_slow_instance_stops_the_client) {
    World world;
    world.network.options.capacity_bytes = 16 * 1024;
    world.route();
    world.endpoints(1);
    const auto client = world.connect();
    Talker talker(world, *client, wire::Http2Role::client);
    const auto id = talker.ask("POST", "/", Http2End::more);
    talker.session.write(id, std::string(1'000'000, 'x'));
    talker.session.finish(id, {});
    talker.turn();
    EXPECT_GT(talker.session.unsent(id), 800'000U);
    std::size_t taken = 0;
    for (int i = 0; i < 1000 && talker.session.unsent(id) > 0; ++i) {
        taken += world.instance(0).take().size();
        talker.turn();
    }
    taken += world.hear(world.instance(0)).size();
    for (int i = 0; i < 100; ++i) {
        talker.turn();
        taken += world.hear(world.instance(0)).size();
    }
    EXPECT_EQ(talker.session.unsent(id), 0U);
    EXPECT_GT(taken, 1'000'000U);
}

TEST(Http2, an_early_answer_ends_the_upload_without_an_error) {
    World world;
    world.route();
    world.endpoints(1);
    const auto client = world.connect();
    Talker talker(world, *client, wire::Http2Role::client);
    const auto id = talker.ask("POST", "/", Http2End::more);
    talker.session.write(id, "part");
    talker.turn();
    world.say(world.instance(0), "HTTP/1.1 413 No\r\nContent-Length: 2\r\n\r\nno");
    talker.turn();
    EXPECT_THAT(talker.messages[id].head, HasSubstr(":status=413"));
    EXPECT_EQ(talker.messages[id].body, "no");
    EXPECT_TRUE(talker.messages[id].ended);
    EXPECT_EQ(talker.messages[id].closed, 0);
}

TEST(Http2, heads_that_the_strict_parser_refuses_are_answered_on_their_stream) {
    World world;
    world.route();
    world.endpoints(1);
    const auto client = world.connect();
    Talker talker(world, *client, wire::Http2Role::client);
    const auto unknown = talker.session.open(
        std::vector<Http2Field>{
            {":method", "GET"}, {":scheme", "http"}, {":authority", "other"}, {":path", "/"}},
        Http2End::here);
    const auto bad_host = talker.session.open(
        std::vector<Http2Field>{
            {":method", "GET"}, {":scheme", "http"}, {":authority", "a b"}, {":path", "/"}},
        Http2End::here);
    talker.turn();
    EXPECT_THAT(talker.messages[unknown].head, HasSubstr(":status=404"));
    EXPECT_THAT(talker.messages[unknown].head, HasSubstr("x-tidemill-reason=TM-202"));
    EXPECT_THAT(talker.messages[unknown].head, Not(HasSubstr("connection")));
    EXPECT_NE(talker.messages[bad_host].closed, -1);
    const std::string much(30'000, 'x');
    const auto too_large = talker.ask("GET", "/", Http2End::here, {{"x", much}});
    talker.turn();
    EXPECT_THAT(talker.messages[too_large].head, HasSubstr(":status=431"));
    EXPECT_EQ(world.worker->connections(), 1U);
}

TEST(Http2, a_rapid_reset_attack_ends_the_connection_and_begins_little_work) {
    World world;
    world.route();
    world.endpoints(1);
    const auto client = world.connect();
    Talker talker(world, *client, wire::Http2Role::client);
    talker.turn();
    bool sent_away = false;
    for (int i = 0; i < 2000 && !sent_away; ++i) {
        const auto id =
            talker.session.open(std::vector<Http2Field>{{":method", "GET"},
                                                        {":scheme", "http"},
                                                        {":authority", "app.default.localhost"},
                                                        {":path", "/"}},
                                Http2End::here);
        std::string out;
        talker.session.send(out, SIZE_MAX);
        talker.session.reset(id, Http2Error::cancel);
        talker.session.send(out, SIZE_MAX);
        client->send(out);
        world.loop.run_ready();
        talker.session.receive(client->take(), world.loop.now());
        sent_away = talker.gone_away == static_cast<int>(Http2Error::enhance_your_calm);
    }
    EXPECT_TRUE(sent_away);
    EXPECT_EQ(world.network.connects, 0U);  // reset in the same packet: nobody asked the instance
    world.loop.run_for(5s);
    EXPECT_EQ(world.worker->connections(), 0U);
}

TEST(Http2, an_idle_connection_is_told_goodbye_and_closed) {
    World world;
    world.route();
    world.endpoints(1);
    const auto client = world.connect();
    Talker talker(world, *client, wire::Http2Role::client);
    talker.ask("GET", "/", Http2End::here);
    talker.turn();
    world.loop.run_for(100s);
    EXPECT_EQ(world.worker->connections(), 1U);  // a request runs
    world.say(world.instance(0), simple_ok);
    talker.turn();
    world.loop.run_for(59s);
    EXPECT_EQ(world.worker->connections(), 1U);
    world.loop.run_for(2s);
    talker.turn();
    EXPECT_EQ(talker.gone_away, 0);
    EXPECT_EQ(world.worker->connections(), 0U);
}

TEST(Http2, a_client_that_never_finishes_a_head_is_sent_away) {
    World world;
    const auto client = world.connect();
    world.say(*client, "PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n");
    world.say(*client,
              std::string("\0\0\0\4\0\0\0\0\0", 9) + std::string("\0\0\5\1\0\0\0\0\1\x82\x84", 11));
    world.loop.run_for(15s);
    EXPECT_EQ(world.worker->connections(), 0U);
    const auto again = world.connect();
    world.say(*again, "PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n");
    world.loop.run_for(65s);
    EXPECT_EQ(world.worker->connections(), 0U);
}

TEST(Http2, a_preface_behind_a_request_is_no_way_into_http2) {
    World world;
    world.route();
    world.endpoints(1);
    const auto client = world.connect();
    world.say(*client, simple_get);
    world.say(world.instance(0), simple_ok);
    world.hear(*client);
    world.say(*client, "PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n");
    EXPECT_THAT(world.hear(*client), HasSubstr("HTTP/1.1 505"));
    EXPECT_TRUE(client->closed());
}

TEST(Http2, a_stopping_worker_says_goodbye_and_lets_what_runs_end) {
    World world;
    world.route();
    world.endpoints(1);
    const auto client = world.connect();
    Talker talker(world, *client, wire::Http2Role::client);
    const auto id = talker.ask("GET", "/", Http2End::here);
    talker.turn();
    async::Scope scope(world.loop, 1);
    static_cast<void>(scope.spawn(world.worker->stop(world.loop.now() + 30s)));
    talker.turn();
    EXPECT_EQ(talker.gone_away, 0);
    world.say(world.instance(0), simple_ok);
    talker.turn();
    EXPECT_EQ(talker.messages[id].body, "ok");
    EXPECT_EQ(scope.size(), 0U);
}

TEST(Http2, a_client_that_goes_takes_its_requests_with_it) {
    World world;
    world.route();
    world.endpoints(1);
    auto client = world.connect();
    Talker talker(world, *client, wire::Http2Role::client);
    talker.ask("GET", "/1", Http2End::here);
    talker.ask("GET", "/2", Http2End::here);
    talker.turn();
    client->reset();
    world.loop.run_ready();
    EXPECT_TRUE(world.instance(0, 0).closed());
    EXPECT_TRUE(world.instance(0, 1).closed());
    EXPECT_EQ(world.worker->connections(), 0U);
}

// Upstream
// -------------------------------------------------------------------------------------------

TEST(Http2, requests_of_http1_share_one_connection_to_an_instance_of_http2) {
    World world;
    world.route(h2c());
    world.endpoints(1);
    const auto first = world.connect();
    const auto second = world.connect();
    world.say(*first, "GET /1 HTTP/1.1\r\nHost: app.default.localhost\r\nX-Case: Kept\r\n\r\n");
    world.say(*second, "GET /2 HTTP/1.1\r\nHost: app.default.localhost\r\n\r\n");
    ASSERT_EQ(world.instance_connections(0), 1U);
    Talker app(world, world.instance(0), wire::Http2Role::server);
    app.turn();
    ASSERT_EQ(app.messages.size(), 2U);
    EXPECT_THAT(
        app.messages[1].head,
        ::testing::StartsWith(":method=GET\n:scheme=http\n:authority=app.default.localhost\n"
                              ":path=/1\nx-case=Kept\nx-forwarded-for=127.0.0.1\n"));
    EXPECT_TRUE(app.messages[1].ended);
    app.answer(3, "two");
    app.answer(1, "one", {{"content-length", "3"}});
    EXPECT_THAT(world.hear(*second),
                HasSubstr("Transfer-Encoding: chunked\r\n\r\n3\r\ntwo\r\n0\r\n"));
    EXPECT_THAT(world.hear(*first), HasSubstr("content-length: 3\r\nDate: "));
    world.say(*first, simple_get);
    app.turn();
    EXPECT_EQ(app.messages.size(), 3U);
    EXPECT_EQ(world.instance_connections(0), 1U);
    app.answer(5, "");
    EXPECT_THAT(world.hear(*first), HasSubstr("\r\ncontent-length: 0\r\n"));
}

TEST(Http2, requests_that_find_no_connection_wait_for_one) {
    World world;
    world.network.connect_takes = 10ms;
    world.route(h2c());
    world.endpoints(1);
    std::vector<std::unique_ptr<Party>> clients;
    for (int i = 0; i < 10; ++i) {
        clients.push_back(world.connect());
        world.say(*clients.back(), simple_get);
    }
    world.loop.run_for(20ms);
    ASSERT_EQ(world.network.connects, 1U);
    Talker app(world, world.instance(0), wire::Http2Role::server);
    app.turn();
    EXPECT_EQ(app.messages.size(), 10U);
}

TEST(Http2, more_requests_than_an_instance_takes_of_one_connection_open_another) {
    World world;
    world.route(h2c());
    world.endpoints(1);
    const auto first = world.connect();
    world.say(*first, simple_get);
    Talker app(world, world.instance(0), wire::Http2Role::server, {.streams = 1});
    app.turn();
    const auto second = world.connect();
    world.say(*second, simple_get);
    EXPECT_EQ(world.instance_connections(0), 2U);
}

TEST(Http2, grpc_crosses_from_end_to_end) {
    World world;
    world.route(h2c());
    world.endpoints(1);
    const auto client = world.connect();
    Talker talker(world, *client, wire::Http2Role::client);
    const auto id = talker.ask(
        "POST", "/pkg.Service/Method", Http2End::more,
        {{"content-type", "application/grpc"}, {"te", "trailers"}, {"grpc-timeout", "5S"}});
    talker.session.write(id, "question");
    talker.turn();
    Talker app(world, world.instance(0), wire::Http2Role::server);
    app.turn();
    EXPECT_THAT(app.messages[1].head, HasSubstr("\nte=trailers\n"));
    EXPECT_THAT(app.messages[1].head, HasSubstr("\ngrpc-timeout=5000000u\n"));
    EXPECT_EQ(app.messages[1].body, "question");
    // Both go on speaking: a stream of messages each way.
    app.session.answer(
        1, std::vector<Http2Field>{{":status", "200"}, {"content-type", "application/grpc"}},
        Http2End::more);
    app.session.write(1, "first");
    app.turn();
    talker.turn();
    EXPECT_EQ(talker.messages[id].body, "first");
    talker.session.write(id, "more");
    talker.session.finish(id, {});
    talker.turn();
    app.turn();
    EXPECT_EQ(app.messages[1].body, "questionmore");
    EXPECT_TRUE(app.messages[1].ended);
    app.session.write(1, "second");
    app.session.finish(1, std::vector<Http2Field>{{"grpc-status", "0"}, {"grpc-message", "fine"}});
    app.turn();
    talker.turn();
    EXPECT_EQ(talker.messages[id].body, "firstsecond");
    EXPECT_EQ(talker.messages[id].trailers, "grpc-status=0\ngrpc-message=fine\n");
    EXPECT_EQ(talker.messages[id].closed, 0);
    // Trailers alone.
    const auto alone = talker.ask("POST", "/pkg.Service/Method", Http2End::here,
                                  {{"content-type", "application/grpc"}});
    talker.turn();
    app.turn();
    app.answer(3, "", {{"content-type", "application/grpc"}, {"grpc-status", "5"}});
    talker.turn();
    EXPECT_THAT(talker.messages[alone].head, HasSubstr("grpc-status=5"));
    EXPECT_THAT(talker.messages[alone].head, Not(HasSubstr("content-length")));
    EXPECT_EQ(talker.messages[alone].closed, 0);
}

TEST(Http2, what_the_proxy_says_itself_to_a_grpc_caller_is_a_grpc_status) {
    struct Row {
        const char* name;
        const char* authority;
        base::Duration wait;
        const char* status;
        const char* code;
    };
    const Row rows[] = {
        {"no such host", "other", 0s, "grpc-status=12", "TM-202"},
        {"nobody takes it in time", "app.default.localhost", 6s, "grpc-status=4", "TM-204"},
    };
    for (const auto& row : rows) {
        World world;
        world.route(h2c());
        const auto client = world.connect();
        Talker talker(world, *client, wire::Http2Role::client);
        const auto id =
            talker.session.open(std::vector<Http2Field>{{":method", "POST"},
                                                        {":scheme", "http"},
                                                        {":authority", row.authority},
                                                        {":path", "/s/m"},
                                                        {"content-type", "application/grpc+proto"},
                                                        {"grpc-timeout", "5S"}},
                                Http2End::here);
        talker.turn();
        world.loop.run_for(row.wait);
        talker.turn();
        const auto& got = talker.messages[id];
        EXPECT_THAT(got.head, ::testing::StartsWith(":status=200\ncontent-type=application/grpc\n"))
            << row.name;
        EXPECT_THAT(got.head, HasSubstr(row.status)) << row.name;
        EXPECT_THAT(got.head, HasSubstr("grpc-message=")) << row.name;
        EXPECT_THAT(got.head, HasSubstr(row.code)) << row.name;
        EXPECT_TRUE(got.ended) << row.name;
    }
}

TEST(Http2, a_deadline_of_the_caller_ends_a_call_that_an_instance_has) {
    World world;
    world.route(h2c());
    world.endpoints(1);
    const auto client = world.connect();
    Talker talker(world, *client, wire::Http2Role::client);
    const auto id = talker.ask("POST", "/s/m", Http2End::here,
                               {{"content-type", "application/grpc"}, {"grpc-timeout", "100m"}});
    talker.turn();
    Talker app(world, world.instance(0), wire::Http2Role::server);
    app.turn();
    world.loop.run_for(150ms);
    talker.turn();
    app.turn();
    EXPECT_THAT(talker.messages[id].head, HasSubstr("grpc-status=4"));
    EXPECT_EQ(app.messages[1].closed, static_cast<int>(Http2Error::cancel));
    const auto bad = talker.ask("POST", "/s/m", Http2End::here, {{"grpc-timeout", "soon"}});
    talker.turn();
    EXPECT_THAT(talker.messages[bad].head, HasSubstr(":status=400"));
}

TEST(Http2, a_refused_request_is_sent_again_even_if_it_may_change_something) {
    World world;
    world.route(h2c());
    world.endpoints(1);
    const auto client = world.connect();
    world.say(*client,
              "POST / HTTP/1.1\r\nHost: app.default.localhost\r\nContent-Length: 3\r\n\r\nabc");
    Talker app(world, world.instance(0), wire::Http2Role::server);
    app.turn();
    app.session.reset(1, Http2Error::refused_stream);
    app.turn();
    EXPECT_EQ(app.messages[3].body, "abc");
    app.answer(3, "done");
    EXPECT_THAT(world.hear(*client), HasSubstr("\r\n\r\n4\r\ndone\r\n0\r\n\r\n"));
    // One that was not refused may have run.
    world.say(*client,
              "POST / HTTP/1.1\r\nHost: app.default.localhost\r\nContent-Length: 3\r\n\r\nabc");
    app.turn();
    app.session.reset(5, Http2Error::internal_error);
    app.turn();
    EXPECT_THAT(world.hear(*client), HasSubstr("HTTP/1.1 502"));
}

TEST(Http2, a_request_that_a_leaving_connection_did_not_look_at_goes_to_another) {
    World world;
    world.route(h2c());
    world.endpoints(1);
    const auto client = world.connect();
    world.say(*client,
              "POST / HTTP/1.1\r\nHost: app.default.localhost\r\nContent-Length: 3\r\n\r\nabc");
    // A server that goes away before it looked at anything.
    world.say(world.instance(0), std::string("\0\0\0\4\0\0\0\0\0", 9) +
                                     std::string("\0\0\x08\7\0\0\0\0\0\0\0\0\0\0\0\0\0", 17));
    ASSERT_EQ(world.instance_connections(0), 2U);
    Talker app(world, world.instance(0, 1), wire::Http2Role::server);
    app.turn();
    EXPECT_EQ(app.messages[1].body, "abc");
}

TEST(Http2, an_instance_that_does_not_speak_http2_is_named_as_that) {
    World world;
    world.route(h2c());
    world.endpoints(1);
    const auto client = world.connect();
    world.say(*client, simple_get);
    for (std::size_t i = 0; i < 3 && i < world.instance_connections(0); ++i) {
        world.say(world.instance(0, i), "HTTP/1.1 400 Bad Request\r\nContent-Length: 0\r\n\r\n");
    }
    const auto heard = world.hear(*client);
    EXPECT_THAT(heard, HasSubstr("HTTP/1.1 502"));
    EXPECT_THAT(heard, HasSubstr("TM-207"));
    EXPECT_THAT(heard, HasSubstr("h2c"));
}

TEST(Http2, an_upload_stops_at_the_window_of_an_instance_that_does_not_read) {
    World world;
    world.route(h2c());
    world.endpoints(1);
    const auto client = world.connect();
    world.say(*client,
              "POST / HTTP/1.1\r\nHost: app.default.localhost\r\nContent-Length: 1000000\r\n\r\n");
    Talker app(world, world.instance(0), wire::Http2Role::server);
    app.takes = false;
    app.turn();
    std::size_t sent = 0;
    while (sent < 1'000'000 && client->send(std::string(1000, 'x'))) {
        sent += 1000;
        world.loop.run_ready();
        app.turn();
    }
    EXPECT_EQ(app.messages[1].body.size(), 64U * 1024);
    EXPECT_LT(sent, 64U * 1024 + 32 * 1024 + 2 * 64 * 1024 + 64 * 1024);
}

TEST(Http2, connections_to_a_draining_instance_are_closed_and_idle_ones_in_time) {
    World world;
    world.route(h2c());
    world.endpoints(1);
    const auto client = world.connect();
    world.say(*client, simple_get);
    Talker app(world, world.instance(0), wire::Http2Role::server);
    app.turn();
    world.endpoints(1, mesh::EndpointState::draining);
    app.turn();
    EXPECT_EQ(app.gone_away, 0);
    EXPECT_FALSE(world.instance(0).closed());
    app.answer(1, "ok");
    EXPECT_THAT(world.hear(*client), HasSubstr("ok"));
    app.turn();
    EXPECT_TRUE(world.instance(0).closed());
    EXPECT_THAT(world.reports.drains, ::testing::Contains("app-1-0"));

    world.endpoints(1);
    world.say(*client, simple_get);
    Talker other(world, world.instance(0, 1), wire::Http2Role::server);
    other.turn();
    other.answer(1, "ok");
    world.hear(*client);
    world.loop.run_for(61s);
    other.turn();
    EXPECT_TRUE(world.instance(0, 1).closed());
}

TEST(Http2, an_upgrade_is_not_offered_to_an_instance_of_http2) {
    World world;
    world.route(h2c());
    world.endpoints(1);
    const auto client = world.connect();
    world.say(*client,
              "GET / HTTP/1.1\r\nHost: app.default.localhost\r\nConnection: Upgrade\r\n"
              "Upgrade: websocket\r\n\r\n");
    Talker app(world, world.instance(0), wire::Http2Role::server);
    app.turn();
    EXPECT_THAT(app.messages[1].head, Not(HasSubstr("upgrade")));
    app.answer(1, "plain");
    EXPECT_THAT(world.hear(*client), HasSubstr("plain"));
}

}  // namespace
}  // namespace tidemill::proxy::testing
