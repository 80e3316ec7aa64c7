#include <gtest/gtest.h>

#include "async/virtual_loop.h"
#include "host/address.h"
#include "host/clock.h"
#include "host/process.h"
#include "host/stream.h"

namespace tidemill::host {
namespace {

using namespace std::chrono_literals;

TEST(Address, RoundTrips) {
    for (const char* text : {"127.0.0.1:8080", "[::1]:80", "[::]:0", "[2001:db8::1:0:0:1]:443",
                             "[1:2:3:4:5:6:7:8]:1", "unix:/run/x.sock", "[fe80::]:9"}) {
        const auto address = parse_address(text);
        ASSERT_TRUE(address) << text << ": " << address.error().message;
        EXPECT_EQ(to_string(*address), text);
    }
    EXPECT_EQ(to_string(*parse_address("[::ffff:10.0.0.1]:1")), "[::ffff:a00:1]:1");
}

TEST(Address, RefusesWhatIsNone) {
    for (const char* text : {"", "127.0.0.1", "localhost:80", "1.2.3:4", "1.2.3.4:65536",
                             "01.2.3.4:1", "::1:80", "[::1]", "[:::]:1", "[1:2:3:4:5:6:7:8:9]:1",
                             "[1::2::3]:1", "[12345::]:1", "unix:", "1.2.3.4:+5", "[::1%lo]:1"}) {
        EXPECT_FALSE(parse_address(text)) << text;
    }
}

TEST(Address, KnowsLoopback) {
    EXPECT_TRUE(std::get<IpAddress>(*parse_address("127.9.9.9:1")).is_loopback());
    EXPECT_TRUE(std::get<IpAddress>(*parse_address("[::1]:1")).is_loopback());
    EXPECT_FALSE(std::get<IpAddress>(*parse_address("0.0.0.0:1")).is_loopback());
    EXPECT_FALSE(std::get<IpAddress>(*parse_address("[::]:1")).is_loopback());
}

TEST(ExitStatus, Text) {
    EXPECT_EQ((ExitStatus{.code = 3, .signal = {}}.text()), "exit code 3");
    EXPECT_EQ((ExitStatus{.code = {}, .signal = 9}.text()), "signal 9 (SIGKILL)");
}

struct Zeros final : Random {
    void fill(std::span<std::byte> bytes) override { std::ranges::fill(bytes, std::byte{0xff}); }
};

TEST(Uuid, SaysItsVersionAndVariant) {
    Zeros random;
    EXPECT_EQ(make_uuid(random), "ffffffff-ffff-4fff-bfff-ffffffffffff");
}

// A stream that never has anything, to test what the base class does by itself.
class Silent final : public Stream {
public:
    using Stream::Stream;
    IoResult try_readv(std::span<const MutableBuffer>) override {
        read_edge_.drained();
        return {read_expired() ? IoResult::Kind::deadline : IoResult::Kind::blocked};
    }
    IoResult try_writev(std::span<const ConstBuffer>) override { return {IoResult::Kind::blocked}; }
    bool quiet() override { return true; }
    void shutdown_write() override {}
    void abort() override {}
    const Peer& peer() const override { return peer_; }

private:
    Peer peer_;
};

async::Task<base::Instant> read_until_deadline(Stream& stream) {
    char byte = 0;
    while (stream.try_read(&byte, 1).kind == IoResult::Kind::blocked) {
        co_await stream.readable();
    }
    co_return stream.loop().now();
}

TEST(Stream, ADeadlineWakesTheReaderAtItsTime) {
    async::VirtualLoop loop;
    Silent stream(loop);
    const auto due = loop.now() + 50ms;
    stream.set_read_deadline(due);
    EXPECT_EQ(loop.run(read_until_deadline(stream)), due);
}

TEST(Stream, ADeadlineThatMovesLaterIsKeptAndOneThatMovesEarlierToo) {
    async::VirtualLoop loop;
    Silent stream(loop);
    stream.set_read_deadline(loop.now() + 10ms);
    stream.set_read_deadline(loop.now() + 90ms);
    const auto due = loop.now() + 40ms;
    stream.set_read_deadline(due);
    EXPECT_EQ(loop.run(read_until_deadline(stream)), due);
    stream.set_read_deadline(base::Instant::never());
    loop.run_for(1s);
    EXPECT_EQ(stream.try_read(nullptr, 0).kind, IoResult::Kind::blocked);
}

}  // namespace
}  // namespace tidemill::host
