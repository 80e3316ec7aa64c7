#include "app/control/platform_views.h"

#include <utility>

#include "control/views/views.h"

namespace tidemill::app {
namespace {

using namespace std::chrono_literals;

// Views have no change feed of their own; a person who watches pods sees a change this late at
// most.
constexpr auto look_every = 100ms;

class RelayedLog final : public api::LogStream {
public:
    RelayedLog(LogRelay& relay, link::LogRequest request) : reading_(relay, std::move(request)) {}
    async::Task<base::Result<std::optional<std::string>>> next() override {
        return reading_.next();
    }
    async::Task<base::Status> found() { return reading_.found(); }

private:
    LogRelay::Reading reading_;
};

}  // namespace

PlatformViews::PlatformViews(host::Host& host, const control::Control& control, LogRelay& logs)
    : host_(host), control_(control), logs_(logs) {}

const PlatformViews::Known& PlatformViews::refresh(model::KindId kind) const {
    auto& known = known_[kind];
    if (known.revision == 1) {
        // Above any value from before a restart.
        known.revision = static_cast<std::uint64_t>(host_.clock.wall_now().ns / 1'000);
    }
    auto fresh = kind == model::KindId::pod ? control_.pods({}) : control_.deployments({});
    std::map<std::string, store::ObjectPtr> objects;
    bool changed = fresh.size() != known.objects.size();
    const std::uint64_t next = known.revision + 1;
    for (auto& object : fresh) {
        const auto key = object.metadata.namespace_name + "/" + object.metadata.name;
        const auto before = known.objects.find(key);
        if (before != known.objects.end()) {
            object.metadata.resource_version = before->second->metadata.resource_version;
            if (*before->second == object) {
                objects[key] = before->second;
                continue;
            }
        }
        changed = true;
        object.metadata.resource_version = next;
        objects[key] = std::make_shared<const model::Object>(std::move(object));
    }
    if (changed) {
        known.revision = next;
        known.objects = std::move(objects);
    }
    return known;
}

api::Instances::Snapshot PlatformViews::views(model::KindId kind) const {
    const auto& known = refresh(kind);
    Snapshot snapshot;
    snapshot.revision = known.revision;
    for (const auto& [key, object] : known.objects) {
        snapshot.objects.push_back(object);
    }
    return snapshot;
}

async::Task<void> PlatformViews::changed(model::KindId kind, std::uint64_t seen) {
    while (refresh(kind).revision == seen) {
        co_await async::sleep_for(host_.loop, look_every);
    }
}

async::Task<base::Result<std::unique_ptr<api::LogStream>>> PlatformViews::logs(
    api::LogQuery query) {
    const auto& known = refresh(model::KindId::pod);
    const auto pod = known.objects.find(query.namespace_name + "/" + query.pod);
    if (pod == known.objects.end()) {
        co_return base::fail(base::Code::not_found, "no pod {} in namespace {}", query.pod,
                             query.namespace_name);
    }
    link::LogRequest request;
    request.instance =
        pod->second->metadata.annotations.at(std::string(control::instance_annotation));
    request.mode = query.mode == api::LogQuery::Mode::follow ? link::LogRequest::Mode::follow
                                                             : link::LogRequest::Mode::once;
    const bool wants_previous = query.which == api::LogQuery::Which::previous;
    request.which =
        wants_previous ? link::LogRequest::Which::previous : link::LogRequest::Which::current;
    request.tail_lines = query.tail_lines;
    request.since = query.since;
    auto log = std::make_unique<RelayedLog>(logs_, std::move(request));
    if (auto found = co_await log->found(); !found) {
        if (wants_previous && found.error().code == base::Code::not_found) {
            co_return base::fail(base::Code::not_found,
                                 "no earlier instance of the revision of pod {} has a log that is "
                                 "kept: none has ended, or not since the agent was started",
                                 query.pod);
        }
        co_return std::unexpected(std::move(found).error());
    }
    co_return std::unique_ptr<api::LogStream>(std::move(log));
}

async::Task<base::Result<model::JsonObject>> PlatformViews::explain(std::string namespace_name,
                                                                    std::string name) {
    co_return control_.explain(namespace_name, name);
}

}  // namespace tidemill::app
