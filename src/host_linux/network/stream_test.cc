#include <gtest/gtest.h>
#include <sys/socket.h>
#include <unistd.h>

#include <array>
#include <memory>
#include <string>
#include <vector>

#include "async/event.h"
#include "async/scope.h"
#include "host_linux/disk/scratch_directory.h"
#include "host_linux/network/fd_stream.h"
#include "host_linux/network/linux_network.h"

namespace tidemill::host_linux {
namespace {

using base::Instant;
using host::Address;
using host::IoResult;
using host::Stream;
using namespace std::chrono_literals;
using StreamPtr = std::unique_ptr<Stream>;

class Streams : public testing::TestWithParam<const char*> {
protected:
    struct Pair {
        StreamPtr client;
        StreamPtr server;
    };
    Address address() {
        if (GetParam() == std::string("tcp")) {
            return host::IpAddress::loopback(0);
        }
        return host::UnixAddress{scratch_.path() + "/s"};
    }
    async::Task<Pair> connect_pair(Address at) {
        auto listener = *network_.listen(at, {});
        auto client = *co_await network_.connect(listener->local(), Instant::never());
        auto server = *co_await listener->accept();
        co_return Pair{std::move(client), std::move(server)};
    }
    Pair pair() { return loop_->run(connect_pair(address())); }

