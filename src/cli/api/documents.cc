#include "cli/api/documents.h"

#include "base/text.h"
#include "cli/api/session.h"

namespace tidemill::cli {

const wire::Json* member(const wire::Json& document, std::string_view path) {
    const wire::Json* at = &document;
    for (const auto key : base::split(path, '.')) {
        const auto* const object = at->if_object();
        at = object == nullptr ? nullptr : object->if_contains(key);
        if (at == nullptr) {
            return nullptr;
        }
    }
    return at;
}

std::string text_at(const wire::Json& document, std::string_view path) {
    const auto* const found = member(document, path);
    return found != nullptr && found->is_string() ? std::string(found->get_string())
                                                  : std::string();
}

std::int64_t number_at(const wire::Json& document, std::string_view path, std::int64_t absent) {
    const auto* const found = member(document, path);
    return found != nullptr && found->is_int64() ? found->get_int64() : absent;
}

const wire::JsonArray& list_at(const wire::Json& document, std::string_view path) {
    static const wire::JsonArray none;
    const auto* const found = member(document, path);
    return found != nullptr && found->is_array() ? found->get_array() : none;
}

std::string entry(const wire::Json& document, std::string_view map, std::string_view key) {
    const auto* const found = member(document, map);
    const auto* const object = found == nullptr ? nullptr : found->if_object();
    const auto* const value = object == nullptr ? nullptr : object->if_contains(key);
    return value != nullptr && value->is_string() ? std::string(value->get_string())
                                                  : std::string();
}

wire::Json without_managed_fields(wire::Json document) {
    const auto strip = [](wire::Json& object) {
        auto* const fields = object.if_object();
        auto* const metadata = fields == nullptr ? nullptr : fields->if_contains("metadata");
        if (metadata != nullptr && metadata->is_object()) {
            metadata->get_object().erase("managedFields");
        }
    };
    strip(document);
    auto* const fields = document.if_object();
    auto* const items = fields == nullptr ? nullptr : fields->if_contains("items");
    if (items != nullptr && items->is_array()) {
        for (auto& item : items->get_array()) {
            strip(item);
        }
    }
    return document;
}

std::string name_of(const wire::Json& object) {
    return text_at(object, "metadata.name");
}

std::string space_of(const wire::Json& object) {
    return text_at(object, "metadata.namespace");
}

std::string age_of(const wire::Json& object, base::WallTime now) {
    const auto created = base::parse_rfc3339(text_at(object, "metadata.creationTimestamp"));
    return created ? age_text(now - *created) : std::string();
}

Condition condition_of(const wire::Json& object, std::string_view type) {
    for (const auto& each : list_at(object, "status.conditions")) {
        if (text_at(each, "type") == type) {
            return {std::string(type), text_at(each, "status"), text_at(each, "reason"),
                    text_at(each, "message")};
        }
    }
    return {.type = std::string(type)};
}

Verdict judge(const wire::Json& object) {
    if (number_at(object, "status.observedGeneration", -1) <
        number_at(object, "metadata.generation")) {
        return Verdict::waiting;
    }
    const auto ready = condition_of(object, "Ready").status;
    if (ready == "True") {
        return Verdict::ready;
    }
    return ready == "False" ? Verdict::failing : Verdict::waiting;
}

std::string host_of_url(std::string_view url) {
    if (const auto scheme = url.find("://"); scheme != std::string_view::npos) {
        url.remove_prefix(scheme + 3);
    }
    return std::string(url.substr(0, url.find_first_of(":/")));
}

std::string cell_text(const wire::Json& value) {
    if (value.is_null()) {
        return {};
    }
    return value.is_string() ? std::string(value.get_string()) : wire::write_json(value);
}

}  // namespace tidemill::cli
