#include "model/serving/serving_status.h"

namespace tidemill::model {
namespace {

TextMap read_texts(const JsonObject& from, std::string_view key) {
    TextMap out;
    const auto* value = find_member(from, {key});
    if (const auto* object = value == nullptr ? nullptr : value->if_object()) {
        for (const auto& member : *object) {
            if (const auto* text = member.value().if_string()) {
                out.emplace(std::string_view(member.key()), as_view(*text));
            }
        }
    }
    return out;
}

const JsonArray* read_array(const JsonObject& from, std::string_view key) {
    const auto* value = find_member(from, {key});
    return value == nullptr ? nullptr : value->if_array();
}

std::optional<std::int64_t> read_integer(const JsonObject& from, std::string_view key) {
    const auto* value = find_member(from, {key});
    return value == nullptr ? std::nullopt : integer_of(*value);
}

std::string read_text(const JsonObject& from, std::initializer_list<std::string_view> keys) {
    return std::string(text_at(from, keys));
}

template <typename Status>
Status read_common(const JsonObject& from) {
    Status out;
    out.observed_generation = read_integer(from, "observedGeneration").value_or(0);
    if (const auto* conditions = read_array(from, "conditions")) {
        out.conditions = read_conditions(*conditions);
    }
    out.annotations = read_texts(from, "annotations");
    return out;
}

template <typename Status>
JsonObject write_common(const Status& status) {
    JsonObject out;
    if (status.observed_generation != 0) {
        out["observedGeneration"] = status.observed_generation;
    }
    if (!status.conditions.empty()) {
        out["conditions"] = to_json(status.conditions);
    }
    if (!status.annotations.empty()) {
        out["annotations"] = to_json(status.annotations);
    }
    return out;
}

void put_text(JsonObject& out, std::string_view key, const std::string& text) {
    if (!text.empty()) {
        out[as_json(key)] = text;
    }
}

template <typename Status>
void read_revision_names(const JsonObject& from, Status& into) {
    into.latest_created_revision_name = read_text(from, {"latestCreatedRevisionName"});
    into.latest_ready_revision_name = read_text(from, {"latestReadyRevisionName"});
}

template <typename Status>
void write_revision_names(const Status& status, JsonObject& out) {
    put_text(out, "latestCreatedRevisionName", status.latest_created_revision_name);
    put_text(out, "latestReadyRevisionName", status.latest_ready_revision_name);
}

template <typename Status>
void read_addresses(const JsonObject& from, Status& into) {
    into.url = read_text(from, {"url"});
    into.address_url = read_text(from, {"address", "url"});
    if (const auto* traffic = read_array(from, "traffic")) {
        into.traffic = read_traffic(*traffic);
    }
}

template <typename Status>
void write_addresses(const Status& status, JsonObject& out) {
    put_text(out, "url", status.url);
    if (!status.address_url.empty()) {
        out["address"] = JsonObject{{"url", status.address_url}};
    }
    if (!status.traffic.empty()) {
        out["traffic"] = to_json(status.traffic);
    }
}

// Ready of an object whose status speaks of its present spec, or nothing.
std::optional<ConditionStatus> current_readiness(const Object& object) {
    const auto& status = object.status();
    const auto* conditions = read_array(status, "conditions");
    if (conditions == nullptr ||
        read_integer(status, "observedGeneration").value_or(0) != object.metadata.generation) {
        return std::nullopt;
    }
    const auto read = read_conditions(*conditions);
    const auto* ready = find_condition(read, condition_ready);
    return ready == nullptr ? std::nullopt : std::optional(ready->status);
}

}  // namespace

ServiceStatus read_service_status(const Object& object) {
    const auto& from = object.status();
    auto out = read_common<ServiceStatus>(from);
    read_revision_names(from, out);
    read_addresses(from, out);
    return out;
}

ConfigurationStatus read_configuration_status(const Object& object) {
    const auto& from = object.status();
    auto out = read_common<ConfigurationStatus>(from);
    read_revision_names(from, out);
    return out;
}

RevisionStatus read_revision_status(const Object& object) {
    const auto& from = object.status();
    auto out = read_common<RevisionStatus>(from);
    out.log_url = read_text(from, {"logUrl"});
    if (const auto* containers = read_array(from, "containerStatuses")) {
        for (const auto& container : *containers) {
            out.container_statuses.push_back(
                {.name = std::string(text_at(container, {"name"})),
                 .image_digest = std::string(text_at(container, {"imageDigest"}))});
        }
    }
    out.actual_replicas = read_integer(from, "actualReplicas");
    out.desired_replicas = read_integer(from, "desiredReplicas");
    return out;
}

RouteStatus read_route_status(const Object& object) {
    const auto& from = object.status();
    auto out = read_common<RouteStatus>(from);
    read_addresses(from, out);
    return out;
}

JsonObject to_json(const ServiceStatus& status) {
    auto out = write_common(status);
    write_revision_names(status, out);
    write_addresses(status, out);
    return out;
}

JsonObject to_json(const ConfigurationStatus& status) {
    auto out = write_common(status);
    write_revision_names(status, out);
    return out;
}

JsonObject to_json(const RevisionStatus& status) {
    auto out = write_common(status);
    put_text(out, "logUrl", status.log_url);
    if (!status.container_statuses.empty()) {
        JsonArray containers;
        for (const auto& container : status.container_statuses) {
            JsonObject entry;
            put_text(entry, "name", container.name);
            put_text(entry, "imageDigest", container.image_digest);
            containers.push_back(std::move(entry));
        }
        out["containerStatuses"] = std::move(containers);
    }
    if (status.actual_replicas) {
        out["actualReplicas"] = *status.actual_replicas;
    }
    if (status.desired_replicas) {
        out["desiredReplicas"] = *status.desired_replicas;
    }
    return out;
}

JsonObject to_json(const RouteStatus& status) {
    auto out = write_common(status);
    write_addresses(status, out);
    return out;
}

bool is_ready(const Object& object) {
    return current_readiness(object) == ConditionStatus::yes;
}

bool is_failed(const Object& object) {
    return current_readiness(object) == ConditionStatus::no;
}

}  // namespace tidemill::model
