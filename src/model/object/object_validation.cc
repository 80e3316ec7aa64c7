#include "model/object/object_validation.h"

#include <fmt/format.h>

#include <algorithm>

#include "base/bytes.h"
#include "base/text.h"
#include "model/object/names.h"

namespace tidemill::model {
namespace {

constexpr std::size_t annotations_bytes_max = 256 * 1024;  // TotalAnnotationSizeLimitB
constexpr std::size_t data_bytes_max = 1024 * 1024;        // MaxSecretSize

Problem shape(ProblemKind kind, std::string path, std::string message) {
    return {.kind = kind,
            .severity = Severity::error,
            .message = std::move(message),
            .paths = {std::move(path)},
            .details = {}};
}

Problem invalid(std::string path, std::string_view value, std::string_view reason) {
    return shape(
        ProblemKind::value_invalid, std::move(path),
        fmt::format("Invalid value: {}: {}", boost::json::serialize(as_json(value)), reason));
}

Problem required(std::string path, std::string_view reason) {
    return shape(
        ProblemKind::value_required, std::move(path),
        reason.empty() ? std::string("Required value") : fmt::format("Required value: {}", reason));
}

void add_each(Problems& out, const std::string& path, std::string_view value,
              const std::vector<std::string>& reasons) {
    for (const auto& reason : reasons) {
        out.push_back(invalid(path, value, reason));
    }
}

// Which names a kind may have: most become parts of addresses, few become labels.
std::vector<std::string> check_name(KindId kind, std::string_view name) {
    switch (kind) {
        case KindId::core_namespace:
            return check_dns1123_label(name);
        case KindId::core_service:
            return check_dns1035_label(name);
        default:
            return check_dns1123_subdomain(name);
    }
}

void check_names(const Object& object, Problems& out) {
    const auto& metadata = object.metadata;
    if (metadata.name.empty() && metadata.generate_name.empty()) {
        out.push_back(required("metadata.name", "name or generateName is required"));
    }
    if (!metadata.name.empty()) {
        add_each(out, "metadata.name", metadata.name, check_name(object.kind, metadata.name));
    }
    if (!metadata.generate_name.empty()) {
        add_each(out, "metadata.generateName", metadata.generate_name,
                 check_dns1123_subdomain_prefix(metadata.generate_name));
    }
    const bool namespaced = kind_of(object.kind).namespaced;
    if (!namespaced && !metadata.namespace_name.empty()) {
        out.push_back(
            invalid("metadata.namespace", metadata.namespace_name, "not allowed on this type"));
    } else if (namespaced && metadata.namespace_name.empty()) {
        out.push_back(required("metadata.namespace", ""));
    } else if (namespaced) {
        add_each(out, "metadata.namespace", metadata.namespace_name,
                 check_dns1123_label(metadata.namespace_name));
    }
}

void check_maps(const Metadata& metadata, Problems& out) {
    for (const auto& [key, value] : metadata.labels) {
        add_each(out, "metadata.labels", key, check_label_key(key));
        add_each(out, "metadata.labels", value, check_label_value(value));
    }
    std::size_t bytes = 0;
    for (const auto& [key, value] : metadata.annotations) {
        add_each(out, "metadata.annotations", key, check_label_key(base::lower(key)));
        bytes += key.size() + value.size();
    }
    if (bytes > annotations_bytes_max) {
        out.push_back(
            shape(ProblemKind::value_invalid, "metadata.annotations",
                  fmt::format("Too long: may not be more than {} bytes", annotations_bytes_max)));
    }
}

void check_owners(const Metadata& metadata, Problems& out) {
    int controllers = 0;
    for (std::size_t i = 0; i < metadata.owner_references.size(); ++i) {
        const auto& owner = metadata.owner_references[i];
        const auto check = [&](const std::string& value, std::string_view name) {
            if (value.empty()) {
                out.push_back(required(fmt::format("metadata.ownerReferences[{}].{}", i, name),
                                       "must not be empty"));
            }
        };
        check(owner.api_version, "apiVersion");
        check(owner.kind, "kind");
        check(owner.name, "name");
        check(owner.uid, "uid");
        controllers += owner.controller ? 1 : 0;
    }
    if (controllers > 1) {
        out.push_back(shape(ProblemKind::value_invalid, "metadata.ownerReferences",
                            "Invalid value: Only one reference can have Controller set to true."));
    }
}

void check_finalizers(const Metadata& metadata, const Object* previous, Problems& out) {
    const auto has = [](const std::vector<std::string>& list, std::string_view name) {
        return std::ranges::find(list, name) != list.end();
    };
    for (const auto& finalizer : metadata.finalizers) {
        add_each(out, "metadata.finalizers", finalizer, check_label_key(finalizer));
        if (previous != nullptr && previous->metadata.deletion_timestamp &&
            !has(previous->metadata.finalizers, finalizer)) {
            out.push_back(shape(
                ProblemKind::value_invalid, "metadata.finalizers",
                fmt::format("Forbidden: no new finalizers can be added if the object is being "
                            "deleted, found new finalizers [{}]",
                            finalizer)));
        }
    }
    if (has(metadata.finalizers, "orphan") && has(metadata.finalizers, "foregroundDeletion")) {
        out.push_back(invalid("metadata.finalizers", "orphan",
                              "finalizer orphan and foregroundDeletion cannot be both set"));
    }
}

void check_data_keys(const JsonObject& body, std::string_view member, Problems& out,
                     std::size_t& bytes) {
    const auto* value = find_member(body, {member});
    if (value == nullptr || value->is_null()) {
        return;
    }
    const auto* object = value->if_object();
    if (object == nullptr) {
        out.push_back(shape(ProblemKind::type_invalid, std::string(member),
                            fmt::format("Invalid value: {} must be an object of strings", member)));
        return;
    }
    for (const auto& entry : *object) {
        const std::string key(entry.key());
        const auto path = fmt::format("{}[{}]", member, key);
        add_each(out, path, key, check_data_key(key));
        const auto* text = entry.value().if_string();
        if (text == nullptr) {
            out.push_back(shape(ProblemKind::type_invalid, path,
                                fmt::format("Invalid value: {} must be a string", path)));
            continue;
        }
        bytes += text->size();
    }
}

void check_base64(const JsonObject& body, std::string_view member, Problems& out) {
    const auto* value = find_member(body, {member});
    const auto* object = value == nullptr ? nullptr : value->if_object();
    if (object == nullptr) {
        return;
    }
    for (const auto& entry : *object) {
        const auto* text = entry.value().if_string();
        if (text != nullptr && !base::from_base64(as_view(*text))) {
            // The value itself is not repeated: it may be a secret.
            out.push_back(shape(ProblemKind::value_invalid,
                                fmt::format("{}[{}]", member, std::string_view(entry.key())),
                                "Invalid value: illegal base64 data"));
        }
    }
}

bool is_immutable(const Object& object) {
    const auto* flag = find_member(object.body, {"immutable"});
    return flag != nullptr && flag->is_bool() && flag->get_bool();
}

void check_immutable(const Object& object, const Object* previous, Problems& out) {
    if (previous == nullptr || !is_immutable(*previous)) {
        return;
    }
    constexpr std::string_view sentence = "Forbidden: field is immutable when `immutable` is set";
    if (!is_immutable(object)) {
        out.push_back(shape(ProblemKind::value_invalid, "immutable", std::string(sentence)));
    }
    for (const std::string_view member : {"data", "binaryData"}) {
        const auto* before = find_member(previous->body, {member});
        const auto* now = find_member(object.body, {member});
        if (!same_meaning(before == nullptr ? Json() : *before, now == nullptr ? Json() : *now)) {
            out.push_back(
                shape(ProblemKind::value_invalid, std::string(member), std::string(sentence)));
        }
    }
}

}  // namespace

Problems check_object_metadata(const Object& object, const Object* previous) {
    Problems out;
    check_names(object, out);
    check_maps(object.metadata, out);
    check_owners(object.metadata, out);
    check_finalizers(object.metadata, previous, out);
    if (previous != nullptr) {
        const auto same = [&](const std::string& now, const std::string& before,
                              std::string_view path) {
            if (now != before) {
                out.push_back(invalid(std::string(path), now, "field is immutable"));
            }
        };
        same(object.metadata.name, previous->metadata.name, "metadata.name");
        same(object.metadata.namespace_name, previous->metadata.namespace_name,
             "metadata.namespace");
        same(object.metadata.uid, previous->metadata.uid, "metadata.uid");
    }
    return out;
}

void apply_core_defaults(Object& object) {
    if (object.kind == KindId::core_namespace) {
        auto& status = object_at(object.body, "status");
        if (text_at(status, {"phase"}).empty()) {
            status["phase"] = "Active";
        }
        return;
    }
    if (object.kind != KindId::secret) {
        return;
    }
    if (text_at(object.body, {"type"}).empty()) {
        object.body["type"] = "Opaque";
    }
    auto* given = object.body.if_contains("stringData");
    auto* data = object.body.if_contains("data");
    if (given == nullptr || !given->is_object() ||
        (data != nullptr && !data->is_null() && !data->is_object())) {
        return;
    }
    JsonObject rest;
    const JsonObject texts = given->get_object();
    for (const auto& member : texts) {
        if (const auto* text = member.value().if_string()) {
            object_at(object.body, "data")[member.key()] =
                base::to_base64(base::as_bytes(as_view(*text)));
        } else {
            rest[member.key()] = member.value();
        }
    }
    // What is no text stays, so that check_core names it.
    object.body.stable_erase("stringData");
    if (!rest.empty()) {
        object.body["stringData"] = std::move(rest);
    }
}

Problems check_core(const Object& object, const Object* previous) {
    Problems out;
    if (object.kind != KindId::config_map && object.kind != KindId::secret) {
        return out;
    }
    std::size_t bytes = 0;
    check_data_keys(object.body, "data", out, bytes);
    if (object.kind == KindId::config_map) {
        check_data_keys(object.body, "binaryData", out, bytes);
        check_base64(object.body, "binaryData", out);
    } else {
        check_data_keys(object.body, "stringData", out, bytes);
        check_base64(object.body, "data", out);
    }
    if (bytes > data_bytes_max) {
        out.push_back(
            shape(ProblemKind::value_invalid, "data",
                  fmt::format("Too long: may not be more than {} bytes", data_bytes_max)));
    }
    if (object.kind == KindId::secret && previous != nullptr &&
        text_at(object.body, {"type"}) != text_at(previous->body, {"type"})) {
        out.push_back(invalid("type", text_at(object.body, {"type"}), "field is immutable"));
    }
    check_immutable(object, previous, out);
    return out;
}

}  // namespace tidemill::model
