// What the agent remembers of revisions and instances; private to agent*.cc.
#pragma once

#include <map>
#include <optional>
#include <set>
#include <string>
#include <vector>

#include "agent/agent.h"

namespace tidemill::agent {

struct Agent::Instance {
    std::string name;
    Note note;
    host::Address address;
    InstanceView view;  // state, times, health
    bool is_launched = false;
    bool is_stop_asked = false;  // we meant it to end
    bool is_kill_sent = false;
    bool was_ready = false;
    bool is_frozen = false;          // as the launcher said last
    bool is_freezer_moving = false;  // follow_freezer() is at work
    std::uint32_t probing = 0;       // probes begun for an earlier number are over
    std::uint32_t uses = 1;          // how often it was started or thawed
    base::Duration start_took{};     // what a start in its place would cost
    bool has_startup_deadline = false;
    bool is_watched = false;  // by the probes that its revision asks for
    bool is_woken = false;    // started while requests waited, and not ready yet
    std::uint32_t uid = 0;
    std::uint64_t memory_bytes_max = 0;
    std::int32_t pid = 0;
    base::WallTime started_wall;
    base::Instant ready_at;
    std::set<std::uint64_t> drained_by;  // proxies
    std::string cause;                   // "wake", "scale", "replace", "adopt"
    base::Instant began;                 // of the waterfall
    std::vector<link::Stage> stages;
    Reason reason;
};

struct Agent::Revision {
    // Asks again when a time has come that the last plan named.
    struct Again final : async::Timer {
        Agent* agent = nullptr;
        Revision* revision = nullptr;
        void fire() override { agent->settle(*revision); }
    };
    struct Waiting {
        std::uint32_t count = 0;
        base::Instant heard;
    };

    std::string name;
    std::optional<link::WantedRevision> wanted;        // as control said last
    base::Duration grace = std::chrono::seconds(300);  // of `wanted`, or as it was last
    std::map<std::uint64_t, Waiting> waiting;          // by proxy
    base::Instant first_wake;                          // of those open now
    std::map<std::string, Instance*> instances;        // by name: an order that replays
    std::uint32_t failures = 0;
    base::Instant start_after{};
    Again again;
};

}  // namespace tidemill::agent
