#include "model/kinds/columns.h"

#include <fmt/format.h>

#include <algorithm>
#include <chrono>
#include <optional>
#include <vector>

#include "base/check.h"
#include "base/text.h"

namespace tidemill::model {
namespace {

constexpr std::string_view none_text = "<none>";
constexpr std::string_view unknown_text = "<unknown>";

Json text_cell(std::string_view text) {
    return Json(as_json(text));
}

// One step of a path, taken off its front.
struct Step {
    enum class Form { member, index, filter } form;
    std::string_view name;  // the member, or the member that a filter compares
    std::string_view text;  // what a filter wants
    std::size_t index = 0;
};

Step next_step(std::string_view& path) {
    const auto quoted = [](std::string_view text) {
        CHECK(text.size() >= 2 && text.front() == '\'' && text.back() == '\'');
        return text.substr(1, text.size() - 2);
    };
    if (path.front() == '.') {
        path.remove_prefix(1);
        const auto end = std::min(path.find_first_of(".["), path.size());
        const auto name = path.substr(0, end);
        path.remove_prefix(end);
        return {Step::Form::member, name, {}, 0};
    }
    CHECK(path.front() == '[');
    const auto close = path.find(']');
    CHECK(close != std::string_view::npos);
    auto inside = path.substr(1, close - 1);
    path.remove_prefix(close + 1);
    constexpr std::string_view filter_start = "?(@.";
    if (inside.starts_with(filter_start)) {
        inside.remove_prefix(filter_start.size());
        const auto equals = inside.find("==");
        CHECK(equals != std::string_view::npos && inside.back() == ')');
        return {Step::Form::filter, inside.substr(0, equals),
                quoted(inside.substr(equals + 2, inside.size() - equals - 3)), 0};
    }
    if (inside.front() == '\'') {
        return {Step::Form::member, quoted(inside), {}, 0};
    }
    const auto index = base::parse_number<std::size_t>(inside);
    CHECK(index.has_value());
    return {Step::Form::index, {}, {}, *index};
}

const Json* take_step(const Json& from, const Step& step) {
    if (step.form == Step::Form::member) {
        return find_member(from, {step.name});
    }
    const auto* array = from.if_array();
    if (array == nullptr) {
        return nullptr;
    }
    if (step.form == Step::Form::index) {
        return step.index < array->size() ? &(*array)[step.index] : nullptr;
    }
    for (const auto& element : *array) {
        if (text_at(element, {step.name}) == step.text) {
            return &element;
        }
    }
    return nullptr;
}

std::string age_of(std::string_view rfc3339, base::WallTime now) {
    const auto time = base::parse_rfc3339(rfc3339);
    return time ? human_duration(now - *time) : std::string(unknown_text);
}

const JsonArray& array_at(const JsonObject& from, std::initializer_list<std::string_view> keys) {
    static const JsonArray none;
    const auto* value = find_member(from, keys);
    const auto* array = value == nullptr ? nullptr : value->if_array();
    return array == nullptr ? none : *array;
}

std::int64_t integer_at(const JsonObject& from, std::initializer_list<std::string_view> keys) {
    const auto* value = find_member(from, keys);
    return value == nullptr ? 0 : integer_of(*value).value_or(0);
}

std::int64_t member_count(const JsonObject& body, std::string_view key) {
    const auto* value = find_member(body, {key});
    const auto* object = value == nullptr ? nullptr : value->if_object();
    return object == nullptr ? 0 : static_cast<std::int64_t>(object->size());
}

std::string joined_labels(const Json* labels) {
    std::vector<std::string> parts;
    if (const auto* object = labels == nullptr ? nullptr : labels->if_object()) {
        for (const auto& member : *object) {
            if (const auto* text = member.value().if_string()) {
                parts.push_back(
                    fmt::format("{}={}", std::string_view(member.key()), as_view(*text)));
            }
        }
    }
    std::ranges::sort(parts);
    return parts.empty() ? std::string(none_text) : fmt::format("{}", fmt::join(parts, ","));
}

std::string joined_container_texts(const Object& object, std::string_view key) {
    std::vector<std::string_view> parts;
    for (const auto& container :
         array_at(object.body, {"spec", "template", "spec", "containers"})) {
        parts.push_back(text_at(container, {key}));
    }
    return fmt::format("{}", fmt::join(parts, ","));
}

}  // namespace

const Json* find_path(const Json& document, std::string_view path) {
    const Json* at = &document;
    while (!path.empty() && at != nullptr) {
        at = take_step(*at, next_step(path));
    }
    return at;
}

Json print_cell(const Column& column, const Object& object, base::WallTime now) {
    if (column.compute != nullptr) {
        return column.compute(object, now);
    }
    const auto document = to_json(object);
    const auto* found = find_path(document, column.path);
    if (found == nullptr || found->is_null()) {
        return nullptr;
    }
    if (column.type == "integer") {
        const auto number = integer_of(*found);
        return number ? Json(*number) : Json(nullptr);
    }
    if (const auto* text = found->if_string()) {
        return *text;
    }
    return Json(boost::json::serialize(*found));
}

std::string human_duration(base::Duration span) {
    using std::chrono::duration_cast;
    const auto seconds = duration_cast<std::chrono::seconds>(span).count();
    if (seconds < -1) {
        return "<invalid>";  // two clocks differ by more than rounding
    }
    if (seconds < 0) {
        return "0s";
    }
    const auto two = [](std::int64_t big, char big_unit, std::int64_t small, char small_unit) {
        return small == 0 ? fmt::format("{}{}", big, big_unit)
                          : fmt::format("{}{}{}{}", big, big_unit, small, small_unit);
    };
    const auto minutes = seconds / 60;
    const auto hours = minutes / 60;
    const auto days = hours / 24;
    const auto years = days / 365;
    if (seconds < 2 * 60) {
        return fmt::format("{}s", seconds);
    }
    if (minutes < 10) {
        return two(minutes, 'm', seconds % 60, 's');
    }
    if (hours < 3) {
        return fmt::format("{}m", minutes);
    }
    if (hours < 8) {
        return two(hours, 'h', minutes % 60, 'm');
    }
    if (hours < 48) {
        return fmt::format("{}h", hours);
    }
    if (days < 8) {
        return two(days, 'd', hours % 24, 'h');
    }
    if (years < 2) {
        return fmt::format("{}d", days);
    }
    return years < 8 ? two(years, 'y', days % 365, 'd') : fmt::format("{}y", years);
}

Json cell_age(const Object& object, base::WallTime now) {
    const auto& created = object.metadata.creation_timestamp;
    return text_cell(created ? human_duration(now - *created) : std::string(unknown_text));
}

Json cell_data_count(const Object& object, base::WallTime) {
    return text_cell(fmt::to_string(member_count(object.body, "data") +
                                    member_count(object.body, "binaryData")));
}

Json cell_secret_count(const Object& object, base::WallTime) {
    return text_cell(fmt::to_string(array_at(object.body, {"secrets"}).size()));
}

Json cell_service_type(const Object& object, base::WallTime) {
    const auto type = text_at(object.body, {"spec", "type"});
    return text_cell(type.empty() ? "ClusterIP" : type);
}

Json cell_cluster_ip(const Object& object, base::WallTime) {
    const auto address = text_at(object.body, {"spec", "clusterIP"});
    return text_cell(address.empty() ? none_text : address);
}

Json cell_external_ip(const Object& object, base::WallTime) {
    const auto name = text_at(object.body, {"spec", "externalName"});
    return text_cell(name.empty() ? none_text : name);
}

Json cell_ports(const Object& object, base::WallTime) {
    std::vector<std::string> parts;
    for (const auto& port : array_at(object.body, {"spec", "ports"})) {
        const auto* fields = port.if_object();
        if (fields == nullptr) {
            continue;
        }
        const auto protocol = text_at(*fields, {"protocol"});
        const auto node_port = integer_at(*fields, {"nodePort"});
        parts.push_back(fmt::format("{}{}/{}", integer_at(*fields, {"port"}),
                                    node_port == 0 ? "" : fmt::format(":{}", node_port),
                                    protocol.empty() ? "TCP" : protocol));
    }
    return text_cell(parts.empty() ? std::string(none_text)
                                   : fmt::format("{}", fmt::join(parts, ",")));
}

Json cell_selector(const Object& object, base::WallTime) {
    return text_cell(joined_labels(find_member(object.body, {"spec", "selector"})));
}

Json cell_last_seen(const Object& object, base::WallTime now) {
    for (const auto key : {"lastTimestamp", "eventTime", "firstTimestamp"}) {
        if (const auto time = text_at(object.body, {key}); !time.empty()) {
            return text_cell(age_of(time, now));
        }
    }
    return cell_age(object, now);
}

Json cell_first_seen(const Object& object, base::WallTime now) {
    for (const auto key : {"firstTimestamp", "eventTime"}) {
        if (const auto time = text_at(object.body, {key}); !time.empty()) {
            return text_cell(age_of(time, now));
        }
    }
    return cell_age(object, now);
}

Json cell_involved_object(const Object& object, base::WallTime) {
    return text_cell(fmt::format("{}/{}",
                                 base::lower(text_at(object.body, {"involvedObject", "kind"})),
                                 text_at(object.body, {"involvedObject", "name"})));
}

Json cell_event_source(const Object& object, base::WallTime) {
    const auto component = text_at(object.body, {"source", "component"});
    const auto host = text_at(object.body, {"source", "host"});
    if (component.empty()) {
        return text_cell(text_at(object.body, {"reportingComponent"}));
    }
    return text_cell(host.empty() ? std::string(component)
                                  : fmt::format("{}, {}", component, host));
}

Json cell_event_count(const Object& object, base::WallTime) {
    return text_cell(fmt::to_string(std::max<std::int64_t>(1, integer_at(object.body, {"count"}))));
}

Json cell_pod_ready(const Object& object, base::WallTime) {
    const auto& states = array_at(object.body, {"status", "containerStatuses"});
    const auto ready = std::ranges::count_if(states, [](const Json& state) {
        const auto* flag = find_member(state, {"ready"});
        return flag != nullptr && flag->is_bool() && flag->get_bool();
    });
    return text_cell(
        fmt::format("{}/{}", ready, array_at(object.body, {"spec", "containers"}).size()));
}

Json cell_pod_status(const Object& object, base::WallTime) {
    if (object.metadata.deletion_timestamp) {
        return text_cell("Terminating");
    }
    for (const auto& state : array_at(object.body, {"status", "containerStatuses"})) {
        for (const auto reason_of : {"waiting", "terminated"}) {
            const auto reason = text_at(state, {"state", reason_of, "reason"});
            if (!reason.empty()) {
                return text_cell(reason);
            }
        }
    }
    if (const auto reason = text_at(object.body, {"status", "reason"}); !reason.empty()) {
        return text_cell(reason);
    }
    return text_cell(text_at(object.body, {"status", "phase"}));
}

Json cell_pod_restarts(const Object& object, base::WallTime now) {
    std::int64_t restarts = 0;
    std::optional<base::WallTime> last;
    for (const auto& state : array_at(object.body, {"status", "containerStatuses"})) {
        if (const auto* fields = state.if_object()) {
            restarts += integer_at(*fields, {"restartCount"});
            const auto ended =
                base::parse_rfc3339(text_at(*fields, {"lastState", "terminated", "finishedAt"}));
            if (ended && (!last || *last < *ended)) {
                last = *ended;
            }
        }
    }
    return text_cell(restarts == 0 || !last
                         ? fmt::to_string(restarts)
                         : fmt::format("{} ({} ago)", restarts, human_duration(now - *last)));
}

Json cell_deployment_ready(const Object& object, base::WallTime) {
    return text_cell(fmt::format("{}/{}", integer_at(object.body, {"status", "readyReplicas"}),
                                 integer_at(object.body, {"spec", "replicas"})));
}

Json cell_deployment_updated(const Object& object, base::WallTime) {
    return integer_at(object.body, {"status", "updatedReplicas"});
}

Json cell_deployment_available(const Object& object, base::WallTime) {
    return integer_at(object.body, {"status", "availableReplicas"});
}

Json cell_container_names(const Object& object, base::WallTime) {
    return text_cell(joined_container_texts(object, "name"));
}

Json cell_container_images(const Object& object, base::WallTime) {
    return text_cell(joined_container_texts(object, "image"));
}

Json cell_match_labels(const Object& object, base::WallTime) {
    return text_cell(joined_labels(find_member(object.body, {"spec", "selector", "matchLabels"})));
}

}  // namespace tidemill::model
