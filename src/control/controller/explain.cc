// What control answers when it is asked for reasons, and the views of what runs.
#include "control/autoscaler/explain.h"

#include "control/controller/control.h"
#include "control/controller/sessions.h"
#include "control/route_table/route_table.h"
#include "control/views/views.h"

namespace tidemill::control {

namespace {

using model::JsonArray;
using model::JsonObject;
using model::KindId;

double milliseconds(base::Duration span) {
    return std::chrono::duration<double, std::milli>(span).count();
}

JsonArray stages_json(const std::vector<link::Stage>& stages) {
    JsonArray result;
    for (const auto& stage : stages) {
        result.push_back(JsonObject{{"name", stage.name},
                                    {"atMilliseconds", milliseconds(stage.at)},
                                    {"tookMilliseconds", milliseconds(stage.took)}});
    }
    return result;
}

JsonObject revision_json(const model::Object& revision, const Fleet& fleet) {
    const auto name = full_name(revision);
    const auto facts = fleet.facts(name);
    JsonArray decisions;
    for (const auto& decided : fleet.decisions(name)) {
        auto record = explain_json(decided.decision, decided.at);
        record["text"] = explain_text(decided.decision);
        decisions.push_back(std::move(record));
    }
    JsonArray starts;
    for (const auto& start : fleet.cold_starts(name)) {
        starts.push_back(JsonObject{{"instance", start.instance},
                                    {"began", base::format_rfc3339_ns(start.began)},
                                    {"cause", start.cause},
                                    {"stages", stages_json(start.stages)}});
    }
    JsonArray held;
    for (const auto& request : fleet.held_requests(name)) {
        held.push_back(JsonObject{{"request", request.request_id},
                                  {"instance", request.instance},
                                  {"began", base::format_rfc3339_ns(request.began)},
                                  {"totalMilliseconds", milliseconds(request.total)},
                                  {"stages", stages_json(request.stages)}});
    }
    return {{"name", revision.metadata.name},
            {"wanted", facts.wanted},
            {"ready", facts.ready},
            {"conditions", model::to_json(conditions_of(revision))},
            {"decisions", std::move(decisions)},
            {"coldStarts", std::move(starts)},
            {"heldRequests", std::move(held)}};
}

}  // namespace

base::Result<JsonObject> Control::explain(const std::string& namespace_name,
                                          const std::string& service) const {
    const auto object = get(KindId::service, namespace_name, service);
    if (object == nullptr) {
        return base::fail(base::Code::not_found, "service \"{}/{}\" is not there", namespace_name,
                          service);
    }
    JsonArray revisions;
    for (const auto& revision :
         list(KindId::revision, namespace_name, {{std::string(serving::service), service}})) {
        revisions.push_back(revision_json(*revision, fleet_));
    }
    JsonObject result{{"service", service}, {"revisions", std::move(revisions)}};
    if (const auto route = get(KindId::route, namespace_name, service)) {
        if (const auto* traffic = model::find_member(route->status(), {"traffic"})) {
            result["traffic"] = *traffic;
        }
        result["routeConditions"] = model::to_json(conditions_of(*route));
    }
    return result;
}

std::vector<model::Object> Control::pods(const std::string& namespace_name) const {
    std::vector<model::Object> result;
    for (const auto& revision : list(KindId::revision, namespace_name, {})) {
        for (const auto& instance : fleet_.instances(full_name(*revision))) {
            result.push_back(pod_view(*revision, instance));
        }
    }
    return result;
}

std::vector<model::Object> Control::deployments(const std::string& namespace_name) const {
    std::vector<model::Object> result;
    for (const auto& revision : list(KindId::revision, namespace_name, {})) {
        const auto facts = fleet_.facts(full_name(*revision));
        result.push_back(deployment_view(*revision, facts.wanted, facts.ready));
    }
    return result;
}

}  // namespace tidemill::control
