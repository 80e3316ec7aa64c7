#include "control_world.h"

#include <fmt/format.h>

#include <algorithm>
#include <boost/json/parse.hpp>
#include <map>
#include <memory>
#include <optional>
#include <set>
#include <utility>
#include <vector>

#include "async/scope.h"
#include "base/text.h"
#include "control/autoscaler/explain.h"
#include "control/controller/control.h"
#include "control_peers.h"
#include "host/address.h"
#include "host_sim/sim_host.h"
#include "link/session.h"
#include "replay.h"
#include "store/local_store.h"

namespace tidemill::sim {

namespace {

using namespace std::chrono_literals;
using model::KindId;

constexpr std::string_view agent_address = "unix:/run/agent.sock";
constexpr std::string_view proxy_address = "unix:/run/proxy.sock";

class PlainSealer final : public store::Sealer {
public:
    base::Result<std::string> seal(std::string_view plain, std::string_view) override {
        return std::string(plain);
    }
    base::Result<std::string> unseal(std::string_view sealed, std::string_view) override {
        return std::string(sealed);
    }
};

// Every name is an image; one that begins with "none" is not there.
class SimImages final : public control::Images {
public:
    SimImages(async::Loop& loop, std::uint64_t seed) : loop_(loop), dice_(seed, "images") {}

    async::Task<base::Result<control::ImageFacts>> describe(
        control::ImageQuestion question) override {
        co_await async::sleep_for(loop_, dice_.between(1ms, 400ms));
        const auto name = question.image.substr(0, question.image.find('@'));
        if (name.starts_with("none")) {
            co_return base::fail(base::Code::not_found, "no such image");
        }
        control::ImageFacts facts;
        facts.digest = name + "@sha256:0";
        facts.entrypoint = {name};
        co_return facts;
    }

private:
    async::Loop& loop_;
    host_sim::Dice dice_;
};

// The processes of the control role; destroying one is kill -9.
class ControlProcess {
public:
    ControlProcess(host_sim::SimHost& machine, std::uint64_t seed, control::Images& images)
        : machine_(machine),
          offload_(machine.loop, seed, machine.options().offload),
          host_(machine.host("control")),
          images_(images),
          scope_(machine.loop, 8) {}

    base::Status start() {
        store::LocalStoreOptions options;
        options.directory = "/data/store";
        options.build = "0.1.0";
        options.ballast_bytes = 64U << 10;
        auto opened = store::LocalStore::open(
            {machine_.loop, machine_.clock, machine_.random, machine_.disk, offload_, sealer_},
            std::move(options));
        if (!opened) {
            return std::unexpected(opened.error());
        }
        store_ = *std::move(opened);
        control_ = std::make_unique<control::Control>(
            control::ControlEnvironment{machine_.loop, machine_.clock, *store_, images_},
            control::ControlOptions{});
        CHECK_OK(control_->start());
        CHECK_OK(answer(agent_address, agents_, control_->agents()));
        return answer(proxy_address, proxies_, control_->proxies());
    }
    store::Store& store() { return *store_; }
    control::Control& control() { return *control_; }
    async::Scope& scope() { return scope_; }

private:
    base::Status answer(std::string_view at, std::unique_ptr<host::Listener>& listener,
                        link::Session& session) {
        TRY(const auto address, host::parse_address(at));
        TRY(listener, host_.network.listen(address, {}));
        link::Hello hello;
        hello.role = "control";
        return scope_.spawn(link::keep_answering(host_, *listener, hello, session, {}, 16));
    }

    host_sim::SimHost& machine_;
    PlainSealer sealer_;
    host_sim::SimOffload offload_;
    host::Host host_;
    control::Images& images_;
    std::unique_ptr<store::LocalStore> store_;
    std::unique_ptr<control::Control> control_;
    std::unique_ptr<host::Listener> agents_;
    std::unique_ptr<host::Listener> proxies_;
    async::Scope scope_;  // last: conversations use control
};

host_sim::SimOptions draw(std::uint64_t seed) {
    auto options = host_sim::SimOptions::swarm(seed);
    // What a failing disk does to the store has a world of its own; here writes that fail are
    // enough.
    options.disk.read_fails_ppm = 0;
    options.network.delay_max = std::min<base::Duration>(options.network.delay_max, 60ms);
    options.offload.delay_max = std::min<base::Duration>(options.offload.delay_max, 20ms);
    return options;
}

// What a user asked for last.
struct Wish {
    std::string image;
    std::int32_t max = 0;
    std::int32_t min = 0;
    double load = 0;
    base::Instant loaded_since;
    base::Instant changed;
    std::int64_t writes = 0;
    bool deleted = false;
};

class ControlWorld {
public:
    explicit ControlWorld(std::uint64_t seed)
        : dice_(seed, "users"),
          seed_(seed),
          machine_(seed, draw(seed)),
          images_(machine_.loop, seed),
          agent_(machine_.loop, seed, [this](std::string why) { fail(std::move(why)); }),
          proxy_(agent_, [this](std::string why) { fail(std::move(why)); }),
          agent_host_(machine_.host("agent")),
          proxy_host_(machine_.host("proxy")),
          peers_(machine_.loop, 8) {
        agent_.audit = [this](const std::string& revision, std::uint32_t before, std::uint32_t next,
                              std::uint32_t max) { audit(revision, before, next, max); };
    }

