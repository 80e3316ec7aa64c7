// What operators decide, as the API sees it.
#pragma once

#include <cstdint>
#include <vector>

#include "auth/policy.h"
#include "model/settings/config.h"
#include "store/store.h"

namespace tidemill::api {

// The state in force now; asked anew for every request. The references hold until control returns
// to the loop.
class Settings {
public:
    Settings() = default;
    Settings(const Settings&) = delete;
    Settings& operator=(const Settings&) = delete;
    virtual ~Settings() = default;
    virtual const auth::Policy& policy() = 0;
    virtual const model::PlatformConfig& config() = 0;
};

// The settings that lie in the store: ConfigMap tidemill-system/roles (see docs/api.md) and the
// config-* ConfigMaps of namespace knative-serving. The API stores none that cannot be read (see
// check_settings); one that came in otherwise leaves the last good roles, or Knative's defaults, in
// force. Reads anew only what has another resourceVersion.
class StoredSettings final : public Settings {
public:
    // `store` outlives it.
    explicit StoredSettings(const store::Store& store) : store_(store) {}
    const auth::Policy& policy() override;
    const model::PlatformConfig& config() override;

private:
    const store::Store& store_;
    std::uint64_t policy_version_ = 0;
    auth::Policy policy_;
    std::vector<std::uint64_t> config_versions_;  // of the ConfigMaps it was read from
    model::PlatformConfig config_;
};

// One binding a key: the value is "ROLE" or "ROLE in NAMESPACE" and the subject in words, e.g.
// `ada: developer in shop`, `group.builders: viewer`. Errors: invalid, naming the key.
base::Result<auth::Policy> read_roles(const model::TextMap& data);

// Why such a ConfigMap may not be stored; ok for those that configure nothing.
base::Status check_settings(const model::Object& config_map);

}  // namespace tidemill::api
