#include "api/objects/server_side_apply.h"

#include <fmt/format.h>

#include <map>
#include <set>
#include <vector>

namespace tidemill::api {
namespace {

using model::as_json;
using model::Json;
using model::JsonArray;
using model::JsonObject;

using Path = std::vector<std::string>;
using Paths = std::set<Path>;

// Members that name the object, or are the server's: nobody owns them.
bool is_identity(const Path& path) {
    if (path.size() == 1) {
        return path[0] == "apiVersion" || path[0] == "kind";
    }
    static const std::set<std::string, std::less<>> metadata{
        "name",       "namespace",         "uid",          "resourceVersion",
        "generation", "creationTimestamp", "managedFields"};
    return path.size() == 2 && path[0] == "metadata" && metadata.contains(path[1]);
}

// The leaves of a document: values, lists and empty objects.
void collect(const Json& from, Path& at, Paths& out) {
    if (const auto* object = from.if_object(); object != nullptr && !object->empty()) {
        for (const auto& member : *object) {
            at.emplace_back(member.key());
            if (!is_identity(at)) {
                collect(member.value(), at, out);
            }
            at.pop_back();
        }
    } else if (!at.empty()) {
        out.insert(at);
    }
}

// Kubernetes' FieldsV1: {"f:spec": {"f:x": {}}}.
JsonObject fields_v1(const Paths& paths) {
    JsonObject out;
    for (const auto& path : paths) {
        JsonObject* at = &out;
        for (const auto& step : path) {
            auto& next = (*at)["f:" + step];
            if (!next.is_object()) {
                next = JsonObject();
            }
            at = &next.get_object();
        }
    }
    return out;
}

void read_fields(const JsonObject& from, Path& at, Paths& out) {
    if (from.empty() && !at.empty()) {
        out.insert(at);
    }
    for (const auto& member : from) {
        const std::string_view key(member.key().data(), member.key().size());
        if (!key.starts_with("f:") || !member.value().is_object()) {
            continue;
        }
        at.emplace_back(key.substr(2));
        read_fields(member.value().get_object(), at, out);
        at.pop_back();
    }
}

const Json* find(const Json& from, const Path& path) {
    const Json* at = &from;
    for (const auto& step : path) {
        const auto* object = at->if_object();
        at = object == nullptr ? nullptr : object->if_contains(step);
        if (at == nullptr) {
            return nullptr;
        }
    }
    return at;
}

// Removes a leaf, and the objects that it leaves empty.
void erase(JsonObject& from, std::span<const std::string> path) {
    auto* next = from.if_contains(path.front());
    if (next == nullptr) {
        return;
    }
    if (path.size() > 1 && next->is_object()) {
        erase(next->get_object(), path.subspan(1));
        if (!next->get_object().empty()) {
            return;
        }
    } else if (path.size() > 1) {
        return;
    }
    from.stable_erase(path.front());
}

void merge(JsonObject& into, const JsonObject& from) {
    for (const auto& member : from) {
        auto& target = into[member.key()];
        if (member.value().is_object() && target.is_object()) {
            merge(target.get_object(), member.value().get_object());
        } else {
            target = member.value();
        }
    }
}

std::string dotted(const Path& path) {
    std::string out;
    for (const auto& step : path) {
        out += '.';
        out += step;
    }
    return out;
}

struct Owner {
    Paths paths;
    Json entry;  // as it is stored
};

std::map<std::string, Owner> read_owners(const Json& live) {
    std::map<std::string, Owner> out;
    const auto* list = find(live, {"metadata", "managedFields"});
    if (list == nullptr || !list->is_array()) {
        return out;
    }
    for (const auto& entry : list->get_array()) {
        if (model::text_at(entry, {"operation"}) != "Apply") {
            continue;
        }
        Owner owner;
        owner.entry = entry;
        if (const auto* fields = model::find_member(entry, {"fieldsV1"});
            fields != nullptr && fields->is_object()) {
            Path at;
            read_fields(fields->get_object(), at, owner.paths);
        }
        out[std::string(model::text_at(entry, {"manager"}))] = std::move(owner);
    }
    return out;
}

Refusal taken(const ApplyRequest& request, const std::map<Path, std::string>& conflicts) {
    JsonArray causes;
    std::string fields;
    for (const auto& [path, manager] : conflicts) {
        causes.push_back(
            JsonObject{{"reason", "FieldManagerConflict"},
                       {"message", as_json(fmt::format("conflict with \"{}\"", manager))},
                       {"field", as_json(dotted(path))}});
        fields += fmt::format("\n- {} (of \"{}\")", dotted(path), manager);
    }
    return {409,
            "Conflict",
            fmt::format("Apply failed with {} conflict{}: {}", conflicts.size(),
                        conflicts.size() == 1 ? "" : "s", fields),
            {{"name", as_json(request.name)}, {"causes", std::move(causes)}}};
}

}  // namespace

Answered<Json> apply_document(const ApplyRequest& request, Json live, Json applied) {
    if (!applied.is_object()) {
        return refuse(bad_request("an apply patch is an object"));
    }
    if (find(applied, {"metadata", "managedFields"}) != nullptr) {
        return refuse(bad_request("metadata.managedFields must be nil"));
    }
    Paths wanted;
    Path at;
    collect(applied, at, wanted);
    auto owners = read_owners(live);
    std::map<Path, std::string> conflicts;
    Paths of_others;
    for (auto& [manager, owner] : owners) {
        if (manager == request.manager) {
            continue;
        }
        for (auto path = owner.paths.begin(); path != owner.paths.end();) {
            const auto* ours = wanted.contains(*path) ? find(applied, *path) : nullptr;
            const auto* theirs = find(live, *path);
            if (ours != nullptr && theirs != nullptr && *ours != *theirs) {
                conflicts.emplace(*path, manager);
                path = owner.paths.erase(path);
                continue;
            }
            of_others.insert(*path);
            ++path;
        }
        owner.entry.get_object()["fieldsV1"] = fields_v1(owner.paths);
    }
    if (!conflicts.empty() && request.conflicts == ApplyRequest::Conflicts::refuse) {
        return refuse(taken(request, conflicts));
    }
    Json result = live;
    if (!result.is_object()) {
        result = JsonObject();
    }
    auto& document = result.get_object();
    auto& own = owners[request.manager];
    for (const auto& path : own.paths) {
        if (!wanted.contains(path) && !of_others.contains(path)) {
            erase(document, path);
        }
    }
    merge(document, applied.get_object());
    if (result == live && own.paths == wanted && conflicts.empty()) {
        return live;
    }
    // The time moves with what is owned, so that the same document with defaults put in again is no
    // change.
    if (own.paths != wanted || own.entry.is_null()) {
        own.entry = JsonObject{{"manager", as_json(request.manager)},
                               {"operation", "Apply"},
                               {"apiVersion", as_json(request.kind.api_version())},
                               {"time", as_json(base::format_rfc3339(request.now))},
                               {"fieldsType", "FieldsV1"},
                               {"fieldsV1", fields_v1(wanted)}};
    }
    JsonArray managed;
    for (auto& [manager, owner] : owners) {
        managed.push_back(std::move(owner.entry));
    }
    model::object_at(document, "metadata")["managedFields"] = std::move(managed);
    return result;
}

}  // namespace tidemill::api