    SimReport run();

private:
    void fail(std::string why) {
        if (!failure_) {
            failure_ = fmt::format("{} at {}", why, base::format_duration(elapsed()));
        }
    }
    base::Duration elapsed() const { return machine_.loop.now() - begin_; }
    void start_control();
    void kill_control();
    void act();
    void deploy(const std::string& name);
    void pin(const std::string& name);
    void annoy();
    void check_calm();
    void check_service(const std::string& name, const Wish& wish);
    void check_revision(const model::Object& revision);
    std::string why(const std::string& revision) const;
    void audit(const std::string& revision, std::uint32_t before, std::uint32_t next,
               std::uint32_t max);
    void check_latest_ready();
    std::vector<store::ObjectPtr> all(KindId kind) const;

    async::Task<void> call(host::Host& host, std::string_view at, link::Session& session,
                           std::string role);
    async::Task<void> agent_turns();
    async::Task<void> proxy_seconds();
    async::Task<void> write(model::Object object, bool create);
    async::Task<void> erase(model::ObjectKey key);

    host_sim::Dice dice_;
    std::uint64_t seed_;
    host_sim::SimHost machine_;
    SimImages images_;
    PeerAgent agent_;
    PeerProxy proxy_;
    host::Host agent_host_;
    host::Host proxy_host_;
    std::unique_ptr<ControlProcess> control_;
    std::uint64_t lives_ = 0;
    base::Instant begin_;
    std::optional<base::Instant> cut_since_;
    std::map<std::string, Wish> wishes_;
    std::set<std::string> once_ready_;                  // by uid
    std::map<std::string, std::int64_t> latest_ready_;  // by the Configuration's uid
    std::optional<std::string> failure_;
    std::map<std::string, std::uint64_t> probes_;
    async::Scope peers_;
};

std::string host_of(const std::string& service) {
    return service + ".default.localhost";
}

std::vector<store::ObjectPtr> ControlWorld::all(KindId kind) const {
    store::Query query;
    query.kind = kind;
    auto page = control_->store().list(query, {});
    return page ? std::move(page->items) : std::vector<store::ObjectPtr>();
}

void ControlWorld::start_control() {
    control_ = std::make_unique<ControlProcess>(machine_, seed_ + 1'000'003 * ++lives_, images_);
    if (const auto started = control_->start(); !started) {
        ++probes_["no start"];
        control_.reset();
        if (machine_.disk.options().write_fails_ppm == 0 &&
            machine_.disk.options().sync_fails_ppm == 0) {
            fail("control did not start: " + started.error().message);
        }
    }
}

void ControlWorld::kill_control() {
    control_.reset();
    ++probes_["kill"];
}

async::Task<void> ControlWorld::call(host::Host& host, std::string_view at, link::Session& session,
                                     std::string role) {
    link::Hello hello;
    hello.role = std::move(role);
    co_await link::keep_calling(host, *host::parse_address(at), hello, session, {});
}

async::Task<void> ControlWorld::agent_turns() {
    for (;;) {
        agent_.turn();
        co_await async::sleep_for(machine_.loop, 50ms);
    }
}

async::Task<void> ControlWorld::proxy_seconds() {
    for (;;) {
        proxy_.second(machine_.clock.wall_now());
        co_await async::sleep_for(machine_.loop, 1s);
    }
}

async::Task<void> ControlWorld::write(model::Object object, bool create) {
    if (create) {
        (void)co_await control_->store().create(std::move(object), {});
    } else {
        (void)co_await control_->store().update(std::move(object), {});
    }
}

async::Task<void> ControlWorld::erase(model::ObjectKey key) {
    store::DeleteOptions options;
    options.propagation =
        dice_.one_in(2) ? store::Propagation::foreground : store::Propagation::background;
    (void)co_await control_->store().remove(std::move(key), std::move(options));
}

void ControlWorld::deploy(const std::string& name) {
    auto& wish = wishes_[name];
    const auto key = model::ObjectKey{KindId::service, "default", name};
    const auto known = control_->store().get(key);
    if (known && (*known)->metadata.deletion_timestamp) {
        return;
    }
    const char* const images[] = {"good", "good", "good", "bad", "none"};
    wish.image = images[dice_.below(5)];
    wish.max = static_cast<std::int32_t>(dice_.below(4));
    wish.min = static_cast<std::int32_t>(dice_.below(wish.max == 0 ? 3 : 2));
    wish.deleted = false;
    wish.changed = machine_.loop.now();
    const auto text = fmt::format(
        R"({{"template": {{"metadata": {{"annotations": {{
              "autoscaling.knative.dev/window": "6s",
              "autoscaling.knative.dev/target": "10",
              "serving.knative.dev/progress-deadline": "30s",
              "autoscaling.knative.dev/max-scale": "{}",
              "autoscaling.knative.dev/min-scale": "{}"}}}},
            "spec": {{"containers": [{{"name": "user-container", "image": "{}:{}"}}]}}}},
            "traffic": [{{"latestRevision": true, "percent": 100}}]}})",
        wish.max, wish.min, wish.image, ++wish.writes);
    model::Object service{.kind = KindId::service, .metadata = {}, .body = {}};
    if (known) {
        service = **known;
        service.metadata.resource_version = 0;
    }
    service.metadata.namespace_name = "default";
    service.metadata.name = name;
    service.body["spec"] = boost::json::parse(text);
    (void)control_->scope().spawn(write(std::move(service), !known));
    ++probes_[known ? "update" : "deploy"];
}

