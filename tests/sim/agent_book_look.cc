// What is checked from outside, at any time and after calm, whatever the agent did last.
#include <fmt/format.h>

#include <algorithm>

#include "agent_book.h"

namespace tidemill::sim {
namespace {

using namespace std::chrono_literals;

// "An instance that dies is replaced within a second", and so is whatever else is missing.
constexpr base::Duration replaced_within = 1s;

}  // namespace

// At any time ----------------------------------------------------------------------------------

void AgentBook::check_shortage(const std::string& name, Revision& self) {
    std::uint32_t alive = 0;
    for (const auto& [other, each] : instances_) {
        alive += each.revision == name && (each.runs || each.is_launching) && !each.is_going();
    }
    std::uint32_t target = self.told.wanted ? self.told.wanted->instances : 0;
    if (self.told.wanted && waiting(self.told, &Told::Waiting::open) > 0) {
        target = std::max(target, 1U);
    }
    if (alive >= target || is_ending_) {
        self.short_since.reset();
        return;
    }
    if (!self.short_since) {
        self.short_since = loop_.now();
    }
    const auto since = std::max({*self.short_since, self.start_after, serves_since_});
    if (loop_.now() - since > replaced_within) {
        fail_(fmt::format("{} of {} instances of {} run, and for {} none was started", alive,
                          target, name, ago(since)));
    }
}

void AgentBook::check_offered(const std::string& name, const Revision& self) {
    for (const auto& [offered, state] : self.offered) {
        const Instance& each = instances_.at(offered);
        if (state != link::InstanceState::ready) {
            continue;
        }
        if (!each.runs && !each.is_launching &&
            loop_.now() - std::max(each.ended_at, serves_since_) > 1s) {
            fail_(fmt::format("{} ended {} ago and is still offered", offered, ago(each.ended_at)));
        }
        if (machine_.is_frozen(offered)) {
            fail_(fmt::format("{} is frozen and is offered", offered));
        }
        if (!self.told.wanted) {
            continue;
        }
        const auto& probe = self.told.wanted->spec.readiness;
        const auto patience =
            (probe.period + probe.timeout) * (probe.failure_threshold + 1) + 500ms;
        const auto watched = loop_.now() - std::max(each.ready_at, self.changed_at);
        if (probe.period > base::Duration{} &&
            std::min(apps_.unready_for(offered), watched) > patience) {
            fail_(fmt::format("{} is unready for {} and is still offered", offered,
                              base::format_duration(apps_.unready_for(offered))));
        }
    }
    for (const auto& [instance, each] : instances_) {
        if (each.revision != name || !each.is_unready || each.is_going() || !self.told.wanted ||
            machine_.rests(instance)) {
            continue;
        }
        const auto& probe = self.told.wanted->spec.readiness;
        const auto patience =
            (probe.period + probe.timeout) * (probe.success_threshold + 1) + 500ms;
        if (each.runs && apps_.well_for(instance) > patience &&
            loop_.now() - self.changed_at > patience) {
            fail_(fmt::format("{} is well for {} and is not offered again", instance,
                              base::format_duration(apps_.well_for(instance))));
        }
    }
}

void AgentBook::check_frozen(const std::string& name, Instance& self) {
    const bool is_asleep = machine_.is_frozen(name) && !self.is_frozen && !self.is_thawing &&
                           !self.is_stopping && !self.is_kill_asked;
    if (!is_asleep) {
        self.asleep_since.reset();
    } else if (!self.asleep_since) {
        self.asleep_since = loop_.now();
    } else if (loop_.now() - *self.asleep_since > 1s) {
        fail_(fmt::format("{} is frozen, and the agent takes it for awake", name));
    }
    if (self.is_thawing && !self.is_kill_asked && loop_.now() - self.thaw_since > 1s) {
        fail_(fmt::format("{} is to be thawed since {}", name, ago(self.thaw_since)));
    }
    if (self.is_stopping && self.is_term_heard && !self.is_kill_asked && machine_.is_frozen(name) &&
        loop_.now() - self.stopping_since > 1s) {
        fail_(fmt::format("{} was sent SIGTERM {} ago and is still frozen", name,
                          ago(self.stopping_since)));
    }
    const Revision& its = revision(self.revision);
    if (!self.is_frozen || self.is_stopping || self.is_draining || self.is_kill_asked) {
        return;
    }
    Told told = its.told;
    told.has_control = has_control_;
    if (may_end_frozen(told, self) && has_control_) {
        const auto kept = told.wanted ? told.wanted->spec.keep_frozen : base::Duration{};
        const auto since =
            std::max({self.frozen_since + kept, its.changed_at, serves_since_, control_since_});
        if (loop_.now() - since > 1s) {
            fail_(fmt::format("{} is frozen for {}, and was to be kept for {}", name,
                              ago(self.frozen_since), base::format_duration(kept)));
        }
    }
}

void AgentBook::check_going(const std::string& name, const Instance& self) const {
    if (!self.is_known && loop_.now() - serves_since_ > 1s) {
        fail_(fmt::format("{} runs, and nobody keeps it", name));
    }
    if (self.is_stopping && !self.is_launching && !self.is_term_heard && !self.is_kill_asked &&
        loop_.now() - self.stopping_since > 1s) {
        fail_(fmt::format("{} is to stop since {}, and SIGTERM never reached it", name,
                          ago(self.stopping_since)));
    }
    // One that is to end has its grace all the same.
    if (self.is_stop_heard && !self.is_stopping && !self.is_kill_asked &&
        loop_.now() - self.stop_heard_at > 1s) {
        fail_(fmt::format("{} was stopped by a signal {} ago and is kept", name,
                          ago(self.stop_heard_at)));
    }
}

void AgentBook::look() {
    if (!serves_) {
        return;
    }
    for (auto& [name, self] : revisions_) {
        check_shortage(name, self);
        check_logs(name, self);
        check_offered(name, self);
    }
    for (auto& [name, each] : instances_) {
        if (each.runs) {
            check_frozen(name, each);
            check_going(name, each);
        }
    }
    if (!is_over_budget()) {
        over_budget_since_.reset();
    } else if (!over_budget_since_) {
        over_budget_since_ = loop_.now();
    } else if (loop_.now() - *over_budget_since_ > 1s) {
        fail_(fmt::format("what is frozen needs more than {} bytes since {}",
                          options_.frozen_bytes_max, ago(*over_budget_since_)));
    }
}

void AgentBook::check_told(const AgentsControl& control) {
    for (const auto& [name, self] : revisions_) {
        if (self.failure && has_control_ && control.wanted(name) &&
            !control.has_heard_end_of(*self.failure)) {
            fail_(fmt::format("{} ended by itself, and control never heard of it", *self.failure));
        }
    }
}

void AgentBook::check_logs(const std::string& name, const Revision& self) {
    std::size_t kept = 0;
    for (const auto& each : self.ended) {
        kept += apps_.log_is_there(each) ? 1 : 0;
    }
    const std::size_t least = std::min(self.ended.size(), options_.logs.ended_per_revision_max);
    if (kept < least) {
        fail_(fmt::format("of {} ended instances of {} only {} logs are kept", self.ended.size(),
                          name, kept));
    }
    if (self.last_crash && !apps_.log_is_there(*self.last_crash)) {
        fail_(fmt::format("the log of {}, which crashed last, is gone", *self.last_crash));
    }
}

void AgentBook::check_quiet(const AgentsControl& control) {
    look();
    check_told(control);
    for (const auto& each : machine_.known()) {
        if (each.exit) {
            fail_(fmt::format("{} ended, and is not forgotten", each.instance));
        }
    }
    for (const auto& [name, self] : instances_) {
        if (!self.runs && self.is_known) {
            fail_(fmt::format("{} ended, and nobody said so", name));
        }
    }
    for (const auto& [name, program] : apps_.programs()) {
        const std::uint32_t wanted = control.wanted(name).value_or(0);
        std::uint32_t running = 0;
        std::uint32_t leaving = 0;  // has its whole grace, whatever others wait for
        for (const auto& [instance, self] : instances_) {
            const bool in_grace =
                self.is_stopping && loop_.now() < self.stopping_since + revision(name).grace;
            if (self.runs && self.revision == name && self.is_frozen && !self.is_stopping) {
                if (!machine_.is_frozen(instance)) {
                    fail_(fmt::format("after calm {} is to be frozen, and runs", instance));
                }
            } else if (self.runs && self.revision == name) {
                ++(in_grace ? leaving : running);
            }
        }
        if (running != wanted) {
            fail_(fmt::format("after calm {} instances of {} run, and {} are wanted", running, name,
                              wanted));
        }
        const auto offered_by = [&](const EndpointMirror& mirror, const std::string& to) {
            if (mirror.ready(name).size() != wanted || mirror.of(name).size() != wanted + leaving) {
                fail_(fmt::format(
                    "after calm {} sees {} ready of {} endpoints of {}; {} are "
                    "wanted",
                    to, mirror.ready(name).size(), mirror.of(name).size(), name, wanted));
            }
        };
        offered_by(control.mirror(), "control");
        for (const auto& proxy : proxies_) {
            offered_by(proxy->mirror(), proxy->name());
        }
    }
}

}  // namespace tidemill::sim
