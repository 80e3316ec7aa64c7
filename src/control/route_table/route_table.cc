#include "control/route_table/route_table.h"

#include <algorithm>
#include <map>
#include <utility>

#include "base/text.h"
#include "model/serving/serving.h"

namespace tidemill::control {

namespace {

using model::TrafficTarget;

// The host of a URL, lower case, without scheme, port and path.
std::string host_of(std::string_view url) {
    if (const auto scheme = url.find("://"); scheme != std::string_view::npos) {
        url.remove_prefix(scheme + 3);
    }
    return base::lower(url.substr(0, url.find_first_of(":/")));
}

// Targets of the same revision made one, and percents that sum to 100: a tag names one revision,
// whatever share it has of the main host.
std::vector<link::RouteTarget> consolidate(const std::vector<const TrafficTarget*>& targets,
                                           const std::string& space) {
    std::vector<link::RouteTarget> result;
    for (const auto* target : targets) {
        const auto name = space + "/" + target->revision_name;
        const auto percent = static_cast<std::uint32_t>(target->percent.value_or(0));
        const auto known = std::ranges::find(result, name, &link::RouteTarget::revision);
        if (known != result.end()) {
            known->percent += percent;
        } else {
            result.push_back({name, percent});
        }
    }
    if (result.size() > 1) {
        std::erase_if(result, [](const auto& target) { return target.percent == 0; });
    }
    if (result.size() == 1) {
        result.front().percent = 100;
    }
    return result;
}

std::uint32_t unsigned_or(const std::optional<std::int64_t>& value, std::int64_t otherwise) {
    return static_cast<std::uint32_t>(
        std::clamp<std::int64_t>(value.value_or(otherwise), 0, UINT32_MAX));
}

}  // namespace

std::string full_name(const model::Object& object) {
    return object.metadata.namespace_name + "/" + object.metadata.name;
}

std::vector<link::HostRoute> host_routes(const model::Object& route,
                                         const RouteSettings& settings) {
    const auto* list = model::find_member(route.status(), {"traffic"});
    if (list == nullptr || !list->is_array() || route.metadata.deletion_timestamp) {
        return {};
    }
    const auto traffic = model::read_traffic(list->get_array());
    std::map<std::string, std::vector<const TrafficTarget*>> by_tag;
    std::map<std::string, std::string> hosts;
    hosts[""] = host_of(model::text_at(route.status(), {"url"}));
    for (const auto& target : traffic) {
        by_tag[""].push_back(&target);
        if (!target.tag.empty()) {
            by_tag[target.tag].push_back(&target);
            hosts[target.tag] = host_of(target.url);
        }
    }
    const auto& space = route.metadata.namespace_name;
    const auto service = text_of(route.metadata.labels, serving::service);
    std::vector<link::HostRoute> result;
    for (const auto& [tag, targets] : by_tag) {
        link::HostRoute entry;
        entry.host = hosts[tag];
        entry.service = service.empty() ? "" : space + "/" + std::string(service);
        entry.route = route.metadata.name;
        entry.tag = tag;
        entry.targets = consolidate(targets, space);
        if (entry.host.empty()) {
            continue;
        }
        result.push_back(entry);
        // Inside, a service is called by its cluster name, whether or not it has a public one.
        const auto name = entry.host.substr(0, entry.host.find('.'));
        auto local = name + "." + space + "." + settings.local_domain;
        if (local != entry.host) {
            entry.host = std::move(local);
            result.push_back(std::move(entry));
        }
    }
    return result;
}

link::RevisionPolicy revision_policy(const model::Object& revision) {
    const auto spec = model::read_revision_spec(revision).value_or(model::RevisionSpec());
    const auto& space = revision.metadata.namespace_name;
    const auto& labels = revision.metadata.labels;
    link::RevisionPolicy policy;
    policy.revision = full_name(revision);
    if (const auto service = text_of(labels, serving::service); !service.empty()) {
        policy.service = space + "/" + std::string(service);
    }
    if (const auto name = text_of(labels, serving::configuration); !name.empty()) {
        policy.configuration = space + "/" + std::string(name);
    }
    policy.container_concurrency = unsigned_or(spec.container_concurrency, 0);
    policy.timeout = std::chrono::seconds(unsigned_or(spec.timeout_seconds, 300));
    policy.response_start_timeout =
        std::chrono::seconds(unsigned_or(spec.response_start_timeout_seconds, 0));
    policy.idle_timeout = std::chrono::seconds(unsigned_or(spec.idle_timeout_seconds, 0));
    const auto* const container = spec.serving_container();
    if (container != nullptr && !container->ports.empty() &&
        container->ports.front().name == "h2c") {
        policy.protocol = link::RevisionPolicy::Protocol::h2c;
    }
    return policy;
}

std::vector<link::Message> proxy_table(const std::vector<ObjectPtr>& routes,
                                       const std::vector<ObjectPtr>& revisions,
                                       const RouteSettings& settings) {
    std::vector<link::Message> table;
    for (const auto& revision : revisions) {
        table.push_back(revision_policy(*revision));
    }
    for (const auto& route : routes) {
        for (auto& host : host_routes(*route, settings)) {
            table.push_back(std::move(host));
        }
    }
    return table;
}

}  // namespace tidemill::control
