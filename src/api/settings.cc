#include "api/settings.h"

#include <fmt/format.h>

#include <array>

#include "api/bootstrap.h"
#include "base/text.h"

namespace tidemill::api {
namespace {

constexpr std::array<std::string_view, 6> config_names{"config-autoscaler", "config-defaults",
                                                       "config-network",    "config-gc",
                                                       "config-deployment", "config-domain"};

model::TextMap data_of(const model::Object& object) {
    model::TextMap out;
    if (const auto* data = model::find_member(object.body, {"data"});
        data != nullptr && data->is_object()) {
        for (const auto& member : data->get_object()) {
            if (const auto* text = member.value().if_string(); text != nullptr) {
                out.emplace(std::string(member.key()), std::string(model::as_view(*text)));
            }
        }
    }
    return out;
}

}  // namespace

base::Result<auth::Policy> read_roles(const model::TextMap& data) {
    auth::Policy policy;
    for (const auto& [key, value] : data) {
        auth::Binding binding;
        binding.subject = key.starts_with("group.") ? "group:" + key.substr(6) : key;
        const auto words = base::split(base::trim(value), ' ');
        const bool in_space = words.size() == 3 && words[1] == "in" && !words[2].empty();
        if ((words.size() != 1 && !in_space) || !auth::parse_role(words[0], binding.role)) {
            return base::fail(base::Code::invalid,
                              "{}: \"{}\": must be a role (viewer, developer, operator, admin), or "
                              "\"ROLE in NAMESPACE\"",
                              key, value);
        }
        if (in_space) {
            binding.space = words[2];
        }
        policy.bindings.push_back(std::move(binding));
    }
    return policy;
}

base::Status check_settings(const model::Object& config_map) {
    const auto& metadata = config_map.metadata;
    if (metadata.namespace_name == system_namespace && metadata.name == roles_name) {
        CHECK_OK(read_roles(data_of(config_map)));
    }
    if (metadata.namespace_name == knative_namespace) {
        model::PlatformConfig scratch;
        CHECK_OK(model::apply_config_map(scratch, metadata.name, data_of(config_map)));
    }
    return base::ok;
}

const auth::Policy& StoredSettings::policy() {
    const auto object = store_.get(
        {model::KindId::config_map, std::string(system_namespace), std::string(roles_name)});
    if (!object) {
        policy_ = {};
        policy_version_ = 0;
        return policy_;
    }
    const auto version = (*object)->metadata.resource_version;
    if (version != policy_version_) {
        policy_version_ = version;
        if (auto policy = read_roles(data_of(**object))) {
            policy_ = *std::move(policy);
        }
    }
    return policy_;
}

const model::PlatformConfig& StoredSettings::config() {
    std::vector<std::uint64_t> versions;
    std::vector<store::ObjectPtr> found;
    for (const auto name : config_names) {
        auto object = store_.get(
            {model::KindId::config_map, std::string(knative_namespace), std::string(name)});
        versions.push_back(object ? (*object)->metadata.resource_version : 0);
        if (object) {
            found.push_back(*std::move(object));
        }
    }
    if (versions != config_versions_) {
        config_versions_ = std::move(versions);
        model::PlatformConfig next;
        for (const auto& object : found) {
            (void)model::apply_config_map(next, object->metadata.name, data_of(*object));
        }
        config_ = std::move(next);
    }
    return config_;
}

}  // namespace tidemill::api
