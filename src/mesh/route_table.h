// Which revision answers which host. Immutable once built, so every worker reads the same table
// without a lock.
#pragma once

#include <cstdint>
#include <map>
#include <memory>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "base/result.h"
#include "base/time.h"

namespace tidemill::mesh {

// One share of a host's requests. `revision` counts into RouteTable::revisions().
struct Target {
    std::uint32_t revision = 0;
    std::uint32_t percent = 0;
};

// Where the requests of one host go.
struct HostRule {
    std::string host;  // lower case, no port
    std::string service;
    std::string route;
    std::string tag;
    std::vector<Target> targets;  // percents sum to 100
};

// What is known of a revision, whoever routes to it. Times as in knative.md 1.10.
struct RevisionRule {
    std::string name;  // "NAMESPACE/NAME"
    std::string service;
    std::string configuration;
    std::uint32_t container_concurrency = 0;  // 0: unlimited
    base::Duration timeout = std::chrono::seconds(300);
    base::Duration response_start_timeout{};  // 0: same as timeout
    base::Duration idle_timeout{};            // 0: none
    std::uint32_t queue_max = 10'000;
};

class RouteTable {
public:
    RouteTable() : RouteTable(0, {}, {}) {}
    RouteTable(std::uint64_t version, std::vector<HostRule> hosts,
               std::vector<RevisionRule> revisions);

    std::uint64_t version() const { return version_; }
    // The rule of a Host field's value, in any case, with or without a port or a final dot; null
    // when no rule has it. Constant time, no allocation.
    const HostRule* find(std::string_view host) const;
    const std::vector<RevisionRule>& revisions() const { return revisions_; }
    const std::vector<HostRule>& hosts() const { return hosts_; }

private:
    struct Slot {
        std::uint64_t hash = 0;
        std::uint32_t host = 0;  // counts from 1; 0 is an empty slot
    };

    std::uint64_t version_;
    std::vector<HostRule> hosts_;
    std::vector<RevisionRule> revisions_;
    std::vector<Slot> slots_;  // a power of two, at most half full; linear probing
};

// The target of one request. Every request draws anew, none is sticky: a client on one connection
// sees the declared split (Knative API specification 1.0). `random` is uniform over 64 bits.
const Target& choose_target(const HostRule& rule, std::uint64_t random);

// A host as the sender of a table names it; revisions by name.
struct HostSpec {
    struct Share {
        std::string revision;
        std::uint32_t percent = 0;
    };
    std::string host;
    std::string service;
    std::string route;
    std::string tag;
    std::vector<Share> targets;
};

// Collects a versioned change and applies it whole at commit, or not at all.
class TableBuilder {
public:
    enum class Mode : std::uint8_t { change, replace };

    // hosts_max, revisions_max: a table larger than this is refused at commit.
    explicit TableBuilder(std::size_t hosts_max = 200'000, std::size_t revisions_max = 200'000)
        : hosts_max_(hosts_max), revisions_max_(revisions_max) {}

    // Forgets a change that was begun and not committed.
    void begin(std::uint64_t version, Mode mode);
    void put(HostSpec host);
    void put(RevisionRule revision);
    void erase_host(std::string_view host);
    void erase_revision(std::string_view revision);
    // The new table. Errors: invalid (no begin, another version than begun, a host that is no host
    // name, percents that do not sum to 100, a target without a revision), exhausted (too large);
    // what was committed before stays.
    base::Result<std::shared_ptr<const RouteTable>> commit(std::uint64_t version);

private:
    struct State {
        std::map<std::string, HostSpec, std::less<>> hosts;
        std::map<std::string, RevisionRule, std::less<>> revisions;
    };
    static base::Status check(const State& state);

    State committed_;
    std::optional<std::uint64_t> version_;
    Mode mode_ = Mode::change;
    // The change: a value, or nothing for "erase".
    std::map<std::string, std::optional<HostSpec>, std::less<>> hosts_;
    std::map<std::string, std::optional<RevisionRule>, std::less<>> revisions_;
    std::size_t hosts_max_;
    std::size_t revisions_max_;
};

}  // namespace tidemill::mesh
