#include "api/access/tokens.h"

#include <fmt/format.h>

#include <array>

#include "api/bootstrap.h"
#include "auth/token.h"
#include "base/bytes.h"
#include "wire/json.h"

namespace tidemill::api {
namespace {

using base::Code;
using model::as_json;
using model::Json;
using model::JsonObject;

constexpr std::size_t name_digits = 20;

model::ObjectKey key_of(std::string_view name) {
    return {model::KindId::secret, std::string(system_namespace), std::string(name)};
}

std::string name_of(std::string_view digest) {
    return fmt::format("token-{}", digest.substr(0, name_digits));
}

JsonObject spec_json(const TokenSpec& spec) {
    JsonObject out{{"user", as_json(spec.user)}};
    model::JsonArray groups;
    for (const auto& group : spec.groups) {
        groups.push_back(as_json(group));
    }
    out["groups"] = std::move(groups);
    if (spec.role) {
        out["role"] = as_json(auth::role_name(*spec.role));
    }
    if (!spec.space.empty()) {
        out["namespace"] = as_json(spec.space);
    }
    if (!spec.description.empty()) {
        out["description"] = as_json(spec.description);
    }
    if (spec.expires) {
        out["expires"] = as_json(base::format_rfc3339(*spec.expires));
    }
    return out;
}

base::Result<TokenSpec> read_spec(const Json& document) {
    const wire::JsonReader reader(document);
    TokenSpec spec;
    TRY(spec.user, reader.at("user").string());
    TRY(const auto groups, reader.at("groups").elements());
    for (const auto& group : groups) {
        TRY(const auto text, group.string());
        spec.groups.emplace_back(text);
    }
    TRY(const auto role, reader.at("role").string_or(""));
    if (!role.empty()) {
        auth::Role parsed{};
        if (!auth::parse_role(role, parsed)) {
            return base::fail(Code::invalid, "role: {} is none", role);
        }
        spec.role = parsed;
    }
    TRY(spec.space, reader.at("namespace").string_or(""));
    TRY(spec.description, reader.at("description").string_or(""));
    TRY(const auto expires, reader.at("expires").string_or(""));
    if (!expires.empty()) {
        TRY(spec.expires, base::parse_rfc3339(expires));
    }
    return spec;
}

base::Result<StoredToken> read_secret(const model::Object& secret) {
    if (model::text_at(secret.body, {"type"}) != token_secret_type) {
        return base::fail(Code::invalid, "secret {} is no token", secret.metadata.name);
    }
    TRY(const auto text, base::from_base64(model::text_at(secret.body, {"data", "token.json"})));
    TRY(const auto document, wire::parse_json(text));
    StoredToken out;
    out.name = secret.metadata.name;
    TRY(out.digest, wire::JsonReader(document).at("digest").string());
    TRY(out.spec, read_spec(document));
    out.created = secret.metadata.creation_timestamp.value_or(base::WallTime{});
    return out;
}

}  // namespace

async::Task<base::Result<IssuedToken>> issue_token(store::Store& store, host::Random& random,
                                                   TokenSpec spec, base::WallTime now) {
    std::array<std::byte, 32> entropy{};
    random.fill(entropy);
    IssuedToken out;
    out.token = auth::make_token("user", entropy);
    out.stored = {.name = {},
                  .digest = auth::token_digest(out.token),
                  .spec = std::move(spec),
                  .created = now};
    out.stored.name = name_of(out.stored.digest);
    auto document = spec_json(out.stored.spec);
    document["digest"] = as_json(out.stored.digest);
    model::Object secret;
    secret.kind = model::KindId::secret;
    secret.metadata.namespace_name = system_namespace;
    secret.metadata.name = out.stored.name;
    secret.body["type"] = as_json(token_secret_type);
    secret.body["data"] = JsonObject{
        {"token.json", as_json(base::to_base64(base::as_bytes(wire::write_json(document))))}};
    CO_CHECK_OK(co_await store.create(std::move(secret), {}));
    co_return out;
}

base::Result<StoredToken> find_token(const store::Store& store, std::string_view token) {
    const auto digest = auth::token_digest(token);
    TRY(auto stored, get_token(store, name_of(digest)));
    if (!auth::equal_in_constant_time(stored.digest, digest)) {
        return base::fail(Code::not_found, "no such token");
    }
    return stored;
}

base::Result<StoredToken> get_token(const store::Store& store, std::string_view name) {
    TRY(const auto secret, store.get(key_of(name)));
    return read_secret(*secret);
}

std::vector<StoredToken> list_tokens(const store::Store& store) {
    std::vector<StoredToken> out;
    const auto page = store.list(
        {.kind = model::KindId::secret, .namespace_name = std::string(system_namespace)}, {});
    if (page) {
        for (const auto& secret : page->items) {
            if (auto token = read_secret(*secret)) {
                out.push_back(*std::move(token));
            }
        }
    }
    return out;
}

async::Task<base::Status> revoke_token(store::Store& store, std::string name) {
    CO_TRY(const auto token, get_token(store, name));
    CO_CHECK_OK(co_await store.remove(key_of(token.name), {}));
    co_return base::ok;
}

JsonObject to_json(const StoredToken& token) {
    return {{"apiVersion", "tidemill.dev/v1"},
            {"kind", "Token"},
            {"metadata",
             JsonObject{{"name", as_json(token.name)},
                        {"creationTimestamp", as_json(base::format_rfc3339(token.created))}}},
            {"spec", spec_json(token.spec)},
            {"status", JsonObject{{"digest", as_json("sha256:" + token.digest)}}}};
}

}  // namespace tidemill::api
