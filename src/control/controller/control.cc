#include "control/controller/control.h"

#include <algorithm>
#include <utility>

#include "async/deadline.h"
#include "control/controller/sessions.h"
#include "control/route_table/route_table.h"
#include "link/codec.h"

namespace tidemill::control {

namespace {

using model::KindId;

// What is watched: a change of any of these may change what follows from it.
constexpr KindId watched[] = {KindId::service,   KindId::configuration, KindId::revision,
                              KindId::route,     KindId::core_service,  KindId::core_namespace,
                              KindId::config_map};

model::ObjectKey sibling(const model::Object& object, KindId kind, std::string_view name) {
    return {kind, object.metadata.namespace_name, std::string(name)};
}

}  // namespace

Control::Control(const ControlEnvironment& environment, ControlOptions options)
    : loop_(environment.loop),
      clock_(environment.clock),
      store_(environment.store),
      images_(environment.images),
      options_(std::move(options)),
      queue_(loop_, {}),
      fleet_(options_.fleet),
      dirty_(loop_),
      proxies_moved_(loop_),
      proxy_session_(std::make_unique<ProxySession>(*this)),
      agent_session_(std::make_unique<AgentSession>(*this)),
      scope_(loop_, options_.reconciles_max + options_.image_lookups_max + 16) {}

Control::~Control() = default;

link::Session& Control::proxies() {
    return *proxy_session_;
}

link::Session& Control::agents() {
    return *agent_session_;
}

base::Status Control::start() {
    read_platform();
    // Revisions first, so that the fleet is whole before any agent is heard.
    for (const auto& revision : list(KindId::revision, "", {})) {
        noticed_revision(*revision);
    }
    // And the whole table of proxies, so that one that has been serving loses nothing by our start.
    for (const auto kind : {KindId::revision, KindId::route}) {
        for (const auto& object : list(kind, "", {})) {
            publish_object(*object);
        }
    }
    proxy_table_.commit();
    for (const auto kind : watched) {
        CHECK_OK(scope_.spawn(watch(kind)));
    }
    for (std::size_t i = 0; i < options_.reconciles_max; ++i) {
        CHECK_OK(scope_.spawn(work()));
    }
    CHECK_OK(scope_.spawn(tick()));
    CHECK_OK(scope_.spawn(publish()));
    return scope_.spawn(sweep());
}

void Control::stop() {
    scope_.cancel();
}

void Control::read_platform() {
    auto platform = model::PlatformConfig();
    for (const auto& object : list(KindId::config_map, options_.system_namespace, {})) {
        model::TextMap data;
        if (const auto* map = model::find_member(object->body, {"data"});
            map != nullptr && map->is_object()) {
            for (const auto& entry : map->get_object()) {
                if (entry.value().is_string()) {
                    data.emplace(entry.key(), model::as_view(entry.value().get_string()));
                }
            }
        }
        // One that cannot be read leaves the last good one in force.
        if (!model::apply_config_map(platform, object->metadata.name, data)) {
            return;
        }
    }
    if (platform == platform_) {
        return;
    }
    platform_ = std::move(platform);
    options_.routes.network = platform_.network;
    for (const auto kind : {KindId::revision, KindId::route}) {
        for (const auto& object : list(kind, "", {})) {
            queue_.add(object->key());
        }
    }
}

async::Task<void> Control::watch(KindId kind) {
    for (;;) {
        store::Query query;
        query.kind = kind;
        store::WatchOptions options;
        options.initial = store::WatchOptions::Initial::objects;
        references_.forget(kind);
        auto stream = store_.watch(std::move(query), std::move(options));
        while (stream) {
            auto event = co_await (*stream)->next();
            if (!event) {
                break;
            }
            noticed(*event);
        }
        // Fell behind: everything that was known of this kind is looked at again, since a deletion
        // may be among what was missed.
        for (const auto& name :
             kind == KindId::revision ? fleet_.names() : std::vector<std::string>()) {
            const auto slash = name.find('/');
            queue_.add({kind, name.substr(0, slash), name.substr(slash + 1)});
        }
        for (const auto& [key, keys] : published_) {
            queue_.add(key);
        }
        co_await async::sleep_for(loop_, std::chrono::milliseconds(100));
    }
}

void Control::noticed_revision(const model::Object& revision) {
    fleet_.take(revision, platform_, moment());
}

void Control::noticed(const store::WatchEvent& event) {
    if (event.object == nullptr) {
        return;
    }
    const auto& object = *event.object;
    const bool gone = event.type == store::WatchEvent::Type::deleted;
    queue_.add(object.key());
    if (gone) {
        references_.erase(object.key());
    } else {
        references_.put(object);
    }
    if (const auto* owner = object.metadata.controller()) {
        for (const auto kind : {KindId::service, KindId::configuration, KindId::route}) {
            if (model::kind_of(kind).kind == owner->kind) {
                queue_.add(sibling(object, kind, owner->name));
            }
        }
    }
    switch (object.kind) {
        case KindId::revision:
            if (!gone) {
                noticed_revision(object);
            }
            [[fallthrough]];
        case KindId::configuration:
            for (const auto& route : references_.routes_of(object)) {
                queue_.add(sibling(object, KindId::route, route));
            }
            break;
        case KindId::config_map:
            if (object.metadata.namespace_name == options_.system_namespace) {
                read_platform();
            }
            break;
        default:
            break;
    }
}

async::Task<void> Control::work() {
    for (;;) {
        const auto key = co_await queue_.take();
        const auto status = co_await reconcile(key);
        queue_.done(key, status ? WorkQueue::Outcome::settled : WorkQueue::Outcome::failed);
    }
}

async::Task<void> Control::tick() {
    for (;;) {
        co_await async::sleep_for(loop_, RevisionAutoscaler::tick);
        for (const auto& name : fleet_.decide_all(moment())) {
            facts_changed(name);
        }
        if (!agents_may_follow_ || fleet_.has_untold()) {
            dirty_.set();  // patience with images may have ended
        }
    }
}

void Control::facts_changed(const std::string& revision) {
    const auto slash = revision.find('/');
    queue_.add({KindId::revision, revision.substr(0, slash), revision.substr(slash + 1)});
    dirty_.set();
}

void Control::decide(const std::string& revision) {
    (void)fleet_.decide(revision, moment());
    facts_changed(revision);
}

async::Task<void> Control::publish() {
    for (;;) {
        co_await dirty_.wait();
        // What happens together is told together.
        co_await async::yield(loop_);
        dirty_.reset();
        proxy_table_.commit();
        const auto wanted = fleet_.take_untold(loop_.now());
        if (!wanted) {
            continue;
        }
        for (const auto& revision : wanted->puts) {
            agent_table_.put(revision);
        }
        for (const auto& revision : wanted->gone) {
            agent_table_.erase(link::key_of(revision));
        }
        agent_table_.commit();
        agents_may_follow_ = true;
        for (auto* connection : std::exchange(agents_waiting_, {})) {
            connection->follow(agent_table_);
        }
    }
}

void Control::publish_object(const model::Object& object) {
    std::vector<link::Message> messages;
    if (object.kind == KindId::revision) {
        messages.emplace_back(revision_policy(object));
    } else {
        for (auto& host : host_routes(object, options_.routes)) {
            messages.emplace_back(std::move(host));
        }
    }
    std::set<std::string> keys;
    for (const auto& message : messages) {
        keys.insert(link::key_of(message));
        proxy_table_.put(message);
    }
    auto& known = published_[object.key()];
    for (const auto& key : known) {
        if (!keys.contains(key)) {
            proxy_table_.erase(key);
        }
    }
    known = std::move(keys);
    dirty_.set();
}

namespace {

// How long a proxy may take to apply a table before a status no longer waits for it.
constexpr base::Duration proxy_patience = std::chrono::seconds(1);

async::Task<base::Result<base::Unit>> wait_for(async::Event& event) {
    co_await event.wait();
    co_return base::ok;
}

}  // namespace

// Proxies route by what a status will say before it says so: who sees a Route become ready, or a
// tag come, may call it at once.
async::Task<void> Control::tell_proxies(const Plan& plan) {
    for (const auto& change : plan.changes) {
        if (change.action == Action::update_status && change.object.kind == KindId::route) {
            publish_object(change.object);
        }
    }
    proxy_table_.commit();
    const auto version = proxy_table_.version();
    const auto until = loop_.now() + proxy_patience;
    while (!proxy_session_->all_applied(version) && loop_.now() < until) {
        proxies_moved_.reset();
        (void)co_await async::with_deadline(loop_, until, wait_for(proxies_moved_));
    }
}

void Control::unpublish_object(const model::ObjectKey& key) {
    const auto found = published_.extract(key);
    if (!found) {
        return;
    }
    for (const auto& message_key : found.mapped()) {
        proxy_table_.erase(message_key);
    }
    dirty_.set();
}

void Control::agent_endpoints(const link::TableReceiver::Change& change) {
    std::set<std::string> touched;
    if (change.mode == link::Begin::Mode::replace) {
        for (const auto& name : fleet_.names_with_endpoints()) {
            touched.insert(name);
        }
    }
    for (const auto& message : change.puts) {
        if (const auto* endpoints = std::get_if<link::RevisionEndpoints>(&message)) {
            touched.erase(endpoints->revision);
            if (fleet_.endpoints(*endpoints)) {
                decide(endpoints->revision);
            }
        }
    }
    for (const auto& message : change.deletes) {
        if (const auto* gone = std::get_if<link::DeleteEndpoints>(&message)) {
            touched.insert(gone->revision);
        }
    }
    for (const auto& name : touched) {
        if (fleet_.no_endpoints(name)) {
            decide(name);
        }
    }
    fleet_.agent_heard(loop_.now());
    if (change.mode == link::Begin::Mode::replace) {
        for (const auto& name : fleet_.decide_all(moment())) {
            facts_changed(name);
        }
    }
    dirty_.set();
}

void Control::agent_said(const link::Message& message) {
    if (const auto* report = std::get_if<link::InstanceReport>(&message)) {
        fleet_.report(*report);
        facts_changed(report->revision);
    } else if (const auto* start = std::get_if<link::ColdStart>(&message)) {
        fleet_.cold_start(*start);
    }
}

void Control::proxy_said(const link::Message& message) {
    if (const auto* stats = std::get_if<link::RevisionStats>(&message)) {
        if (fleet_.stats(*stats, loop_.now())) {
            decide(stats->revision);
        }
    } else if (const auto* held = std::get_if<link::HeldRequest>(&message)) {
        fleet_.held_request(*held);
    }
}

}  // namespace tidemill::control
