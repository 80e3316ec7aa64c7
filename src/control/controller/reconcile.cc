// Reading a world, planning it, and writing what the plan says: one function per kind.
#include <fmt/format.h>

#include <algorithm>
#include <utility>

#include "base/bytes.h"
#include "base/mutant.h"
#include "control/configuration/names.h"
#include "control/configuration/plan.h"
#include "control/controller/control.h"
#include "control/controller/sessions.h"
#include "control/gc/plan.h"
#include "control/revision/image_question.h"
#include "control/revision/plan.h"
#include "control/route/labels.h"
#include "control/route_table/route_table.h"
#include "control/service/plan.h"
#include "model/serving/serving.h"

namespace tidemill::control {

namespace {

using model::KindId;

base::Status not_found_is_done(base::Status status) {
    return status || status.error().code != base::Code::not_found ? std::move(status) : base::ok;
}

template <typename T>
base::Status status_of(base::Result<T> result) {
    if (!result) {
        return std::unexpected(std::move(result).error());
    }
    return base::ok;
}

}  // namespace

ObjectPtr Control::get(KindId kind, const std::string& space, std::string_view name) const {
    if (name.empty()) {
        return nullptr;
    }
    return store_.get({kind, space, std::string(name)}).value_or(nullptr);
}

std::vector<ObjectPtr> Control::list(KindId kind, const std::string& space,
                                     model::TextMap labels) const {
    store::Query query;
    query.kind = kind;
    query.namespace_name = space;
    query.labels = model::LabelSelector::of(labels);
    auto page = store_.list(query, {});
    return page ? std::move(page->items) : std::vector<ObjectPtr>();
}

async::Task<base::Status> Control::reconcile(model::ObjectKey key) {
    auto object = get(key.kind, key.namespace_name, key.name);
    if (key.kind == KindId::route) {
        co_return co_await reconcile_route(std::move(key));
    }
    if (object == nullptr) {
        unpublish_object(key);
        if (key.kind == KindId::revision && !TIDEMILL_MUTANT("control.deleted_goes_on_running")) {
            fleet_.drop(key.namespace_name + "/" + key.name);
            look_up_again_.erase(key);
            dirty_.set();
        }
        co_return base::ok;
    }
    switch (key.kind) {
        case KindId::service:
            co_return co_await reconcile_service(std::move(object));
        case KindId::configuration:
            co_return co_await reconcile_configuration(std::move(object));
        case KindId::revision:
            co_return co_await reconcile_revision(std::move(object));
        case KindId::core_namespace:
            co_return co_await reconcile_namespace(std::move(object));
        default:
            co_return base::ok;
    }
}

async::Task<base::Status> Control::reconcile_service(ObjectPtr service) {
    const auto& space = service->metadata.namespace_name;
    const auto& name = service->metadata.name;
    ServiceWorld world;
    world.service = service;
    world.configuration = get(KindId::configuration, space, name);
    world.route = get(KindId::route, space, name);
    world.named_revision = get(KindId::revision, space,
                               model::text_at(service->spec(), {"template", "metadata", "name"}));
    auto plan = plan_service(world, clock_.wall_now());
    co_return co_await apply(std::move(plan), std::move(service));
}

async::Task<base::Status> Control::reconcile_configuration(ObjectPtr configuration) {
    const auto& space = configuration->metadata.namespace_name;
    ConfigurationWorld world;
    world.configuration = configuration;
    world.revisions = list(KindId::revision, space,
                           {{std::string(serving::configuration), configuration->metadata.name}});
    world.named_revision = get(KindId::revision, space, revision_name(*configuration));
    auto plan = plan_configuration(world, clock_.wall_now());
    co_return co_await apply(std::move(plan), std::move(configuration));
}

async::Task<base::Status> Control::reconcile_revision(ObjectPtr revision) {
    const auto name = full_name(*revision);
    fleet_.take(*revision, platform_, moment());
    publish_object(*revision);
    CO_CHECK_OK(want_image(*revision));
    auto plan = plan_revision(*revision, fleet_.facts(name), clock_.wall_now());
    co_return co_await apply(std::move(plan), std::move(revision));
}

base::Status Control::want_image(const model::Object& revision) {
    const auto key = revision.key();
    if (fleet_.has_image(full_name(revision)) || revision.metadata.deletion_timestamp ||
        looking_up_.contains(key)) {
        return base::ok;
    }
    const auto again = look_up_again_.find(key);
    if (again != look_up_again_.end() && loop_.now() < again->second.at) {
        queue_.add_at(key, again->second.at);
        return base::ok;
    }
    images_wanted_.insert(key);
    if (image_lookers_ >= options_.image_lookups_max) {
        return base::ok;  // one of those who look takes it when it has ended what it does
    }
    ++image_lookers_;
    return scope_.spawn(look_up_images());
}

async::Task<void> Control::look_up_images() {
    while (!images_wanted_.empty()) {
        auto key = images_wanted_.extract(images_wanted_.begin()).value();
        co_await look_up(std::move(key));
    }
    --image_lookers_;
}

async::Task<void> Control::look_up(model::ObjectKey key) {
    const auto asked = get(KindId::revision, key.namespace_name, key.name);
    if (asked == nullptr || fleet_.has_image(full_name(*asked)) ||
        !looking_up_.insert(key).second) {
        co_return;
    }
    const auto find = [&](KindId kind, const std::string& wanted) {
        return get(kind, key.namespace_name, wanted);
    };
    auto facts = co_await images_.describe(make_image_question(*asked, find));
    looking_up_.erase(key);
    const auto revision = get(KindId::revision, key.namespace_name, key.name);
    if (revision == nullptr || revision->metadata.uid != asked->metadata.uid) {
        co_return;
    }
    const auto name = full_name(*revision);
    auto problem = facts ? std::string() : facts.error().message;
    if (facts) {
        auto instance =
            make_instance_spec(*revision, *facts, platform_.deployment.progress_deadline, find);
        if (instance) {
            fleet_.set_image(name, *std::move(instance), facts->digest);
        } else {
            problem = instance.error().message;
        }
    }
    if (problem.empty()) {
        look_up_again_.erase(key);
    } else {
        fleet_.set_image_problem(name, std::move(problem));
        // A registry that refuses is not asked every few seconds for ever.
        auto& again = look_up_again_[key];
        again.pause = again.pause == base::Duration{}
                          ? options_.image_retry
                          : std::min(again.pause * 2, options_.image_retry_max);
        again.at = loop_.now() + again.pause;
    }
    decide(name);
}

// What a Route names, what follows from that, and what it is written on.
TrafficWorld Control::targets_of(const std::string& space, const std::string& name,
                                 const model::Object* route) const {
    TrafficWorld world;
    const auto add = [&](KindId kind, std::string_view target) {
        auto& into = kind == KindId::revision ? world.revisions : world.configurations;
        if (target.empty() || into.contains(target)) {
            return;
        }
        if (auto object = get(kind, space, target)) {
            into.emplace(target, std::move(object));
        }
    };
    for (const auto& target : references_.written_on(space, name)) {
        add(target.kind, target.name);
    }
    const auto names = route == nullptr ? TrafficNames() : names_in_traffic(*route);
    for (const auto& target : names.revisions) {
        add(KindId::revision, target);
    }
    for (const auto& target : names.configurations) {
        add(KindId::configuration, target);
    }
    for (const auto& [target, revision] : world.revisions) {
        add(KindId::configuration, text_of(revision->metadata.labels, serving::configuration));
        if (const auto* owner = revision->metadata.controller();
            owner != nullptr && owner->kind == model::kind_of(KindId::configuration).kind) {
            add(KindId::configuration, owner->name);
        }
    }
    for (const auto& [target, configuration] : world.configurations) {
        for (const auto* field : {"latestCreatedRevisionName", "latestReadyRevisionName"}) {
            add(KindId::revision, model::text_at(configuration->status(), {field}));
        }
    }
    return world;
}

async::Task<base::Status> Control::reconcile_route(model::ObjectKey key) {
    const auto& space = key.namespace_name;
    auto route = get(KindId::route, space, key.name);
    RouteWorld world;
    world.traffic = targets_of(space, key.name, route.get());
    LabelWorld labels;
    labels.route = route;
    labels.route_name = key.name;
    for (const auto& [name, revision] : world.traffic.revisions) {
        labels.revisions.push_back(revision);
    }
    for (const auto& [name, configuration] : world.traffic.configurations) {
        labels.configurations.push_back(configuration);
    }
    auto label_plan = plan_routing_labels(labels, clock_.wall_now());
    if (route == nullptr) {
        if (!TIDEMILL_MUTANT("control.deleted_stays_routed")) {
            unpublish_object(key);
        }
        co_return co_await apply(std::move(label_plan), nullptr);
    }
    publish_object(*route);
    world.route = route;
    world.placeholders =
        list(KindId::core_service, space, {{std::string(serving::route), key.name}});
    for (const auto& name : placeholder_names(*route, options_.routes)) {
        if (auto reserved = get(KindId::core_service, space, name);
            reserved != nullptr &&
            std::ranges::find(world.placeholders, reserved) == world.placeholders.end()) {
            world.placeholders.push_back(std::move(reserved));
        }
    }
    auto plan = plan_route_object(world, options_.routes, clock_.wall_now());
    co_await tell_proxies(plan);
    CO_CHECK_OK(co_await apply(std::move(plan), std::move(route)));
    co_return co_await apply(std::move(label_plan), nullptr);
}

// Every namespace has an account for what runs in it.
async::Task<base::Status> Control::reconcile_namespace(ObjectPtr space) {
    const auto& name = space->metadata.name;
    if (space->metadata.deletion_timestamp ||
        get(KindId::service_account, name, "default") != nullptr) {
        co_return base::ok;
    }
    Plan plan;
    model::Object account{.kind = KindId::service_account, .metadata = {}, .body = {}};
    account.metadata.namespace_name = name;
    account.metadata.name = "default";
    plan.changes.push_back({Action::create, std::move(account)});
    co_return co_await apply(std::move(plan), nullptr);
}

async::Task<base::Status> Control::apply(Plan plan, ObjectPtr about) {
    for (auto& change : plan.changes) {
        CO_CHECK_OK(co_await write(std::move(change)));
    }
    if (about != nullptr) {
        for (auto& notice : plan.notices) {
            co_await record(std::move(notice), about);
        }
    }
    co_return base::ok;
}

// A conflict means that the plan was made from an old state: the caller fails, and plans anew.
async::Task<base::Status> Control::write(Change change) {
    switch (change.action) {
        case Action::create:
            co_return status_of(co_await store_.create(std::move(change.object), {}));
        case Action::update:
            co_return status_of(co_await store_.update(std::move(change.object), {}));
        case Action::update_status:
            co_return status_of(co_await store_.update_status(std::move(change.object), {}));
        case Action::remove: {
            store::DeleteOptions options;
            options.uid = change.object.metadata.uid;
            options.resource_version = change.object.metadata.resource_version;
            auto key = change.object.key();
            auto removed = co_await store_.remove(std::move(key), std::move(options));
            co_return not_found_is_done(status_of(std::move(removed)));
        }
    }
    co_return base::ok;
}

// The same notice about the same object is one Event with a count, so that a loop of failures does
// not fill the store. Best effort: an Event that cannot be written is not worth a retry.
async::Task<void> Control::record(Notice notice, ObjectPtr about) {
    const auto& kind = model::kind_of(about->kind);
    const auto now = base::format_rfc3339(clock_.wall_now());
    model::Object event{.kind = KindId::event, .metadata = {}, .body = {}};
    event.metadata.namespace_name = about->metadata.namespace_name;
    event.metadata.name =
        fmt::format("{}.{:016x}", about->metadata.name,
                    base::fnv1a(about->metadata.uid + "/" + notice.reason + "/" + notice.message));
    std::int64_t count = 1;
    const auto known = get(KindId::event, event.metadata.namespace_name, event.metadata.name);
    if (known != nullptr) {
        event = *known;
        const auto* before = model::find_member(event.body, {"count"});
        count += before == nullptr ? 0 : model::integer_of(*before).value_or(0);
    } else {
        event.body["firstTimestamp"] = now;
        event.body["involvedObject"] =
            model::JsonObject{{"apiVersion", kind.api_version()},
                              {"kind", model::as_json(kind.kind)},
                              {"namespace", about->metadata.namespace_name},
                              {"name", about->metadata.name},
                              {"uid", about->metadata.uid}};
        event.body["reason"] = notice.reason;
        event.body["message"] = notice.message;
        event.body["type"] = notice.type == Notice::Type::normal ? "Normal" : "Warning";
        event.body["source"] = model::JsonObject{{"component", "tidemill-control"}};
    }
    event.body["lastTimestamp"] = now;
    event.body["count"] = count;
    if (known != nullptr) {
        (void)co_await store_.update(std::move(event), {});
    } else {
        (void)co_await store_.create(std::move(event), {});
    }
}

bool Control::owner_exists(const model::Object& object, const model::OwnerReference& owner) const {
    for (const auto kind :
         {KindId::service, KindId::configuration, KindId::revision, KindId::route}) {
        if (model::kind_of(kind).kind == owner.kind &&
            model::kind_of(kind).api_version() == owner.api_version) {
            const auto found = get(kind, object.metadata.namespace_name, owner.name);
            return found != nullptr && found->metadata.uid == owner.uid;
        }
    }
    return true;  // of a kind that is not ours to judge
}

async::Task<base::Status> Control::remove_old_events() {
    for (const auto& event : list(KindId::event, "", {})) {
        const auto last =
            base::parse_rfc3339(model::text_at(event->body, {"lastTimestamp"}))
                .value_or(event->metadata.creation_timestamp.value_or(clock_.wall_now()));
        if (clock_.wall_now() - last > options_.events_kept) {
            Change change{Action::remove, *event};
            CO_CHECK_OK(co_await write(std::move(change)));
        }
    }
    co_return base::ok;
}

async::Task<void> Control::sweep() {
    for (;;) {
        co_await async::sleep_for(loop_, options_.sweep_every);
        std::vector<ObjectPtr> owned;
        for (const auto kind :
             {KindId::configuration, KindId::revision, KindId::route, KindId::core_service}) {
            const auto all = list(kind, "", {});
            owned.insert(owned.end(), all.begin(), all.end());
        }
        Plan orphans;
        for (const auto& object : owned) {
            auto plan = plan_orphan_sweep({object}, [&](const model::OwnerReference& owner) {
                return owner_exists(*object, owner);
            });
            std::ranges::move(plan.changes, std::back_inserter(orphans.changes));
        }
        (void)co_await apply(std::move(orphans), nullptr);
        for (const auto& configuration : list(KindId::configuration, "", {})) {
            auto revisions =
                list(KindId::revision, configuration->metadata.namespace_name,
                     {{std::string(serving::configuration), configuration->metadata.name}});
            auto plan = plan_revision_gc(*configuration, std::move(revisions), platform_.gc,
                                         clock_.wall_now());
            (void)co_await apply(std::move(plan), nullptr);
        }
        (void)co_await remove_old_events();
    }
}

}  // namespace tidemill::control
