#include "app/control/source_images.h"

#include <fmt/format.h>
#include <fmt/ranges.h>

#include <algorithm>
#include <array>
#include <cstdlib>
#include <filesystem>
#include <set>
#include <utility>

#include "async/channel.h"
#include "base/bytes.h"
#include "builder/tools.h"
#include "model/serving/serving.h"

namespace tidemill::app {
namespace {

using base::Code;
using base::Status;
using namespace std::chrono_literals;

// Lines of a build that may wait for a slow reader; further ones are left out, and said to be.
constexpr std::size_t lines_waiting_max = 10'000;
constexpr base::Duration launcher_limit = 10s;
constexpr base::Duration collect_every = 10min;
// An image that was built just now is about to be named by a Service.
constexpr base::Duration collect_younger = 1h;

// The variables that package clients may be told; values of others stay with the platform.
constexpr std::array<const char*, 22> package_variables{"PIP_INDEX_URL",
                                                        "PIP_EXTRA_INDEX_URL",
                                                        "PIP_TRUSTED_HOST",
                                                        "PIP_CERT",
                                                        "PIP_CONFIG_FILE",
                                                        "PIP_DEFAULT_TIMEOUT",
                                                        "PIP_RETRIES",
                                                        "PIP_FIND_LINKS",
                                                        "npm_config_registry",
                                                        "NPM_CONFIG_REGISTRY",
                                                        "npm_config_cafile",
                                                        "NPM_CONFIG_CAFILE",
                                                        "NODE_EXTRA_CA_CERTS",
                                                        "NPM_CONFIG_USERCONFIG",
                                                        "HTTP_PROXY",
                                                        "HTTPS_PROXY",
                                                        "NO_PROXY",
                                                        "http_proxy",
                                                        "https_proxy",
                                                        "no_proxy",
                                                        "SSL_CERT_FILE",
                                                        "REQUESTS_CA_BUNDLE"};

model::JsonObject plan_document(const builder::Plan& plan) {
    model::JsonObject document;
    document["kind"] = plan.title;
    document["because"] = plan.reason;
    document["start"] = plan.start;
    model::JsonArray warnings;
    for (const auto& warning : plan.warnings) {
        warnings.emplace_back(warning);
    }
    document["warnings"] = std::move(warnings);
    return document;
}

}  // namespace

base::Result<image::Toolbox> find_toolbox(host::Disk& disk, const Options& options,
                                          const std::string& program_directory) {
    image::Toolbox tools;
    // Beside an installed binary; in the checkout of one that was built there.
    // Normal, because a mount's source must not climb.
    const std::filesystem::path program(program_directory);
    std::vector<std::string> candidates{
        (program / "../share/tidemill/runtimes").lexically_normal().string(),
        (program / "../../runtimes").lexically_normal().string()};
    if (!options.runtimes.empty()) {
        candidates = {options.runtimes};
    }
    for (const auto& candidate : candidates) {
        if (disk.info(candidate + "/python/shim.py")) {
            tools.runtimes = candidate;
            break;
        }
    }
    if (tools.runtimes.empty()) {
        return base::fail(
            Code::not_found,
            "the language runtimes are not there: looked for python/shim.py in {}; name "
            "their directory with --runtimes",
            fmt::join(candidates, " and "));
    }
    for (const auto& server : {tools.runtimes + "/static/tidemill-static",
                               program_directory + "/runtimes/static/tidemill-static"}) {
        if (disk.info(server)) {
            tools.static_server = server;
            break;
        }
    }
    const auto first_of = [&](std::initializer_list<const char*> paths) {
        for (const char* path : paths) {
            if (disk.info(path)) {
                return std::string(path);
            }
        }
        return std::string(*paths.begin());
    };
    tools.python = first_of({"/usr/bin/python3", "/usr/local/bin/python3"});
    tools.node = first_of({"/usr/bin/node", "/usr/local/bin/node"});
    return tools;
}

// What a build says, on its way to the one who sent the folder.
class SourceImages::Progress final : public builder::BuildProgress {
public:
    explicit Progress(async::Loop& loop) : lines_(loop, lines_waiting_max) {}
    void plan(const builder::Plan& plan) override {
        say(fmt::format("{}, because {}; it will run {}", plan.title, plan.reason, plan.start));
        for (const auto& warning : plan.warnings) {
            say("warning: " + warning);
        }
    }
    void log(std::string_view line) override { say(std::string(line)); }
    void end() { lines_.close(); }
    // Passes lines on until end().
    async::Task<void> relay(api::UploadExchange& exchange) {
        while (auto line = co_await lines_.receive()) {
            if (!co_await exchange.log(*std::move(line))) {
                co_return;
            }
        }
    }

private:
    void say(std::string line) { (void)lines_.try_send(std::move(line)); }
    async::Channel<std::string> lines_;
};

SourceImages::SourceImages(Process& process, const Options& options)
    : process_(process),
      options_(options),
      build_thread_(std::make_unique<host_linux::ThreadOffload>(process.host().loop, "build", 64)) {
}

SourceImages::~SourceImages() {
    runner_.reset();
    build_thread_.reset();  // what runs there uses the builder and the images
    builder_.reset();
}

async::Task<Status> SourceImages::start() {
    auto& host = process_.host();
    CO_TRY(toolbox_, find_toolbox(host.disk, options_, process_.program_directory()));
    CO_TRY(images_, image::ImageStore::open(host.disk, options_.data + "/images", {}));

    launcher::Options launcher_options;
    launcher_options.run_directory = options_.run + "/b";
    launcher_options.cgroup_name =
        fmt::format("tidemill/{:016x}-builds", base::fnv1a(options_.data));
    CO_TRY(launcher_, co_await launcher::ProgramLauncher::start(host, std::move(launcher_options),
                                                                host.loop.now() + launcher_limit));
    builder::SandboxRunner::Options runner_options;
    runner_options.policy.secrets = {options_.data, options_.run};
    runner_options.log_directory = options_.data + "/logs/builds";
    runner_ = std::make_unique<builder::SandboxRunner>(host, *launcher_, std::move(runner_options));
    CO_CHECK_OK(co_await runner_->start());

    image::NamedTexts environment;
    for (const char* name : package_variables) {
        if (const char* const value = std::getenv(name); value != nullptr) {
            environment.emplace_back(name, value);
        }
    }
    builder::Builder::Options builder_options;
    builder_options.data_directory = options_.data;
    builder_options.clients =
        builder::choose_package_clients(environment, {"/etc/pip.conf", "/etc/npmrc"});
    // A small disk cannot spare what a large one can.
    CO_TRY(const auto space, host.disk.space(options_.data));
    builder_options.disk_free_bytes_min =
        std::min(builder_options.disk_free_bytes_min, space.total_bytes / 16);
    builder_options.tools = builder::survey_tools(host.disk);
    builder_ = std::make_unique<builder::Builder>(host, *build_thread_, *runner_, *images_,
                                                  std::move(builder_options));
    co_return builder_->start();
}

async::Task<void> SourceImages::keep_collecting(const store::Store& store) {
    auto& host = process_.host();
    for (;;) {
        co_await async::sleep_for(host.loop, collect_every);
        std::set<image::ImageReference> in_use;
        const auto revisions = store.list({.kind = model::KindId::revision}, {});
        if (!revisions) {
            continue;
        }
        bool known = true;
        for (const auto& revision : revisions->items) {
            const auto spec = model::read_revision_spec(*revision);
            known = known && spec.has_value();
            for (const auto& container : spec ? spec->containers : decltype(spec->containers)()) {
                if (auto reference = image::parse_reference(container.image)) {
                    in_use.insert(*std::move(reference));
                }
            }
        }
        if (!known) {
            continue;  // one that cannot be read might name any image
        }
        auto removed = co_await builder_->collect_images(
            std::move(in_use), host.clock.wall_now() + base::Duration(-collect_younger));
        if (removed && !removed->empty()) {
            process_.log().info("images removed that no revision names",
                                {{"count", removed->size()}});
        }
    }
}

async::Task<base::Result<control::ImageFacts>> SourceImages::describe(std::string image) {
    CO_TRY(const auto resolved, images_->resolve(image));
    CO_TRY(auto plan, image::plan_start(resolved.config, resolved.tree, toolbox_));
    control::ImageFacts facts;
    facts.digest = resolved.reference.text();
    facts.entrypoint = std::move(plan.command);
    facts.base.runtime = std::move(plan.runtime);
    facts.base.environment = std::move(plan.environment);
    facts.base.working_directory = std::move(plan.working_directory);
    for (auto& mount : plan.mounts) {
        facts.base.mounts.push_back(
            {std::move(mount.source), std::move(mount.target), link::FileMount::Access::read_only});
    }
    if (plan.listen == image::StartPlan::Listen::unix_socket) {
        facts.base.listen = link::InstanceSpec::Listen::unix_socket;
    }
    if (!plan.readiness_path.empty()) {
        facts.base.readiness.kind = link::ProbeSpec::Kind::http;
        facts.base.readiness.path = std::move(plan.readiness_path);
    }
    co_return facts;
}

async::Task<base::Result<model::JsonObject>> SourceImages::upload(api::UploadRequest request,
                                                                  api::UploadExchange& exchange) {
    const image::ImageName name{request.namespace_name, request.name};
    CO_TRY(auto upload, builder_->begin_upload(name));
    for (;;) {
        CO_TRY(auto piece, co_await exchange.next());
        if (!piece) {
            break;
        }
        CO_CHECK_OK(upload->append(*piece));
    }
    Progress progress(process_.host().loop);
    base::Result<builder::Built> built = base::fail(Code::cancelled, "the build did not run");
    {
        async::Scope relay(process_.host().loop, 1);
        CO_CHECK_OK(relay.spawn(progress.relay(exchange)));
        built = co_await builder_->build(std::move(upload), name, progress);
        progress.end();
        co_await relay.join();
    }
    if (!built) {
        co_return std::unexpected(std::move(built).error());
    }
    process_.log().info("image built",
                        {{"image", built->image.text()}, {"what", built->plan.title}});
    model::JsonObject result;
    result["image"] = built->image.text();
    result["plan"] = plan_document(built->plan);
    co_return result;
}

}  // namespace tidemill::app
