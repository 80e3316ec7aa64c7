// Who asks.
#pragma once

#include <cstdint>
#include <optional>
#include <vector>

#include "api/request/refusal.h"
#include "auth/policy.h"
#include "host/address.h"
#include "host/clock.h"
#include "http/message.h"
#include "store/store.h"

namespace tidemill::api {

// A subject, and the roles that its token brings along.
struct Identity {
    auth::Subject subject;
    std::vector<auth::Binding> bindings;
};

class Authenticator {
public:
    // `own_uid`: the user that this process runs as, who is an administrator on the Unix socket, as
    // is root. References outlive it.
    Authenticator(const store::Store& store, host::Clock& clock, std::uint32_t own_uid)
        : store_(store), clock_(clock), own_uid_(own_uid) {}

    // By bearer token if one was sent, else by the peer's credentials on a Unix socket; nobody (an
    // empty name) if neither. Errors: 401 for a token that is not valid.
    Answered<Identity> authenticate(const http::Headers& headers, const host::Peer& peer) const;

private:
    Answered<Identity> by_token(std::string_view token) const;

    const store::Store& store_;
    host::Clock& clock_;
    std::uint32_t own_uid_;
};

// For the audit record: "127.0.0.1:40312", "uid 1000 pid 77".
std::string describe_peer(const host::Peer& peer);

}  // namespace tidemill::api
