#include "model/serving/validation.h"

#include <fmt/format.h>

#include <algorithm>
#include <map>

#include "model/object/names.h"
#include "model/serving/annotations.h"
#include "model/serving/pod_validation.h"
#include "model/settings/autoscaler_settings.h"
#include "model/settings/config_reader.h"

namespace tidemill::model {
namespace {

using namespace std::chrono_literals;

constexpr std::size_t difference_lines_max = 20;

// A duration in whole seconds, not negative, with the sentences that both such annotations use.
Problems check_seconds(const TextMap& annotations, const AnnotationName& name,
                       std::string_view short_name, const std::string& path) {
    const auto found = find_annotation(annotations, name);
    if (!found || found->value.empty()) {
        return {};
    }
    const auto at = fmt::format("{}.{}", path, found->key);
    const auto span = base::parse_duration(found->value);
    if (!span) {
        return {invalid_value(found->value, at)};
    }
    if (*span % 1s != base::Duration::zero()) {
        return {plain_problem(
            fmt::format("{}={} is not at second precision", short_name, found->value), {at})};
    }
    if (*span < 0s) {
        return {
            plain_problem(fmt::format("{}={} must be positive", short_name, found->value), {at})};
    }
    return {};
}

Problems refuse_autoscaling_annotations(const TextMap& annotations, const std::string& path) {
    Problems out;
    for (const auto& [key, value] : annotations) {
        if (key.starts_with(autoscaling_group)) {
            out.push_back(invalid_key_name(key, path,
                                           "autoscaling annotations must be put under "
                                           "\"spec.template.metadata.annotations\" to work"));
        }
    }
    return out;
}

// A label that names the owner may only be set by that owner.
Problems check_owner_label(const Metadata& metadata, std::string_view label,
                           std::string_view kind) {
    const auto found = metadata.labels.find(label);
    if (found == metadata.labels.end()) {
        return {};
    }
    const bool owned = std::ranges::any_of(metadata.owner_references, [&](const auto& owner) {
        return owner.kind == kind && owner.name == found->second;
    });
    return owned ? Problems{} : Problems{missing_field(fmt::format("metadata.labels.{}", label))};
}

std::string_view annotation(const Object& object, std::string_view name) {
    const auto found = object.metadata.annotations.find(name);
    return found == object.metadata.annotations.end() ? std::string_view()
                                                      : std::string_view(found->second);
}

Problems check_creator_and_modifier(const Object& before, const Object& next) {
    Problems out;
    const auto at = [](std::string_view name) {
        return fmt::format("metadata.annotations.{}", name);
    };
    if (annotation(before, annotation_creator) != annotation(next, annotation_creator)) {
        out.push_back(plain_problem("annotation value is immutable", {at(annotation_creator)}));
    }
    const auto modifier = annotation(next, annotation_last_modifier);
    if (annotation(before, annotation_last_modifier) != modifier &&
        same_meaning(Json(before.spec()), Json(next.spec()))) {
        out.push_back(invalid_value(modifier, at(annotation_last_modifier)));
    }
    return out;
}

Problems check_name_change(const Object& before, const Object& next) {
    const auto name = text_at(next.spec(), {"template", "metadata", "name"});
    if (name.empty() || name != text_at(before.spec(), {"template", "metadata", "name"})) {
        return {};
    }
    const auto difference =
        describe_difference(*find_member(before.spec(), {"template"}),
                            *find_member(next.spec(), {"template"}), difference_lines_max);
    if (difference.empty()) {
        return {};
    }
    return {plain_problem("Saw the following changes without a name change (-old +new)",
                          {"spec.template.metadata.name"}, difference)};
}

Problems validate_service(const Object& object, const AdmissionContext& context) {
    auto out = refuse_autoscaling_annotations(object.metadata.annotations, "metadata.annotations");
    append(out, check_seconds(object.metadata.annotations, rollout_duration, "rollout-duration",
                              "metadata.annotations"));
    const auto spec = read_service_spec(object);
    if (!spec) {
        out.push_back(plain_problem(spec.error().message, {"spec"}));
        return out;
    }
    append(out, validate_template(spec->configuration.revision_template, object.metadata,
                                  context.config, "spec.template"));
    append(out, validate_traffic(spec->route.traffic, TrafficOf::service, "spec.traffic"));
    if (context.previous != nullptr) {
        append(out, check_creator_and_modifier(*context.previous, object));
        append(out, check_name_change(*context.previous, object));
    }
    return out;
}

Problems validate_configuration(const Object& object, const AdmissionContext& context) {
    auto out = refuse_autoscaling_annotations(object.metadata.annotations, "metadata.annotations");
    append(out, check_owner_label(object.metadata, label_service, "Service"));
    const auto spec = read_configuration_spec(object);
    if (!spec) {
        out.push_back(plain_problem(spec.error().message, {"spec"}));
        return out;
    }
    append(out, validate_template(spec->revision_template, object.metadata, context.config,
                                  "spec.template"));
    if (context.previous != nullptr) {
        if (object.metadata.owner_references.empty()) {
            append(out, check_creator_and_modifier(*context.previous, object));
        }
        append(out, check_name_change(*context.previous, object));
    }
    return out;
}

Problems validate_revision(const Object& object, const AdmissionContext& context) {
    auto out = validate_template_annotations(object.metadata.annotations, context.config,
                                             "metadata.annotations");
    append(out, check_owner_label(object.metadata, label_configuration, "Configuration"));
    if (context.previous != nullptr) {
        const auto difference = describe_difference(Json(context.previous->spec()),
                                                    Json(object.spec()), difference_lines_max);
        if (!difference.empty()) {
            out.push_back(
                plain_problem("Immutable fields changed (-old +new)", {"spec"}, difference));
        }
        return out;
    }
    const auto spec = read_revision_spec(object);
    if (!spec) {
        out.push_back(plain_problem(spec.error().message, {"spec"}));
        return out;
    }
    append(out, validate_revision_spec(*spec, context.config, "spec"));
    return out;
}

Problems validate_route(const Object& object, const AdmissionContext& context) {
    auto out = refuse_autoscaling_annotations(object.metadata.annotations, "metadata.annotations");
    append(out, check_owner_label(object.metadata, label_service, "Service"));
    append(out, check_seconds(object.metadata.annotations, rollout_duration, "rollout-duration",
                              "metadata.annotations"));
    const auto spec = read_route_spec(object);
    if (!spec) {
        out.push_back(plain_problem(spec.error().message, {"spec"}));
        return out;
    }
    append(out, validate_traffic(spec->traffic, TrafficOf::route, "spec.traffic"));
    if (context.previous != nullptr && object.metadata.owner_references.empty()) {
        append(out, check_creator_and_modifier(*context.previous, object));
    }
    return out;
}

}  // namespace

Problems validate_metadata(const Metadata& metadata, const std::string& path) {
    if (!metadata.generate_name.empty()) {
        if (const auto reasons = check_dns1035_prefix(metadata.generate_name); !reasons.empty()) {
            return {
                plain_problem(fmt::format("not a DNS 1035 label prefix: {}", in_brackets(reasons)),
                              {path + ".generateName"})};
        }
    }
    if (!metadata.name.empty()) {
        if (const auto reasons = check_dns1035_label(metadata.name); !reasons.empty()) {
            return {plain_problem(fmt::format("not a DNS 1035 label: {}", in_brackets(reasons)),
                                  {path + ".name"})};
        }
    }
    if (metadata.name.empty() && metadata.generate_name.empty()) {
        return {plain_problem("name or generateName is required", {path + ".name"})};
    }
    return {};
}

Problems validate_revision_spec(const RevisionSpec& spec, const PlatformConfig& config,
                                const std::string& path) {
    auto out = validate_pod(spec, config.features, path);
    const auto& defaults = config.defaults;
    const auto longest = defaults.max_revision_timeout_seconds;
    const auto timeout = spec.timeout_seconds.value_or(0);
    if (timeout < 0 || timeout > longest) {
        out.push_back(out_of_bounds(fmt::to_string(timeout), "0", fmt::to_string(longest),
                                    path + ".timeoutSeconds"));
    }
    // Knative checks neither of these; a negative time could only mean a mistake.
    const auto check_time = [&](const std::optional<std::int64_t>& seconds, std::string_view name) {
        if (seconds.value_or(0) < 0) {
            out.push_back(out_of_bounds(fmt::to_string(*seconds), "0", fmt::to_string(longest),
                                        fmt::format("{}.{}", path, name)));
        }
    };
    check_time(spec.response_start_timeout_seconds, "responseStartTimeoutSeconds");
    check_time(spec.idle_timeout_seconds, "idleTimeoutSeconds");
    if (spec.container_concurrency) {
        const std::int64_t lowest = defaults.allow_container_concurrency_zero ? 0 : 1;
        const auto highest = defaults.container_concurrency_max_limit;
        const auto concurrency = *spec.container_concurrency;
        if (concurrency < lowest || concurrency > highest) {
            out.push_back(out_of_bounds(fmt::to_string(concurrency), fmt::to_string(lowest),
                                        fmt::to_string(highest), path + ".containerConcurrency"));
        }
    }
    return out;
}

Problems validate_template(const RevisionTemplate& revision_template, const Metadata& parent,
                           const PlatformConfig& config, const std::string& path) {
    auto out = validate_revision_spec(revision_template.spec, config, path + ".spec");
    append(out, validate_template_annotations(revision_template.annotations, config,
                                              path + ".metadata.annotations"));
    const auto& name = revision_template.name;
    if (const auto& base = revision_template.generate_name; !base.empty()) {
        if (const auto reasons = check_dns1035_prefix(base); !reasons.empty()) {
            out.push_back(
                invalid_value(fmt::format("not a DNS 1035 label prefix: {}", in_brackets(reasons)),
                              path + ".metadata.generateName"));
        }
    }
    if (name.empty()) {
        return out;
    }
    const auto name_path = path + ".metadata.name";
    const auto prefix = parent.name + "-";
    if (const auto reasons = check_dns1035_label(name); !reasons.empty()) {
        out.push_back(invalid_value(fmt::format("not a DNS 1035 label: {}", in_brackets(reasons)),
                                    name_path));
    } else if (parent.name.empty() && !parent.generate_name.empty()) {
        out.push_back(disallowed_field(name_path));
    } else if (!name.starts_with(prefix)) {
        out.push_back(
            invalid_value(fmt::format("\"{}\" must have prefix \"{}\"", name, prefix), name_path));
    }
    return out;
}

Problems validate_traffic(const std::vector<TrafficTarget>& traffic, TrafficOf of,
                          const std::string& path) {
    Problems out;
    std::map<std::string_view, std::size_t> tags;
    std::int64_t sum = 0;
    for (std::size_t i = 0; i < traffic.size(); ++i) {
        const auto& target = traffic[i];
        const auto at = fmt::format("{}[{}]", path, i);
        if (target.latest_revision && *target.latest_revision == !target.revision_name.empty()) {
            out.push_back(plain_problem(
                fmt::format("may not set revisionName \"{}\" when latestRevision is {}",
                            target.revision_name, *target.latest_revision),
                {at + ".latestRevision"}));
        }
        const auto check_name = [&](const std::string& name, std::string_view field) {
            if (const auto reasons = check_label_key(name); !reasons.empty()) {
                out.push_back(invalid_key_name(name, fmt::format("{}.{}", at, field),
                                               fmt::format("{}", fmt::join(reasons, ", "))));
            }
        };
        // A Service's configurationName is refused by the table in fields.h.
        const bool names_configuration =
            of == TrafficOf::route && !target.configuration_name.empty();
        if (!target.revision_name.empty() && names_configuration) {
            out.push_back(multiple_one_of({at + ".revisionName", at + ".configurationName"}));
        } else if (!target.revision_name.empty()) {
            check_name(target.revision_name, "revisionName");
        } else if (names_configuration) {
            check_name(target.configuration_name, "configurationName");
        } else if (of == TrafficOf::route) {
            out.push_back(missing_one_of({at + ".revisionName", at + ".configurationName"}));
        }
        if (const auto percent = target.percent.value_or(0); percent < 0 || percent > 100) {
            out.push_back(out_of_bounds(fmt::to_string(percent), "0", "100", at + ".percent"));
        }
        // Out of bounds is told of above; here only the sum must not overflow.
        constexpr std::int64_t sane = 1'000'000'000;
        sum += std::clamp(target.percent.value_or(0), -sane, sane);
        if (target.tag.empty()) {
            continue;
        }
        if (const auto reasons = check_dns1035_label(target.tag); !reasons.empty()) {
            // The odd place of the index is Knative's.
            out.push_back(
                invalid_value(fmt::format("not a DNS 1035 label: {}", in_brackets(reasons)),
                              fmt::format("{}.tag[{}]", path, i)));
        }
        if (const auto [first, added] = tags.emplace(target.tag, i); !added) {
            out.push_back(
                plain_problem(fmt::format("Multiple definitions for \"{}\"", target.tag),
                              {at + ".tag", fmt::format("{}[{}].tag", path, first->second)}));
        }
    }
    if (sum != 100) {
        out.push_back(
            plain_problem(fmt::format("Traffic targets sum to {}, want 100", sum), {path}));
    }
    return out;
}

Problems validate_template_annotations(const TextMap& annotations, const PlatformConfig& config,
                                       const std::string& path) {
    auto out = read_autoscaling_annotations(annotations, config.autoscaler, path).problems;
    append(out, check_seconds(annotations, progress_deadline, "progress-deadline", path));
    append(out, check_seconds(annotations, keep_frozen, "keep-frozen", path));
    for (const auto& [key, value] : annotations) {
        if (key.starts_with(networking_group) && !is_known_annotation(key)) {
            out.push_back(invalid_key_name(key, path));
        }
        if (key.starts_with(queue_sidecar_prefix) && key.find("-resource-") != std::string::npos &&
            !Quantity::parse(value)) {
            out.push_back(invalid_value(value, fmt::format("{}.[{}]", path, key)));
        }
    }
    return out;
}

Problems validate(const Object& object, const AdmissionContext& context) {
    auto out = validate_metadata(object.metadata, "metadata");
    append(out, check_annotation_treatment(object.metadata.annotations, "metadata.annotations"));
    switch (object.kind) {
        case KindId::service:
            append(out, validate_service(object, context));
            break;
        case KindId::configuration:
            append(out, validate_configuration(object, context));
            break;
        case KindId::revision:
            append(out, validate_revision(object, context));
            break;
        case KindId::route:
            append(out, validate_route(object, context));
            break;
        default:
            return out;
    }
    if (const auto* annotations =
            find_member(object.spec(), {"template", "metadata", "annotations"});
        annotations != nullptr && annotations->is_object()) {
        TextMap texts;
        for (const auto& member : annotations->get_object()) {
            if (const auto* text = member.value().if_string()) {
                texts.emplace(std::string_view(member.key()), as_view(*text));
            }
        }
        append(out, check_annotation_treatment(texts, "spec.template.metadata.annotations"));
    }
    return out;
}

}  // namespace tidemill::model
