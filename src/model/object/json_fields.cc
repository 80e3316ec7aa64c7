#include "model/object/json_fields.h"

#include <fmt/format.h>

#include <set>
#include <vector>

namespace tidemill::model {

const Json* find_member(const JsonObject& from, std::initializer_list<std::string_view> keys) {
    const JsonObject* at = &from;
    const Json* found = nullptr;
    for (const auto key : keys) {
        if (at == nullptr) {
            return nullptr;
        }
        found = at->if_contains(as_json(key));
        if (found == nullptr) {
            return nullptr;
        }
        at = found->if_object();
    }
    return found;
}

const Json* find_member(const Json& from, std::initializer_list<std::string_view> keys) {
    const auto* object = from.if_object();
    return object == nullptr ? nullptr : find_member(*object, keys);
}

std::string_view text_at(const JsonObject& from, std::initializer_list<std::string_view> keys) {
    const auto* found = find_member(from, keys);
    const auto* text = found == nullptr ? nullptr : found->if_string();
    return text == nullptr ? std::string_view() : as_view(*text);
}

std::string_view text_at(const Json& from, std::initializer_list<std::string_view> keys) {
    const auto* object = from.if_object();
    return object == nullptr ? std::string_view() : text_at(*object, keys);
}

std::optional<std::int64_t> integer_of(const Json& value) {
    if (const auto* number = value.if_int64()) {
        return *number;
    }
    if (const auto* number = value.if_uint64(); number != nullptr && *number <= INT64_MAX) {
        return static_cast<std::int64_t>(*number);
    }
    return std::nullopt;
}

JsonObject& object_at(JsonObject& in, std::string_view key) {
    auto& value = in[as_json(key)];
    if (!value.is_object()) {
        value.emplace_object();
    }
    return value.get_object();
}

bool is_unset(const Json& value) {
    switch (value.kind()) {
        case boost::json::kind::null:
            return true;
        case boost::json::kind::bool_:
            return !value.get_bool();
        case boost::json::kind::int64:
            return value.get_int64() == 0;
        case boost::json::kind::uint64:
            return value.get_uint64() == 0;
        case boost::json::kind::double_:
            return value.get_double() == 0;
        case boost::json::kind::string:
            return value.get_string().empty();
        case boost::json::kind::array:
            return value.get_array().empty();
        case boost::json::kind::object:
            return value.get_object().empty();
    }
    return false;
}

namespace {

// Empty members count as absent, so an object with only such members counts as empty itself.
bool says_nothing(const Json& value) {
    if (const auto* object = value.if_object()) {
        for (const auto& [key, member] : *object) {
            if (!says_nothing(member)) {
                return false;
            }
        }
        return true;
    }
    return is_unset(value);
}

class Differ {
public:
    explicit Differ(std::size_t lines_max) : lines_max_(lines_max) {}

    void compare(const std::string& path, const Json* before, const Json* after) {
        if (full()) {
            return;
        }
        const bool nothing_before = before == nullptr || says_nothing(*before);
        const bool nothing_after = after == nullptr || says_nothing(*after);
        if (nothing_before && nothing_after) {
            return;
        }
        if (!nothing_before && !nothing_after) {
            if (before->is_object() && after->is_object()) {
                return compare_objects(path, before->get_object(), after->get_object());
            }
            if (before->is_array() && after->is_array()) {
                return compare_arrays(path, before->get_array(), after->get_array());
            }
            if (*before == *after) {
                return;
            }
        }
        lines_.push_back(fmt::format("{}: {} -> {}", path.empty() ? "." : path,
                                     nothing_before ? "unset" : boost::json::serialize(*before),
                                     nothing_after ? "unset" : boost::json::serialize(*after)));
    }

    bool full() const { return lines_.size() >= lines_max_; }
    std::string text() const { return fmt::format("{}", fmt::join(lines_, "\n")); }
    bool empty() const { return lines_.empty(); }

private:
    void compare_objects(const std::string& path, const JsonObject& before,
                         const JsonObject& after) {
        std::set<std::string_view> keys;
        for (const auto& member : before) {
            keys.insert({member.key().data(), member.key().size()});
        }
        for (const auto& member : after) {
            keys.insert({member.key().data(), member.key().size()});
        }
        for (const auto key : keys) {
            compare(path.empty() ? std::string(key) : fmt::format("{}.{}", path, key),
                    before.if_contains(as_json(key)), after.if_contains(as_json(key)));
        }
    }

    void compare_arrays(const std::string& path, const JsonArray& before, const JsonArray& after) {
        // An element is there even when it is empty, so lengths count by themselves.
        if (before.size() != after.size()) {
            lines_.push_back(
                fmt::format("{}: {} elements -> {} elements", path, before.size(), after.size()));
            return;
        }
        for (std::size_t i = 0; i < before.size(); ++i) {
            compare(fmt::format("{}[{}]", path, i), &before[i], &after[i]);
        }
    }

    std::size_t lines_max_;
    std::vector<std::string> lines_;
};

}  // namespace

bool same_meaning(const Json& a, const Json& b) {
    Differ differ(1);
    differ.compare("", &a, &b);
    return differ.empty();
}

std::string describe_difference(const Json& before, const Json& after, std::size_t lines_max) {
    Differ differ(lines_max);
    differ.compare("", &before, &after);
    return differ.text();
}

JsonObject to_json(const TextMap& map) {
    JsonObject out;
    for (const auto& [key, value] : map) {
        out[key] = value;
    }
    return out;
}

}  // namespace tidemill::model
