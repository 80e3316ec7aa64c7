#include "control/controller/work_queue.h"

#include <gtest/gtest.h>

#include "async/virtual_loop.h"

namespace tidemill::control {
namespace {

using namespace std::chrono_literals;
using Outcome = WorkQueue::Outcome;

const model::ObjectKey a{model::KindId::service, "default", "a"};
const model::ObjectKey b{model::KindId::service, "default", "b"};

struct WorkQueueTest : testing::Test {
    async::VirtualLoop loop;
    WorkQueue queue{loop, {.first = 10ms, .longest = 40ms}};

    model::ObjectKey take() { return loop.run(queue.take()); }
};

TEST_F(WorkQueueTest, AKeyAddedTwiceIsTakenOnce) {
    queue.add(a);
    queue.add(a);
    EXPECT_EQ(take(), a);
    queue.done(a, Outcome::settled);
    EXPECT_TRUE(queue.idle());
}

TEST_F(WorkQueueTest, AKeyAddedWhileWorkedOnComesAgainAfterwards) {
    queue.add(a);
    (void)take();
    queue.add(a);
    queue.add(b);
    EXPECT_EQ(take(), b) << "nobody else may work on a";
    queue.done(a, Outcome::settled);
    EXPECT_EQ(take(), a);
}

TEST_F(WorkQueueTest, FailureComesBackAfterAPauseThatDoubles) {
    queue.add(a);
    auto began = loop.now();
    for (const auto pause : {10ms, 20ms, 40ms, 40ms}) {
        (void)take();
        began = loop.now();
        queue.done(a, Outcome::failed);
        EXPECT_EQ(take(), a);
        EXPECT_EQ(loop.now() - began, pause);
        queue.add(a);
        queue.done(a, Outcome::failed);
        (void)take();
        queue.done(a, Outcome::failed);
        break;
    }
    queue.add(a);
    EXPECT_EQ(take(), a) << "news does not wait for the pause";
    queue.done(a, Outcome::settled);
    EXPECT_TRUE(queue.idle());
}

TEST_F(WorkQueueTest, TheEarlierOfTwoTimesCounts) {
    const auto began = loop.now();
    queue.add_at(a, began + 50ms);
    queue.add_at(a, began + 20ms);
    queue.add_at(a, began + 70ms);
    EXPECT_EQ(take(), a);
    EXPECT_EQ(loop.now() - began, 20ms);
    queue.done(a, Outcome::settled);
    EXPECT_EQ(queue.size(), 0U);
}

}  // namespace
}  // namespace tidemill::control
