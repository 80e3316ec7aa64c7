#include "agent/decider.h"

#include <algorithm>
#include <functional>

#include "base/mutant.h"

namespace tidemill::agent {
namespace {

using State = InstanceView::State;

// How many the open wake asks for beyond those that are on their way.
std::uint32_t asked_by_wake(const Wanted& wanted, std::uint32_t waiting, std::uint32_t starting,
                            std::uint32_t ready, const DeciderOptions& options) {
    if (waiting == 0) {
        return 0;
    }
    if (wanted.container_concurrency > 0) {
        // What is ready is busy, else nobody would wait.
        const std::uint32_t need = (waiting - 1) / wanted.container_concurrency + 1;
        return need > starting ? need - starting : 0;
    }
    const std::uint32_t need =
        std::max<std::uint32_t>(1, waiting / options.unlimited_waiting_per_instance);
    return need > starting + ready ? need - starting - ready : 0;
}

}  // namespace

Plan plan_instances(const Wanted& wanted, std::span<const InstanceView> running,
                    std::uint32_t waiting, base::Instant start_after, std::uint32_t budget,
                    base::Instant now, const DeciderOptions& options) {
    Plan plan;
    const auto ask_again = [&](base::Instant at) { plan.again = std::min(plan.again, at); };
    std::uint32_t starting = 0;
    std::uint32_t ready = 0;
    std::vector<const InstanceView*> living;
    std::vector<const InstanceView*> frozen;
    for (const auto& instance : running) {
        if (instance.health == InstanceView::Health::bad) {
            plan.kill.push_back(instance.instance);
            continue;
        }
        switch (instance.state) {
            case State::starting:
                ++starting;
                living.push_back(&instance);
                break;
            case State::ready:
                ++ready;
                living.push_back(&instance);
                break;
            case State::draining: {
                const base::Instant limit = instance.draining_since + options.drain_max;
                if ((instance.requests == InstanceView::Requests::none ||
                     TIDEMILL_MUTANT("agent.freezes_the_busy")) &&
                    instance.idle == InstanceView::Idle::freeze &&
                    wanted.keep_frozen > base::Duration{}) {
                    plan.freeze.push_back(instance.instance);
                } else if (instance.requests == InstanceView::Requests::none || now >= limit) {
                    plan.stop.push_back(instance.instance);
                } else {
                    ask_again(limit);
                }
                break;
            }
            case State::frozen: {
                const base::Instant limit = instance.frozen_since + wanted.keep_frozen;
                if (wanted.surplus == Wanted::Surplus::keep) {
                    frozen.push_back(&instance);
                } else if (now >= limit) {
                    plan.stop.push_back(instance.instance);
                } else {
                    frozen.push_back(&instance);
                    if (!TIDEMILL_MUTANT("agent.frozen_for_ever")) {
                        ask_again(limit);
                    }
                }
                break;
            }
            case State::stopping: {
                const base::Instant limit = instance.stopping_since + wanted.grace;
                if (now >= limit || TIDEMILL_MUTANT("agent.no_grace")) {
                    plan.kill.push_back(instance.instance);
                } else {
                    ask_again(limit);
                }
                break;
            }
        }
    }
    const std::uint32_t alive = starting + ready;
    const std::uint32_t most =
        wanted.instances_max == 0 || TIDEMILL_MUTANT("agent.max_scale_ignored")
            ? UINT32_MAX
            : std::max(wanted.instances_max, wanted.instances);
    std::uint32_t missing = wanted.instances > alive ? wanted.instances - alive : 0;
    missing = std::max(missing, asked_by_wake(wanted, waiting, starting, ready, options));
    missing = std::min(missing, most > alive ? most - alive : 0);
    // Thawing is no start: it waits for no back-off. The one frozen last has most of its memory
    // left.
    std::ranges::sort(frozen, std::greater{}, &InstanceView::frozen_since);
    frozen.resize(TIDEMILL_MUTANT("agent.starts_beside_the_frozen")
                      ? 0
                      : std::min<std::size_t>(frozen.size(), missing));
    for (const InstanceView* instance : frozen) {
        plan.thaw.push_back(instance->instance);
    }
    const bool anything_missing = missing > 0;
    missing -= static_cast<std::uint32_t>(frozen.size());
    if (missing > 0 && now < start_after) {
        ask_again(start_after);
    } else {
        plan.start = std::min(missing, budget);
    }
    if (!anything_missing && alive > wanted.instances && wanted.surplus == Wanted::Surplus::stop &&
        waiting == 0) {
        // What serves nobody yet goes first, then the youngest: the oldest has proved itself.
        std::ranges::sort(living, [](const InstanceView* a, const InstanceView* b) {
            return a->state != b->state ? a->state == State::starting : a->started > b->started;
        });
        std::uint32_t surplus = alive - wanted.instances;
        for (const InstanceView* instance : living) {
            if (surplus == 0) {
                break;
            }
            if (now < instance->lease_until && !TIDEMILL_MUTANT("agent.lease_ignored")) {
                ask_again(instance->lease_until);
                continue;
            }
            plan.drain.push_back(instance->instance);
            --surplus;
        }
    }
    return plan;
}

base::Duration restart_delay(std::uint32_t failures) {
    constexpr base::Duration first = std::chrono::milliseconds(10);
    constexpr base::Duration most = std::chrono::minutes(5);
    if (failures <= 1) {
        return TIDEMILL_MUTANT("agent.first_restart_waits") ? std::chrono::seconds(2)
                                                            : base::Duration{};
    }
    if (TIDEMILL_MUTANT("agent.no_back_off")) {
        return {};
    }
    const std::uint32_t doublings = std::min<std::uint32_t>(failures - 2, 20);
    return std::min(first * (std::int64_t{1} << doublings), most);
}

}  // namespace tidemill::agent
