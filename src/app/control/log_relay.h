// Logs of instances, asked of the agents that keep them.
#pragma once

#include <cstdint>
#include <map>
#include <memory>
#include <optional>
#include <set>
#include <string>

#include "async/event.h"
#include "async/loop.h"
#include "async/task.h"
#include "base/result.h"
#include "link/session.h"

namespace tidemill::app {

// Stands before the session that control has with agents: takes the chunks of logs out and passes
// the rest on. One loop's thread.
class LogRelay final : public link::Session {
public:
    // `inner` outlives it.
    LogRelay(async::Loop& loop, link::Session& inner) : loop_(loop), inner_(inner) {}

    void connected(link::Connection& connection, const link::Hello& peer) override;
    base::Status received(link::Connection& connection, link::Message message) override;
    void disconnected(link::Connection& connection, const base::Error& why) override;

    // One log being read; dropping it tells the agents to stop.
    class Reading {
    public:
        Reading(LogRelay& relay, link::LogRequest request);
        Reading(const Reading&) = delete;
        Reading& operator=(const Reading&) = delete;
        ~Reading();
        // Goes on when some agent has the log. Errors: not_found, unavailable.
        async::Task<base::Status> found();
        // Whole lines; nothing at the end. Errors: not_found (no agent has it), unavailable (the
        // agent went away, or lines came faster than they were taken).
        async::Task<base::Result<std::optional<std::string>>> next();

    private:
        friend class LogRelay;
        LogRelay& relay_;
        link::LogRequest request_;
        std::set<link::Connection*> asked_;
        std::string held_;
        std::optional<base::Error> failure_;
        bool found_ = false;
        bool done_ = false;
        async::Event news_;
    };

private:
    void take(link::Connection& from, const link::LogChunk& chunk);

    async::Loop& loop_;
    link::Session& inner_;
    std::set<link::Connection*> agents_;
    std::map<std::uint64_t, Reading*> readings_;
    std::uint64_t last_id_ = 0;
};

}  // namespace tidemill::app
