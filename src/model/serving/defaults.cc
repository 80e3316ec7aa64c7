#include "model/serving/defaults.h"

#include <fmt/format.h>

#include <set>

#include "model/object/name_template.h"
#include "model/object/names.h"
#include "model/serving/annotations.h"

namespace tidemill::model {
namespace {

JsonObject* member(JsonObject& from, std::string_view key) {
    auto* value = from.if_contains(as_json(key));
    return value == nullptr ? nullptr : value->if_object();
}

JsonArray* list(JsonObject& from, std::string_view key) {
    auto* value = from.if_contains(as_json(key));
    return value == nullptr ? nullptr : value->if_array();
}

bool has(const JsonObject& object, std::string_view key) {
    return object.contains(as_json(key));
}

std::int64_t integer(const JsonObject& object, std::string_view key) {
    const auto* value = find_member(object, {key});
    return value == nullptr ? 0 : integer_of(*value).value_or(0);
}

void put_if_zero(JsonObject& object, std::string_view key, std::int64_t value) {
    if (integer(object, key) == 0) {
        object[as_json(key)] = value;
    }
}

class RevisionDefaults {
public:
    // `parent` names what the template belongs to, for container names.
    RevisionDefaults(const DefaultsConfig& config, Operation operation, const Metadata& parent)
        : config_(config), operation_(operation), parent_(parent) {}

    void apply(JsonObject& spec) const {
        apply_timeouts(spec);
        if (!has(spec, "containerConcurrency")) {
            spec["containerConcurrency"] = config_.container_concurrency;
        }
        auto* containers = list(spec, "containers");
        if (containers == nullptr || containers->empty()) {
            return;
        }
        name_containers(*containers);
        const auto writable = writable_volumes(spec);
        for (auto& element : *containers) {
            if (auto* container = element.if_object()) {
                apply_resources(*container);
                const auto* ports = list(*container, "ports");
                apply_probes(*container,
                             containers->size() == 1 || (ports != nullptr && !ports->empty())
                                 ? Serves::yes
                                 : Serves::no);
                apply_mounts(*container, writable);
            }
        }
        if (!has(spec, "enableServiceLinks") && operation_ == Operation::create &&
            config_.enable_service_links) {
            spec["enableServiceLinks"] = *config_.enable_service_links;
        }
    }

private:
    enum class Serves : std::uint8_t { no, yes };

    void apply_timeouts(JsonObject& spec) const {
        put_if_zero(spec, "timeoutSeconds", config_.revision_timeout_seconds);
        // A default that is not shorter than the whole request's limits nothing.
        const auto put_if_shorter = [&](std::string_view key, std::int64_t seconds) {
            if (!has(spec, key) && seconds != 0 && seconds < integer(spec, "timeoutSeconds")) {
                spec[as_json(key)] = seconds;
            }
        };
        put_if_shorter("idleTimeoutSeconds", config_.revision_idle_timeout_seconds);
        put_if_shorter("responseStartTimeoutSeconds",
                       config_.revision_response_start_timeout_seconds);
    }

    void name_containers(JsonArray& containers) const {
        std::set<std::string, std::less<>> taken;
        for (const auto& container : containers) {
            taken.emplace(text_at(container, {"name"}));
        }
        const auto base =
            expand_template(config_.container_name_template,
                            {{"Name", parent_.name}, {"Namespace", parent_.namespace_name}})
                .value_or("user-container");
        int suffix = 0;
        for (auto& element : containers) {
            auto* container = element.if_object();
            if (container == nullptr || !text_at(*container, {"name"}).empty()) {
                continue;
            }
            auto name = base;
            if (containers.size() > 1 || taken.contains(name)) {
                do {
                    name = child_name(base, fmt::format("-{}", suffix++));
                } while (taken.contains(name));
            }
            (*container)["name"] = name;
        }
    }

    void apply_resources(JsonObject& container) const {
        auto& resources = object_at(container, "resources");
        const struct {
            std::string_view name;
            const std::optional<Quantity>& request;
            const std::optional<Quantity>& limit;
        } defaults[] = {
            {"cpu", config_.revision_cpu_request, config_.revision_cpu_limit},
            {"memory", config_.revision_memory_request, config_.revision_memory_limit},
            {"ephemeral-storage", config_.revision_ephemeral_storage_request,
             config_.revision_ephemeral_storage_limit},
        };
        const auto put = [&](std::string_view list_name, std::string_view name,
                             const std::optional<Quantity>& amount) {
            const auto* given = member(resources, list_name);
            if (amount && (given == nullptr || !has(*given, name))) {
                object_at(resources, list_name)[as_json(name)] = amount->text();
            }
        };
        for (const auto& entry : defaults) {
            put("requests", entry.name, entry.request);
            put("limits", entry.name, entry.limit);
        }
    }

