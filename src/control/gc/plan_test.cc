#include "control/gc/plan.h"

#include <gtest/gtest.h>

#include "control/plan_fixture.h"

namespace tidemill::control {
namespace {

using namespace std::chrono_literals;

constexpr base::WallTime now{1'800'000'000'000'000'000};

// A revision of a name, so old, last used so long ago.
ObjectPtr revision(const char* name, base::Duration age, base::Duration idle,
                   const char* state = "reserve", const char* no_gc = "") {
    model::Object object{.kind = model::KindId::revision, .metadata = {}, .body = {}};
    object.metadata.namespace_name = "default";
    object.metadata.name = name;
    object.metadata.creation_timestamp = base::WallTime{now.ns - age.count()};
    object.metadata.labels[std::string(serving::routing_state)] = state;
    object.metadata.annotations[std::string(serving::routing_state_modified)] =
        base::format_rfc3339(base::WallTime{now.ns - idle.count()});
    object.metadata.annotations[std::string(serving::no_gc)] = no_gc;
    return std::make_shared<const model::Object>(std::move(object));
}

struct Case {
    const char* name;
    std::vector<ObjectPtr> revisions;
    std::int64_t min;
    std::optional<std::int64_t> max;
    std::string want;  // names removed, in order
};

TEST(RevisionGc, Table) {
    const Case cases[] = {
        {"old and long unused goes", {revision("a", 49h, 16h)}, 0, 1000, "a "},
        {"young stays", {revision("a", 47h, 16h)}, 0, 1000, ""},
        {"lately used stays", {revision("a", 49h, 14h)}, 0, 1000, ""},
        {"what a route leads to stays", {revision("a", 49h, 16h, "active")}, 0, 1000, ""},
        {"what nobody decided on stays", {revision("a", 49h, 16h, "pending")}, 0, 1000, ""},
        {"what is marked stays", {revision("a", 49h, 16h, "reserve", "True")}, 0, 1000, ""},
        {"the latest ready stays", {revision("latest", 49h, 16h)}, 0, 1000, ""},
        {"so many stay, the longest unused go first",
         {revision("a", 49h, 16h), revision("b", 49h, 18h), revision("c", 49h, 17h)},
         1,
         1000,
         "b c "},
        {"above the maximum even young ones go",
         {revision("a", 3h, 1h), revision("b", 3h, 3h), revision("c", 3h, 2h)},
         0,
         1,
         "b c "},
        {"no maximum, no such end", {revision("a", 3h, 1h), revision("b", 3h, 3h)}, 0, {}, ""},
    };
    auto configuration = PlanFixture::parse(R"({"apiVersion": "serving.knative.dev/v1",
        "kind": "Configuration", "metadata": {"name": "c"},
        "status": {"latestReadyRevisionName": "latest"}})");
    for (const auto& c : cases) {
        model::GcConfig config;
        config.min_non_active_revisions = c.min;
        config.max_non_active_revisions = c.max;
        std::string removed;
        for (const auto& change :
             plan_revision_gc(configuration, c.revisions, config, now).changes) {
            EXPECT_EQ(change.action, Action::remove);
            removed += change.object.metadata.name + " ";
        }
        EXPECT_EQ(removed, c.want) << c.name;
    }
}

TEST(OrphanSweep, RemovesWhatHasLostItsController) {
    PlanFixture world;
    const auto owner = world.put(PlanFixture::parse(
        R"({"apiVersion": "serving.knative.dev/v1", "kind": "Service", "metadata": {"name": "s"}})"));
    auto child = PlanFixture::parse(
        R"({"apiVersion": "serving.knative.dev/v1", "kind": "Route", "metadata": {"name": "s"}})");
    const auto free = world.put(child);
    child.metadata.owner_references = {model::controller_reference(*owner)};
    child.metadata.name = "owned";
    const auto owned = world.put(child);
    const auto all = std::vector<ObjectPtr>{free, owned};
    EXPECT_TRUE(plan_orphan_sweep(all, [](const auto&) { return true; }).changes.empty());
    const auto plan = plan_orphan_sweep(all, [](const auto&) { return false; });
    ASSERT_EQ(plan.changes.size(), 1U);
    EXPECT_EQ(plan.changes[0].object.metadata.name, "owned");
}

}  // namespace
}  // namespace tidemill::control
