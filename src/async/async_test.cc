#include <gtest/gtest.h>

#include <string>
#include <vector>

#include "async/channel.h"
#include "async/deadline.h"
#include "async/event.h"
#include "async/scope.h"
#include "async/semaphore.h"
#include "async/task.h"
#include "async/virtual_loop.h"

namespace tidemill::async {
namespace {

using base::Code;
using base::Instant;
using namespace std::chrono_literals;

Task<int> immediate(int n) {
    co_return n;
}

Task<int> sum_of(int count) {
    int sum = 0;
    for (int i = 0; i < count; ++i) {
        sum += co_await immediate(1);
    }
    co_return sum;
}

TEST(Task, AMillionFinishedTasksDoNotDeepenTheStack) {
    VirtualLoop loop;
    EXPECT_EQ(loop.run(sum_of(1'000'000)), 1'000'000);
}

struct Mark {
    std::string& log;
    const char* text;
    ~Mark() { log += text; }
};

Task<void> wait_forever(Event& event, std::string& log) {
    const Mark outer{log, "outer "};
    const Mark inner{log, "inner "};
    co_await event.wait();
    log += "never ";
}

TEST(Task, DroppingOneThatWaitsDestroysItsFrameAndItsWait) {
    VirtualLoop loop;
    std::string log;
    Event event(loop);
    {
        Scope scope(loop, 1);
        ASSERT_TRUE(scope.spawn(wait_forever(event, log)));
    }
    event.set();
    EXPECT_TRUE(loop.run_ready());
    EXPECT_EQ(log, "inner outer ");
}

Task<void> record(Loop& loop, base::Duration span, int id, std::vector<int>& order) {
    co_await sleep_for(loop, span);
    order.push_back(id);
}

TEST(Loop, TimersFireInOrderOfTimeThenOfArming) {
    VirtualLoop loop;
    Scope scope(loop, 10);
    std::vector<int> order;
    for (const auto& [span, id] :
         std::vector<std::pair<base::Duration, int>>{{30ms, 4}, {10ms, 1}, {20ms, 2}, {20ms, 3}}) {
        ASSERT_TRUE(scope.spawn(record(loop, span, id, order)));
    }
    loop.run_for(25ms);
    EXPECT_EQ(order, (std::vector<int>{1, 2, 3}));
    loop.run_for(5ms);
    EXPECT_EQ(order, (std::vector<int>{1, 2, 3, 4}));
}

struct CountingTimer final : Timer {
    int fired = 0;
    void fire() override { ++fired; }
};

TEST(Loop, TimersCanBeMovedAndDroppedAtRandom) {
    VirtualLoop loop;
    std::mt19937_64 random(7);
    std::vector<CountingTimer> timers(200);
    std::vector<Instant> due(timers.size(), Instant::never());
    for (int i = 0; i < 5'000; ++i) {
        const auto k = random() % timers.size();
        if (random() % 4 == 0) {
            timers[k].disarm();
            due[k] = Instant::never();
        } else {
            due[k] = loop.now() + base::Duration(1 + static_cast<std::int64_t>(random() % 1'000));
            timers[k].arm(loop, due[k]);
        }
    }
    const Instant half = loop.now() + 500ns;
    loop.run_until(half);
    for (std::size_t k = 0; k < timers.size(); ++k) {
        EXPECT_EQ(timers[k].fired, due[k] <= half ? 1 : 0) << k;
    }
}

TEST(Scope, RefusesMoreThanItsLimit) {
    VirtualLoop loop;
    Event event(loop);
    std::string log;
    Scope scope(loop, 1);
    ASSERT_TRUE(scope.spawn(wait_forever(event, log)));
    EXPECT_EQ(scope.spawn(wait_forever(event, log)).error().code, Code::exhausted);
    EXPECT_EQ(scope.size(), 1U);
}

Task<void> join(Scope& scope, std::string& log) {
    co_await scope.join();
    log += "joined";
}

TEST(Scope, JoinWaitsForAll) {
    VirtualLoop loop;
    std::string log;
    std::vector<int> order;
    Scope work(loop, 2);
    Scope waiter(loop, 1);
    ASSERT_TRUE(work.spawn(record(loop, 10ms, 1, order)));
    ASSERT_TRUE(work.spawn(record(loop, 20ms, 2, order)));
    ASSERT_TRUE(waiter.spawn(join(work, log)));
    loop.run_for(15ms);
    EXPECT_EQ(log, "");
    loop.run_for(5ms);
    EXPECT_EQ(log, "joined");
}

Task<base::Result<int>> result_after(Loop& loop, base::Duration span, std::string& log) {
    const Mark mark{log, "gone "};
    co_await sleep_for(loop, span);
    log += "done ";
    co_return 5;
}

Task<base::Result<int>> bounded(Loop& loop, base::Duration limit, base::Duration span,
                                std::string& log) {
    auto result = co_await with_deadline(loop, loop.now() + limit, result_after(loop, span, log));
    log += "next";
    co_return result;
}

TEST(Deadline, WorkInTimeGivesItsResult) {
    VirtualLoop loop;
    std::string log;
    EXPECT_EQ(loop.run(bounded(loop, 20ms, 10ms, log)), 5);
    EXPECT_EQ(log, "done gone next");
}

TEST(Deadline, LateWorkIsCancelledBeforeTheCallerGoesOn) {
    VirtualLoop loop;
    std::string log;
    EXPECT_EQ(loop.run(bounded(loop, 10ms, 20ms, log)).error().code, Code::deadline);
    EXPECT_EQ(log, "gone next");
}

TEST(Deadline, DroppedWhileWaitingItDropsTheWork) {
    VirtualLoop loop;
    std::string log;
    {
        Scope scope(loop, 1);
        auto body = [](Loop& l, std::string& text) -> Task<void> {
            (void)co_await bounded(l, 10ms, 20ms, text);
        };
        ASSERT_TRUE(scope.spawn(body(loop, log)));
    }
    loop.run_until_idle();
    EXPECT_EQ(log, "gone ");
}

Task<void> hold(Loop& loop, Semaphore& semaphore, base::Duration span, int id,
                std::vector<int>& order) {
    auto permit = co_await semaphore.acquire();
    if (!permit) {
        order.push_back(-id);
        co_return;
    }
    order.push_back(id);
    co_await sleep_for(loop, span);
}

TEST(Semaphore, FirstComeFirstServedAndBounded) {
    VirtualLoop loop;
    Semaphore semaphore(loop, 1, 2);
    Scope scope(loop, 10);
    std::vector<int> order;
    for (int id = 1; id <= 4; ++id) {
        ASSERT_TRUE(scope.spawn(hold(loop, semaphore, 10ms, id, order)));
    }
    EXPECT_EQ(order, (std::vector<int>{1, -4}));
    loop.run_for(30ms);
    EXPECT_EQ(order, (std::vector<int>{1, -4, 2, 3}));
    EXPECT_EQ(semaphore.available(), 1U);
}

TEST(Semaphore, AWaiterThatLeavesGivesItsTurnAway) {
    VirtualLoop loop;
    Semaphore semaphore(loop, 1, 5);
    std::vector<int> order;
    Scope first(loop, 1);
    Scope leaving(loop, 1);
    Scope last(loop, 1);
    ASSERT_TRUE(first.spawn(hold(loop, semaphore, 10ms, 1, order)));
    ASSERT_TRUE(leaving.spawn(hold(loop, semaphore, 10ms, 2, order)));
    ASSERT_TRUE(last.spawn(hold(loop, semaphore, 10ms, 3, order)));
    first.cancel();    // grants to 2, which has not run yet
    leaving.cancel();  // so the grant moves on to 3
    EXPECT_TRUE(loop.run_ready());
    EXPECT_EQ(order, (std::vector<int>{1, 3}));
    EXPECT_EQ(semaphore.waiting(), 0U);
}

Task<void> send_many(Channel<int>& channel, int count) {
    for (int i = 0; i < count; ++i) {
        if (!co_await channel.send(i)) {
            co_return;
        }
    }
    channel.close();
}

Task<int> receive_all(Channel<int>& channel) {
    int sum = 0;
    while (const auto value = co_await channel.receive()) {
        sum += *value;
    }
    co_return sum;
}

TEST(Channel, EverythingSentIsReceivedOnceForEverySchedule) {
    for (std::uint64_t seed = 0; seed < 50; ++seed) {
        VirtualLoop loop(seed);
        Channel<int> channel(loop, 3);
        Scope scope(loop, 1);
        ASSERT_TRUE(scope.spawn(send_many(channel, 100)));
        EXPECT_EQ(channel.size(), 3U);
        EXPECT_EQ(loop.run(receive_all(channel)), 4'950);
    }
}

TEST(VirtualLoop, TheSameSeedGivesTheSameScheduleAndSeedsDiffer) {
    const auto order_of = [](std::uint64_t seed) {
        VirtualLoop loop(seed);
        Scope scope(loop, 20);
        std::vector<int> order;
        Event event(loop);
        auto waiter = [](Event& e, int id, std::vector<int>& out) -> Task<void> {
            co_await e.wait();
            out.push_back(id);
        };
        for (int id = 0; id < 10; ++id) {
            EXPECT_TRUE(scope.spawn(waiter(event, id, order)));
        }
        event.set();
        EXPECT_TRUE(loop.run_ready());
        return order;
    };
    EXPECT_EQ(order_of(1), order_of(1));
    EXPECT_NE(order_of(1), order_of(2));
}

}  // namespace
}  // namespace tidemill::async