void ControlWorld::pin(const std::string& name) {
    const auto known = control_->store().get({KindId::service, "default", name});
    if (!known || (*known)->metadata.deletion_timestamp) {
        return;
    }
    auto service = **known;
    service.metadata.resource_version = 0;
    auto& spec = service.body["spec"].as_object();
    const auto ready = std::string(model::text_at((*known)->status(), {"latestReadyRevisionName"}));
    if (ready.empty() || dice_.one_in(3)) {
        spec["traffic"] =
            model::JsonArray{model::JsonObject{{"latestRevision", true}, {"percent", 100}}};
    } else {
        spec["traffic"] = model::JsonArray{
            model::JsonObject{{"latestRevision", true}, {"percent", 40}, {"tag", "new"}},
            model::JsonObject{{"latestRevision", false}, {"percent", 60}, {"revisionName", ready}}};
        ++probes_["pin"];
    }
    wishes_[name].changed = machine_.loop.now();
    (void)control_->scope().spawn(write(std::move(service), false));
}

// Somebody else writes to what control keeps: conflicts, and drift that must go.
void ControlWorld::annoy() {
    const KindId kinds[] = {KindId::configuration, KindId::route, KindId::revision,
                            KindId::core_service};
    const auto objects = all(kinds[dice_.below(4)]);
    if (objects.empty()) {
        return;
    }
    auto object = *objects[dice_.below(objects.size())];
    object.metadata.labels["annoying"] = std::to_string(dice_.below(1000));
    object.metadata.resource_version = 0;
    (void)control_->scope().spawn(write(std::move(object), false));
    ++probes_["drift"];
}

void ControlWorld::act() {
    const std::string names[] = {"a", "b", "c"};
    const auto& name = names[dice_.below(3)];
    const auto what = dice_.below(20);
    if (control_ == nullptr) {
        start_control();
    } else if (what < 6) {
        deploy(name);
    } else if (what < 8) {
        pin(name);
    } else if (what < 10) {
        annoy();
    } else if (what < 11) {
        if (wishes_.contains(name)) {
            wishes_[name].deleted = true;
            wishes_[name].load = 0;
            proxy_.set_load(host_of(name), 0);
            (void)control_->scope().spawn(erase({KindId::service, "default", name}));
            ++probes_["delete"];
        }
    } else if (what < 14) {
        const double load = dice_.one_in(3) ? 0 : static_cast<double>(1 + dice_.below(60));
        if (auto found = wishes_.find(name); found != wishes_.end() && !found->second.deleted) {
            if (found->second.load == 0) {
                found->second.loaded_since = machine_.loop.now();
            }
            found->second.load = load;
            proxy_.set_load(host_of(name), load);
        }
    } else if (what < 17) {
        kill_control();
    } else if (what < 18) {
        machine_.network.reset_all(dice_.one_in(2) ? "agent" : "proxy");
        ++probes_["reset"];
    } else if (what < 19) {
        machine_.network.partition("control", "agent");
        cut_since_ = machine_.loop.now();
        ++probes_["partition"];
    } else {
        machine_.network.heal_all();
    }
}

