// Bearer tokens: what is kept of them, and who holds one.
#pragma once

#include <cstdint>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "async/task.h"
#include "auth/policy.h"
#include "base/result.h"
#include "host/clock.h"
#include "store/store.h"

namespace tidemill::api {

// The type of the Secrets in tidemill-system that hold tokens' digests. Nobody may write one
// through the API but by way of tokens.
inline constexpr std::string_view token_secret_type = "tidemill.dev/token";

// Who a token speaks for, and for how long.
struct TokenSpec {
    std::string user;
    std::vector<std::string> groups;
    // A role that comes with the token itself, so that it is of use without a binding.
    std::optional<auth::Role> role;
    std::string space;  // where that role holds; empty: everywhere
    std::string description;
    std::optional<base::WallTime> expires;
};

struct StoredToken {
    std::string name;  // "token-" and the first 20 digits of the digest
    std::string digest;
    TokenSpec spec;
    base::WallTime created;
};

struct IssuedToken {
    StoredToken stored;
    std::string token;  // shown once
};

// Makes a token and keeps its digest. Used by the API and for the first token of an installation.
// The references outlive the task. Errors: those of the store.
async::Task<base::Result<IssuedToken>> issue_token(store::Store& store, host::Random& random,
                                                   TokenSpec spec, base::WallTime now);

// From memory. Errors: not_found (no such token), invalid (a Secret that is no token).
base::Result<StoredToken> find_token(const store::Store& store, std::string_view token);
base::Result<StoredToken> get_token(const store::Store& store, std::string_view name);
std::vector<StoredToken> list_tokens(const store::Store& store);
// Errors: not_found, and those of the store.
async::Task<base::Status> revoke_token(store::Store& store, std::string name);

// `kind: Token` of tidemill.dev/v1, without the token itself.
model::JsonObject to_json(const StoredToken& token);

}  // namespace tidemill::api
