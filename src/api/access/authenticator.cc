#include "api/access/authenticator.h"

#include <fmt/format.h>

#include "api/access/tokens.h"
#include "auth/token.h"
#include "base/text.h"

namespace tidemill::api {

Answered<Identity> Authenticator::authenticate(const http::Headers& headers,
                                               const host::Peer& peer) const {
    const auto field = headers.get("Authorization");
    if (!field.empty()) {
        const auto space = field.find(' ');
        if (space == std::string_view::npos ||
            !base::equals_ignoring_case(field.substr(0, space), "bearer")) {
            return refuse(unauthorized(
                "Unauthorized: the Authorization field holds no bearer token (TM-301)"));
        }
        return by_token(base::trim(field.substr(space + 1)));
    }
    Identity out;
    if (peer.uid) {
        out.subject.name = fmt::format("unix:uid:{}", *peer.uid);
        out.subject.method = "peer";
        out.subject.groups = {"system:authenticated"};
        if (peer.gid) {
            out.subject.groups.push_back(fmt::format("unix:gid:{}", *peer.gid));
        }
        if (*peer.uid == 0 || *peer.uid == own_uid_) {
            out.subject.groups.emplace_back("system:masters");
        }
    }
    return out;
}

Answered<Identity> Authenticator::by_token(std::string_view token) const {
    // One answer for tokens that are mistyped, unknown and revoked: none of it is the asker's
    // business, and `tidemill doctor` tells a mistyped one offline.
    const auto unknown = [] {
        return refuse(
            unauthorized("Unauthorized: the token is not known here; it may have been "
                         "revoked, or be of another installation (TM-301)"));
    };
    if (!auth::is_token_shaped(token)) {
        return unknown();
    }
    const auto stored = find_token(store_, token);
    if (!stored) {
        return unknown();
    }
    const auto& spec = stored->spec;
    if (spec.expires && *spec.expires <= clock_.wall_now()) {
        return refuse(unauthorized(fmt::format("Unauthorized: token {} expired at {} (TM-302)",
                                               stored->name, base::format_rfc3339(*spec.expires))));
    }
    Identity out;
    out.subject = {.name = spec.user, .groups = spec.groups, .method = "token"};
    out.subject.groups.emplace_back("system:authenticated");
    if (spec.role) {
        out.bindings.push_back({.subject = spec.user, .role = *spec.role, .space = spec.space});
    }
    return out;
}

std::string describe_peer(const host::Peer& peer) {
    if (peer.ip) {
        return host::to_string(*peer.ip);
    }
    if (peer.uid) {
        return fmt::format("uid {} pid {}", *peer.uid, peer.pid.value_or(0));
    }
    return "unknown";
}

}  // namespace tidemill::api
