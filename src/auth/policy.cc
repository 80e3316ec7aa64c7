#include "auth/policy.h"

#include <fmt/format.h>

#include <algorithm>
#include <array>

namespace tidemill::auth {
namespace {

constexpr std::array<std::string_view, 4> role_names{"viewer", "developer", "operator", "admin"};

bool reads(const Access& access) {
    return access.verb == "get" || access.verb == "list" || access.verb == "watch";
}

// Kinds that make up an app and may be written by those who deploy.
bool belongs_to_apps(const Access& access) {
    static constexpr std::array<std::string_view, 5> core{"configmaps", "secrets", "services",
                                                          "serviceaccounts", "pods"};
    return access.api_group == "serving.knative.dev" || access.api_group == "tidemill.dev" ||
           (access.api_group.empty() && std::ranges::find(core, access.resource) != core.end());
}

// The platform's own namespaces hold its tokens, roles and configuration: who writes there could
// make themselves anything.
bool is_system_space(std::string_view space) {
    return space == "tidemill-system" || space == "knative-serving";
}

bool role_allows(Role role, const Access& access) {
    if (role == Role::admin) {
        return true;
    }
    if (access.resource == "tokens") {
        return false;
    }
    const bool secret = access.api_group.empty() && access.resource == "secrets";
    if (reads(access)) {
        return !secret;
    }
    return role != Role::viewer && !access.space.empty() && !is_system_space(access.space) &&
           belongs_to_apps(access);
}

// What one may do oneself, and who one is.
bool is_about_oneself(const Access& access) {
    return (access.api_group == "authorization.k8s.io" &&
            access.resource == "selfsubjectaccessreviews") ||
           (access.api_group == "authentication.k8s.io" &&
            access.resource == "selfsubjectreviews") ||
           (access.api_group == "tidemill.dev" && access.resource == "whoami");
}

bool is_public(const Access& access) {
    return access.resource.empty() && reads(access) &&
           (access.path == "/version" || access.path == "/healthz" || access.path == "/livez" ||
            access.path == "/readyz");
}

// Discovery tells what kinds exist, not what objects do.
bool is_discovery(const Access& access) {
    return access.resource.empty() && reads(access) &&
           (access.path == "/api" || access.path == "/apis" || access.path.starts_with("/api/") ||
            access.path.starts_with("/apis/") || access.path.starts_with("/openapi/"));
}

}  // namespace

bool Subject::in_group(std::string_view group) const {
    return std::ranges::find(groups, group) != groups.end();
}

std::string_view role_name(Role role) {
    return role_names.at(static_cast<std::size_t>(role));
}

bool parse_role(std::string_view name, Role& role) {
    const auto at = std::ranges::find(role_names, name);
    if (at == role_names.end()) {
        return false;
    }
    role = static_cast<Role>(at - role_names.begin());
    return true;
}

Decision decide(const Policy& policy, const Subject& subject, const Access& access) {
    using enum Decision::Answer;
    if (is_public(access)) {
        return {allowed, "public"};
    }
    if (subject.in_group("system:masters")) {
        return {allowed, "group system:masters"};
    }
    if (!subject.name.empty() && is_discovery(access)) {
        return {allowed, "discovery is open to whoever has proved who they are"};
    }
    if (!subject.name.empty() && is_about_oneself(access)) {
        return {allowed, "everybody may ask about themselves"};
    }
    for (const auto& binding : policy.bindings) {
        const bool about_them = binding.subject.starts_with("group:")
                                    ? subject.in_group(binding.subject.substr(6))
                                    : binding.subject == subject.name;
        const bool here = binding.space.empty() || binding.space == access.space;
        if (about_them && here && role_allows(binding.role, access)) {
            return {allowed,
                    fmt::format("role {} of {}{}{}", role_name(binding.role), binding.subject,
                                binding.space.empty() ? "" : " in ", binding.space)};
        }
    }
    return {denied,
            fmt::format("{} has no role that allows {} on {}{}{}{}",
                        subject.name.empty() ? "nobody (no valid token was sent)" : subject.name,
                        access.verb, access.resource.empty() ? access.path : access.resource,
                        access.subresource.empty() ? "" : "/" + access.subresource,
                        access.space.empty() ? "" : " in namespace ", access.space)};
}

}  // namespace tidemill::auth
