#include <fcntl.h>
#include <gtest/gtest.h>
#include <sys/resource.h>
#include <sys/stat.h>
#include <unistd.h>

#include <memory>
#include <string>
#include <vector>

#include "async/scope.h"
#include "host_linux/disk/scratch_directory.h"
#include "host_linux/network/fd_stream.h"
#include "host_linux/network/linux_network.h"
#include "host_linux/network/linux_resolver.h"

namespace tidemill::host_linux {
namespace {

using base::Code;
using base::Instant;
using host::Address;
using host::IoResult;
using host::IpAddress;
using host::Stream;
using host::UnixAddress;
using namespace std::chrono_literals;

struct Net {
    ScratchDirectory scratch;
    std::unique_ptr<EpollLoop> loop = *EpollLoop::create();
    InheritedListeners inherited;
    LinuxNetwork network{*loop, inherited};

    base::Result<std::unique_ptr<Stream>> connect(const Address& to,
                                                  Instant deadline = Instant::never()) {
        return loop->run(network.connect(to, deadline));
    }
    std::unique_ptr<host::Listener> listen(const Address& at,
                                           const host::ListenOptions& options = {}) {
        auto listener = network.listen(at, options);
        EXPECT_TRUE(listener) << listener.error().message;
        return *std::move(listener);
    }
};

IpAddress loopback_v6() {
    return std::get<IpAddress>(*host::parse_address("[::1]:0"));
}

TEST(LinuxNetwork, ListensOnAPortTheKernelChose) {
    Net net;
    for (const Address& at : {Address(IpAddress::loopback(0)), Address(loopback_v6())}) {
        const auto listener = net.listen(at);
        EXPECT_NE(std::get<IpAddress>(listener->local()).port, 0);
        EXPECT_TRUE(net.connect(listener->local()));
        const auto accepted = net.loop->run(listener->accept());
        ASSERT_TRUE(accepted);
        EXPECT_EQ((*accepted)->peer().ip->family, std::get<IpAddress>(at).family);
    }
}

TEST(LinuxNetwork, AnAddressInUseNamesWhoUsesIt) {
    Net net;
    const auto self = fmt::format("process {} (", ::getpid());
    const auto tcp = net.listen(IpAddress::loopback(0));
    IpAddress any = std::get<IpAddress>(tcp->local());
    any.bytes.fill(0);
    for (const Address& at : {tcp->local(), Address(any)}) {
        const auto second = net.network.listen(at, {});
        ASSERT_FALSE(second);
        EXPECT_EQ(second.error().code, Code::conflict);
        EXPECT_NE(second.error().message.find(self), std::string::npos) << second.error().message;
    }
    const UnixAddress path{net.scratch.path() + "/s"};
    const auto local = net.listen(path);
    const auto second = net.network.listen(path, {});
    ASSERT_FALSE(second);
    EXPECT_EQ(second.error().code, Code::conflict);
    EXPECT_NE(second.error().message.find(self), std::string::npos) << second.error().message;
}

TEST(LinuxNetwork, SharedListenersShareAnAddress) {
    Net net;
    const host::ListenOptions shared{.sharing = host::ListenOptions::Sharing::shared};
    const auto first = net.listen(IpAddress::loopback(0), shared);
    EXPECT_TRUE(net.network.listen(first->local(), shared));
    EXPECT_FALSE(net.network.listen(first->local(), {}));
}

TEST(LinuxNetwork, TheFileOfADeadUnixListenerIsReplaced) {
    Net net;
    const UnixAddress path{net.scratch.path() + "/s"};
    net.listen(path).reset();
    EXPECT_EQ(::access(path.path.c_str(), F_OK), 0);
    const auto again = net.listen(path);
    EXPECT_TRUE(net.connect(path));
}

TEST(LinuxNetwork, AFileThatIsNoSocketIsNotReplaced) {
    Net net;
    const UnixAddress path{net.scratch.path() + "/file"};
    UniqueFd(::open(path.path.c_str(), O_CREAT | O_WRONLY | O_CLOEXEC, 0600)).reset();
    const auto refused = net.network.listen(path, {});
    ASSERT_FALSE(refused);
    EXPECT_EQ(refused.error().code, Code::conflict);
}

TEST(LinuxNetwork, AUnixSocketHasTheModeAskedFor) {
    Net net;
    const auto before = ::umask(077);
    for (const unsigned mode : {0600U, 0660U, 0666U}) {
        const UnixAddress path{fmt::format("{}/{:o}", net.scratch.path(), mode)};
        const auto listener = net.listen(path, {.unix_mode = mode});
        struct stat info{};
        ASSERT_EQ(::stat(path.path.c_str(), &info), 0);
        EXPECT_EQ(info.st_mode & 0777U, mode);
    }
    ::umask(before);
}

TEST(LinuxNetwork, ConnectingToNobodySaysSo) {
    Net net;
    const auto address = net.listen(IpAddress::loopback(0))->local();
    for (const Address& to : {address, Address(UnixAddress{net.scratch.path() + "/none"})}) {
        const auto refused = net.connect(to);
        ASSERT_FALSE(refused);
        EXPECT_EQ(refused.error().code, Code::unavailable);
        EXPECT_NE(refused.error().message.find(host::to_string(to)), std::string::npos);
    }
    EXPECT_EQ(net.connect(UnixAddress{std::string(108, 'x')}).error().code, Code::invalid);
}

TEST(LinuxNetwork, AFullBacklogIsWaitedForUntilTheDeadline) {
    for (const bool is_unix : {true, false}) {
        Net net;
        Address at = IpAddress::loopback(0);
        if (is_unix) {
            at = UnixAddress{net.scratch.path() + "/s"};
        }
        const auto listener = net.listen(at, {.backlog = 1});
        std::vector<std::unique_ptr<Stream>> waiting;
        for (;;) {
            auto one = net.connect(listener->local(), net.loop->now() + 20ms);
            if (!one) {
                EXPECT_EQ(one.error().code, Code::deadline) << one.error().message;
                break;
            }
            waiting.push_back(*std::move(one));
            ASSERT_LT(waiting.size(), 10U);
        }
        if (is_unix) {
            async::Scope scope(*net.loop, 1);
            const auto accept_later = [](Net& in, host::Listener& from) -> async::Task<void> {
                co_await async::sleep_for(*in.loop, 5ms);
                EXPECT_TRUE(co_await from.accept());
            };
            ASSERT_TRUE(scope.spawn(accept_later(net, *listener)));
            EXPECT_TRUE(net.connect(listener->local(), net.loop->now() + 1s));
        }
    }
}

async::Task<void> greet(std::unique_ptr<Stream> stream, int& greeted) {
    char byte = 0;
    while (stream->try_read(&byte, 1).kind == IoResult::Kind::blocked) {
        co_await stream->readable();
    }
    EXPECT_TRUE(stream->try_write(std::string_view(&byte, 1)).ok());
    ++greeted;
}

async::Task<void> serve(host::Listener& listener, async::Scope& scope, int& greeted) {
    for (;;) {
        auto stream = co_await listener.accept();
        if (stream) {
            EXPECT_TRUE(scope.spawn(greet(*std::move(stream), greeted)));
        }
    }
}

async::Task<void> call(Net& net, const Address& to, int& answered) {
    auto stream = co_await net.network.connect(to, Instant::never());
    EXPECT_TRUE(stream);
    EXPECT_TRUE((*stream)->try_write("x").ok());
    char byte = 0;
    while ((*stream)->try_read(&byte, 1).kind == IoResult::Kind::blocked) {
        co_await (*stream)->readable();
    }
    answered += byte == 'x' ? 1 : 0;
}

TEST(LinuxNetwork, AThousandConnectionsAtOnce) {
    Net net;
    for (const Address& at :
         {Address(IpAddress::loopback(0)), Address(UnixAddress{net.scratch.path() + "/s"})}) {
        const auto listener = net.listen(at);
        int greeted = 0;
        int answered = 0;
        async::Scope connections(*net.loop, 1000);
        async::Scope accepting(*net.loop, 1);
        async::Scope calls(*net.loop, 1000);
        ASSERT_TRUE(accepting.spawn(serve(*listener, connections, greeted)));
        for (int i = 0; i < 1000; ++i) {
            ASSERT_TRUE(calls.spawn(call(net, listener->local(), answered)));
        }
        net.loop->run([](async::Scope& all) -> async::Task<void> { co_await all.join(); }(calls));
        EXPECT_EQ(answered, 1000);
        EXPECT_EQ(greeted, 1000);
    }
}

// Runs in a process of its own, whose limit is its own. 0 if all is as it should be.
int accept_without_descriptors() {
    Net net;
    const auto listener = net.listen(IpAddress::loopback(0));
    auto client = *net.connect(listener->local());
    // The undefined behaviour sanitizer opens a pipe when it first meets a type of object, so that
    // all that formats an error is used once before there is no descriptor for it.
    if (net.connect(UnixAddress{net.scratch.path() + "/none"})) {
        return 4;
    }
    // All numbers below the limit are taken.
    std::vector<UniqueFd> taken;
    const rlimit limit{.rlim_cur = 64, .rlim_max = 64};
    ::setrlimit(RLIMIT_NOFILE, &limit);
    for (;;) {
        UniqueFd fd(::open("/dev/null", O_RDONLY | O_CLOEXEC));
        if (!fd) {
            break;
        }
        taken.push_back(std::move(fd));
    }
    const auto refused = net.loop->run(listener->accept());
    if (refused || refused.error().code != Code::exhausted) {
        return 1;
    }
    const auto cannot = net.connect(listener->local());
    if (cannot || cannot.error().code != Code::exhausted) {
        return 2;
    }
    taken.clear();
    if (!net.loop->run(listener->accept())) {
        return 3;
    }
    return 0;
}

TEST(LinuxNetworkDeathTest, WithoutDescriptorsAcceptSaysSoAndLaterFindsTheConnection) {
    EXPECT_EXIT(::_exit(accept_without_descriptors()), testing::ExitedWithCode(0), "");
}

TEST(InheritedListeners, AreReadFromTheEnvironmentOnceAndRemovedFromIt) {
    Net net;
    UniqueFd socket = *open_listening_socket(IpAddress::loopback(0), {});
    const auto address = *local_address(socket.get());
    ::setenv(InheritedListeners::variable, fmt::format("http={}", socket.get()).c_str(), 1);
    const auto inherited = InheritedListeners::from_environment();
    ASSERT_TRUE(inherited) << inherited.error().message;
    socket.release();
    EXPECT_EQ(::getenv(InheritedListeners::variable), nullptr);
    LinuxNetwork network(*net.loop, **inherited);
    EXPECT_EQ(network.inherited("https").error().code, Code::not_found);
    const auto listener = network.inherited("http");
    ASSERT_TRUE(listener);
    EXPECT_EQ((*listener)->local(), address);
    EXPECT_TRUE(net.connect(address));
    EXPECT_TRUE(net.loop->run((*listener)->accept()));
    EXPECT_EQ(network.inherited("http").error().code, Code::not_found) << "each only once";
}

TEST(InheritedListeners, RefusesWhatIsNotAListeningSocket) {
    const UniqueFd file(::open("/dev/null", O_RDONLY | O_CLOEXEC));
    for (const auto& text :
         {std::string("http"), std::string("=3"), std::string("http=x"), std::string("http=1"),
          std::string("http=9999"), fmt::format("http={}", file.get())}) {
        ::setenv(InheritedListeners::variable, text.c_str(), 1);
        const auto inherited = InheritedListeners::from_environment();
        ASSERT_FALSE(inherited) << text;
        EXPECT_EQ(inherited.error().code, Code::invalid);
        EXPECT_EQ(::getenv(InheritedListeners::variable), nullptr);
    }
}

TEST(LinuxResolver, LocalhostNeedsNobody) {
    const auto loop = *EpollLoop::create();
    LinuxResolver resolver(*loop, 1);
    for (const char* name : {"localhost", "shop.default.LOCALHOST", "localhost."}) {
        const auto found = loop->run(resolver.resolve(name, Instant::never()));
        ASSERT_TRUE(found) << name;
        EXPECT_EQ(found->front(), IpAddress::loopback(0));
    }
}

TEST(LinuxResolver, AsksTheLibraryAndBoundsWhoWaits) {
    const auto loop = *EpollLoop::create();
    LinuxResolver resolver(*loop, 1);
    const auto number = loop->run(resolver.resolve("127.0.0.3", Instant::never()));
    ASSERT_TRUE(number) << number.error().message;
    EXPECT_EQ(host::ip_text(number->front()), "127.0.0.3");
    for (const auto& name : {std::string(), std::string(254, 'x'), std::string("a\0b", 3)}) {
        EXPECT_EQ(loop->run(resolver.resolve(name, Instant::never())).error().code, Code::invalid);
    }
}

TEST(LinuxResolver, ADeadlineThatHasPassedIsKept) {
    const auto loop = *EpollLoop::create();
    LinuxResolver resolver(*loop, 8);
    const auto late = loop->run(resolver.resolve("nobody.invalid", loop->now()));
    ASSERT_FALSE(late);
    EXPECT_TRUE(late.error().code == Code::deadline || late.error().code == Code::not_found ||
                late.error().code == Code::unavailable)
        << late.error().message;
}

}  // namespace
}  // namespace tidemill::host_linux
