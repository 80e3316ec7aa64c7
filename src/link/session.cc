#include "link/session.h"

#include <algorithm>
#include <utility>

namespace tidemill::link {
namespace {

using namespace std::chrono_literals;

// A peer on this machine answers in microseconds; one that takes this long hangs.
constexpr auto handshake_limit = 2s;
constexpr auto pause_least = 5ms;
constexpr auto pause_most = 500ms;

async::Task<void> write_until_end(Connection& connection) {
    (void)co_await connection.write();
}

// One conversation, from handshake to its end. True if the handshake succeeded.
async::Task<bool> converse(host::Host& host, std::unique_ptr<host::Stream> stream, Hello mine,
                           Session& session, Connection::Limits limits) {
    Connection connection(std::move(stream), limits);
    auto peer = co_await connection.handshake(std::move(mine), host.loop.now() + handshake_limit);
    if (!peer) {
        co_return false;
    }
    session.connected(connection, *peer);
    base::Error why{base::Code::unavailable, "link: the peer is gone"};
    {
        // A write that fails shows as a read that fails: one place sees the end.
        async::Scope writer(host.loop, 1);
        (void)writer.spawn(write_until_end(connection));
        for (;;) {
            auto message = co_await connection.receive();
            if (!message) {
                why = std::move(message).error();
                break;
            }
            if (auto status = session.received(connection, *std::move(message)); !status) {
                why = std::move(status).error();
                break;
            }
        }
    }
    session.disconnected(connection, why);
    co_return true;
}

async::Task<void> answer(host::Host& host, std::unique_ptr<host::Stream> stream, Hello mine,
                         Session& session, Connection::Limits limits) {
    (void)co_await converse(host, std::move(stream), std::move(mine), session, limits);
}

}  // namespace

async::Task<void> keep_calling(host::Host& host, host::Address address, Hello mine,
                               Session& session, Connection::Limits limits) {
    base::Duration pause = pause_least;
    for (;;) {
        auto stream = co_await host.network.connect(address, host.loop.now() + handshake_limit);
        if (stream && co_await converse(host, *std::move(stream), mine, session, limits)) {
            pause = pause_least;
        }
        co_await async::sleep_for(host.loop, pause);
        pause = std::min<base::Duration>(pause * 2, pause_most);
    }
}

async::Task<void> keep_answering(host::Host& host, host::Listener& listener, Hello mine,
                                 Session& session, Connection::Limits limits,
                                 std::size_t connections_max) {
    async::Scope conversations(host.loop, connections_max);
    for (;;) {
        auto stream = co_await listener.accept();
        if (!stream) {
            co_await async::sleep_for(host.loop, pause_most);
            continue;
        }
        // Over the limit the connection is dropped, which the caller sees and tries again.
        (void)conversations.spawn(answer(host, *std::move(stream), mine, session, limits));
    }
}

}  // namespace tidemill::link
