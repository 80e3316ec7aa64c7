#include "control/revision/image_question.h"

#include <algorithm>

#include "base/bytes.h"
#include "model/serving/serving.h"

namespace tidemill::control {
namespace {

using model::KindId;

// Types of Secrets, and the key that each has its document under.
// Source: https://kubernetes.io/docs/concepts/configuration/secret/#docker-config-secrets
constexpr std::pair<std::string_view, std::string_view> secret_types[] = {
    {"kubernetes.io/dockerconfigjson", ".dockerconfigjson"},
    {"kubernetes.io/dockercfg", ".dockercfg"}};
constexpr std::size_t secrets_max = 32;

void add_names(const model::Json* list, std::vector<std::string>& names) {
    if (list == nullptr || !list->is_array()) {
        return;
    }
    for (const auto& each : list->get_array()) {
        if (!each.is_object()) {
            continue;
        }
        std::string name(model::text_at(each.get_object(), {"name"}));
        if (!name.empty() && std::ranges::find(names, name) == names.end() &&
            names.size() < secrets_max) {
            names.push_back(std::move(name));
        }
    }
}

std::string document_of(const model::Object& secret) {
    const auto type = model::text_at(secret.body, {"type"});
    for (const auto& [name, key] : secret_types) {
        if (type != name) {
            continue;
        }
        if (const auto plain = model::text_at(secret.body, {"stringData", key}); !plain.empty()) {
            return std::string(plain);
        }
        return base::from_base64(model::text_at(secret.body, {"data", key})).value_or("");
    }
    return {};
}

}  // namespace

ImageQuestion make_image_question(const model::Object& revision, const FindObject& find) {
    ImageQuestion question;
    question.namespace_name = revision.metadata.namespace_name;
    const auto spec = model::read_revision_spec(revision);
    const auto* container = spec ? spec->serving_container() : nullptr;
    if (container == nullptr) {
        return question;
    }
    question.image = container->image;
    const auto* statuses = model::find_member(revision.status(), {"containerStatuses"});
    if (statuses != nullptr && statuses->is_array()) {
        for (const auto& each : statuses->get_array()) {
            if (!each.is_object() ||
                model::text_at(each.get_object(), {"name"}) != container->name) {
                continue;
            }
            if (const auto digest = model::text_at(each.get_object(), {"imageDigest"});
                !digest.empty()) {
                question.image = digest;
            }
        }
    }
    std::vector<std::string> names;
    add_names(model::find_member(revision.spec(), {"imagePullSecrets"}), names);
    const auto account = model::text_at(revision.spec(), {"serviceAccountName"});
    if (const auto found =
            find(KindId::service_account, account.empty() ? "default" : std::string(account))) {
        add_names(model::find_member(found->body, {"imagePullSecrets"}), names);
    }
    for (const auto& name : names) {
        if (const auto secret = find(KindId::secret, name)) {
            if (auto document = document_of(*secret); !document.empty()) {
                question.pull_secrets.push_back(std::move(document));
            }
        }
    }
    return question;
}

}  // namespace tidemill::control
