#include "control_peers.h"

#include <fmt/format.h>

#include <algorithm>

#include "link/codec.h"

namespace tidemill::sim {

using namespace std::chrono_literals;

void PeerAgent::connected(link::Connection& connection, const link::Hello&) {
    control_ = &connection;
    receiver_.emplace(100'000);
    connection.follow(endpoints_);
}

base::Status PeerAgent::received(link::Connection&, link::Message message) {
    if (!link::TableReceiver::is_table_message(message)) {
        return base::ok;
    }
    TRY(const auto change, receiver_->take(std::move(message)));
    if (change) {
        obey(*change);
    }
    return base::ok;
}

void PeerAgent::disconnected(link::Connection&, const base::Error&) {
    control_ = nullptr;
}

void PeerAgent::obey(const link::TableReceiver::Change& change) {
    std::set<std::string> gone;
    if (change.mode == link::Begin::Mode::replace) {
        for (const auto& [name, revision] : revisions_) {
            gone.insert(name);
        }
    }
    for (const auto& message : change.puts) {
        if (const auto* wanted = std::get_if<link::WantedRevision>(&message)) {
            gone.erase(wanted->revision);
            want(wanted->revision, *wanted);
        }
    }
    for (const auto& message : change.deletes) {
        if (const auto* deleted = std::get_if<link::DeleteWanted>(&message)) {
            gone.insert(deleted->revision);
        }
    }
    for (const auto& name : gone) {
        want(name, std::nullopt);
    }
}

void PeerAgent::want(const std::string& name, std::optional<link::WantedRevision> wanted) {
    auto& revision = revisions_[name];
    const auto before = revision.wanted ? revision.wanted->instances : 0;
    const auto next = wanted ? wanted->instances : 0;
    audit(name, before, next, wanted ? wanted->instances_max : 0);
    if (!wanted || !revision.wanted || wanted->spec.command != revision.wanted->spec.command) {
        revision.came_up = false;
    }
    revision.wanted = std::move(wanted);
}

bool PeerAgent::came_up(const std::string& revision) const {
    const auto found = revisions_.find(revision);
    return found != revisions_.end() && found->second.came_up;
}

void PeerAgent::wake(const std::string& name) {
    const auto found = revisions_.find(name);
    if (found != revisions_.end() && found->second.wanted) {
        found->second.lease = loop_.now() + 10s;
    }
}

std::size_t PeerAgent::running(const std::string& revision) const {
    const auto found = revisions_.find(revision);
    return found == revisions_.end() ? 0 : found->second.instances.size();
}

std::size_t PeerAgent::ready(const std::string& revision) const {
    const auto found = revisions_.find(revision);
    return found == revisions_.end() ? 0
                                     : static_cast<std::size_t>(std::ranges::count(
                                           found->second.instances, true, &Instance::ready));
}

std::vector<std::string> PeerAgent::revisions() const {
    std::vector<std::string> result;
    for (const auto& [name, revision] : revisions_) {
        if (!revision.instances.empty()) {
            result.push_back(name);
        }
    }
    return result;
}

bool PeerAgent::serves_other(const std::string& revision, std::string_view program) const {
    const auto found = revisions_.find(revision);
    return found != revisions_.end() &&
           std::ranges::any_of(found->second.instances, [&](const Instance& instance) {
               return instance.ready && instance.program != program;
           });
}

void PeerAgent::publish(const std::string& name, const Revision& revision) {
    link::RevisionEndpoints endpoints;
    endpoints.revision = name;
    for (const auto& instance : revision.instances) {
        endpoints.endpoints.push_back(
            {instance.name, "unix:/run/" + instance.name,
             instance.ready ? link::InstanceState::ready : link::InstanceState::starting});
    }
    if (endpoints.endpoints.empty()) {
        endpoints_.erase(link::key_of(link::Message(endpoints)));
    } else {
        endpoints_.put(endpoints);
    }
}

bool PeerAgent::turn_revision(const std::string& name, Revision& revision) {
    const auto now = loop_.now();
    bool changed = false;
    std::size_t target = revision.wanted ? revision.wanted->instances : 0;
    if (revision.wanted && revision.lease > now) {
        target = std::max<std::size_t>(target, 1);
    }
    while (revision.instances.size() > target) {
        revision.instances.pop_back();
        changed = true;
    }
    while (revision.instances.size() < target && revision.not_before <= now) {
        revision.instances.push_back({fmt::format("{}-{}", name, ++started_),
                                      now + dice_.between(20ms, 900ms),
                                      revision.wanted->spec.command.front(), false});
        changed = true;
    }
    for (std::size_t i = 0; i < revision.instances.size(); ++i) {
        auto& instance = revision.instances[i];
        if (instance.ready || instance.due > now) {
            continue;
        }
        changed = true;
        if (!instance.program.starts_with("bad")) {
            instance.ready = true;
            revision.came_up = true;
            ever_ready_.insert(name);
            continue;
        }
        link::InstanceReport report;
        report.instance = instance.name;
        report.revision = name;
        report.state = link::InstanceState::ended;
        report.reason = "ExitCode5";
        report.message = "it is bad";
        report.exit_code = 5;
        if (control_ != nullptr) {
            (void)control_->push(report);
        }
        revision.instances.erase(revision.instances.begin() + static_cast<std::ptrdiff_t>(i));
        revision.not_before = now + 2s;
        break;
    }
    if (changed) {
        publish(name, revision);
    }
    return changed;
}

void PeerAgent::turn() {
    bool changed = false;
    for (auto& [name, revision] : revisions_) {
        changed = turn_revision(name, revision) || changed;
    }
    if (changed) {
        endpoints_.commit();
    }
}

void PeerProxy::connected(link::Connection& connection, const link::Hello&) {
    control_ = &connection;
    receiver_.emplace(100'000);
}

base::Status PeerProxy::received(link::Connection& connection, link::Message message) {
    if (!link::TableReceiver::is_table_message(message)) {
        return base::ok;
    }
    TRY(const auto change, receiver_->take(std::move(message)));
    if (!change) {
        return base::ok;
    }
    if (change->mode == link::Begin::Mode::replace) {
        hosts_.clear();
        policies_.clear();
    }
    for (const auto& put : change->puts) {
        if (const auto* route = std::get_if<link::HostRoute>(&put)) {
            hosts_[route->host] = *route;
        } else if (const auto* policy = std::get_if<link::RevisionPolicy>(&put)) {
            policies_.insert(policy->revision);
        }
    }
    for (const auto& deleted : change->deletes) {
        if (const auto* host = std::get_if<link::DeleteHost>(&deleted)) {
            hosts_.erase(host->host);
        } else if (const auto* policy = std::get_if<link::DeletePolicy>(&deleted)) {
            policies_.erase(policy->revision);
        }
    }
    for (const auto& [host, route] : hosts_) {
        check(route);
    }
    return connection.push(link::Commit{change->version});
}

void PeerProxy::disconnected(link::Connection&, const base::Error&) {
    control_ = nullptr;
}

void PeerProxy::check(const link::HostRoute& route) {
    std::uint32_t sum = 0;
    for (const auto& target : route.targets) {
        sum += target.percent;
        if (!agent_.ever_ready(target.revision)) {
            fail_(fmt::format("host {} leads to {}, which was never ready", route.host,
                              target.revision));
        }
    }
    if (sum != 100) {
        fail_(fmt::format("percents of host {} sum to {}", route.host, sum));
    }
}

double PeerProxy::load_of(const std::string& revision) const {
    double load = 0;
    for (const auto& [host, amount] : load_) {
        const auto found = hosts_.find(host);
        if (found == hosts_.end()) {
            continue;
        }
        for (const auto& target : found->second.targets) {
            if (target.revision == revision) {
                load += amount * target.percent / 100;
            }
        }
    }
    return load;
}

void PeerProxy::second(base::WallTime now) {
    std::set<std::string> revisions;
    for (const auto& [host, route] : hosts_) {
        for (const auto& target : route.targets) {
            revisions.insert(target.revision);
        }
    }
    for (const auto& revision : revisions) {
        const auto load = load_of(revision);
        if (load == 0) {
            continue;
        }
        if (agent_.ready(revision) == 0) {
            agent_.wake(revision);
        }
        link::RevisionStats stats;
        stats.revision = revision;
        stats.at = now;
        stats.concurrency_average = load;
        stats.requests = load;
        if (control_ != nullptr) {
            (void)control_->push(stats);
        }
    }
}

}  // namespace tidemill::sim
