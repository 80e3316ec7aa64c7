#include "image/registry/credentials.h"

#include "base/bytes.h"
#include "base/text.h"
#include "wire/json.h"

namespace tidemill::image {
namespace {

using base::Code;
using base::fail;

// Docker's own name for its hub is a URL of an interface that is long gone.
std::string registry_name(std::string_view host) {
    const auto name = base::lower(host);
    return name == "index.docker.io" || name == "registry-1.docker.io" ? "docker.io" : name;
}

base::Result<Credential> read_entry(const wire::JsonReader& from) {
    Credential credential;
    TRY(const auto user, from.at("username").string_or(""));
    TRY(const auto password, from.at("password").string_or(""));
    TRY(const auto token, from.at("identitytoken").string_or(""));
    TRY(const auto both, from.at("auth").string_or(""));
    credential.user = user;
    credential.password = password;
    credential.identity_token = token;
    if (!both.empty()) {
        const auto text = base::from_base64(both);
        const auto colon = text ? text->find(':') : std::string::npos;
        if (colon == std::string::npos) {
            // Without the value: it is a secret.
            return from.at("auth").fail("is not the base64 form of USER:PASSWORD");
        }
        credential.user = text->substr(0, colon);
        credential.password = text->substr(colon + 1);
        // Some writers pad with zero bytes.
        credential.password.erase(credential.password.find_last_not_of('\0') + 1);
    }
    return credential;
}

}  // namespace

base::Status Credentials::add(std::string_view document) {
    const auto parsed = wire::parse_json(document);
    if (!parsed) {
        return fail(Code::invalid, "the registry credentials are no JSON");
    }
    const wire::JsonReader root(*parsed);
    const auto entries = root.at("auths").is_present() ? root.at("auths") : root;
    TRY(const auto members, entries.members());
    for (const auto& [key, value] : members) {
        TRY(auto credential, read_entry(value));
        auto name = key;
        for (const std::string_view scheme : {"https://", "http://"}) {
            if (name.starts_with(scheme)) {
                name.remove_prefix(scheme.size());
            }
        }
        const auto slash = name.find('/');
        auto path = slash == std::string_view::npos ? std::string_view() : name.substr(slash + 1);
        while (path.ends_with('/')) {
            path.remove_suffix(1);
        }
        if (path == "v1" || path == "v2") {
            path = {};
        }
        entries_.push_back({.registry = registry_name(name.substr(0, slash)),
                            .path = std::string(path),
                            .credential = std::move(credential)});
    }
    return base::ok;
}

std::optional<Credential> Credentials::find(std::string_view registry,
                                            std::string_view repository) const {
    const Entry* best = nullptr;
    const auto name = registry_name(registry);
    for (const auto& entry : entries_) {
        const bool covers =
            entry.path.empty() || repository == entry.path ||
            (repository.starts_with(entry.path) && repository[entry.path.size()] == '/');
        if (entry.registry == name && covers &&
            (best == nullptr || entry.path.size() > best->path.size())) {
            best = &entry;
        }
    }
    return best == nullptr ? std::nullopt : std::optional(best->credential);
}

}  // namespace tidemill::image
