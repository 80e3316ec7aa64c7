#include "mesh/route_table.h"

#include <array>
#include <bit>
#include <utility>

#include "base/bytes.h"
#include "base/text.h"

namespace tidemill::mesh {
namespace {

constexpr std::size_t host_bytes_max = 253;  // RFC 1035 section 2.3.4, as text

// A Host field's value without its port and final dot.
std::string_view without_port(std::string_view host) {
    if (host.starts_with('[')) {
        const auto close = host.find(']');
        return close == std::string_view::npos ? host : host.substr(0, close + 1);
    }
    host = host.substr(0, host.find(':'));
    if (host.ends_with('.')) {
        host.remove_suffix(1);
    }
    return host;
}

}  // namespace

RouteTable::RouteTable(std::uint64_t version, std::vector<HostRule> hosts,
                       std::vector<RevisionRule> revisions)
    : version_(version), hosts_(std::move(hosts)), revisions_(std::move(revisions)) {
    slots_.resize(std::bit_ceil(hosts_.size() * 2 + 1));
    const auto mask = slots_.size() - 1;
    for (std::uint32_t i = 0; i < hosts_.size(); ++i) {
        const auto hash = base::fnv1a(hosts_[i].host);
        auto at = hash & mask;
        while (slots_[at].host != 0) {
            at = (at + 1) & mask;
        }
        slots_[at] = {hash, i + 1};
    }
}

const HostRule* RouteTable::find(std::string_view host) const {
    host = without_port(host);
    if (host.size() > host_bytes_max) {
        return nullptr;
    }
    std::array<char, host_bytes_max> lower{};
    for (std::size_t i = 0; i < host.size(); ++i) {
        lower[i] = base::to_lower(host[i]);
    }
    const std::string_view key(lower.data(), host.size());
    const auto hash = base::fnv1a(key);
    const auto mask = slots_.size() - 1;
    for (auto at = hash & mask; slots_[at].host != 0; at = (at + 1) & mask) {
        if (slots_[at].hash == hash) {
            const HostRule& rule = hosts_[slots_[at].host - 1];
            if (rule.host == key) {
                return &rule;
            }
        }
    }
    return nullptr;
}

const Target& choose_target(const HostRule& rule, std::uint64_t random) {
    // Lemire's multiply-and-shift: the upper half of random * 100 is uniform over 0..99 but for
    // 2^-32 * 100 of bias.
    auto draw = static_cast<std::uint32_t>(((random >> 32U) * 100) >> 32U);
    for (const Target& target : rule.targets) {
        if (draw < target.percent) {
            return target;
        }
        draw -= target.percent;
    }
    return rule.targets.back();
}

void TableBuilder::begin(std::uint64_t version, Mode mode) {
    version_ = version;
    mode_ = mode;
    hosts_.clear();
    revisions_.clear();
}

void TableBuilder::put(HostSpec host) {
    auto key = host.host;
    hosts_.insert_or_assign(std::move(key), std::move(host));
}

void TableBuilder::put(RevisionRule revision) {
    auto key = revision.name;
    revisions_.insert_or_assign(std::move(key), std::move(revision));
}

void TableBuilder::erase_host(std::string_view host) {
    hosts_.insert_or_assign(std::string(host), std::nullopt);
}

void TableBuilder::erase_revision(std::string_view revision) {
    revisions_.insert_or_assign(std::string(revision), std::nullopt);
}

base::Status TableBuilder::check(const State& state) {
    for (const auto& [name, host] : state.hosts) {
        if (name.empty() || name.size() > host_bytes_max || name != base::lower(name) ||
            without_port(name) != name) {
            return base::fail(base::Code::invalid,
                              "route table: host \"{}\" is not a lower-case "
                              "host name without a port",
                              name);
        }
        std::uint64_t sum = 0;
        for (const auto& share : host.targets) {
            sum += share.percent;
            if (!state.revisions.contains(share.revision)) {
                return base::fail(base::Code::invalid,
                                  "route table: host {}: target {} is not a revision of the table",
                                  name, share.revision);
            }
        }
        if (sum != 100) {
            return base::fail(base::Code::invalid,
                              "route table: host {}: percents sum to {}, not to 100", name, sum);
        }
    }
    return base::ok;
}

base::Result<std::shared_ptr<const RouteTable>> TableBuilder::commit(std::uint64_t version) {
    if (version_ != version) {
        return base::fail(base::Code::invalid,
                          "route table: commit of version {}, which was not "
                          "begun",
                          version);
    }
    version_.reset();
    State next = mode_ == Mode::replace ? State{} : committed_;
    const auto apply = [](auto& into, auto& changes) {
        for (auto& [key, value] : changes) {
            if (value) {
                into.insert_or_assign(key, *std::move(value));
            } else {
                into.erase(key);
            }
        }
        changes.clear();
    };
    apply(next.hosts, hosts_);
    apply(next.revisions, revisions_);
    if (next.hosts.size() > hosts_max_ || next.revisions.size() > revisions_max_) {
        return base::fail(base::Code::exhausted,
                          "route table: {} hosts and {} revisions; the limits are {} and {}",
                          next.hosts.size(), next.revisions.size(), hosts_max_, revisions_max_);
    }
    CHECK_OK(check(next));
    committed_ = std::move(next);

    std::vector<RevisionRule> revisions;
    std::map<std::string_view, std::uint32_t> index;
    revisions.reserve(committed_.revisions.size());
    for (const auto& [name, revision] : committed_.revisions) {
        index.emplace(name, static_cast<std::uint32_t>(revisions.size()));
        revisions.push_back(revision);
    }
    std::vector<HostRule> hosts;
    hosts.reserve(committed_.hosts.size());
    for (const auto& [name, host] : committed_.hosts) {
        HostRule rule{name, host.service, host.route, host.tag, {}};
        for (const auto& share : host.targets) {
            rule.targets.push_back({index.at(share.revision), share.percent});
        }
        hosts.push_back(std::move(rule));
    }
    return std::make_shared<const RouteTable>(version, std::move(hosts), std::move(revisions));
}

}  // namespace tidemill::mesh
