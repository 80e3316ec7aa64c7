// The one question: may this subject do this?
#pragma once

#include <cstdint>
#include <string>
#include <string_view>
#include <vector>

namespace tidemill::auth {

// Who asks, as authentication found out.
struct Subject {
    std::string name;                 // "admin", "system:serviceaccount:NAMESPACE:NAME"
    std::vector<std::string> groups;  // "system:masters" may do everything
    std::string method;               // "token", "certificate", "peer", for the audit record

    bool in_group(std::string_view group) const;
};

// What is asked for, in Kubernetes' words.
struct Access {
    std::string verb;         // get list watch create update patch delete deletecollection
    std::string api_group;    // "" for core
    std::string resource;     // plural; "" for paths that are none
    std::string subresource;  // "status", "log", "source"
    std::string space;        // the namespace; "" for cluster-wide
    std::string name;
    std::string path;  // for paths that are no resource
};

// What a role allows, everywhere or in one namespace.
enum class Role : std::uint8_t {
    viewer,     // read everything but secrets
    developer,  // viewer, and write what belongs to apps; secrets may be written, not read
    operator_,  // developer, and traffic, scale, nodes' views
    admin,      // everything
};
// "viewer", "developer", "operator", "admin".
std::string_view role_name(Role role);
bool parse_role(std::string_view name, Role& role);

struct Binding {
    std::string subject;  // a name, or "group:NAME"
    Role role = Role::viewer;
    std::string space;  // empty: everywhere
};

// A consistent set of bindings; replaced whole when they change.
struct Policy {
    std::vector<Binding> bindings;
};

struct Decision {
    enum class Answer : std::uint8_t { denied, allowed } answer = Answer::denied;
    // Which binding allowed it, or what would be needed: for the audit record and the error.
    std::string reason;

    bool allowed() const { return answer == Answer::allowed; }
};

// Pure, deny by default. Every API call passes here, and nowhere else.
Decision decide(const Policy& policy, const Subject& subject, const Access& access);

}  // namespace tidemill::auth
