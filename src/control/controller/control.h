// The service of the control role: watches what is wished, plans, writes, and tells proxies and
// agents.
#pragma once

#include <cstdint>
#include <map>
#include <memory>
#include <set>
#include <string>
#include <vector>

#include "async/event.h"
#include "async/loop.h"
#include "async/scope.h"
#include "async/task.h"
#include "control/controller/work_queue.h"
#include "control/fleet/fleet.h"
#include "control/images.h"
#include "control/route/plan.h"
#include "control/route/references.h"
#include "host/clock.h"
#include "link/session.h"
#include "link/table.h"
#include "model/settings/config.h"
#include "store/store.h"

namespace tidemill::control {

// All outlive the service.
struct ControlEnvironment {
    async::Loop& loop;
    host::Clock& clock;
    store::Store& store;
    Images& images;
};

struct ControlOptions {
    RouteSettings routes;
    // Where ConfigMaps that configure the platform lie (config-autoscaler and the like).
    std::string system_namespace = "knative-serving";
    // Objects worked on at once: what they write together is synced together, so that a burst costs
    // few syncs. A reconcile that waits is a few hundred bytes.
    std::size_t reconciles_max = 256;
    std::size_t image_lookups_max = 128;  // images looked up at once; some are pulled meanwhile
    FleetLimits fleet;
    base::Duration image_retry = std::chrono::seconds(5);  // doubles up to the next
    base::Duration image_retry_max = std::chrono::minutes(1);
    base::Duration sweep_every = std::chrono::minutes(1);
    base::Duration events_kept = std::chrono::hours(1);
};

// Level-triggered: each object is looked at whole, whatever happened to it, and planning again
// changes nothing. Controllers know each other only by what stands in the store. Safe to destroy at
// any time; one made anew on the same store goes on where it was. One thread.
class Control {
public:
    Control(const ControlEnvironment& environment, ControlOptions options);
    Control(const Control&) = delete;
    Control& operator=(const Control&) = delete;
    ~Control();

    // Begins to work. Errors: those of the store's watches.
    base::Status start();
    // Ends all work.
    void stop();

    // What to do with callers of each kind (link::keep_answering). They live as long as this.
    link::Session& proxies();
    link::Session& agents();

    // Everything that is known about why a Service is as it is: per revision its traffic, its
    // decisions with their inputs, its last cold starts with their waterfall. Errors: not_found.
    base::Result<model::JsonObject> explain(const std::string& namespace_name,
                                            const std::string& service) const;
    // Views, made now. All of a namespace, or of all namespaces where it is empty.
    std::vector<model::Object> pods(const std::string& namespace_name) const;
    std::vector<model::Object> deployments(const std::string& namespace_name) const;

    const Fleet& fleet() const { return fleet_; }
    // The tables that proxies and agents mirror, for adapters that speak otherwise.
    link::Table& proxy_table() { return proxy_table_; }
    link::Table& agent_table() { return agent_table_; }
    // Nothing is waiting to be looked at.
    bool idle() const { return queue_.idle(); }

    // The reports of peers; what the sessions call. `first` is an agent's whole table.
    enum class Whole : std::uint8_t { yes, no };
    void agent_connected() { fleet_.agent_connected(); }
    void agent_disconnected() { fleet_.agent_disconnected(); }
    void agent_endpoints(const link::TableReceiver::Change& change);
    void agent_said(const link::Message& message);
    void proxy_connected() { fleet_.proxy_connected(loop_.now()); }
    void proxy_disconnected() { fleet_.proxy_disconnected(); }
    void proxy_said(const link::Message& message);
    // True from the moment on that agents may mirror their table.
    bool agents_may_follow() const { return agents_may_follow_; }

private:
    class ProxySession;
    class AgentSession;

    Moment moment() const { return {loop_.now(), clock_.wall_now()}; }
    async::Task<void> watch(model::KindId kind);
    void noticed(const store::WatchEvent& event);
    void noticed_revision(const model::Object& revision);
    async::Task<void> work();
    async::Task<void> tick();
    async::Task<void> publish();
    async::Task<void> sweep();
    base::Status want_image(const model::Object& revision);
    async::Task<void> look_up_images();
    async::Task<void> look_up(model::ObjectKey key);

    async::Task<base::Status> reconcile(model::ObjectKey key);
    async::Task<base::Status> reconcile_service(ObjectPtr service);
    async::Task<base::Status> reconcile_configuration(ObjectPtr configuration);
    async::Task<base::Status> reconcile_revision(ObjectPtr revision);
    async::Task<base::Status> reconcile_route(model::ObjectKey key);
    TrafficWorld targets_of(const std::string& space, const std::string& name,
                            const model::Object* route) const;
    async::Task<base::Status> reconcile_namespace(ObjectPtr space);
    async::Task<base::Status> apply(Plan plan, ObjectPtr about);
    async::Task<base::Status> write(Change change);
    async::Task<void> record(Notice notice, ObjectPtr about);
    async::Task<base::Status> remove_old_events();

    ObjectPtr get(model::KindId kind, const std::string& space, std::string_view name) const;
    std::vector<ObjectPtr> list(model::KindId kind, const std::string& space,
                                model::TextMap labels) const;
    bool owner_exists(const model::Object& object, const model::OwnerReference& owner) const;
    void decide(const std::string& revision);
    void facts_changed(const std::string& revision);
    void publish_object(const model::Object& object);
    async::Task<void> tell_proxies(const Plan& plan);
    void unpublish_object(const model::ObjectKey& key);
    void read_platform();

    async::Loop& loop_;
    host::Clock& clock_;
    store::Store& store_;
    Images& images_;
    ControlOptions options_;
    model::PlatformConfig platform_;
    WorkQueue queue_;
    Fleet fleet_;
    link::Table proxy_table_;
    link::Table agent_table_;
    std::map<model::ObjectKey, std::set<std::string>> published_;  // keys in proxy_table_
    async::Event dirty_;
    async::Event proxies_moved_;  // one has applied a version, or is gone
    bool agents_may_follow_ = false;
    std::set<link::Connection*> agents_waiting_;
    RouteReferences references_;
    // Revisions whose image is to be looked up, and those for which that is being done.
    std::set<model::ObjectKey> images_wanted_;
    std::set<model::ObjectKey> looking_up_;
    std::size_t image_lookers_ = 0;
    struct LookUpAgain {
        base::Instant at;
        base::Duration pause{};
    };
    std::map<model::ObjectKey, LookUpAgain> look_up_again_;  // images that were not there
    std::unique_ptr<ProxySession> proxy_session_;
    std::unique_ptr<AgentSession> agent_session_;
    async::Scope scope_;  // last: what runs uses all of the above
};

}  // namespace tidemill::control
