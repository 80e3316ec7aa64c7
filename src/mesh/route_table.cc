#include "mesh/route_table.h"

#include <algorithm>
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
    return find_name(key);
}

const HostRule* RouteTable::find_name(std::string_view name) const {
    if (buckets_.empty()) {
        return nullptr;
    }
    const auto hash = base::fnv1a(name);
    const auto& bucket = buckets_[hash & (buckets_.size() - 1)];
    if (bucket != nullptr) {
        for (const auto& entry : *bucket) {
            if (entry.hash == hash && entry.rule->host == name) {
                return entry.rule.get();
            }
        }
    }
    return nullptr;
}

const RevisionRule* RouteTable::revision(std::uint32_t place) const {
    const auto at = place / chunk_size;
    return at >= chunks_.size() || chunks_[at] == nullptr
               ? nullptr
               : (*chunks_[at])[place % chunk_size].get();
}

std::vector<std::uint32_t> RouteTable::places_changed_since(const RouteTable& before) const {
    std::vector<std::uint32_t> places;
    const auto size = std::max(chunks_.size(), before.chunks_.size());
    const auto chunk_of = [](const RouteTable& table, std::size_t at) {
        return at < table.chunks_.size() ? table.chunks_[at].get() : nullptr;
    };
    for (std::size_t at = 0; at < size; ++at) {
        if (chunk_of(*this, at) == chunk_of(before, at)) {
            continue;
        }
        const auto first = static_cast<std::uint32_t>(at * chunk_size);
        for (auto place = first; place < first + chunk_size; ++place) {
            if (revision(place) != before.revision(place)) {
                places.push_back(place);
            }
        }
    }
    return places;
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

class TableBuilder::Draft {
public:
    explicit Draft(const RouteTable& from) : table_(std::make_shared<RouteTable>(from)) {}

    // Makes room for so many hosts.
    void reserve(std::size_t hosts) {
        // So few in a bucket that to look through them costs less than to find them.
        constexpr std::size_t hosts_per_bucket = 4;
        const auto& old = table_->buckets_;
        if (hosts <= old.size() * hosts_per_bucket) {
            return;
        }
        // Twice as many as are needed now, so that each host is moved a few times at most.
        std::vector<std::shared_ptr<RouteTable::Bucket>> buckets(
            std::bit_ceil(std::max<std::size_t>(16, hosts * 2 / hosts_per_bucket)));
        for (const auto& bucket : old) {
            for (const auto& entry : bucket == nullptr ? RouteTable::Bucket() : *bucket) {
                auto& into = buckets[entry.hash & (buckets.size() - 1)];
                if (into == nullptr) {
                    into = std::make_shared<RouteTable::Bucket>();
                }
                into->push_back(entry);
            }
        }
        table_->buckets_.assign(buckets.begin(), buckets.end());
    }

    void put(std::shared_ptr<const HostRule> rule) {
        const auto hash = base::fnv1a(rule->host);
        for (auto& entry : bucket_of(hash)) {
            if (entry.hash == hash && entry.rule->host == rule->host) {
                entry.rule = std::move(rule);
                return;
            }
        }
        bucket_of(hash).push_back({hash, std::move(rule)});
        ++table_->host_count_;
    }

    void erase(std::string_view name) {
        const auto hash = base::fnv1a(name);
        table_->host_count_ -= std::erase_if(bucket_of(hash), [&](const auto& entry) {
            return entry.hash == hash && entry.rule->host == name;
        });
    }

    // Null takes it away.
    void put(std::uint32_t place, std::shared_ptr<const RevisionRule> rule) {
        const auto at = place / RouteTable::chunk_size;
        if (at >= table_->chunks_.size()) {
            table_->chunks_.resize(at + 1);
        }
        auto& chunk = chunks_[at];
        if (chunk == nullptr) {
            const auto& old = table_->chunks_[at];
            chunk = old == nullptr ? std::make_shared<RouteTable::Chunk>()
                                   : std::make_shared<RouteTable::Chunk>(*old);
            table_->chunks_[at] = chunk;
        }
        (*chunk)[place % RouteTable::chunk_size] = std::move(rule);
    }

    std::shared_ptr<const RouteTable> finish(std::uint64_t version) && {
        table_->version_ = version;
        return std::move(table_);
    }

private:
    RouteTable::Bucket& bucket_of(std::uint64_t hash) {
        const auto at = hash & (table_->buckets_.size() - 1);
        auto& bucket = buckets_[at];
        if (bucket == nullptr) {
            const auto& old = table_->buckets_[at];
            bucket = old == nullptr ? std::make_shared<RouteTable::Bucket>()
                                    : std::make_shared<RouteTable::Bucket>(*old);
            table_->buckets_[at] = bucket;
        }
        return *bucket;
    }

    std::shared_ptr<RouteTable> table_;
    // Those of the table that are this draft's own, by their place in it.
    std::map<std::size_t, std::shared_ptr<RouteTable::Bucket>> buckets_;
    std::map<std::size_t, std::shared_ptr<RouteTable::Chunk>> chunks_;
};

bool TableBuilder::will_be_known(std::string_view revision) const {
    const auto changed = revisions_.find(revision);
    return changed != revisions_.end() ? changed->second.has_value() : known_.contains(revision);
}

base::Status TableBuilder::check(const HostSpec& host) const {
    const auto& name = host.host;
    if (name.empty() || name.size() > host_bytes_max || name != base::lower(name) ||
        without_port(name) != name) {
        return base::fail(base::Code::invalid,
                          "route table: host \"{}\" is not a lower-case host name without a port",
                          name);
    }
    std::uint64_t sum = 0;
    for (const auto& share : host.targets) {
        sum += share.percent;
        if (!will_be_known(share.revision)) {
            return base::fail(base::Code::invalid,
                              "route table: host {}: target {} is not a revision of the table",
                              name, share.revision);
        }
    }
    if (sum != 100) {
        return base::fail(base::Code::invalid,
                          "route table: host {}: percents sum to {}, not to 100", name, sum);
    }
    return base::ok;
}

base::Status TableBuilder::check() const {
    auto hosts = committed_->host_count();
    std::map<std::uint32_t, std::size_t> released;  // uses of a place that this change ends
    for (const auto& [name, host] : hosts_) {
        if (const auto* old = committed_->find_name(name)) {
            --hosts;
            for (const auto& target : old->targets) {
                ++released[target.revision];
            }
        }
        if (host) {
            ++hosts;
            CHECK_OK(check(*host));
        }
    }
    auto revisions = known_.size();
    for (const auto& [name, revision] : revisions_) {
        const auto known = known_.find(name);
        if (known == known_.end()) {
            revisions += revision ? 1 : 0;
            continue;
        }
        if (!revision) {
            --revisions;
            if (released[known->second.place] < known->second.uses) {
                return base::fail(base::Code::invalid,
                                  "route table: {} is taken away, but a host still leads to it",
                                  name);
            }
        }
    }
    if (hosts > hosts_max_ || revisions > revisions_max_) {
        return base::fail(base::Code::exhausted,
                          "route table: {} hosts and {} revisions; the limits are {} and {}", hosts,
                          revisions, hosts_max_, revisions_max_);
    }
    return base::ok;
}

void TableBuilder::erase_all_that_is_not_put() {
    for (const auto& bucket : committed_->buckets_) {
        for (const auto& entry : bucket == nullptr ? RouteTable::Bucket() : *bucket) {
            hosts_.try_emplace(entry.rule->host);
        }
    }
    for (const auto& [name, known] : known_) {
        revisions_.try_emplace(name);
    }
}

base::Result<std::shared_ptr<const RouteTable>> TableBuilder::commit(std::uint64_t version) {
    if (version_ != version) {
        return base::fail(base::Code::invalid,
                          "route table: commit of version {}, which was not "
                          "begun",
                          version);
    }
    version_.reset();
    if (mode_ == Mode::replace) {
        erase_all_that_is_not_put();
    }
    CHECK_OK(check());
    Draft draft(*committed_);
    draft.reserve(committed_->host_count() + hosts_.size());
    for (auto& [name, revision] : revisions_) {
        const auto known = known_.find(name);
        if (!revision) {
            if (known != known_.end()) {
                draft.put(known->second.place, nullptr);
                free_places_.push_back(known->second.place);
                known_.erase(known);
            }
            continue;
        }
        auto place = static_cast<std::uint32_t>(known_.size());  // if none is free
        if (known != known_.end()) {
            place = known->second.place;
        } else {
            if (!free_places_.empty()) {
                place = free_places_.back();
                free_places_.pop_back();
            }
            known_[name].place = place;
        }
        draft.put(place, std::make_shared<const RevisionRule>(*std::move(revision)));
    }
    for (auto& [name, host] : hosts_) {
        if (const auto* old = committed_->find_name(name)) {
            for (const auto& target : old->targets) {
                const auto* revision = committed_->revision(target.revision);
                if (const auto known = known_.find(revision->name); known != known_.end()) {
                    --known->second.uses;
                }
            }
        }
        if (!host) {
            draft.erase(name);
            continue;
        }
        HostRule rule{
            name, std::move(host->service), std::move(host->route), std::move(host->tag), {}};
        for (const auto& share : host->targets) {
            auto& known = known_.find(share.revision)->second;
            ++known.uses;
            rule.targets.push_back({known.place, share.percent});
        }
        draft.put(std::make_shared<const HostRule>(std::move(rule)));
    }
    hosts_.clear();
    revisions_.clear();
    committed_ = std::move(draft).finish(version);
    return committed_;
}

}  // namespace tidemill::mesh
