// Idle and back: freezing, thawing, and which of the frozen go when memory is short.
#include "agent/agent.h"
#include "agent/records.h"
#include "base/mutant.h"

namespace tidemill::agent {
namespace {

using State = InstanceView::State;

// Before the launcher is asked again.
constexpr base::Duration pause = std::chrono::milliseconds(20);
// The kernel has nothing to do for a thaw that could take longer than that.
constexpr std::uint32_t refusals_max = 5;

}  // namespace

void Agent::freeze(Instance& instance) {
    ++instance.probing;
    instance.view.state = State::frozen;
    instance.view.frozen_since = host_.loop.now();
    move_freezer(instance.name);
}

// Starting until it runs: one that is on its way is not asked for twice.
void Agent::thaw(Instance& instance, base::Instant began) {
    eviction_.forget(instance.name);
    instance.view.state = State::starting;
    instance.view.requests = InstanceView::Requests::may_run;
    instance.view.lease_until = host_.loop.now() + options_.lease;
    instance.is_stop_asked = false;
    instance.drained_by.clear();
    instance.cause = "thaw";
    instance.began = began;
    instance.stages.clear();
    instance.stages.push_back({"decide", {}, host_.clock.monotonic_now() - began});
    move_freezer(instance.name);
}

void Agent::move_freezer(const std::string& name) {
    Instance* const instance = find(name);
    if (instance == nullptr || instance->is_freezer_moving) {
        return;
    }
    if (instance->is_frozen || instance->view.state == State::frozen) {
        instance->is_freezer_moving = true;
        (void)tasks_.spawn(follow_freezer(name));
    }
}

// Brings the launcher to what the state says, however often that changes meanwhile.
async::Task<void> Agent::follow_freezer(std::string name) {
    std::uint32_t refusals = 0;
    for (;;) {
        Instance* instance = find(name);
        if (instance == nullptr) {
            co_return;
        }
        const bool wish = instance->view.state == State::frozen;
        if (wish == instance->is_frozen) {
            instance->is_freezer_moving = false;
            if (instance->view.state == State::starting) {
                thawed(*instance);
            }
            co_return;
        }
        const auto moved = co_await launcher_.freeze(
            name, wish ? host::Launcher::Freeze::frozen : host::Launcher::Freeze::thawed);
        instance = find(name);
        if (instance == nullptr) {
            co_return;
        }
        if (moved) {
            instance->is_frozen = wish;
            if (wish && instance->view.state == State::frozen) {
                report(*instance, link::InstanceState::frozen, nullptr);
                (void)tasks_.spawn(weigh(name));
            }
        } else if (moved.error().code == base::Code::not_found) {
            co_return;  // its end is on the way here
        } else if (wish) {
            // A launcher that did not answer may have done it: thawed in any case, before SIGTERM
            // or because it is needed again meanwhile.
            instance->is_frozen = !TIDEMILL_MUTANT("agent.unheard_freeze_is_none");
            if (instance->view.state == State::frozen) {
                // What cannot be frozen is ended, as it would have been without a freezer.
                instance->is_freezer_moving = false;
                end_frozen(*instance);
                co_return;
            }
        } else if (moved.error().code != base::Code::unavailable && ++refusals >= refusals_max &&
                   instance->view.state == State::starting) {
            // Somebody waits for it: another one will serve.
            instance->is_freezer_moving = false;
            instance->reason = {"ThawFailed",
                                "could not be thawed and was replaced: " + moved.error().message};
            instance->view.health = InstanceView::Health::bad;
            Revision& revision = revision_of(instance->note.revision);
            publish(revision);
            settle(revision);
            co_return;
        } else if (TIDEMILL_MUTANT("agent.failed_thaw_stays_frozen")) {
            co_return;
        } else {
            co_await async::sleep_for(host_.loop, pause);
        }
    }
}

void Agent::end_frozen(Instance& instance) {
    stop(instance);
    publish(revision_of(instance.note.revision));
    // Its grace has an end to be asked for.
    settle_soon(instance.note.revision);
}

async::Task<void> Agent::weigh(std::string name) {
    for (;;) {
        const auto seen = co_await launcher_.inspect(name);
        const Instance* const instance = find(name);
        if (instance == nullptr || instance->view.state != State::frozen) {
            co_return;
        }
        if (seen) {
            eviction_.add(name, {.bytes = seen->memory_bytes,
                                 .uses = instance->uses,
                                 .start_took = instance->start_took});
            break;
        }
        if (seen.error().code != base::Code::unavailable ||
            TIDEMILL_MUTANT("agent.unweighed_weigh_nothing")) {
            co_return;
        }
        co_await async::sleep_for(host_.loop, pause);
    }
    for (const auto& surplus : eviction_.take_surplus()) {
        end_frozen(*find(surplus));
    }
}

void Agent::thawed(Instance& instance) {
    ++instance.uses;
    const base::Instant now = host_.clock.monotonic_now();
    const auto& decided = instance.stages.back();
    const base::Duration at = decided.at + decided.took;
    instance.stages.push_back({"thaw", at, now - instance.began - at});
    became_ready(instance);
}

}  // namespace tidemill::agent
