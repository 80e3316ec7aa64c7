#include "api/describe/discovery.h"

#include <fmt/format.h>

#include <algorithm>
#include <string>
#include <vector>

#include "model/kinds/kind.h"

namespace tidemill::api {
namespace {

using model::as_json;
using model::Json;
using model::JsonArray;
using model::JsonObject;

constexpr std::string_view create_only[] = {"create"};
constexpr std::string_view get_only[] = {"get"};
constexpr std::string_view token_verbs[] = {"create", "delete", "get", "list"};
constexpr std::string_view status_verbs[] = {"get", "patch", "update"};

constexpr std::string_view read_verbs[] = {"get", "list"};

constexpr PlatformResource resources[] = {
    {"apiextensions.k8s.io", "v1", "CustomResourceDefinition", "customresourcedefinitions",
     "customresourcedefinition", false, read_verbs},
    {"authentication.k8s.io", "v1", "SelfSubjectReview", "selfsubjectreviews", "selfsubjectreview",
     false, create_only},
    {"authorization.k8s.io", "v1", "SelfSubjectAccessReview", "selfsubjectaccessreviews",
     "selfsubjectaccessreview", false, create_only},
    {"tidemill.dev", "v1", "Token", "tokens", "token", false, token_verbs},
    {"tidemill.dev", "v1", "WhoAmI", "whoami", "whoami", false, get_only},
    {"tidemill.dev", "v1", "Source", "sources", "source", true, create_only},
};

struct GroupVersion {
    std::string_view group;
    std::string_view version;
    friend bool operator==(const GroupVersion&, const GroupVersion&) = default;
};

std::vector<GroupVersion> group_versions() {
    std::vector<GroupVersion> out;
    const auto add = [&](GroupVersion wanted) {
        if (std::ranges::find(out, wanted) == out.end()) {
            out.push_back(wanted);
        }
    };
    for (const auto& kind : model::all_kinds()) {
        add({kind.group, kind.version});
    }
    for (const auto& resource : resources) {
        add({resource.group, resource.version});
    }
    return out;
}

JsonArray texts(std::span<const std::string_view> list) {
    JsonArray out;
    for (const auto text : list) {
        out.push_back(as_json(text));
    }
    return out;
}

std::string group_version(std::string_view group, std::string_view version) {
    return group.empty() ? std::string(version) : fmt::format("{}/{}", group, version);
}

// A subresource of a kind: its name and what may be done with it.
struct Subresource {
    std::string_view name;
    std::span<const std::string_view> verbs;
};
std::vector<Subresource> subresources(const model::Kind& kind) {
    std::vector<Subresource> out;
    if (kind.has_status) {
        out.push_back({"status", kind.origin == model::Origin::view
                                     ? std::span<const std::string_view>(get_only)
                                     : std::span<const std::string_view>(status_verbs)});
    }
    if (kind.id == model::KindId::pod) {
        out.push_back({"log", get_only});
    }
    return out;
}

JsonObject group_entry(std::string_view group) {
    JsonArray versions;
    for (const auto& [name, version] : group_versions()) {
        if (name == group) {
            versions.push_back(JsonObject{{"groupVersion", as_json(group_version(name, version))},
                                          {"version", as_json(version)}});
        }
    }
    JsonObject out{{"name", as_json(group)}, {"versions", versions}};
    out["preferredVersion"] = versions.front();
    return out;
}

JsonObject aggregated_kind(std::string_view group, std::string_view version,
                           std::string_view kind) {
    return {{"group", as_json(group)}, {"version", as_json(version)}, {"kind", as_json(kind)}};
}

JsonArray aggregated_resources(const GroupVersion& of) {
    JsonArray out;
    for (const auto& kind : model::all_kinds()) {
        if (GroupVersion{kind.group, kind.version} != of) {
            continue;
        }
        const auto response = aggregated_kind(kind.group, kind.version, kind.kind);
        JsonObject entry{{"resource", as_json(kind.plural)},
                         {"responseKind", response},
                         {"scope", kind.namespaced ? "Namespaced" : "Cluster"},
                         {"singularResource", as_json(kind.singular)},
                         {"verbs", texts(kind.verbs)}};
        if (!kind.short_names.empty()) {
            entry["shortNames"] = texts(kind.short_names);
        }
        if (!kind.categories.empty()) {
            entry["categories"] = texts(kind.categories);
        }
        JsonArray below;
        for (const auto& [name, verbs] : subresources(kind)) {
            below.push_back(JsonObject{{"subresource", as_json(name)},
                                       {"responseKind", response},
                                       {"verbs", texts(verbs)}});
        }
        if (!below.empty()) {
            entry["subresources"] = std::move(below);
        }
        out.push_back(std::move(entry));
    }
    for (const auto& resource : resources) {
        if (GroupVersion{resource.group, resource.version} == of) {
            out.push_back(JsonObject{
                {"resource", as_json(resource.plural)},
                {"responseKind", aggregated_kind(resource.group, resource.version, resource.kind)},
                {"scope", resource.namespaced ? "Namespaced" : "Cluster"},
                {"singularResource", as_json(resource.singular)},
                {"verbs", texts(resource.verbs)}});
        }
    }
    return out;
}

}  // namespace

std::span<const PlatformResource> platform_resources() {
    return resources;
}

Json version_document(std::string_view build) {
    // Clients of Knative refuse servers that say they are older than they support.
    return JsonObject{{"major", "1"},
                      {"minor", "34"},
                      {"gitVersion", as_json(fmt::format("v1.34.0-tidemill.{}", build))},
                      {"gitCommit", ""},
                      {"gitTreeState", "clean"},
                      {"buildDate", "1970-01-01T00:00:00Z"},
                      {"goVersion", "none"},
                      {"compiler", "clang"},
                      {"platform", "linux/amd64"}};
}

Json api_versions() {
    return JsonObject{{"kind", "APIVersions"},
                      {"versions", JsonArray{"v1"}},
                      {"serverAddressByClientCIDRs", JsonArray()}};
}

Json api_groups() {
    JsonArray groups;
    std::vector<std::string_view> seen{""};
    for (const auto& [group, version] : group_versions()) {
        if (std::ranges::find(seen, group) == seen.end()) {
            seen.push_back(group);
            groups.push_back(group_entry(group));
        }
    }
    return JsonObject{
        {"kind", "APIGroupList"}, {"apiVersion", "v1"}, {"groups", std::move(groups)}};
}

Answered<Json> api_group(std::string_view group) {
    for (const auto& known : group_versions()) {
        if (known.group == group && !group.empty()) {
            auto entry = group_entry(group);
            entry["kind"] = "APIGroup";
            entry["apiVersion"] = "v1";
            return entry;
        }
    }
    return refuse(no_such_path());
}

Answered<Json> api_resources(std::string_view group, std::string_view version) {
    JsonArray out;
    for (const auto& kind : model::all_kinds()) {
        if (kind.group != group || kind.version != version) {
            continue;
        }
        JsonObject entry{{"name", as_json(kind.plural)},
                         {"singularName", as_json(kind.singular)},
                         {"namespaced", kind.namespaced},
                         {"kind", as_json(kind.kind)},
                         {"verbs", texts(kind.verbs)}};
        if (!kind.short_names.empty()) {
            entry["shortNames"] = texts(kind.short_names);
        }
        if (!kind.categories.empty()) {
            entry["categories"] = texts(kind.categories);
        }
        out.push_back(std::move(entry));
        for (const auto& [name, verbs] : subresources(kind)) {
            out.push_back(JsonObject{{"name", as_json(fmt::format("{}/{}", kind.plural, name))},
                                     {"singularName", ""},
                                     {"namespaced", kind.namespaced},
                                     {"kind", as_json(kind.kind)},
                                     {"verbs", texts(verbs)}});
        }
    }
    for (const auto& resource : resources) {
        if (resource.group == group && resource.version == version) {
            out.push_back(JsonObject{{"name", as_json(resource.plural)},
                                     {"singularName", as_json(resource.singular)},
                                     {"namespaced", resource.namespaced},
                                     {"kind", as_json(resource.kind)},
                                     {"verbs", texts(resource.verbs)}});
        }
    }
    if (out.empty()) {
        return refuse(no_such_path());
    }
    return JsonObject{{"kind", "APIResourceList"},
                      {"apiVersion", "v1"},
                      {"groupVersion", as_json(group_version(group, version))},
                      {"resources", std::move(out)}};
}

Json aggregated(Root root, std::string_view version) {
    JsonArray items;
    for (const auto& of : group_versions()) {
        if (of.group.empty() != (root == Root::core)) {
            continue;
        }
        JsonObject metadata{{"creationTimestamp", nullptr}};
        if (!of.group.empty()) {
            metadata["name"] = as_json(of.group);
        }
        items.push_back(
            JsonObject{{"metadata", std::move(metadata)},
                       {"versions", JsonArray{JsonObject{{"version", as_json(of.version)},
                                                         {"resources", aggregated_resources(of)},
                                                         {"freshness", "Current"}}}}});
    }
    return JsonObject{{"kind", "APIGroupDiscoveryList"},
                      {"apiVersion", as_json(fmt::format("apidiscovery.k8s.io/{}", version))},
                      {"metadata", JsonObject()},
                      {"items", std::move(items)}};
}

}  // namespace tidemill::api
