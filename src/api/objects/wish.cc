#include "api/objects/wish.h"

#include <fmt/format.h>

#include <algorithm>

#include "api/access/tokens.h"
#include "api/bootstrap.h"
#include "base/text.h"
#include "model/serving/admission.h"
#include "wire/json.h"

namespace tidemill::api {
namespace {

using base::Code;

// As kube-apiserver bounds what it warns of in one answer.
constexpr std::size_t warnings_max = 50;

void warn(Call& call, std::string text) {
    if (call.warnings.size() < warnings_max) {
        call.warnings.push_back(std::move(text));
    }
}

Answered<bool> check_unknown_fields(Call& call, FieldValidation validation, const model::Kind& kind,
                                    const std::vector<std::string>& fields) {
    if (fields.empty() || validation == FieldValidation::ignore) {
        return true;
    }
    const auto texts = model::unknown_field_texts(fields);
    if (validation == FieldValidation::strict) {
        auto text = fmt::format("strict decoding error: {}", fmt::join(texts, ", "));
        if (call.access.verb != "patch") {
            text = fmt::format("{0} in version \"{1}\" cannot be handled as a {0}: {2}", kind.kind,
                               kind.version, text);
        }
        return refuse(bad_request(std::move(text)));
    }
    for (const auto& text : texts) {
        warn(call, text);
    }
    return true;
}

// A namespace that is not there, or on its way out, takes nothing new.
Answered<bool> check_namespace(const store::Store& store, const model::Object& object) {
    const auto& kind = model::kind_of(object.kind);
    if (!kind.namespaced) {
        return true;
    }
    const auto& name = object.metadata.namespace_name;
    const auto space = store.get({model::KindId::core_namespace, "", name});
    if (!space) {
        return refuse(not_found(model::kind_of(model::KindId::core_namespace), name));
    }
    if ((*space)->metadata.deletion_timestamp) {
        const auto text = fmt::format("namespace {} is being terminated", name);
        auto refusal = forbidden(fmt::format(
            "{} \"{}\" is forbidden: unable to create new content in namespace {} because it is "
            "being terminated",
            kind.group_resource(), object.metadata.name, name));
        refusal.details = {
            {"name", model::as_json(object.metadata.name)},
            {"kind", model::as_json(kind.plural)},
            {"causes", model::JsonArray{model::JsonObject{{"reason", "NamespaceTerminating"},
                                                          {"message", model::as_json(text)},
                                                          {"field", "metadata.namespace"}}}}};
        return refuse(std::move(refusal));
    }
    return true;
}

// What the platform keeps for itself.
Answered<bool> check_reserved(const model::Object& object, const model::Object* previous) {
    if (object.kind == model::KindId::secret) {
        const auto is_token = [](const model::Object& secret) {
            return model::text_at(secret.body, {"type"}) == token_secret_type;
        };
        if (is_token(object) || (previous != nullptr && is_token(*previous))) {
            return refuse(forbidden(
                fmt::format("secrets \"{}\" is forbidden: a Secret of type {} is written by way of "
                            "tokens.tidemill.dev only (TM-307)",
                            object.metadata.name, token_secret_type)));
        }
    }
    if (object.kind == model::KindId::config_map) {
        const auto status = check_settings(object);
        if (!status) {
            return refuse(bad_request(fmt::format(
                "admission webhook \"config.webhook.serving.knative.dev\" denied the request: "
                "validation failed: {} (TM-308)",
                status.error().message)));
        }
    }
    return true;
}

}  // namespace

Answered<model::Object> object_at_address(const Call& call, const model::Kind& kind,
                                          model::Json document) {
    auto object = model::object_from_json(kind.id, std::move(document));
    if (!object) {
        return refuse(bad_request(object.error().message));
    }
    auto& metadata = object->metadata;
    const auto& resource = call.resource();
    if (kind.namespaced) {
        if (!metadata.namespace_name.empty() && metadata.namespace_name != resource.space) {
            return refuse(bad_request(
                fmt::format("the namespace of the provided object does not match the namespace "
                            "sent on the request ({} is not {})",
                            metadata.namespace_name, resource.space)));
        }
        metadata.namespace_name = resource.space;
    }
    if (!resource.name.empty()) {
        if (!metadata.name.empty() && metadata.name != resource.name) {
            return refuse(bad_request(
                fmt::format("the name of the object ({}) does not match the name on the URL ({})",
                            metadata.name, resource.name)));
        }
        metadata.name = resource.name;
    }
    return *std::move(object);
}

Answered<model::Object> admitted(Call& call, const Admitting& with, model::Object object,
                                 const model::Object* previous) {
    const auto& kind = model::kind_of(object.kind);
    const auto name = object.metadata.name;
    // Nobody has written it since Kubernetes 1.20, and a wrong one misleads.
    object.metadata.other.stable_erase("selfLink");
    if (previous == nullptr) {
        object.metadata.other.stable_erase("managedFields");
        if (object.kind == model::KindId::core_namespace) {
            object.metadata.labels["kubernetes.io/metadata.name"] = name;
        }
    } else if (object.metadata.other.if_contains("managedFields") == nullptr) {
        if (const auto* managed = previous->metadata.other.if_contains("managedFields")) {
            object.metadata.other["managedFields"] = *managed;
        }
    }
    if (kind.has_status) {
        // Status is the platform's; what users send of it is dropped, as Kubernetes drops it.
        object.body.stable_erase("status");
        if (previous != nullptr) {
            if (const auto* status = previous->body.if_contains("status")) {
                object.body["status"] = *status;
            }
        }
    }
    if (object.kind == model::KindId::core_namespace) {
        const auto has = [](const model::Object& of) {
            return std::ranges::find(of.metadata.finalizers, namespace_finalizer) !=
                   of.metadata.finalizers.end();
        };
        // Without it the content would be left behind: nobody takes it off but the keeper.
        if (!has(object) && (previous == nullptr || has(*previous))) {
            object.metadata.finalizers.emplace_back(namespace_finalizer);
        }
    }
    const model::AdmissionContext context{
        .operation = previous == nullptr ? model::Operation::create : model::Operation::update,
        .config = with.settings.config(),
        .previous = previous,
        .user = call.subject.name};
    auto admission = model::admit(std::move(object), context);
    CHECK_OK(check_unknown_fields(call, with.validation, kind, admission.unknown_fields));
    if (model::has_errors(admission.problems)) {
        return refuse(not_admitted(kind, name, admission.problems));
    }
    for (const auto& problem : admission.problems) {
        warn(call, model::render({problem}, model::Severity::warning));
    }
    CHECK_OK(check_reserved(admission.object, previous));
    if (previous == nullptr) {
        CHECK_OK(check_namespace(with.store, admission.object));
    }
    return std::move(admission.object);
}

Answered<store::DeleteOptions> delete_options(const Parameters& parameters,
                                              const std::optional<model::Json>& body) {
    store::DeleteOptions out;
    std::string policy(parameters.text("propagationPolicy"));
    std::string dry_run(parameters.text("dryRun"));
    if (body) {
        const wire::JsonReader reader(*body);
        const auto bad = [](const base::Error& error) {
            return refuse(bad_request(error.message));
        };
        const auto kind = reader.at("kind").string_or("DeleteOptions");
        if (!kind || *kind != "DeleteOptions") {
            return refuse(bad_request("the body of a DELETE is a DeleteOptions"));
        }
        const auto said = reader.at("propagationPolicy").string_or(policy);
        if (!said) {
            return bad(said.error());
        }
        policy = std::string(*said);
        const auto orphan = reader.at("orphanDependents").boolean_or(false);
        if (!orphan) {
            return bad(orphan.error());
        }
        if (*orphan && policy.empty()) {
            policy = "Orphan";
        }
        const auto uid = reader.at("preconditions").at("uid").string_or("");
        const auto version = reader.at("preconditions").at("resourceVersion").string_or("");
        const auto stages = reader.at("dryRun").elements();
        if (!uid || !version || !stages) {
            return bad(!uid ? uid.error() : !version ? version.error() : stages.error());
        }
        if (!uid->empty()) {
            out.uid = std::string(*uid);
        }
        if (!version->empty()) {
            out.resource_version = base::parse_number<std::uint64_t>(*version);
            if (!out.resource_version) {
                return refuse(bad_request("preconditions.resourceVersion: is no version"));
            }
        }
        for (const auto& stage : *stages) {
            const auto text = stage.string();
            if (!text) {
                return bad(text.error());
            }
            dry_run = *text;
        }
    }
    if (policy == "Foreground") {
        out.propagation = store::Propagation::foreground;
    } else if (policy == "Background") {
        out.propagation = store::Propagation::background;
    } else if (policy == "Orphan") {
        out.propagation = store::Propagation::orphan;
    } else if (!policy.empty()) {
        return refuse(
            bad_request(fmt::format("Invalid value: \"{}\": propagationPolicy: supported values: "
                                    "\"Foreground\", \"Background\", \"Orphan\"",
                                    policy)));
    }
    if (dry_run == "All") {
        out.effect = store::Effect::dry_run;
    } else if (!dry_run.empty()) {
        return refuse(bad_request(
            fmt::format("Invalid value: \"{}\": dryRun: supported values: \"All\"", dry_run)));
    }
    return out;
}

}  // namespace tidemill::api
