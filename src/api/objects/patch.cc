#include "api/objects/patch.h"

#include <fmt/format.h>

#include <algorithm>
#include <array>
#include <string>
#include <utility>

#include "wire/json.h"
#include "wire/json_patch.h"

namespace tidemill::api {
namespace {

using model::Json;
using model::JsonArray;
using model::JsonObject;

constexpr std::array<std::pair<std::string_view, std::string_view>, 5> merge_keys{{
    {"metadata.ownerReferences", "uid"},
    {"secrets", "name"},
    {"imagePullSecrets", "name"},
    {"spec.ports", "port"},
    {"status.conditions", "type"},
}};
constexpr std::string_view merged_texts = "metadata.finalizers";
constexpr std::string_view delete_from = "$deleteFromPrimitiveList/";
constexpr std::string_view order_of = "$setElementOrder/";

std::string_view merge_key(std::string_view path) {
    for (const auto& [list, key] : merge_keys) {
        if (list == path) {
            return key;
        }
    }
    return {};
}

Answered<bool> merge_object(JsonObject& target, const JsonObject& patch, const std::string& path);

Answered<bool> merge_list(JsonArray& target, const JsonArray& patch, std::string_view key,
                          const std::string& path) {
    for (const auto& element : patch) {
        const auto* object = element.if_object();
        const auto* identity = object == nullptr ? nullptr : object->if_contains(key);
        const auto directive =
            object == nullptr ? std::string_view() : model::text_at(*object, {"$patch"});
        if (object == nullptr || (identity == nullptr && directive != "replace")) {
            return refuse(bad_request(fmt::format("map: {}: an element has no {}", path, key)));
        }
        if (directive == "replace") {
            target.clear();
            continue;
        }
        const auto same = std::ranges::find_if(target, [&](const Json& candidate) {
            const auto* found = model::find_member(candidate, {key});
            return found != nullptr && *found == *identity;
        });
        if (directive == "delete") {
            if (same != target.end()) {
                target.erase(same);
            }
        } else if (same != target.end() && same->is_object()) {
            CHECK_OK(merge_object(same->get_object(), *object, path));
        } else {
            JsonObject fresh;
            CHECK_OK(merge_object(fresh, *object, path));
            target.push_back(std::move(fresh));
        }
    }
    return true;
}

void merge_texts(JsonArray& target, const JsonArray& patch) {
    for (const auto& element : patch) {
        if (std::ranges::find(target, element) == target.end()) {
            target.push_back(element);
        }
    }
}

// Members of a patch that say what to do instead of what to be.
Answered<bool> obey_directives(JsonObject& target, const JsonObject& patch) {
    const auto directive = model::text_at(patch, {"$patch"});
    if (directive == "replace" || directive == "delete") {
        target.clear();
    } else if (!directive.empty() && directive != "merge") {
        return refuse(bad_request(fmt::format("unknown patch type \"{}\"", directive)));
    }
    if (const auto* retain = patch.if_contains("$retainKeys");
        retain != nullptr && retain->is_array()) {
        std::vector<std::string> gone;
        for (const auto& member : target) {
            if (std::ranges::find(retain->get_array(), Json(member.key())) ==
                retain->get_array().end()) {
                gone.emplace_back(member.key());
            }
        }
        for (const auto& key : gone) {
            target.stable_erase(key);
        }
    }
    for (const auto& member : patch) {
        const std::string_view key(member.key().data(), member.key().size());
        if (!key.starts_with(delete_from) || !member.value().is_array()) {
            continue;
        }
        if (auto* list = target.if_contains(key.substr(delete_from.size()));
            list != nullptr && list->is_array()) {
            for (const auto& element : member.value().get_array()) {
                auto& values = list->get_array();
                values.erase(std::remove(values.begin(), values.end(), element), values.end());
            }
        }
    }
    return true;
}

Answered<bool> merge_object(JsonObject& target, const JsonObject& patch, const std::string& path) {
    CHECK_OK(obey_directives(target, patch));
    for (const auto& member : patch) {
        const std::string_view key(member.key().data(), member.key().size());
        if (key == "$patch" || key == "$retainKeys" || key.starts_with(delete_from) ||
            key.starts_with(order_of)) {
            continue;
        }
        const auto& value = member.value();
        const auto below = path.empty() ? std::string(key) : fmt::format("{}.{}", path, key);
        if (value.is_null()) {
            target.stable_erase(key);
        } else if (value.is_object()) {
            auto& next = target[key];
            if (!next.is_object()) {
                next = JsonObject();
            }
            CHECK_OK(merge_object(next.get_object(), value.get_object(), below));
        } else if (value.is_array() && (!merge_key(below).empty() || below == merged_texts)) {
            auto& next = target[key];
            if (!next.is_array()) {
                next = JsonArray();
            }
            if (below == merged_texts) {
                merge_texts(next.get_array(), value.get_array());
            } else {
                CHECK_OK(merge_list(next.get_array(), value.get_array(), merge_key(below), below));
            }
        } else {
            target[key] = value;
        }
    }
    return true;
}

}  // namespace

Answered<PatchType> patch_type(const model::Kind& kind, std::string_view media_type) {
    const bool built_in = kind.group.empty();
    if (media_type == "application/json-patch+json") {
        return PatchType::json;
    }
    if (media_type == "application/merge-patch+json") {
        return PatchType::merge;
    }
    if (media_type == "application/apply-patch+yaml") {
        return PatchType::apply;
    }
    if (media_type == "application/strategic-merge-patch+json" && built_in) {
        return PatchType::strategic;
    }
    return refuse(unsupported_media_type(
        media_type, built_in
                        ? "application/json-patch+json, application/merge-patch+json, "
                          "application/strategic-merge-patch+json, application/apply-patch+yaml"
                        : "application/json-patch+json, application/merge-patch+json, "
                          "application/apply-patch+yaml"));
}

Answered<Json> strategic_merge(Json document, const Json& patch) {
    if (!document.is_object() || !patch.is_object()) {
        return refuse(bad_request("a strategic merge patch is an object"));
    }
    CHECK_OK(merge_object(document.get_object(), patch.get_object(), ""));
    return document;
}

Answered<Json> patched(PatchType type, const model::Kind& kind, std::string_view name,
                       Json document, const Json& patch) {
    if (type == PatchType::strategic) {
        return strategic_merge(std::move(document), patch);
    }
    if (type == PatchType::merge) {
        if (!patch.is_object()) {
            return refuse(bad_request("a merge patch of an object is an object"));
        }
        return wire::merge_patch(std::move(document), patch);
    }
    auto result = wire::json_patch(std::move(document), patch);
    if (!result) {
        if (!patch.is_array()) {
            return refuse(bad_request(result.error().message));
        }
        return refuse(Refusal{422, "Invalid",
                              fmt::format("the server rejected our request due to an error in our "
                                          "request: {} \"{}\": {}",
                                          kind.group_resource(), name, result.error().message)});
    }
    return *std::move(result);
}

}  // namespace tidemill::api