void ControlWorld::audit(const std::string& revision, std::uint32_t before, std::uint32_t next,
                         std::uint32_t max) {
    if (max > 0 && next > max) {
        fail(fmt::format("{} instances of {} are wanted, above max-scale {}", next, revision, max));
    }
    if (before == 0 || next > 0 || control_ == nullptr) {
        return;
    }
    // Whoever serves load by the newest routes is not stopped, least of all by a new control that
    // has not heard of the load yet.
    const auto service = revision.substr(8, revision.rfind('-') - 8);
    const auto wish = wishes_.find(service);
    const auto now = machine_.loop.now();
    if (wish == wishes_.end() || wish->second.deleted || wish->second.load == 0 ||
        now - wish->second.loaded_since < 10s || now - wish->second.changed < 20s ||
        proxy_.load_of(revision) < 1 || agent_.ready(revision) == 0) {
        return;
    }
    // After a cut the agent hears what was right when there was no load.
    if (cut_since_ && now - *cut_since_ < 60s) {
        return;
    }
    fail(fmt::format("{} was stopped under a load of {}{}", revision, proxy_.load_of(revision),
                     why(revision)));
}

void ControlWorld::check_latest_ready() {
    if (control_ == nullptr) {
        return;
    }
    for (const auto& configuration : all(KindId::configuration)) {
        const auto name = model::text_at(configuration->status(), {"latestReadyRevisionName"});
        if (name.size() < 5) {
            continue;
        }
        const auto generation =
            base::parse_number<std::int64_t>(name.substr(name.size() - 5)).value_or(0);
        auto& latest = latest_ready_[configuration->metadata.uid];
        if (generation < latest) {
            fail(fmt::format("latestReady of {} went back to {}", configuration->metadata.name,
                             name));
        }
        latest = generation;
    }
    for (const auto& revision : all(KindId::revision)) {
        const auto* containers = model::find_member(revision->spec(), {"containers"});
        const auto image = model::text_at(containers->as_array()[0], {"image"});
        const auto full = "default/" + revision->metadata.name;
        if (control::is_ready(*revision) && agent_.serves_other(full, image)) {
            fail(fmt::format("{} is ready, but another program answers for it", full));
        }
        // Once it came up it may fail, but never again be somebody who is still to come.
        if (control::is_ready(*revision)) {
            once_ready_.insert(revision->metadata.uid);
        }
        const auto conditions = control::conditions_of(*revision);
        const auto* ready = model::find_condition(conditions, "Ready");
        if (ready != nullptr && ready->status == model::ConditionStatus::unknown &&
            once_ready_.contains(revision->metadata.uid)) {
            fail(fmt::format("{} was ready, and is {} now", full, ready->reason));
        }
    }
}

void ControlWorld::check_service(const std::string& name, const Wish& wish) {
    const auto service = control_->store().get({KindId::service, "default", name});
    if (wish.deleted || !service) {
        for (const auto kind :
             {KindId::configuration, KindId::route, KindId::revision, KindId::core_service}) {
            for (const auto& object : all(kind)) {
                const auto label = object->metadata.labels.find("serving.knative.dev/service");
                if (label != object->metadata.labels.end() && label->second == name && !service) {
                    fail(fmt::format("{} is left of a deleted service",
                                     model::describe(object->key())));
                }
            }
        }
        return;
    }
    const auto& object = **service;
    if (!control::is_observed(object)) {
        fail(name + ": its status is of an older generation");
    }
    const auto image = model::find_member(object.spec(), {"template", "spec", "containers"});
    const bool good = model::text_at(image->as_array()[0], {"image"}).starts_with("good");
    const auto created = model::text_at(object.status(), {"latestCreatedRevisionName"});
    const auto ready = model::text_at(object.status(), {"latestReadyRevisionName"});
    if (good != (created == ready && !ready.empty())) {
        fail(fmt::format("{}: created {}, ready {}, image {}{}", name, created, ready,
                         good ? "good" : "not good", why("default/" + std::string(created))));
    }
    if (good && !control::is_ready(object)) {
        fail(fmt::format("{}: not ready: {}", name,
                         boost::json::serialize(model::to_json(control::conditions_of(object)))));
    }
    if (!good && model::is_true(control::conditions_of(object), "Ready")) {
        fail(name + ": ready, although its latest revision fails");
    }
    for (const auto& revision : all(KindId::revision)) {
        const auto label = revision->metadata.labels.find("serving.knative.dev/service");
        if (label == revision->metadata.labels.end() || label->second != name) {
            continue;
        }
        check_revision(*revision);
    }
}

