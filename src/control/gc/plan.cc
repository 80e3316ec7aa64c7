#include "control/gc/plan.h"

#include <algorithm>
#include <utility>

#include "base/text.h"

namespace tidemill::control {

namespace {

using model::Object;

bool is_active(const Object& revision, const Object& configuration) {
    return model::text_at(configuration.status(), {"latestReadyRevisionName"}) ==
               revision.metadata.name ||
           base::equals_ignoring_case(text_of(revision.metadata.annotations, serving::no_gc),
                                      "true") ||
           text_of(revision.metadata.labels, serving::routing_state) != "reserve";
}

base::WallTime created(const Object& revision) {
    return revision.metadata.creation_timestamp.value_or(base::WallTime{});
}

base::WallTime last_active(const Object& revision) {
    return base::parse_rfc3339(
               text_of(revision.metadata.annotations, serving::routing_state_modified))
        .value_or(created(revision));
}

bool is_stale(const Object& revision, const model::GcConfig& config, base::WallTime now) {
    if (!config.retain_since_create_time && !config.retain_since_last_active_time) {
        return false;
    }
    if (config.retain_since_create_time &&
        now - created(revision) < *config.retain_since_create_time) {
        return false;
    }
    return !config.retain_since_last_active_time ||
           now - last_active(revision) >= *config.retain_since_last_active_time;
}

}  // namespace

Plan plan_revision_gc(const Object& configuration, std::vector<ObjectPtr> revisions,
                      const model::GcConfig& config, base::WallTime now) {
    Plan plan;
    std::erase_if(revisions, [&](const ObjectPtr& it) {
        return is_active(*it, configuration) || it->metadata.deletion_timestamp;
    });
    std::ranges::sort(revisions, [](const ObjectPtr& a, const ObjectPtr& b) {
        return std::pair(last_active(*a), a->metadata.name) <
               std::pair(last_active(*b), b->metadata.name);
    });
    const auto kept_min =
        static_cast<std::size_t>(std::max<std::int64_t>(0, config.min_non_active_revisions));
    const auto removable = revisions.size() > kept_min ? revisions.size() - kept_min : 0;
    std::vector<ObjectPtr> kept;
    for (const auto& revision : revisions) {
        if (plan.changes.size() < removable && is_stale(*revision, config, now)) {
            plan.changes.push_back({Action::remove, *revision});
        } else {
            kept.push_back(revision);
        }
    }
    if (plan.changes.size() >= removable || !config.max_non_active_revisions) {
        return plan;
    }
    const auto kept_max =
        static_cast<std::size_t>(std::max<std::int64_t>(0, *config.max_non_active_revisions));
    for (std::size_t i = 0; i + kept_max < kept.size(); ++i) {
        plan.changes.push_back({Action::remove, *kept[i]});
    }
    return plan;
}

Plan plan_orphan_sweep(const std::vector<ObjectPtr>& objects,
                       const std::function<bool(const model::OwnerReference&)>& exists) {
    Plan plan;
    for (const auto& object : objects) {
        const auto* owner = object->metadata.controller();
        if (owner != nullptr && !object->metadata.deletion_timestamp && !exists(*owner)) {
            plan.changes.push_back({Action::remove, *object});
        }
    }
    return plan;
}

}  // namespace tidemill::control
