// For tests of planners: a handful of objects that plans are applied to by the store's rules.
#pragma once

#include <boost/json/parse.hpp>
#include <map>
#include <string>
#include <vector>

#include "base/check.h"
#include "control/change.h"
#include "control/configuration/names.h"
#include "control/configuration/plan.h"
#include "control/gc/plan.h"
#include "control/revision/plan.h"
#include "control/route/labels.h"
#include "control/route/plan.h"
#include "control/service/plan.h"

namespace tidemill::control {

class PlanFixture {
public:
    base::WallTime now{1'700'000'000'000'000'000};
    RouteSettings settings;

    // A document without metadata that the store gives.
    static model::Object parse(std::string_view text) {
        auto object = model::object_from_json(boost::json::parse(model::as_json(text)));
        CHECK(object.has_value());
        if (object->metadata.namespace_name.empty()) {
            object->metadata.namespace_name = "default";
        }
        return *std::move(object);
    }

    ObjectPtr get(model::KindId kind, const std::string& name) const {
        const auto found = objects_.find({kind, "default", name});
        return found == objects_.end() ? nullptr : found->second;
    }
    std::vector<ObjectPtr> all(model::KindId kind) const {
        std::vector<ObjectPtr> result;
        for (const auto& [key, object] : objects_) {
            if (key.kind == kind) {
                result.push_back(object);
            }
        }
        return result;
    }

    ObjectPtr put(model::Object object) {
        const auto known = get(object.kind, object.metadata.name);
        object.metadata.resource_version = ++revision_;
        if (known == nullptr) {
            object.metadata.uid = "uid-" + std::to_string(revision_);
            object.metadata.generation = 1;
            object.metadata.creation_timestamp = now;
        } else {
            object.metadata.uid = known->metadata.uid;
            object.metadata.generation =
                known->metadata.generation + (model::changes_generation(*known, object) ? 1 : 0);
        }
        auto stored = std::make_shared<const model::Object>(std::move(object));
        objects_[stored->key()] = stored;
        return stored;
    }
    void drop(model::KindId kind, const std::string& name) {
        objects_.erase({kind, "default", name});
    }
    void apply(const Plan& plan) {
        for (const auto& change : plan.changes) {
            if (change.action == Action::remove) {
                objects_.erase(change.object.key());
                continue;
            }
            auto next = change.object;
            const auto known = get(next.kind, next.metadata.name);
            CHECK((known == nullptr) == (change.action == Action::create));
            if (change.action == Action::update) {
                CHECK(known->metadata.resource_version == next.metadata.resource_version);
            }
            if (known != nullptr && change.action == Action::update &&
                known->body.contains("status")) {
                next.body["status"] = known->body.at("status");
            }
            if (known != nullptr && change.action == Action::update_status) {
                const auto status = next.body.at("status");
                next = *known;
                next.body["status"] = status;
            }
            put(std::move(next));
        }
        notices.insert(notices.end(), plan.notices.begin(), plan.notices.end());
    }
    std::vector<Notice> notices;

    // What revisions are told of their instances; by name.
    std::map<std::string, RevisionFacts> facts;
    static RevisionFacts running(std::int32_t ready) {
        RevisionFacts result;
        result.image = RevisionFacts::Image::found;
        result.activity = ActivityStep{
            {ready > 0 ? Activity::active : Activity::activating, {}, false}, ready > 0};
        result.wanted = 1;
        result.ready = ready;
        return result;
    }

    ServiceWorld service_world(const std::string& name) const {
        const auto service = get(model::KindId::service, name);
        const std::string named(model::text_at(service->spec(), {"template", "metadata", "name"}));
        return {service, get(model::KindId::configuration, name), get(model::KindId::route, name),
                get(model::KindId::revision, named)};
    }
    ConfigurationWorld configuration_world(const std::string& name) const {
        ConfigurationWorld world;
        world.configuration = get(model::KindId::configuration, name);
        for (const auto& revision : all(model::KindId::revision)) {
            if (text_of(revision->metadata.labels, serving::configuration) == name) {
                world.revisions.push_back(revision);
            }
        }
        world.named_revision = get(model::KindId::revision, revision_name(*world.configuration));
        return world;
    }
    RouteWorld route_world(const std::string& name) const {
        RouteWorld world;
        world.route = get(model::KindId::route, name);
        for (const auto& it : all(model::KindId::configuration)) {
            world.traffic.configurations[it->metadata.name] = it;
        }
        for (const auto& it : all(model::KindId::revision)) {
            world.traffic.revisions[it->metadata.name] = it;
        }
        world.placeholders = all(model::KindId::core_service);
        return world;
    }
    LabelWorld label_world(const std::string& name) const {
        return {get(model::KindId::route, name), name, all(model::KindId::configuration),
                all(model::KindId::revision)};
    }

    // One round of every planner; true when any of them changed something.
    bool round() {
        const auto before = revision_;
        for (const auto& it : all(model::KindId::service)) {
            apply(plan_service(service_world(it->metadata.name), now));
        }
        for (const auto& it : all(model::KindId::configuration)) {
            apply(plan_configuration(configuration_world(it->metadata.name), now));
        }
        for (const auto& it : all(model::KindId::revision)) {
            apply(plan_revision(*it, facts[it->metadata.name], now));
        }
        for (const auto& it : all(model::KindId::route)) {
            apply(plan_route_object(route_world(it->metadata.name), settings, now));
            apply(plan_routing_labels(label_world(it->metadata.name), now));
        }
        return revision_ != before;
    }
    // Rounds until nothing changes. Fails the test process if that takes more than twenty.
    void settle() {
        for (int rounds = 0; round(); ++rounds) {
            CHECK(rounds < 20);
        }
    }

    // "Ready=True", "Ready=False RevisionFailed", ...
    std::string condition(model::KindId kind, const std::string& name,
                          std::string_view type = "Ready") const {
        const auto object = get(kind, name);
        const auto conditions = object == nullptr ? model::Conditions() : conditions_of(*object);
        const auto* found = model::find_condition(conditions, type);
        if (found == nullptr) {
            return "absent";
        }
        return std::string(model::status_text(found->status)) +
               (found->reason.empty() ? "" : " " + found->reason);
    }

private:
    std::map<model::ObjectKey, ObjectPtr> objects_;
    std::uint64_t revision_ = 0;
};

}  // namespace tidemill::control