    static void apply_probes(JsonObject& container, Serves serves) {
        if (serves == Serves::yes) {
            auto& probe = object_at(container, "readinessProbe");
            if (!has(probe, "tcpSocket") && !has(probe, "httpGet") && !has(probe, "exec") &&
                !has(probe, "grpc")) {
                // Port 0 is the port that is served.
                probe["tcpSocket"] = JsonObject{{"port", 0}};
            }
        }
        if (auto* probe = member(container, "readinessProbe")) {
            put_if_zero(*probe, "successThreshold", 1);
            if (integer(*probe, "periodSeconds") != 0) {
                put_if_zero(*probe, "failureThreshold", 3);
                put_if_zero(*probe, "timeoutSeconds", 1);
            }
        }
        for (const auto name : {"readinessProbe", "livenessProbe", "startupProbe"}) {
            if (auto* probe = member(container, name)) {
                auto* grpc = member(*probe, "grpc");
                if (grpc != nullptr && !has(*grpc, "service")) {
                    (*grpc)["service"] = "";
                }
            }
        }
    }

    static std::set<std::string, std::less<>> writable_volumes(const JsonObject& spec) {
        std::set<std::string, std::less<>> out;
        const auto* volumes = find_member(spec, {"volumes"});
        if (volumes == nullptr || !volumes->is_array()) {
            return out;
        }
        for (const auto& volume : volumes->get_array()) {
            for (const auto source : {"emptyDir", "persistentVolumeClaim", "ephemeral"}) {
                if (find_member(volume, {source}) != nullptr) {
                    out.emplace(text_at(volume, {"name"}));
                }
            }
        }
        return out;
    }

    static void apply_mounts(JsonObject& container,
                             const std::set<std::string, std::less<>>& writable) {
        auto* mounts = list(container, "volumeMounts");
        if (mounts == nullptr) {
            return;
        }
        for (auto& element : *mounts) {
            auto* mount = element.if_object();
            if (mount != nullptr && !writable.contains(text_at(*mount, {"name"}))) {
                (*mount)["readOnly"] = true;
            }
        }
    }

    const DefaultsConfig& config_;
    Operation operation_;
    const Metadata& parent_;
};

void apply_traffic_defaults(JsonObject& spec, KindId kind) {
    auto* traffic = list(spec, "traffic");
    if (kind == KindId::service && (traffic == nullptr || traffic->empty())) {
        spec["traffic"] = JsonArray{JsonObject{{"latestRevision", true}, {"percent", 100}}};
        return;
    }
    if (traffic == nullptr) {
        return;
    }
    for (auto& element : *traffic) {
        if (auto* target = element.if_object()) {
            if (!has(*target, "latestRevision")) {
                (*target)["latestRevision"] = text_at(*target, {"revisionName"}).empty();
            }
            if (!has(*target, "percent")) {
                (*target)["percent"] = 0;
            }
        }
    }
}

// A name of the user's own, kept while the template around it changes.
bool keeps_own_name(const JsonObject& spec, const Object* previous) {
    const auto name = text_at(spec, {"template", "metadata", "name"});
    return previous != nullptr && !name.empty() &&
           name == text_at(previous->spec(), {"template", "metadata", "name"});
}

void apply_user(Object& object, const AdmissionContext& context) {
    // Children carry the annotations of their parent.
    const bool is_child =
        object.kind != KindId::service && !object.metadata.owner_references.empty();
    if (context.user.empty() || is_child || object.kind == KindId::revision) {
        return;
    }
    auto& annotations = object.metadata.annotations;
    if (context.operation == Operation::create) {
        annotations[std::string(annotation_creator)] = context.user;
        annotations[std::string(annotation_last_modifier)] = context.user;
    } else if (context.previous != nullptr &&
               !same_meaning(Json(object.spec()), Json(context.previous->spec()))) {
        annotations[std::string(annotation_last_modifier)] = context.user;
    }
}

}  // namespace

void apply_defaults(Object& object, const AdmissionContext& context) {
    const RevisionDefaults revision(context.config.defaults, context.operation, object.metadata);
    if (object.kind == KindId::revision) {
        // A revision never changes, not even by a default.
        if (context.operation == Operation::create) {
            revision.apply(object_at(object.body, "spec"));
        }
        return;
    }
    auto& spec = object_at(object.body, "spec");
    if ((object.kind == KindId::service || object.kind == KindId::configuration) &&
        !keeps_own_name(spec, context.previous)) {
        revision.apply(object_at(object_at(spec, "template"), "spec"));
    }
    if (object.kind == KindId::service || object.kind == KindId::route) {
        apply_traffic_defaults(spec, object.kind);
    }
    apply_user(object, context);
}

}  // namespace tidemill::model
