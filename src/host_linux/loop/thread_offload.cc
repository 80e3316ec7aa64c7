#include "host_linux/loop/thread_offload.h"

#include <pthread.h>
#include <signal.h>

#include <utility>

namespace tidemill::host_linux {

Thread::Thread(std::string name, std::move_only_function<void()> body) {
    // Inherited by the new thread, so that not one signal can reach it before it blocks them.
    sigset_t all;
    sigset_t before;
    ::sigfillset(&all);
    ::pthread_sigmask(SIG_SETMASK, &all, &before);
    thread_ = std::thread([name = std::move(name), body = std::move(body)]() mutable {
        ::pthread_setname_np(::pthread_self(), name.substr(0, 15).c_str());
        body();
    });
    ::pthread_sigmask(SIG_SETMASK, &before, nullptr);
}

ThreadOffload::ThreadOffload(async::Loop& loop, std::string name, std::size_t waiting_max)
    : loop_(loop), name_(std::move(name)), waiting_max_(waiting_max) {}

ThreadOffload::~ThreadOffload() {
    {
        const std::lock_guard lock(mutex_);
        ending_ = true;
    }
    changed_.notify_one();
}

base::Status ThreadOffload::submit(std::move_only_function<void()> work,
                                   std::move_only_function<void()> done) {
    {
        const std::lock_guard lock(mutex_);
        if (waiting_.size() >= waiting_max_) {
            return base::fail(base::Code::exhausted,
                              "thread {}: {} pieces of work wait, which is the limit", name_,
                              waiting_.size());
        }
        waiting_.push_back({std::move(work), std::move(done)});
    }
    changed_.notify_one();
    if (!thread_) {
        thread_.emplace(name_, [this] { run(); });
    }
    return base::ok;
}

void ThreadOffload::run() {
    for (;;) {
        std::unique_lock lock(mutex_);
        changed_.wait(lock, [this] { return ending_ || !waiting_.empty(); });
        if (ending_) {
            return;
        }
        Piece piece = std::move(waiting_.front());
        waiting_.pop_front();
        lock.unlock();
        piece.work();
        piece.work = nullptr;  // what it holds is released where it was used, before `done`
        loop_.post_remote(std::move(piece.done));
    }
}

}  // namespace tidemill::host_linux