// What control has to say about it, for whoever replays the seed.
std::string ControlWorld::why(const std::string& revision) const {
    const auto decisions = control_->control().fleet().decisions(revision);
    return decisions.empty() ? "\n  never decided on"
                             : "\n" + control::explain_text(decisions.back().decision);
}

void ControlWorld::check_revision(const model::Object& revision) {
    const auto full = "default/" + revision.metadata.name;
    const auto load = proxy_.load_of(full);
    const auto running = agent_.running(full);
    const bool active =
        control::text_of(revision.metadata.labels, "serving.knative.dev/routingState") == "active";
    const auto min =
        base::parse_number<std::size_t>(
            control::text_of(revision.metadata.annotations, "autoscaling.knative.dev/min-scale"))
            .value_or(0);
    if (load >= 1 && agent_.ready(full) == 0) {
        fail(fmt::format("{} has a load of {} and nobody to serve it{}", full, load, why(full)));
    }
    if (load == 0 && !active && running > 0) {
        fail(fmt::format("{} runs, although no route leads to it{}", full, why(full)));
    }
    if (active && agent_.came_up(full) && running < min) {
        fail(fmt::format("{} runs {} of at least {}{}", full, running, min, why(full)));
    }
    if (load == 0 && min == 0 && running > 0) {
        fail(fmt::format("{} idles with {} instances{}", full, running, why(full)));
    }
}

void ControlWorld::check_calm() {
    for (const auto kind : {KindId::configuration, KindId::route}) {
        for (const auto& object : all(kind)) {
            if (object->metadata.labels.contains("annoying")) {
                fail(model::describe(object->key()) + " has drifted and stays so");
            }
        }
    }
    for (const auto& [name, wish] : wishes_) {
        check_service(name, wish);
    }
    for (const auto& revision : agent_.revisions()) {
        if (!control_->store().get({KindId::revision, "default", revision.substr(8)})) {
            fail(revision + " runs, although it is not there");
        }
    }
    for (const auto& [host, route] : proxy_.hosts()) {
        if (!control_->store().get({KindId::route, "default", route.route})) {
            fail(fmt::format("host {} is still routed", host));
        }
    }
}

SimReport ControlWorld::run() {
    auto& loop = machine_.loop;
    begin_ = loop.now();
    tell_trace(machine_);
    (void)peers_.spawn(call(agent_host_, agent_address, agent_, "agent"));
    (void)peers_.spawn(call(proxy_host_, proxy_address, proxy_, "proxy"));
    (void)peers_.spawn(agent_turns());
    (void)peers_.spawn(proxy_seconds());
    start_control();
    if (control_ != nullptr) {
        model::Object settings{.kind = KindId::config_map, .metadata = {}, .body = {}};
        settings.metadata.namespace_name = "knative-serving";
        settings.metadata.name = "config-autoscaler";
        settings.body["data"] = model::JsonObject{{"scale-to-zero-grace-period", "5s"}};
        (void)control_->scope().spawn(write(std::move(settings), true));
        loop.run_for(100ms);
    }
    const auto actions = 6 + dice_.below(26);
    for (std::uint64_t i = 0; i < actions && !failure_; ++i) {
        act();
        // A cut longer than a revision may take to come up is rightly its end.
        if (cut_since_ && loop.now() - *cut_since_ > 10s) {
            machine_.network.heal_all();
        }
        const auto pause = dice_.one_in(6) ? dice_.between(2s, 15s) : dice_.between(1ms, 1500ms);
        loop.run_for(pause);
        check_latest_ready();
    }
    machine_.disk.set_options({});
    if (control_ == nullptr && !failure_) {
        start_control();
    }
    machine_.network.heal_all();
    machine_.network.set_options({});
    // The longest way: image looked up again (5 s), window (6 s), grace (5 s), a sweep (60 s), and
    // the longest pause after a failure (30 s).
    loop.run_for(100s);
    if (!failure_) {
        check_latest_ready();
        check_calm();
    }
    SimReport report;
    report.failure = failure_;
    report.options = machine_.options().text();
    report.trace_hash = machine_.trace_hash();
    report.probes = probes_;
    control_.reset();
    peers_.cancel();
    return report;
}

}  // namespace

SimReport run_control_world(std::uint64_t seed) {
    return ControlWorld(seed).run();
}

}  // namespace tidemill::sim
