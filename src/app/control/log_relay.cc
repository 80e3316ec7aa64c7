#include "app/control/log_relay.h"

#include <utility>
#include <vector>

namespace tidemill::app {
namespace {

using base::Code;
using base::fail;

// What may wait for a slow reader of one log.
constexpr std::size_t held_bytes_max = 8U << 20;

}  // namespace

void LogRelay::connected(link::Connection& connection, const link::Hello& peer) {
    agents_.insert(&connection);
    inner_.connected(connection, peer);
}

base::Status LogRelay::received(link::Connection& connection, link::Message message) {
    if (const auto* const chunk = std::get_if<link::LogChunk>(&message)) {
        take(connection, *chunk);
        return base::ok;
    }
    return inner_.received(connection, std::move(message));
}

void LogRelay::disconnected(link::Connection& connection, const base::Error& why) {
    agents_.erase(&connection);
    for (auto& [id, reading] : readings_) {
        if (reading->asked_.erase(&connection) > 0 && !reading->done_) {
            reading->failure_ =
                base::Error{Code::unavailable, "the agent that has the log went away"};
            reading->news_.set();
        }
    }
    inner_.disconnected(connection, why);
}

void LogRelay::take(link::Connection& from, const link::LogChunk& chunk) {
    const auto at = readings_.find(chunk.id);
    if (at == readings_.end()) {
        return;  // dropped meanwhile
    }
    Reading& reading = *at->second;
    if (chunk.end == link::LogChunk::End::not_found) {
        reading.asked_.erase(&from);
    } else {
        reading.found_ = true;
        reading.held_ += chunk.lines;
        reading.done_ = reading.done_ || chunk.end == link::LogChunk::End::done;
    }
    if (reading.held_.size() > held_bytes_max) {
        reading.failure_ = base::Error{Code::unavailable, "the log grows faster than it is read"};
    }
    reading.news_.set();
}

LogRelay::Reading::Reading(LogRelay& relay, link::LogRequest request)
    : relay_(relay), request_(std::move(request)), news_(relay.loop_) {
    request_.id = ++relay.last_id_;
    relay.readings_[request_.id] = this;
    for (link::Connection* agent : relay.agents_) {
        if (agent->push(request_)) {
            asked_.insert(agent);
        }
    }
}

LogRelay::Reading::~Reading() {
    relay_.readings_.erase(request_.id);
    if (!done_) {
        request_.mode = link::LogRequest::Mode::cancel;
        for (link::Connection* agent : asked_) {
            (void)agent->push(request_);
        }
    }
}

async::Task<base::Status> LogRelay::Reading::found() {
    for (;;) {
        news_.reset();
        if (found_) {
            co_return base::ok;
        }
        if (failure_) {
            co_return std::unexpected(*failure_);
        }
        if (asked_.empty()) {
            co_return fail(Code::not_found, "no log is kept of instance {}", request_.instance);
        }
        co_await news_.wait();
    }
}

async::Task<base::Result<std::optional<std::string>>> LogRelay::Reading::next() {
    for (;;) {
        news_.reset();
        if (!held_.empty()) {
            co_return std::exchange(held_, {});
        }
        if (failure_) {
            co_return std::unexpected(*failure_);
        }
        if (done_) {
            co_return std::nullopt;
        }
        co_await news_.wait();
    }
}

}  // namespace tidemill::app
