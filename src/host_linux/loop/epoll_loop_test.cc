#include <fcntl.h>
#include <gtest/gtest.h>
#include <signal.h>
#include <unistd.h>

#include <algorithm>
#include <memory>
#include <set>
#include <string>
#include <vector>

#include "async/event.h"
#include "async/scope.h"
#include "host_linux/loop/epoll_loop.h"
#include "host_linux/loop/thread_offload.h"
#include "host_linux/network/fd_stream.h"
#include "host_linux/process/linux_signals.h"

namespace tidemill::host_linux {
namespace {

using base::Instant;
using namespace std::chrono_literals;

async::Task<int> value_after(EpollLoop& loop, base::Duration span, int value) {
    co_await async::sleep_for(loop, span);
    co_return value;
}
async::Task<int> value_now(int value) {
    co_return value;
}

TEST(EpollLoop, RunsWorkThatIsDoneAtOnceAndWorkThatWaits) {
    const auto loop = *EpollLoop::create();
    EXPECT_EQ(loop->run(value_now(1)), 1);
    EXPECT_EQ(loop->run(value_after(*loop, 1ms, 2)), 2);
}

TEST(EpollLoop, TimersFireNeverEarlyAndWellBelowAMillisecondLate) {
    const auto loop = *EpollLoop::create();
    base::Duration least_late = 1h;
    for (int i = 0; i < 20; ++i) {
        const auto due = loop->now() + 700us;
        loop->run([](EpollLoop& on, Instant at) -> async::Task<void> {
            co_await async::sleep_until(on, at);
        }(*loop, due));
        EXPECT_GE(loop->now(), due);
        least_late = std::min(least_late, loop->now() - due);
    }
    EXPECT_LT(least_late, 300us) << "rounded up to whole milliseconds, it would always be more";
}

struct Recorder final : async::Timer {
    Recorder(std::vector<int>& into, int mine) : order(into), name(mine) {}
    std::vector<int>& order;
    int name;
    void fire() override { order.push_back(name); }
};

TEST(EpollLoop, TimersFireInTheOrderOfTheirTimes) {
    const auto loop = *EpollLoop::create();
    std::vector<int> order;
    Recorder late(order, 3);
    Recorder early(order, 1);
    Recorder middle(order, 2);
    Recorder dropped(order, 4);
    late.arm(*loop, loop->now() + 3ms);
    early.arm(*loop, loop->now() + 1ms);
    middle.arm(*loop, loop->now() + 2ms);
    dropped.arm(*loop, loop->now() + 2ms);
    dropped.disarm();
    loop->run(value_after(*loop, 4ms, 0));
    EXPECT_EQ(order, (std::vector{1, 2, 3}));
}

struct PostsItself final : async::Ready {
    explicit PostsItself(EpollLoop& on) : loop(on) {}
    EpollLoop& loop;
    int runs = 0;
    void run() override {
        ++runs;
        loop.post(*this);
    }
};

struct FiresItself final : async::Timer {
    explicit FiresItself(EpollLoop& on) : loop(on) {}
    EpollLoop& loop;
    int runs = 0;
    void fire() override {
        ++runs;
        arm(loop, loop.now() - 1s);
    }
};

TEST(EpollLoop, WorkThatPostsItselfStarvesNeitherSocketsNorTimers) {
    const auto loop = *EpollLoop::create();
    int ends[2];
    ASSERT_EQ(::pipe2(ends, O_NONBLOCK | O_CLOEXEC), 0);
    const UniqueFd writer(ends[1]);
    auto reader = *FdStream::create(*loop, UniqueFd(ends[0]), FdStream::Kind::pipe, {});
    char byte = 0;
    EXPECT_EQ(reader->try_read(&byte, 1).kind, host::IoResult::Kind::blocked);
    PostsItself posts(*loop);
    FiresItself fires(*loop);
    loop->post(posts);
    fires.arm(*loop, loop->now());
    EXPECT_EQ(loop->run(value_after(*loop, 1ms, 7)), 7);
    ASSERT_EQ(::write(writer.get(), "x", 1), 1);
    loop->run([](FdStream& stream) -> async::Task<void> { co_await stream.readable(); }(*reader));
    EXPECT_TRUE(reader->try_read(&byte, 1).ok());
    EXPECT_GT(posts.runs, 0);
    EXPECT_GT(fires.runs, 0);
}

TEST(EpollLoop, WorkPostedByWorkOfATurnRunsInThatTurn) {
    const auto loop = *EpollLoop::create();
    const auto turns = [](EpollLoop& on) -> async::Task<std::uint64_t> {
        co_await async::yield(on);
        const auto begin = on.turn();
        for (int i = 0; i < 10; ++i) {
            co_await async::yield(on);
        }
        co_return on.turn() - begin;
    };
    EXPECT_EQ(loop->run(turns(*loop)), 0U);
}

TEST(EpollLoop, StopBeforeRunEndsItAfterOneTurn) {
    const auto loop = *EpollLoop::create();
    loop->stop();
    loop->run();
    loop->stop();
    loop->run();
}

TEST(EpollLoop, WorkOfOtherThreadsRunsHereAllOfIt) {
    const auto loop = *EpollLoop::create();
    constexpr int threads = 4;
    constexpr int each = 5000;
    int ran = 0;
    std::vector<int> last(threads, -1);
    bool in_order = true;
    {
        std::vector<std::unique_ptr<Thread>> posting;
        for (int t = 0; t < threads; ++t) {
            posting.push_back(std::make_unique<Thread>("poster", [&, t] {
                for (int i = 0; i < each; ++i) {
                    loop->post_remote([&, t, i] {
                        in_order &= std::exchange(last[static_cast<std::size_t>(t)], i) == i - 1;
                        if (++ran == threads * each) {
                            loop->stop();
                        }
                    });
                }
            }));
        }
        loop->run();
    }
    EXPECT_EQ(ran, threads * each);
    EXPECT_TRUE(in_order);
}

TEST(EpollLoop, RefusesMoreDevicesThanItsLimit) {
    const auto loop = *EpollLoop::create({.devices_max = 2, .steps_per_turn_max = 1});
    int ends[2];
    ASSERT_EQ(::pipe2(ends, O_NONBLOCK | O_CLOEXEC), 0);
    auto first = FdStream::create(*loop, UniqueFd(ends[0]), FdStream::Kind::pipe, {});
    EXPECT_TRUE(first) << "the loop's own wake-up is the other one";
    const auto second = FdStream::create(*loop, UniqueFd(ends[1]), FdStream::Kind::pipe, {});
    ASSERT_FALSE(second);
    EXPECT_EQ(second.error().code, base::Code::exhausted);
    first->reset();
    ASSERT_EQ(::pipe2(ends, O_NONBLOCK | O_CLOEXEC), 0);
    const UniqueFd other(ends[1]);
    EXPECT_TRUE(FdStream::create(*loop, UniqueFd(ends[0]), FdStream::Kind::pipe, {}));
}

async::Task<void> wait_for(async::Event& event) {
    co_await event.wait();
}

TEST(ThreadOffload, RunsWorkElsewhereInOrderAndTellsHere) {
    const auto loop = *EpollLoop::create();
    ThreadOffload offload(*loop, "offload", 100);
    const auto here = std::this_thread::get_id();
    std::vector<int> worked;
    int done = 0;
    async::Event all(*loop);
    for (int i = 0; i < 100; ++i) {
        ASSERT_TRUE(offload.submit(
            [&, i] {
                EXPECT_NE(std::this_thread::get_id(), here);
                worked.push_back(i);
            },
            [&] {
                EXPECT_EQ(std::this_thread::get_id(), here);
                if (++done == 100) {
                    all.set();
                }
            }));
    }
    loop->run(wait_for(all));
    EXPECT_TRUE(std::ranges::is_sorted(worked));
    EXPECT_EQ(worked.size(), 100U);
}

TEST(ThreadOffload, RefusesWhatExceedsItsLimit) {
    const auto loop = *EpollLoop::create();
    std::mutex gate;
    std::unique_lock closed(gate);
    ThreadOffload offload(*loop, "offload", 3);
    std::size_t accepted = 0;
    while (offload.submit([&] { const std::lock_guard pass(gate); }, [] {})) {
        ASSERT_LE(++accepted, 4U) << "one runs and three wait";
    }
    EXPECT_GE(accepted, 3U);
    closed.unlock();
}

TEST(LinuxSignals, AreHandedOverOneAtATime) {
    const auto loop = *EpollLoop::create();
    const auto signals = *LinuxSignals::create(*loop, {SIGUSR1, SIGUSR2});
    ::kill(::getpid(), SIGUSR1);
    EXPECT_EQ(loop->run(signals->next()), SIGUSR1);
    loop->post_remote([] { ::kill(::getpid(), SIGUSR2); });
    EXPECT_EQ(loop->run(signals->next()), SIGUSR2);
}

}  // namespace
}  // namespace tidemill::host_linux
