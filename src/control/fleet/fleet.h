// What is known of every revision's instances, and what shall run: the autoscalers and the agent's
// and the proxies' reports, in memory only. Soft: after a restart it is rebuilt from revisions'
// status and from what agents say.
#pragma once

#include <cstdint>
#include <map>
#include <optional>
#include <set>
#include <string>
#include <vector>

#include "base/time.h"
#include "control/autoscaler/autoscaler.h"
#include "control/change.h"
#include "control/revision/plan.h"
#include "link/messages.h"
#include "model/settings/config.h"

namespace tidemill::control {

struct FleetLimits {
    std::size_t decisions_max = 16;     // kept per revision, latest
    std::size_t cold_starts_max = 16;   // kept per revision, latest
    std::size_t instances_max = 1'000;  // reports kept per revision
    // Revisions that agents tell of before they are taken, when control has just started.
    std::size_t early_failures_max = 10'000;
    // How long instances of a revision whose image is still looked up hold back the first table
    // after a restart: to leave them out would stop them.
    base::Duration image_patience = std::chrono::seconds(30);
    // A proxy that has been heard for so long would have reported load if there were any.
    base::Duration proxy_patience = std::chrono::seconds(3);
};

struct Moment {
    base::Instant now;
    base::WallTime wall;
};

// All names are "NAMESPACE/NAME" of revisions. One thread; nothing here waits or reads a clock.
class Fleet {
public:
    explicit Fleet(FleetLimits limits) : limits_(limits) {}

    // A revision that is there, new or changed.
    void take(const model::Object& revision, const model::PlatformConfig& platform, Moment at);
    void drop(const std::string& revision);
    bool knows(const std::string& revision) const { return entries_.contains(revision); }
    std::vector<std::string> names() const;
    // Revisions that agents said they run, known here or not.
    std::vector<std::string> names_with_endpoints() const;

    // What became of its image. The first answer counts: a revision's image does not change.
    bool has_image(const std::string& revision) const;
    void set_image(const std::string& revision, link::InstanceSpec spec, std::string digest);
    void set_image_problem(const std::string& revision, std::string problem);

    void agent_connected();
    void agent_disconnected();
    // The agent's table of endpoints, from its first commit on.
    void agent_heard(base::Instant now);
    void proxy_connected(base::Instant now);
    void proxy_disconnected();

    // Reports. Those that answer bool say whether the revision should be decided on right away.
    bool endpoints(const link::RevisionEndpoints& endpoints);
    bool no_endpoints(const std::string& revision);
    void report(const link::InstanceReport& report);
    void cold_start(const link::ColdStart& start);
    void held_request(const link::HeldRequest& request);
    bool stats(const link::RevisionStats& stats, base::Instant now);

    // Decides about one revision, or all that are not at rest; the names of those whose facts
    // changed.
    bool decide(const std::string& revision, Moment at);
    std::vector<std::string> decide_all(Moment at);

    RevisionFacts facts(const std::string& revision) const;
    // What agents shall run: what of it is not told yet, and is told by this. The first time it is
    // all of it.
    struct Untold {
        std::vector<link::WantedRevision> puts;
        std::vector<link::WantedRevision> gone;  // only named
    };
    // Nothing before an agent said what runs, and nothing the first time while leaving something
    // out would stop instances that nobody decided to stop; later only that something waits.
    std::optional<Untold> take_untold(base::Instant now);
    // Something waits to be told, perhaps for patience to end.
    bool has_untold() const { return !untold_.empty(); }

    // For explain and for views.
    struct Decided {
        base::WallTime at;
        AutoscalerDecision decision;
    };
    std::vector<Decided> decisions(const std::string& revision) const;
    std::vector<link::ColdStart> cold_starts(const std::string& revision) const;
    std::vector<link::HeldRequest> held_requests(const std::string& revision) const;
    std::vector<link::InstanceReport> instances(const std::string& revision) const;
    std::int32_t ready(const std::string& revision) const;

private:
    struct Entry {
        std::string uid;
        link::RevisionPolicy policy;
        Standing standing;
        RevisionScaling scaling;
        std::optional<RememberedScale> past;
        base::WallTime taken_wall;
        std::optional<RevisionAutoscaler> autoscaler;
        RevisionFacts::Image image = RevisionFacts::Image::pending;
        std::string image_problem;
        std::string image_digest;
        link::InstanceSpec spec;
        std::int32_t wanted = -1;
        std::int32_t applied = 0;
        // Instances of an earlier revision of the same name: they must go before this one begins,
        // or its requests would be answered by another program.
        bool is_haunted = false;
        std::vector<link::Endpoint> endpoints;
        std::map<std::string, link::InstanceReport> reports;
        std::optional<link::InstanceReport> failure;
        std::vector<Decided> decisions;
        std::vector<link::ColdStart> cold_starts;
        std::vector<link::HeldRequest> held;
    };
    static std::int32_t ready_of(const Entry& entry);
    static std::int32_t living_of(const Entry& entry);
    static bool rests(const Entry& entry);
    void start_autoscaler(Entry& entry, Moment at);
    bool decide_entry(const std::string& name, Entry& entry, Moment at);
    // To leave this one out would stop what runs, and its image may yet be found.
    bool holds_back(const Entry& entry, base::Instant now) const;

    FleetLimits limits_;
    std::map<std::string, Entry> entries_;
    std::set<std::string> untold_;  // revisions of which agents may be told something new
    bool told_whole_ = false;
    // Endpoints of revisions that are not taken yet: after a restart agents may speak first.
    std::map<std::string, std::vector<link::Endpoint>> early_;
    // The same of what is wrong with an instance, or how it ended: the last of each revision.
    std::map<std::string, link::InstanceReport> early_failures_;
    std::size_t agents_ = 0;
    std::optional<base::Instant> agent_heard_;
    std::size_t proxies_ = 0;
    base::Instant proxy_since_;
};

}  // namespace tidemill::control
