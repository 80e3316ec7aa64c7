#include "agent_peers.h"

#include "base/check.h"
#include "link/codec.h"

namespace tidemill::sim {
namespace {

using namespace std::chrono_literals;

constexpr base::Duration wake_every = 100ms;  // as the proxy's
constexpr std::size_t requests_max = 400;

}  // namespace

base::Result<bool> EndpointMirror::take(link::Message message) {
    if (!link::TableReceiver::is_table_message(message)) {
        return false;
    }
    TRY(const auto change, receiver_->take(std::move(message)));
    if (!change) {
        return false;
    }
    if (change->mode == link::Begin::Mode::replace) {
        endpoints_.clear();
    }
    for (const auto& put : change->puts) {
        const auto& said = std::get<link::RevisionEndpoints>(put);
        endpoints_[said.revision] = said.endpoints;
    }
    for (const auto& gone : change->deletes) {
        endpoints_.erase(std::get<link::DeleteEndpoints>(gone).revision);
    }
    return true;
}

const std::vector<link::Endpoint>& EndpointMirror::of(const std::string& revision) const {
    static const std::vector<link::Endpoint> none;
    const auto found = endpoints_.find(revision);
    return found == endpoints_.end() ? none : found->second;
}

std::vector<std::string> EndpointMirror::ready(const std::string& revision) const {
    std::vector<std::string> result;
    for (const auto& endpoint : of(revision)) {
        if (endpoint.state == link::InstanceState::ready) {
            result.push_back(endpoint.instance);
        }
    }
    return result;
}

AgentsControl::AgentsControl(host_sim::SimHost& machine)
    : host_(machine.host("control")),
      table_(std::make_unique<link::Table>()),
      scope_(machine.loop, 1) {}

void AgentsControl::want(const link::WantedRevision& wanted) {
    wanted_[wanted.revision] = wanted;
    table_->put(wanted);
    table_->commit();
}

void AgentsControl::want_none(const std::string& revision) {
    if (const auto found = wanted_.find(revision); found != wanted_.end()) {
        table_->erase(link::key_of(found->second));
        table_->commit();
        wanted_.erase(found);
    }
}

std::optional<std::uint32_t> AgentsControl::wanted(const std::string& revision) const {
    const auto found = wanted_.find(revision);
    return found == wanted_.end() ? std::nullopt : std::optional(found->second.instances);
}

void AgentsControl::go() {
    scope_.cancel();
    listener_.reset();
    ends_.clear();
}

void AgentsControl::come() {
    if (is_here()) {
        return;
    }
    auto listener = host_.network.listen(*host::parse_address(address), {});
    CHECK(listener.has_value());
    listener_ = *std::move(listener);
    CHECK(scope_
              .spawn(link::keep_answering(host_, *listener_, link::Hello{.role = "control"}, *this,
                                          {}, 8))
              .has_value());
}

void AgentsControl::connected(link::Connection& connection, const link::Hello&) {
    mirror_.begin();
    connection.follow(*table_);
}

base::Status AgentsControl::received(link::Connection&, link::Message message) {
    if (const auto* report = std::get_if<link::InstanceReport>(&message);
        report != nullptr && report->state == link::InstanceState::ended) {
        ends_.insert(report->instance);
    }
    TRY(const auto changed, mirror_.take(std::move(message)));
    (void)changed;
    return base::ok;
}

void AgentsControl::disconnected(link::Connection&, const base::Error&) {}

AgentsProxy::AgentsProxy(host_sim::SimHost& machine, std::string name,
                         std::function<void(const std::string&, base::Duration)> occupy)
    : machine_(machine),
      host_(machine.host(name)),
      name_(std::move(name)),
      occupy_(std::move(occupy)),
      scope_(machine.loop, requests_max + 2) {
    link::Hello hello{.role = "proxy"};
    hello.boot_id = name_;
    CHECK(scope_.spawn(link::keep_calling(host_, *host::parse_address(address), hello, *this, {}))
              .has_value());
}

void AgentsProxy::request(const std::string& revision, base::Duration span) {
    waiting_[revision].push_back({span});
    turn();
}

std::size_t AgentsProxy::in_flight(const std::string& instance) const {
    const auto found = in_flight_.find(instance);
    return found == in_flight_.end() ? 0 : found->second;
}

std::size_t AgentsProxy::waiting() const {
    std::size_t sum = 0;
    for (const auto& [revision, held] : waiting_) {
        sum += held.size();
    }
    return sum;
}

void AgentsProxy::connected(link::Connection& connection, const link::Hello&) {
    agent_ = &connection;
    mirror_.begin();
}

base::Status AgentsProxy::received(link::Connection&, link::Message message) {
    TRY(const auto changed, mirror_.take(std::move(message)));
    if (changed) {
        turn();
    }
    return base::ok;
}

void AgentsProxy::disconnected(link::Connection&, const base::Error&) {
    agent_ = nullptr;
}

void AgentsProxy::turn() {
    for (auto& [revision, held] : waiting_) {
        const auto ready = mirror_.ready(revision);
        if (held.empty()) {
            continue;
        }
        if (ready.empty()) {
            if (agent_ != nullptr) {
                agent_->set(link::Wake{revision, static_cast<std::uint32_t>(held.size())});
            }
            continue;
        }
        for (const auto& [span] : held) {
            // The turn after next another one's.
            (void)scope_.spawn(run_request(ready[turns_++ % ready.size()], span));
        }
        held.clear();
    }
    if (agent_ != nullptr) {
        for (const auto& [revision, endpoints] : mirror_.all()) {
            for (const auto& endpoint : endpoints) {
                if (endpoint.state == link::InstanceState::draining &&
                    in_flight(endpoint.instance) == 0) {
                    agent_->set(link::Drained{endpoint.instance});
                }
            }
        }
    }
    if (waiting() > 0 && !is_turning_) {
        is_turning_ = true;
        (void)scope_.spawn(turn_again());
    }
}

async::Task<void> AgentsProxy::turn_again() {
    co_await async::sleep_for(machine_.loop, wake_every);
    is_turning_ = false;
    turn();
}

async::Task<void> AgentsProxy::run_request(std::string instance, base::Duration span) {
    ++in_flight_[instance];
    occupy_(instance, span);
    co_await async::sleep_for(machine_.loop, span);
    // Gone with its instance if that has ended.
    if (const auto found = in_flight_.find(instance); found != in_flight_.end()) {
        if (--found->second == 0) {
            in_flight_.erase(found);
            turn();
        }
    }
}

}  // namespace tidemill::sim
