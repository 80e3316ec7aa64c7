#include "cli/api/service_document.h"

#include <fmt/format.h>

#include "base/text.h"
#include "cli/api/documents.h"
#include "cli/api/session.h"

namespace tidemill::cli {
namespace {

using base::Code;
using base::fail;
using base::Result;

struct Annotated {
    std::string_view flag;
    std::string_view value;
    std::string_view annotation;
    std::string_view help;
};

constexpr Annotated annotated[] = {
    {"--min-scale", "N", "autoscaling.knative.dev/min-scale", "instances that always run"},
    {"--max-scale", "N", "autoscaling.knative.dev/max-scale", "instances at most; 0: no limit"},
    {"--initial-scale", "N", "autoscaling.knative.dev/initial-scale",
     "instances to start before a new revision is ready"},
    {"--window", "DURATION", "autoscaling.knative.dev/window",
     "how long demand is averaged before scaling down, e.g. 60s"},
};

Result<std::optional<std::int64_t>> whole_number(const Invocation& given, std::string_view flag) {
    if (!given.has(flag)) {
        return std::nullopt;
    }
    const auto text = given.text(flag);
    const auto number = base::parse_number<std::int64_t>(text);
    if (!number || *number < 0) {
        return fail(Code::invalid, "{}: \"{}\" is no whole number", flag, text);
    }
    return number;
}

Result<std::optional<std::int64_t>> whole_seconds(const Invocation& given, std::string_view flag) {
    if (!given.has(flag)) {
        return std::nullopt;
    }
    TRY(const auto span, duration_flag(given, flag, {}));
    const auto seconds = std::chrono::duration_cast<std::chrono::seconds>(span);
    if (seconds != span) {
        return fail(Code::invalid, "{}: \"{}\" is no whole number of seconds", flag,
                    given.text(flag));
    }
    return seconds.count();
}

void put_env(wire::JsonArray& list, const ServiceWish& wish) {
    for (const auto& [name, value] : wish.env) {
        for (auto at = list.begin(); at != list.end();) {
            at = text_at(*at, "name") == name ? list.erase(at) : at + 1;
        }
        if (value) {
            list.push_back(wire::JsonObject{{"name", name}, {"value", *value}});
        }
    }
}

wire::JsonObject container_of(wire::JsonObject container, const ServiceWish& wish) {
    container["image"] = wish.image;
    if (!wish.env.empty()) {
        auto& env = container["env"];
        if (!env.is_array()) {
            env = wire::JsonArray();
        }
        put_env(env.get_array(), wish);
    }
    const auto limit = [&](std::string_view what, const std::string& quantity) {
        if (quantity.empty()) {
            return;
        }
        auto& resources = container["resources"];
        if (!resources.is_object()) {
            resources = wire::JsonObject();
        }
        auto& limits = resources.get_object()["limits"];
        if (!limits.is_object()) {
            limits = wire::JsonObject();
        }
        limits.get_object()[what] = quantity;
    };
    limit("memory", wish.memory);
    limit("cpu", wish.cpu);
    return container;
}

wire::JsonObject template_of(wire::JsonObject container, const ServiceWish& wish) {
    wire::JsonObject metadata;
    wire::JsonObject annotations;
    for (const auto& [key, value] : wish.annotations) {
        annotations[key] = value;
    }
    if (!annotations.empty()) {
        metadata["annotations"] = std::move(annotations);
    }
    if (!wish.revision_name.empty()) {
        metadata["name"] = wish.revision_name;
    }
    wire::JsonObject spec;
    wire::JsonArray containers;
    containers.push_back(container_of(std::move(container), wish));
    spec["containers"] = std::move(containers);
    if (wish.concurrency) {
        spec["containerConcurrency"] = *wish.concurrency;
    }
    if (wish.timeout_seconds) {
        spec["timeoutSeconds"] = *wish.timeout_seconds;
    }
    wire::JsonObject out;
    out["metadata"] = std::move(metadata);
    out["spec"] = std::move(spec);
    return out;
}

// The split as it is, with revisions' names instead of "the latest".
Result<wire::JsonArray> pinned_traffic(const wire::Json& service) {
    const auto latest_ready = text_at(service, "status.latestReadyRevisionName");
    if (latest_ready.empty()) {
        return fail(Code::invalid,
                    "--no-traffic: {} has no ready revision yet that could keep the traffic",
                    name_of(service));
    }
    wire::JsonArray out;
    for (const auto& each : list_at(service, "spec.traffic")) {
        auto revision = text_at(each, "revisionName");
        if (revision.empty()) {
            revision = latest_ready;
        }
        wire::JsonObject target{{"latestRevision", false},
                                {"revisionName", revision},
                                {"percent", number_at(each, "percent")}};
        if (const auto tag = text_at(each, "tag"); !tag.empty()) {
            target["tag"] = tag;
        }
        out.push_back(std::move(target));
    }
    if (out.empty()) {
        out.push_back(wire::JsonObject{
            {"latestRevision", false}, {"revisionName", latest_ready}, {"percent", 100}});
    }
    return out;
}

}  // namespace

std::vector<Flag> service_flags() {
    std::vector<Flag> out{
        {.name = "--env",
         .letter = "-e",
         .value = "K=V",
         .help = "a variable of the program's environment; K- takes it away",
         .times = Flag::Times::many},
        {.name = "--concurrency", .value = "N", .help = "requests at once per instance; 0: any"},
        {.name = "--timeout",
         .value = "DURATION",
         .help = "how long one request may take: 90, 90s, 5m"},
        {.name = "--memory", .value = "QUANTITY", .help = "limit per instance, e.g. 256Mi"},
        {.name = "--cpu", .value = "QUANTITY", .help = "limit per instance, e.g. 500m"},
        {.name = "--revision-name",
         .value = "NAME",
         .help = "begins with the service's name and -"},
        {.name = "--no-traffic", .help = "the new revision gets no requests yet"},
    };
    for (const auto& each : annotated) {
        out.push_back({.name = each.flag, .value = each.value, .help = each.help});
    }
    return out;
}

Result<ServiceWish> read_service_wish(const Invocation& given) {
    ServiceWish wish;
    for (const auto& text : given.all("--env")) {
        const auto equals = text.find('=');
        if (equals == std::string::npos && text.size() > 1 && text.ends_with('-')) {
            wish.env.emplace_back(text.substr(0, text.size() - 1), std::nullopt);
        } else if (equals == std::string::npos || equals == 0) {
            return fail(Code::invalid, "--env {}: write NAME=VALUE, or NAME- to take it away",
                        text);
        } else {
            wish.env.emplace_back(text.substr(0, equals), text.substr(equals + 1));
        }
    }
    for (const auto& each : annotated) {
        if (!given.has(each.flag)) {
            continue;
        }
        if (each.value == "N") {
            TRY(const auto number, whole_number(given, each.flag));
            wish.annotations.emplace_back(each.annotation, std::to_string(*number));
        } else {
            wish.annotations.emplace_back(each.annotation, given.text(each.flag));
        }
    }
    TRY(wish.concurrency, whole_number(given, "--concurrency"));
    TRY(wish.timeout_seconds, whole_seconds(given, "--timeout"));
    wish.memory = given.text("--memory");
    wish.cpu = given.text("--cpu");
    wish.revision_name = given.text("--revision-name");
    wish.traffic =
        given.has("--no-traffic") ? ServiceWish::Traffic::stay : ServiceWish::Traffic::follow;
    return wish;
}

wire::Json new_service(const std::string& space, const std::string& name, const ServiceWish& wish) {
    wire::JsonObject spec;
    spec["template"] = template_of({}, wish);
    wire::JsonObject out{{"apiVersion", "serving.knative.dev/v1"}, {"kind", "Service"}};
    out["metadata"] = wire::JsonObject{{"name", name}, {"namespace", space}};
    out["spec"] = std::move(spec);
    return out;
}

Result<wire::Json> service_patch(const wire::Json& service, const ServiceWish& wish) {
    wire::JsonObject container;
    if (const auto& containers = list_at(service, "spec.template.spec.containers");
        !containers.empty() && containers[0].is_object()) {
        container = containers[0].get_object();
    }
    auto next = template_of(std::move(container), wish);
    // A revision's name that stands in the template is used up.
    if (wish.revision_name.empty() && !text_at(service, "spec.template.metadata.name").empty()) {
        next["metadata"].get_object()["name"] = nullptr;
    }
    wire::JsonObject spec;
    spec["template"] = std::move(next);
    if (wish.traffic == ServiceWish::Traffic::stay) {
        TRY(auto traffic, pinned_traffic(service));
        spec["traffic"] = std::move(traffic);
    }
    wire::JsonObject out;
    out["metadata"] =
        wire::JsonObject{{"resourceVersion", text_at(service, "metadata.resourceVersion")}};
    out["spec"] = std::move(spec);
    return out;
}

}  // namespace tidemill::cli
