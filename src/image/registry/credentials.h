// Who we are to registries, as image pull secrets say it.
#pragma once

#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "base/result.h"

namespace tidemill::image {

struct Credential {
    std::string user;
    std::string password;
    // What `docker login` keeps for some registries in place of a password: traded for tokens.
    std::string identity_token;

    friend bool operator==(const Credential&, const Credential&) = default;
};

// Credentials by registry and, where given, by the beginning of the repository's name. Never
// logged, never kept on disk.
class Credentials {
public:
    // Adds what a docker configuration says: the data of a Secret of type
    // kubernetes.io/dockerconfigjson ({"auths": {…}}) or kubernetes.io/dockercfg ({…}). Entries
    // that were added before win over equal ones. Errors: invalid.
    base::Status add(std::string_view document);

    // That of the longest name that covers the repository.
    std::optional<Credential> find(std::string_view registry, std::string_view repository) const;
    bool empty() const { return entries_.empty(); }

private:
    struct Entry {
        std::string registry;
        std::string path;  // empty: every repository
        Credential credential;
    };
    std::vector<Entry> entries_;
};

}  // namespace tidemill::image
