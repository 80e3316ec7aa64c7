#include "model/object/object.h"

#include <fmt/format.h>

namespace tidemill::model {
namespace {

const JsonObject& member_object(const JsonObject& body, std::string_view key) {
    static const JsonObject none;
    const auto* value = find_member(body, {key});
    const auto* object = value == nullptr ? nullptr : value->if_object();
    return object == nullptr ? none : *object;
}

// Takes the document apart once its kind is known.
base::Result<Object> read_as(KindId kind, JsonObject document) {
    Object out{.kind = kind, .metadata = {}, .body = {}};
    if (const auto* metadata = document.if_contains("metadata");
        metadata != nullptr && !metadata->is_null()) {
        if (!metadata->is_object()) {
            return base::fail(base::Code::invalid, "metadata: must be an object");
        }
        TRY(out.metadata, metadata_from_json(metadata->get_object()));
    }
    document.stable_erase("apiVersion");
    document.stable_erase("kind");
    document.stable_erase("metadata");
    out.body = std::move(document);
    return out;
}

base::Status check_text_or_absent(const JsonObject& document, std::string_view key) {
    const auto* value = find_member(document, {key});
    if (value != nullptr && !value->is_null() && !value->is_string()) {
        return base::fail(base::Code::invalid, "{}: must be a string", key);
    }
    return base::ok;
}

}  // namespace

std::string describe(const ObjectKey& key) {
    return fmt::format("{} \"{}{}{}\"", kind_of(key.kind).group_resource(), key.namespace_name,
                       key.namespace_name.empty() ? "" : "/", key.name);
}

const JsonObject& Object::spec() const {
    return member_object(body, "spec");
}

const JsonObject& Object::status() const {
    return member_object(body, "status");
}

base::Result<Object> object_from_json(Json document) {
    auto* object = document.if_object();
    if (object == nullptr) {
        return base::fail(base::Code::invalid, "the document is not an object");
    }
    CHECK_OK(check_text_or_absent(*object, "apiVersion"));
    CHECK_OK(check_text_or_absent(*object, "kind"));
    const auto api_version = text_at(*object, {"apiVersion"});
    const auto kind = text_at(*object, {"kind"});
    if (kind.empty()) {
        return base::fail(base::Code::invalid, "Object 'Kind' is missing");
    }
    if (api_version.empty()) {
        return base::fail(base::Code::invalid, "Object 'apiVersion' is missing");
    }
    TRY(const auto id, find_kind(api_version, kind));
    return read_as(id, std::move(*object));
}

base::Result<Object> object_from_json(KindId expected, Json document) {
    auto* object = document.if_object();
    if (object == nullptr) {
        return base::fail(base::Code::invalid, "the document is not an object");
    }
    CHECK_OK(check_text_or_absent(*object, "apiVersion"));
    CHECK_OK(check_text_or_absent(*object, "kind"));
    const auto& kind = kind_of(expected);
    const auto said_version = text_at(*object, {"apiVersion"});
    const auto said_kind = text_at(*object, {"kind"});
    if ((!said_version.empty() && said_version != kind.api_version()) ||
        (!said_kind.empty() && said_kind != kind.kind)) {
        return base::fail(base::Code::invalid,
                          "the object provided is {} {}, but {} {} belongs at this address",
                          said_version, said_kind, kind.api_version(), kind.kind);
    }
    return read_as(expected, std::move(*object));
}

Json to_json(const Object& object) {
    const auto& kind = kind_of(object.kind);
    JsonObject out;
    out["apiVersion"] = kind.api_version();
    out["kind"] = as_json(kind.kind);
    out["metadata"] = to_json(object.metadata);
    for (const auto& member : object.body) {
        out[member.key()] = member.value();
    }
    return out;
}

bool changes_generation(const Object& before, const Object& next) {
    const auto without_status = [](const Object& object) {
        JsonObject body = object.body;
        body.stable_erase("status");
        return Json(std::move(body));
    };
    return kind_of(next.kind).has_generation && without_status(before) != without_status(next);
}

OwnerReference controller_reference(const Object& owner) {
    const auto& kind = kind_of(owner.kind);
    return {.api_version = kind.api_version(),
            .kind = std::string(kind.kind),
            .name = owner.metadata.name,
            .uid = owner.metadata.uid,
            .controller = true,
            .block_owner_deletion = true};
}

}  // namespace tidemill::model