    ScratchDirectory scratch_;
    std::unique_ptr<EpollLoop> loop_ = *EpollLoop::create();
    InheritedListeners inherited_;
    LinuxNetwork network_{*loop_, inherited_};
};

INSTANTIATE_TEST_SUITE_P(Kinds, Streams, testing::Values("tcp", "unix"),
                         [](const auto& kind) { return std::string(kind.param); });

async::Task<bool> write_all(Stream& stream, std::string_view bytes) {
    while (!bytes.empty()) {
        const auto result = stream.try_write(bytes);
        if (result.kind == IoResult::Kind::blocked) {
            co_await stream.writable();
        } else if (!result.ok()) {
            co_return false;
        } else {
            bytes.remove_prefix(result.bytes);
        }
    }
    co_return true;
}

struct ReadEnd {
    std::string bytes;
    IoResult end;
};

// Up to `limit` bytes, or to what ends the stream, in pieces of `piece`.
async::Task<ReadEnd> read_some(Stream& stream, std::size_t limit, std::size_t piece) {
    ReadEnd out{{}, {IoResult::Kind::done}};
    std::string buffer(piece, '\0');
    while (out.bytes.size() < limit) {
        const auto want = std::min(piece, limit - out.bytes.size());
        out.end = stream.try_read(buffer.data(), want);
        if (out.end.ok()) {
            out.bytes.append(buffer, 0, out.end.bytes);
        } else if (out.end.kind == IoResult::Kind::blocked) {
            co_await stream.readable();
        } else {
            break;
        }
    }
    co_return out;
}

async::Task<void> echo(Stream& stream, std::size_t piece) {
    std::string buffer(piece, '\0');
    for (;;) {
        const auto result = stream.try_read(buffer.data(), buffer.size());
        if (result.kind == IoResult::Kind::blocked) {
            co_await stream.readable();
        } else if (!result.ok() ||
                   !co_await write_all(stream, std::string_view(buffer).substr(0, result.bytes))) {
            stream.shutdown_write();
            co_return;
        }
    }
}

TEST_P(Streams, EchoWhateverTheSizesOfReadsAndWrites) {
    auto [client, server] = pair();
    async::Scope scope(*loop_, 1);
    for (const std::size_t piece : {1U, 2U, 3U, 7U, 64U, 1000U, 65536U}) {
        scope.cancel();
        ASSERT_TRUE(scope.spawn(echo(*server, piece)));
        for (std::size_t size = 1; size < 3000; size = size * 2 + 1) {
            const std::string message(size, static_cast<char>('a' + size % 26));
            EXPECT_TRUE(loop_->run(write_all(*client, message)));
            EXPECT_EQ(loop_->run(read_some(*client, size, piece)).bytes, message);
        }
    }
}

TEST_P(Streams, GathersAndScatters) {
    auto [client, server] = pair();
    const std::array<host::ConstBuffer, 3> out{{{"one ", 4}, {"two ", 4}, {"three", 5}}};
    EXPECT_EQ(client->try_writev(out).bytes, 13U);
    char a[5];
    char b[20];
    const std::array<host::MutableBuffer, 2> in{{{a, sizeof a}, {b, sizeof b}}};
    EXPECT_EQ(server->try_readv(in).bytes, 13U);
    EXPECT_EQ(std::string(a, 5) + std::string(b, 8), "one two three");
    EXPECT_EQ(server->try_readv(in).kind, IoResult::Kind::blocked);
    EXPECT_EQ(server->try_readv({}).kind, IoResult::Kind::blocked);
    EXPECT_EQ(client->try_writev({}).bytes, 0U);
}

async::Task<bool> send_total(Stream& stream, std::size_t total) {
    const std::string block(100'000, 'x');
    for (std::size_t sent = 0; sent < total; sent += block.size()) {
        if (!co_await write_all(stream, block)) {
            co_return false;
        }
    }
    stream.shutdown_write();
    co_return true;
}

async::Task<void> send_in_background(Stream& stream, std::size_t total, bool& sent) {
    sent = co_await send_total(stream, total);
}

async::Task<std::size_t> count_to_end(Stream& stream, std::size_t& most_in_one_turn,
                                      EpollLoop& loop) {
    std::string buffer(30'000, '\0');
    std::size_t total = 0;
    std::size_t in_turn = 0;
    for (std::uint64_t turn = 0;;) {
        const auto result = stream.try_read(buffer.data(), buffer.size());
        if (result.kind == IoResult::Kind::blocked) {
            co_await stream.readable();
        } else if (!result.ok()) {
            EXPECT_EQ(result.kind, IoResult::Kind::eof);
            co_return total;
        }
        in_turn = turn == loop.turn() ? in_turn + result.bytes : result.bytes;
        turn = loop.turn();
        most_in_one_turn = std::max(most_in_one_turn, in_turn);
        total += result.bytes;
    }
}

TEST_P(Streams, AHundredMegabytesPassWithBackPressureAndWithoutHoggingATurn) {
    auto [client, server] = pair();
    async::Scope scope(*loop_, 1);
    bool sent = false;
    constexpr std::size_t total = 100'000'000;
    ASSERT_TRUE(scope.spawn(send_in_background(*client, total, sent)));
    EXPECT_FALSE(sent) << "nobody reads yet, so the writer must wait";
    std::size_t most = 0;
    EXPECT_EQ(loop_->run(count_to_end(*server, most, *loop_)), total);
    EXPECT_TRUE(sent);
    EXPECT_LE(most, 1'048'576U + 30'000U);
}

TEST_P(Streams, OneDirectionEndsAndTheOtherGoesOn) {
    auto [client, server] = pair();
    EXPECT_TRUE(client->try_write("question").ok());
    client->shutdown_write();
    const auto question = loop_->run(read_some(*server, 100, 100));
    EXPECT_EQ(question.bytes, "question");
    EXPECT_EQ(question.end.kind, IoResult::Kind::eof);
    EXPECT_TRUE(server->try_write("answer").ok());
    server.reset();
    const auto answer = loop_->run(read_some(*client, 100, 100));
    EXPECT_EQ(answer.bytes, "answer");
    EXPECT_EQ(answer.end.kind, IoResult::Kind::eof);
}

async::Task<void> signal_when_read(Stream& stream, async::Event& read_once, ReadEnd& out) {
    out = co_await read_some(stream, 4, 100);
    read_once.set();
    out = co_await read_some(stream, 100, 100);
}

TEST_P(Streams, AnEndAfterAShortReadIsFoundWhetherItCameBeforeOrAfter) {
    for (const bool end_comes_first : {true, false}) {
        auto [client, server] = pair();
        EXPECT_TRUE(client->try_write("data").ok());
        if (end_comes_first) {
            client->shutdown_write();
        }
        async::Scope scope(*loop_, 1);
        async::Event read_once(*loop_);
        ReadEnd out;
        ASSERT_TRUE(scope.spawn(signal_when_read(*server, read_once, out)));
        const auto until = [](async::Event& event) -> async::Task<void> { co_await event.wait(); };
        loop_->run(until(read_once));
        client->shutdown_write();
        const auto join = [](async::Scope& work) -> async::Task<void> { co_await work.join(); };
        loop_->run(join(scope));
        EXPECT_EQ(out.end.kind, IoResult::Kind::eof);
    }
}

TEST_P(Streams, AnEndInTheSameEventAsTheDataIsFoundByAReaderThatWaited) {
    auto [client, server] = pair();
    char byte = 0;
    EXPECT_EQ(server->try_read(&byte, 1).kind, IoResult::Kind::blocked);
    EXPECT_TRUE(client->try_write("data").ok());
    client->shutdown_write();
    const auto out = loop_->run(read_some(*server, 100, 100));
    EXPECT_EQ(out.bytes, "data");
    EXPECT_EQ(out.end.kind, IoResult::Kind::eof);
}

TEST_P(Streams, QuietUntilBytesOrAnEndArrive) {
    auto [client, server] = pair();
    char buffer[100];
    EXPECT_EQ(server->try_read(buffer, sizeof buffer).kind, IoResult::Kind::blocked);
    loop_->run(async::Task<void>([](EpollLoop& loop) -> async::Task<void> {
        co_await async::sleep_for(loop, 1ms);
    }(*loop_)));
    EXPECT_TRUE(server->quiet());
    EXPECT_TRUE(client->try_write("x").ok());
    const auto turn = [](EpollLoop& loop) -> async::Task<void> {
        co_await async::sleep_for(loop, 1ms);
    };
    loop_->run(turn(*loop_));
    EXPECT_FALSE(server->quiet());
    EXPECT_TRUE(server->try_read(buffer, sizeof buffer).ok());
    EXPECT_TRUE(server->quiet());
    client.reset();
    loop_->run(turn(*loop_));
    EXPECT_FALSE(server->quiet());
}

TEST_P(Streams, AReadDeadlineEndsTheWait) {
    auto [client, server] = pair();
    server->set_read_deadline(loop_->now() + 5ms);
    const auto begin = read_monotonic_clock();
    const auto out = loop_->run(read_some(*server, 1, 1));
    EXPECT_EQ(out.end.kind, IoResult::Kind::deadline);
    EXPECT_GE(read_monotonic_clock() - begin, 4ms);
    server->set_read_deadline(Instant::never());
    EXPECT_TRUE(client->try_write("x").ok());
    EXPECT_EQ(loop_->run(read_some(*server, 1, 1)).bytes, "x");
}

TEST_P(Streams, AWriteDeadlineEndsTheWaitOnAPeerThatDoesNotRead) {
    auto [client, server] = pair();
    client->set_write_deadline(loop_->now() + 5ms);
    EXPECT_FALSE(loop_->run(send_total(*client, 100'000'000)));
    EXPECT_EQ(client->try_write("x").kind, IoResult::Kind::deadline);
}

TEST_P(Streams, WritingToAPeerThatWentAwayFailsWithoutASignal) {
    auto [client, server] = pair();
    server.reset();
    IoResult result;
    for (int i = 0; i < 10 && (result = client->try_write("x")).ok(); ++i) {
    }
    EXPECT_EQ(result.kind, IoResult::Kind::failed);
}

TEST_P(Streams, AbortOfATcpStreamResetsThePeer) {
    auto [client, server] = pair();
    server->abort();
    server.reset();
    const auto out = loop_->run(read_some(*client, 1, 1));
    if (GetParam() == std::string("tcp")) {
        EXPECT_EQ(out.end.kind, IoResult::Kind::failed);
        EXPECT_EQ(out.end.error, ECONNRESET);
    } else {
        EXPECT_EQ(out.end.kind, IoResult::Kind::eof);
    }
}

TEST_P(Streams, KnowThePeer) {
    auto [client, server] = pair();
    if (GetParam() == std::string("tcp")) {
        ASSERT_TRUE(server->peer().ip);
        EXPECT_TRUE(server->peer().ip->is_loopback());
        EXPECT_NE(server->peer().ip->port, 0);
        EXPECT_FALSE(server->peer().uid);
    } else {
        for (const Stream* const stream : {client.get(), server.get()}) {
            EXPECT_EQ(stream->peer().uid, ::geteuid());
            EXPECT_EQ(stream->peer().gid, ::getegid());
            EXPECT_EQ(stream->peer().pid, ::getpid());
        }
    }
}

// Ends everything as soon as it hears anything: its own stream and those of the others.
async::Task<void> destroy_all(std::vector<StreamPtr>& streams, std::size_t mine, int& woken) {
    co_await streams[mine]->readable();
    ++woken;
    streams.clear();
}

TEST_P(Streams, AWakeUpMayDestroyItsStreamAndOthersOfTheSameBatch) {
    std::vector<StreamPtr> clients;
    std::vector<StreamPtr> servers;
    for (int i = 0; i < 50; ++i) {
        auto [client, server] = pair();
        char byte = 0;
        EXPECT_EQ(server->try_read(&byte, 1).kind, IoResult::Kind::blocked);
        clients.push_back(std::move(client));
        servers.push_back(std::move(server));
    }
    int woken = 0;
    async::Scope scope(*loop_, 1);
    // Waited for by one only: a stream must not be destroyed under somebody else's wait.
    ASSERT_TRUE(scope.spawn(destroy_all(servers, 20, woken)));
    for (auto& client : clients) {
        EXPECT_TRUE(client->try_write("x").ok());
    }
    loop_->run([](async::Scope& work) -> async::Task<void> { co_await work.join(); }(scope));
    EXPECT_EQ(woken, 1);
    EXPECT_TRUE(servers.empty());
}

async::Task<void> drop_reader(Stream& stream, async::Scope& reader, int& woken) {
    co_await stream.writable();
    ++woken;
    reader.cancel();
}

async::Task<void> own_and_read(StreamPtr stream, int& woken) {
    co_await stream->readable();
    ++woken;
}

TEST_P(Streams, TheWaiterOnOneDirectionMayEndTheOwnerThatWaitsOnTheOther) {
    auto [client, server] = pair();
    char byte = 0;
    const std::string block(1'000'000, 'x');
    EXPECT_EQ(client->try_read(&byte, 1).kind, IoResult::Kind::blocked);
    std::size_t sent = 0;
    for (IoResult result; (result = client->try_write(block)).ok();) {
        sent += result.bytes;
    }
    Stream& writer = *client;
    int woken = 0;
    async::Scope owner(*loop_, 1);
    async::Scope other(*loop_, 1);
    ASSERT_TRUE(owner.spawn(own_and_read(std::move(client), woken)));
    ASSERT_TRUE(other.spawn(drop_reader(writer, owner, woken)));
    // Emptied behind the loop's back, so that room and bytes come with one event.
    const int fd = dynamic_cast<FdStream&>(*server).fd();
    std::string sink(1 << 20, '\0');
    for (std::size_t got = 0; got < sent;) {
        const auto bytes = ::recv(fd, sink.data(), sink.size(), 0);
        got += bytes > 0 ? static_cast<std::size_t>(bytes) : 0;
    }
    EXPECT_TRUE(server->try_write("x").ok());
    loop_->run([](async::Scope& work) -> async::Task<void> { co_await work.join(); }(other));
    EXPECT_EQ(owner.size(), 0U);
    EXPECT_EQ(woken, 1);
}

TEST(UnixStream, DescriptorsSentAlongDoNotHideTheBytesBehindThem) {
    const auto loop = *EpollLoop::create();
    int ends[2];
    ASSERT_EQ(::socketpair(AF_UNIX, SOCK_STREAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0, ends), 0);
    const UniqueFd sender(ends[0]);
    auto stream =
        *FdStream::create(*loop, UniqueFd(ends[1]), FdStream::Kind::unix_socket, host::Peer{});
    const int passed = ends[0];
    alignas(cmsghdr) char control[CMSG_SPACE(sizeof passed)] = {};
    char text[] = "with";
    iovec bytes{text, 4};
    msghdr message{};
    message.msg_iov = &bytes;
    message.msg_iovlen = 1;
    message.msg_control = control;
    message.msg_controllen = sizeof control;
    cmsghdr* const header = CMSG_FIRSTHDR(&message);
    header->cmsg_level = SOL_SOCKET;
    header->cmsg_type = SCM_RIGHTS;
    header->cmsg_len = CMSG_LEN(sizeof passed);
    std::memcpy(CMSG_DATA(header), &passed, sizeof passed);
    ASSERT_EQ(::sendmsg(sender.get(), &message, 0), 4);
    ASSERT_EQ(::send(sender.get(), "behind", 6, 0), 6);
    EXPECT_EQ(loop->run(read_some(*stream, 10, 100)).bytes, "withbehind");
}

TEST(TcpStream, UrgentDataDoesNotHideTheBytesBehindIt) {
    const auto loop = *EpollLoop::create();
    InheritedListeners inherited;
    LinuxNetwork network(*loop, inherited);
    auto listener = *network.listen(host::IpAddress::loopback(0), {});
    auto client = *loop->run(network.connect(listener->local(), Instant::never()));
    auto server = *loop->run(listener->accept());
    const int fd = dynamic_cast<FdStream&>(*client).fd();
    char byte = 0;
    EXPECT_EQ(server->try_read(&byte, 1).kind, IoResult::Kind::blocked);
    ASSERT_EQ(::send(fd, "before", 6, 0), 6);
    ASSERT_EQ(::send(fd, "!", 1, MSG_OOB), 1);
    ASSERT_EQ(::send(fd, "behind", 6, 0), 6);
    EXPECT_EQ(loop->run(read_some(*server, 12, 100)).bytes, "beforebehind");
}

}  // namespace
}  // namespace tidemill::host_linux
