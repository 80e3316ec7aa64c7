// Awaiting work on the thread beside the loop.
#pragma once

#include <functional>
#include <memory>
#include <optional>
#include <utility>

#include "async/event.h"
#include "async/task.h"
#include "base/result.h"
#include "host/offload.h"

namespace tidemill::host {

// Runs `work` there and gives its result here. `work` owns what it uses, or uses what outlives the
// offload's queue: dropping the task does not stop it. Errors: those of work, exhausted.
template <typename T>
async::Task<base::Result<T>> off_loop(async::Loop& loop, Offload& offload,
                                      std::move_only_function<base::Result<T>()> work) {
    struct Shared {
        explicit Shared(async::Loop& on) : done(on) {}
        async::Event done;
        std::optional<base::Result<T>> result;
    };
    auto shared = std::make_shared<Shared>(loop);
    CO_CHECK_OK(offload.submit(
        [shared, work = std::move(work)]() mutable { shared->result.emplace(work()); },
        [shared] { shared->done.set(); }));
    co_await shared->done.wait();
    co_return *std::move(shared->result);
}

}  // namespace tidemill::host
