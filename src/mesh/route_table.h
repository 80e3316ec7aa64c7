// Which revision answers which host. Immutable once built, so every worker reads the same table
// without a lock.
#pragma once

#include <array>
#include <cstddef>
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

// One share of a host's requests. `revision` is a place of the table's.
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

// How its instances are spoken to: the name of the container's port, "h2c" or another, says it.
enum class InstanceProtocol : std::uint8_t { http1, http2 };

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
    InstanceProtocol protocol = InstanceProtocol::http1;
};

// Made of parts that one version shares with the next, so that a change costs what it changes and
// not what the table holds.
class RouteTable {
public:
    RouteTable() = default;

    std::uint64_t version() const { return version_; }
    // The rule of a Host field's value, in any case, with or without a port or a final dot; null
    // when no rule has it. Constant time, no allocation.
    const HostRule* find(std::string_view host) const;
    std::size_t host_count() const { return host_count_; }
    // Revisions keep their place from version to version. Null where there is none.
    const RevisionRule* revision(std::uint32_t place) const;
    // Every place is below.
    std::uint32_t places() const { return static_cast<std::uint32_t>(chunks_.size() * chunk_size); }
    // Places whose rule is another one (or none) than in `before`.
    std::vector<std::uint32_t> places_changed_since(const RouteTable& before) const;

private:
    friend class TableBuilder;
    struct Entry {
        std::uint64_t hash = 0;
        std::shared_ptr<const HostRule> rule;
    };
    using Bucket = std::vector<Entry>;
    static constexpr std::size_t chunk_size = 64;
    using Chunk = std::array<std::shared_ptr<const RevisionRule>, chunk_size>;

    const HostRule* find_name(std::string_view name) const;

    std::uint64_t version_ = 0;
    std::size_t host_count_ = 0;
    std::vector<std::shared_ptr<const Bucket>> buckets_;  // a power of two, or none; null: empty
    std::vector<std::shared_ptr<const Chunk>> chunks_;    // null: empty
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
        : committed_(std::make_shared<const RouteTable>()),
          hosts_max_(hosts_max),
          revisions_max_(revisions_max) {}

    // Forgets a change that was begun and not committed.
    void begin(std::uint64_t version, Mode mode);
    void put(HostSpec host);
    void put(RevisionRule revision);
    void erase_host(std::string_view host);
    void erase_revision(std::string_view revision);
    // The new table; its cost is that of the change. Errors: invalid (no begin, another version
    // than begun, a host that is no host name, percents that do not sum to 100, a target without a
    // revision), exhausted (too large); what was committed before stays.
    base::Result<std::shared_ptr<const RouteTable>> commit(std::uint64_t version);

private:
    struct Known {
        std::uint32_t place = 0;
        std::size_t uses = 0;  // targets of hosts
    };
    // The change while it is made: parts of the table that are no longer shared with the last one.
    class Draft;

    base::Status check() const;
    base::Status check(const HostSpec& host) const;
    bool will_be_known(std::string_view revision) const;
    void erase_all_that_is_not_put();

    std::shared_ptr<const RouteTable> committed_;
    std::map<std::string, Known, std::less<>> known_;
    std::vector<std::uint32_t> free_places_;
    std::optional<std::uint64_t> version_;
    Mode mode_ = Mode::change;
    // The change: a value, or nothing for "erase".
    std::map<std::string, std::optional<HostSpec>, std::less<>> hosts_;
    std::map<std::string, std::optional<RevisionRule>, std::less<>> revisions_;
    std::size_t hosts_max_;
    std::size_t revisions_max_;
};

}  // namespace tidemill::mesh
