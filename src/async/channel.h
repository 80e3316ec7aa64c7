// A bounded queue between tasks of one thread.
#pragma once

#include <cstddef>
#include <deque>
#include <optional>
#include <utility>

#include "async/event.h"
#include "async/task.h"
#include "base/result.h"

namespace tidemill::async {

// Holds at most `capacity` values. Many senders, many receivers; each value goes to one receiver,
// in order. Closing lets receivers take what is left and then tells them.
template <typename T>
class Channel {
public:
    Channel(Loop& loop, std::size_t capacity)
        : capacity_(capacity), not_empty_(loop), not_full_(loop) {
        not_full_.set();
    }

    // Errors: exhausted (full), cancelled (closed). The value is moved from only on success.
    base::Status try_send(T&& value) {
        if (closed_) {
            return base::fail(base::Code::cancelled, "channel is closed");
        }
        if (values_.size() >= capacity_) {
            return base::fail(base::Code::exhausted, "channel holds {} values, which is the limit",
                              capacity_);
        }
        values_.push_back(std::move(value));
        not_empty_.set();
        if (values_.size() >= capacity_) {
            not_full_.reset();
        }
        return base::ok;
    }
    // Waits for room. Errors: cancelled (closed).
    Task<base::Status> send(T value) {
        while (!closed_ && values_.size() >= capacity_) {
            co_await not_full_.wait();
        }
        co_return try_send(std::move(value));
    }
    // Waits for a value; nothing when closed and empty.
    Task<std::optional<T>> receive() {
        while (values_.empty() && !closed_) {
            co_await not_empty_.wait();
        }
        co_return try_receive();
    }
    std::optional<T> try_receive() {
        if (values_.empty()) {
            return std::nullopt;
        }
        std::optional<T> value(std::move(values_.front()));
        values_.pop_front();
        not_full_.set();
        if (values_.empty() && !closed_) {
            not_empty_.reset();
        }
        return value;
    }
    void close() {
        closed_ = true;
        not_empty_.set();
        not_full_.set();
    }
    bool closed() const { return closed_; }
    std::size_t size() const { return values_.size(); }

private:
    std::size_t capacity_;
    bool closed_ = false;
    std::deque<T> values_;
    Event not_empty_;
    Event not_full_;
};

}  // namespace tidemill::async
