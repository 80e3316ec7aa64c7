#include "model/object/metadata.h"

#include <fmt/format.h>

#include <algorithm>
#include <charconv>

namespace tidemill::model {
namespace {

using base::Code;
using base::fail;

base::Result<std::string> read_text(const Json& value, std::string_view path) {
    if (value.is_null()) {
        return std::string();
    }
    if (const auto* text = value.if_string()) {
        return std::string(as_view(*text));
    }
    return fail(Code::invalid, "{}: must be a string", path);
}

base::Result<TextMap> read_map(const Json& value, std::string_view path) {
    TextMap out;
    if (value.is_null()) {
        return out;
    }
    const auto* object = value.if_object();
    if (object == nullptr) {
        return fail(Code::invalid, "{}: must be an object of strings", path);
    }
    for (const auto& member : *object) {
        const std::string key(member.key());
        TRY(out[key], read_text(member.value(), fmt::format("{}.{}", path, key)));
    }
    return out;
}

base::Result<std::optional<base::WallTime>> read_time(const Json& value, std::string_view path) {
    if (value.is_null()) {
        return std::nullopt;
    }
    TRY(const auto text, read_text(value, path));
    auto time = base::parse_rfc3339(text);
    if (!time) {
        return base::wrap(fmt::format("{}: ", path), time.error());
    }
    return *time;
}

base::Result<bool> read_flag(const Json& value, std::string_view path) {
    if (value.is_null()) {
        return false;
    }
    if (const auto* flag = value.if_bool()) {
        return *flag;
    }
    return fail(Code::invalid, "{}: must be a boolean", path);
}

base::Result<std::int64_t> read_integer(const Json& value, std::string_view path) {
    if (value.is_null()) {
        return 0;
    }
    if (const auto number = integer_of(value)) {
        return *number;
    }
    return fail(Code::invalid, "{}: must be an integer", path);
}

base::Result<std::uint64_t> read_version(const Json& value) {
    TRY(const auto text, read_text(value, "metadata.resourceVersion"));
    if (text.empty()) {
        return 0;
    }
    std::uint64_t version = 0;
    const auto [end, error] = std::from_chars(text.data(), text.data() + text.size(), version);
    if (error != std::errc() || end != text.data() + text.size()) {
        return fail(Code::invalid, "metadata.resourceVersion: \"{}\" was not given by this server",
                    text);
    }
    return version;
}

base::Result<OwnerReference> read_owner(const Json& value, const std::string& path) {
    const auto* object = value.if_object();
    if (object == nullptr) {
        return fail(Code::invalid, "{}: must be an object", path);
    }
    OwnerReference owner;
    for (const auto& member : *object) {
        const std::string_view key(member.key().data(), member.key().size());
        const auto at = fmt::format("{}.{}", path, key);
        if (key == "apiVersion") {
            TRY(owner.api_version, read_text(member.value(), at));
        } else if (key == "kind") {
            TRY(owner.kind, read_text(member.value(), at));
        } else if (key == "name") {
            TRY(owner.name, read_text(member.value(), at));
        } else if (key == "uid") {
            TRY(owner.uid, read_text(member.value(), at));
        } else if (key == "controller") {
            TRY(owner.controller, read_flag(member.value(), at));
        } else if (key == "blockOwnerDeletion") {
            TRY(owner.block_owner_deletion, read_flag(member.value(), at));
        }
    }
    return owner;
}

base::Result<std::vector<OwnerReference>> read_owners(const Json& value) {
    std::vector<OwnerReference> out;
    if (value.is_null()) {
        return out;
    }
    const auto* array = value.if_array();
    if (array == nullptr) {
        return fail(Code::invalid, "metadata.ownerReferences: must be an array");
    }
    for (std::size_t i = 0; i < array->size(); ++i) {
        TRY(auto owner, read_owner((*array)[i], fmt::format("metadata.ownerReferences[{}]", i)));
        out.push_back(std::move(owner));
    }
    return out;
}

base::Result<std::vector<std::string>> read_finalizers(const Json& value) {
    std::vector<std::string> out;
    if (value.is_null()) {
        return out;
    }
    const auto* array = value.if_array();
    if (array == nullptr) {
        return fail(Code::invalid, "metadata.finalizers: must be an array");
    }
    for (std::size_t i = 0; i < array->size(); ++i) {
        TRY(auto text, read_text((*array)[i], fmt::format("metadata.finalizers[{}]", i)));
        out.push_back(std::move(text));
    }
    return out;
}

}  // namespace

const OwnerReference* Metadata::controller() const {
    const auto found = std::ranges::find_if(owner_references, &OwnerReference::controller);
    return found == owner_references.end() ? nullptr : &*found;
}

bool Metadata::owned_by(std::string_view uid_of_owner) const {
    return std::ranges::any_of(owner_references,
                               [&](const auto& owner) { return owner.uid == uid_of_owner; });
}

base::Result<Metadata> metadata_from_json(const JsonObject& document) {
    Metadata out;
    for (const auto& member : document) {
        const std::string_view key(member.key().data(), member.key().size());
        const auto& value = member.value();
        if (key == "name") {
            TRY(out.name, read_text(value, "metadata.name"));
        } else if (key == "namespace") {
            TRY(out.namespace_name, read_text(value, "metadata.namespace"));
        } else if (key == "generateName") {
            TRY(out.generate_name, read_text(value, "metadata.generateName"));
        } else if (key == "uid") {
            TRY(out.uid, read_text(value, "metadata.uid"));
        } else if (key == "resourceVersion") {
            TRY(out.resource_version, read_version(value));
        } else if (key == "generation") {
            TRY(out.generation, read_integer(value, "metadata.generation"));
        } else if (key == "creationTimestamp") {
            TRY(out.creation_timestamp, read_time(value, "metadata.creationTimestamp"));
        } else if (key == "deletionTimestamp") {
            TRY(out.deletion_timestamp, read_time(value, "metadata.deletionTimestamp"));
        } else if (key == "deletionGracePeriodSeconds") {
            if (!value.is_null()) {
                TRY(out.deletion_grace_period_seconds,
                    read_integer(value, "metadata.deletionGracePeriodSeconds"));
            }
        } else if (key == "labels") {
            TRY(out.labels, read_map(value, "metadata.labels"));
        } else if (key == "annotations") {
            TRY(out.annotations, read_map(value, "metadata.annotations"));
        } else if (key == "ownerReferences") {
            TRY(out.owner_references, read_owners(value));
        } else if (key == "finalizers") {
            TRY(out.finalizers, read_finalizers(value));
        } else {
            out.other[member.key()] = value;
        }
    }
    return out;
}

JsonObject to_json(const Metadata& metadata) {
    JsonObject out;
    const auto put_text = [&](std::string_view key, const std::string& text) {
        if (!text.empty()) {
            out[as_json(key)] = text;
        }
    };
    put_text("name", metadata.name);
    put_text("generateName", metadata.generate_name);
    put_text("namespace", metadata.namespace_name);
    put_text("uid", metadata.uid);
    if (metadata.resource_version != 0) {
        out["resourceVersion"] = fmt::to_string(metadata.resource_version);
    }
    if (metadata.generation != 0) {
        out["generation"] = metadata.generation;
    }
    if (metadata.creation_timestamp) {
        out["creationTimestamp"] = base::format_rfc3339(*metadata.creation_timestamp);
    }
    if (metadata.deletion_timestamp) {
        out["deletionTimestamp"] = base::format_rfc3339(*metadata.deletion_timestamp);
    }
    if (metadata.deletion_grace_period_seconds) {
        out["deletionGracePeriodSeconds"] = *metadata.deletion_grace_period_seconds;
    }
    if (!metadata.labels.empty()) {
        out["labels"] = to_json(metadata.labels);
    }
    if (!metadata.annotations.empty()) {
        out["annotations"] = to_json(metadata.annotations);
    }
    if (!metadata.owner_references.empty()) {
        JsonArray owners;
        for (const auto& owner : metadata.owner_references) {
            JsonObject entry;
            entry["apiVersion"] = owner.api_version;
            entry["kind"] = owner.kind;
            entry["name"] = owner.name;
            entry["uid"] = owner.uid;
            if (owner.controller) {
                entry["controller"] = true;
            }
            if (owner.block_owner_deletion) {
                entry["blockOwnerDeletion"] = true;
            }
            owners.push_back(std::move(entry));
        }
        out["ownerReferences"] = std::move(owners);
    }
    if (!metadata.finalizers.empty()) {
        out["finalizers"] = JsonArray(metadata.finalizers.begin(), metadata.finalizers.end());
    }
    for (const auto& member : metadata.other) {
        out[member.key()] = member.value();
    }
    return out;
}

}  // namespace tidemill::model
