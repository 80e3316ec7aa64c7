// How many instances of one revision should be there, and which of them should go. Pure: no clock,
// no I/O; the table in decider_test.cc is its specification.
#pragma once

#include <cstdint>
#include <span>
#include <string>
#include <vector>

#include "base/time.h"

namespace tidemill::agent {

struct DeciderOptions {
    // A concurrency of 0 says nothing about how many one instance carries: one instance until this
    // many wait for each, the target of Knative's autoscaler for such revisions (config-autoscaler,
    // container-concurrency-target-default).
    std::uint32_t unlimited_waiting_per_instance = 100;
    // How long a draining instance may go on without word from every proxy: no request outlives its
    // revision's timeout, whose default maximum is 600 s (config-defaults).
    base::Duration drain_max = std::chrono::seconds(600);
};

// What is wanted of the revision. A revision that nobody wants has zeros.
struct Wanted {
    std::uint32_t instances = 0;
    std::uint32_t instances_max = 0;  // 0: no limit
    std::uint32_t container_concurrency = 0;
    base::Duration grace = std::chrono::seconds(300);  // SIGTERM to SIGKILL
    // How long an idle instance is kept frozen before it is ended. 0: it is ended at once.
    base::Duration keep_frozen{};
    // Keep: the wanted number may be out of date (no control), so nothing is stopped for it.
    enum class Surplus : std::uint8_t { stop, keep } surplus = Surplus::stop;
};

struct InstanceView {
    // frozen: idle, not running, counts as nothing; starting, once it is thawed, until it runs.
    enum class State : std::uint8_t { starting, ready, draining, frozen, stopping };
    std::string instance;
    State state = State::starting;
    base::Instant started;
    base::Instant lease_until;  // not stopped for a wanted number before
    // Dead or hanging in all but name: counts as nothing and is ended at once.
    enum class Health : std::uint8_t { good, bad } health = Health::good;
    enum class Requests : std::uint8_t { may_run, none } requests = Requests::may_run;  // draining
    // What becomes of it when nobody needs it: only what has served is worth keeping.
    enum class Idle : std::uint8_t { end, freeze } idle = Idle::end;
    base::Instant draining_since;
    base::Instant frozen_since;
    base::Instant stopping_since;
};

struct Plan {
    std::uint32_t start = 0;
    std::vector<std::string> thaw;    // let run again, instead of starting
    std::vector<std::string> drain;   // take out of rotation
    std::vector<std::string> freeze;  // idle: keep, but let it not run
    std::vector<std::string> stop;    // SIGTERM
    std::vector<std::string> kill;    // SIGKILL to everything of it
    // When to ask again though nothing happened; never() if there is no such time.
    base::Instant again = base::Instant::never();

    friend bool operator==(const Plan&, const Plan&) = default;
};

// waiting: requests that wait at proxies while nobody may serve them (0: no wake is open).
// start_after: not before that (restart back-off). budget: how many more this machine may start.
// Idempotent: applied and asked again, it wants nothing more.
Plan plan_instances(const Wanted& wanted, std::span<const InstanceView> running,
                    std::uint32_t waiting, base::Instant start_after, std::uint32_t budget,
                    base::Instant now, const DeciderOptions& options);

// How long to wait before the next start after so many failures in a row: nothing after the first,
// so that one crash costs no time; then 10 ms, doubling to 5 minutes, kubelet's limit (kubelet
// itself begins at 10 s).
base::Duration restart_delay(std::uint32_t failures);

}  // namespace tidemill::agent
