#include "control/views/views.h"

#include <fmt/format.h>

#include <utility>

#include "base/bytes.h"
#include "model/object/names.h"
#include "model/serving/serving.h"

namespace tidemill::control {

namespace {

using link::InstanceState;
using model::JsonArray;
using model::JsonObject;
using model::Object;

Object view_of(const Object& revision, model::KindId kind, std::string name) {
    Object view{.kind = kind, .metadata = {}, .body = {}};
    auto& metadata = view.metadata;
    metadata.namespace_name = revision.metadata.namespace_name;
    metadata.name = std::move(name);
    metadata.resource_version = revision.metadata.resource_version;
    metadata.labels = revision.metadata.labels;
    metadata.labels[std::string(serving::revision)] = revision.metadata.name;
    metadata.labels[std::string(serving::revision_uid)] = revision.metadata.uid;
    metadata.labels["app"] = revision.metadata.name;
    metadata.annotations = revision.metadata.annotations;
    metadata.owner_references = {model::controller_reference(revision)};
    // Stable for as long as the thing itself, and different from the revision's.
    metadata.uid = fmt::format("{:016x}-{:016x}", base::fnv1a(revision.metadata.uid),
                               base::fnv1a(metadata.name + revision.metadata.uid));
    return view;
}

JsonArray containers_of(const Object& revision) {
    const auto* list = model::find_member(revision.spec(), {"containers"});
    return list != nullptr && list->is_array() ? list->get_array() : JsonArray();
}

JsonObject condition(std::string_view type, bool holds, std::string_view reason = {}) {
    JsonObject result{{"type", type}, {"status", holds ? "True" : "False"}};
    if (!reason.empty()) {
        result["reason"] = model::as_json(reason);
    }
    return result;
}

JsonObject terminated(const link::InstanceReport& instance) {
    JsonObject end{{"reason", instance.reason.empty() ? "Completed" : instance.reason},
                   {"message", instance.message},
                   {"exitCode", instance.exit_code.value_or(
                                    instance.exit_signal ? 128 + *instance.exit_signal : 0)}};
    if (instance.exit_signal) {
        end["signal"] = *instance.exit_signal;
    }
    return end;
}

JsonObject container_state(const link::InstanceReport& instance) {
    if (instance.state == InstanceState::ended) {
        return {{"terminated", terminated(instance)}};
    }
    if (instance.state == InstanceState::starting && !instance.reason.empty()) {
        return {
            {"waiting", JsonObject{{"reason", instance.reason}, {"message", instance.message}}}};
    }
    return {{"running", JsonObject{{"startedAt", base::format_rfc3339(instance.started)}}}};
}

std::string_view phase_of(const link::InstanceReport& instance) {
    if (instance.state == InstanceState::ended) {
        const bool clean = instance.exit_code.value_or(1) == 0;
        return clean ? "Succeeded" : "Failed";
    }
    return instance.state == InstanceState::starting ? "Pending" : "Running";
}

}  // namespace

Object deployment_view(const Object& revision, std::int32_t wanted, std::int32_t ready) {
    auto view = view_of(revision, model::KindId::deployment,
                        model::child_name(revision.metadata.name, "-deployment"));
    view.metadata.creation_timestamp = revision.metadata.creation_timestamp;
    view.metadata.generation = 1;
    const auto labels = model::to_json(view.metadata.labels);
    const JsonObject selector{{std::string(serving::revision_uid), revision.metadata.uid}};
    view.body["spec"] = JsonObject{
        {"replicas", wanted < 0 ? 0 : wanted},
        {"selector", JsonObject{{"matchLabels", selector}}},
        {"template", JsonObject{{"metadata", JsonObject{{"labels", labels}}},
                                {"spec", JsonObject{{"containers", containers_of(revision)}}}}}};
    view.body["status"] =
        JsonObject{{"observedGeneration", 1},
                   {"replicas", ready},
                   {"updatedReplicas", ready},
                   {"readyReplicas", ready},
                   {"availableReplicas", ready},
                   {"conditions", JsonArray{condition("Available", wanted <= ready)}}};
    return view;
}

std::string pod_name(const Object& revision, const std::string& instance) {
    const auto dash = instance.rfind('-');
    const auto suffix = dash == std::string::npos ? instance : instance.substr(dash + 1);
    return model::child_name(revision.metadata.name, "-deployment-" + suffix);
}

Object pod_view(const Object& revision, const link::InstanceReport& instance) {
    auto view = view_of(revision, model::KindId::pod, pod_name(revision, instance.instance));
    view.metadata.creation_timestamp = instance.started;
    const auto spec = model::read_revision_spec(revision);
    const auto* container = spec ? spec->serving_container() : nullptr;
    const std::string name = container == nullptr ? "user-container" : container->name;
    view.metadata.annotations["kubectl.kubernetes.io/default-container"] = name;
    // What agents and logs call it.
    view.metadata.annotations[std::string(instance_annotation)] = instance.instance;
    view.body["spec"] = JsonObject{{"containers", containers_of(revision)},
                                   {"nodeName", "tidemill"},
                                   {"restartPolicy", "Always"},
                                   {"serviceAccountName", "default"}};
    const bool ready = instance.state == InstanceState::ready;
    JsonObject status{{"name", name},
                      {"ready", ready},
                      {"started", instance.state != InstanceState::starting},
                      {"restartCount", instance.restarts},
                      {"image", container == nullptr ? "" : container->image},
                      {"imageID", ""},
                      {"state", container_state(instance)}};
    if (instance.state != InstanceState::ended && (instance.exit_code || instance.exit_signal)) {
        status["lastState"] = JsonObject{{"terminated", terminated(instance)}};
    }
    view.body["status"] =
        JsonObject{{"phase", model::as_json(phase_of(instance))},
                   {"startTime", base::format_rfc3339(instance.started)},
                   {"podIP", "127.0.0.1"},
                   {"conditions", JsonArray{condition("PodScheduled", true),
                                            condition("ContainersReady", ready, instance.reason),
                                            condition("Ready", ready, instance.reason)}},
                   {"containerStatuses", JsonArray{std::move(status)}}};
    return view;
}

}  // namespace tidemill::control
