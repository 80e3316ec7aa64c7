#include "app/control/machine_images.h"

#include <filesystem>
#include <set>
#include <utility>

#include "base/text.h"
#include "image/digest.h"
#include "model/serving/serving.h"

namespace tidemill::app {
namespace {

using base::Code;
using base::Status;
using namespace std::chrono_literals;

constexpr base::Duration collect_every = 10min;
// Longer than any request may take, and so than an instance of a revision that is gone may drain.
constexpr base::Duration unused_max = 1h;
constexpr std::size_t work_waiting_max = 4096;

// The digests that a Revision names: in its containers, and in what they were resolved to.
void add_digests(const model::Object& revision, std::set<std::string>& into) {
    const auto add = [&](std::string_view image) {
        const auto at = image.find('@');
        if (at != std::string_view::npos && image::is_digest(image.substr(at + 1))) {
            into.emplace(image.substr(at + 1));
        }
    };
    if (const auto spec = model::read_revision_spec(revision)) {
        for (const auto& container : spec->containers) {
            add(container.image);
        }
    }
    const auto* statuses = model::find_member(revision.status(), {"containerStatuses"});
    if (statuses == nullptr || !statuses->is_array()) {
        return;
    }
    for (const auto& each : statuses->get_array()) {
        if (each.is_object()) {
            add(model::text_at(each.get_object(), {"imageDigest"}));
        }
    }
}

}  // namespace

MachineImages::MachineImages(Process& process, const Options& options, SourceImages& source)
    : process_(process),
      options_(options),
      source_(source),
      thread_(std::make_unique<host_linux::ThreadOffload>(process.host().loop, "images",
                                                          work_waiting_max)) {}

MachineImages::~MachineImages() {
    thread_.reset();  // what runs there uses the puller and the images
    puller_.reset();
}

Status MachineImages::start() {
    auto& host = process_.host();
    const auto owners = host_linux::own_uid() == 0 ? image::LayerStack::Owners::kept
                                                   : image::LayerStack::Owners::dropped;
    TRY(store_, image::PulledStore::open(host.disk, options_.data + "/pulled", owners, {}));
    auto tls = http::TlsClient::make("", "", "");
    if (tls) {
        tls_ = *std::move(tls);
    } else {
        process_.log().warn("no image can be pulled but from this machine: TLS is not set up",
                            {{"why", tls.error().message}});
    }
    image::Puller::Options options;
    // A small disk cannot spare what a large one can.
    TRY(const auto space, host.disk.space(options_.data));
    options.disk_free_bytes_min = std::min(options.disk_free_bytes_min, space.total_bytes / 16);
    puller_ =
        std::make_unique<image::Puller>(host, *thread_, *store_, tls_.get(), std::move(options));
    return base::ok;
}

base::Result<control::ImageFacts> MachineImages::facts_of(const image::PulledStore::Image& image,
                                                          std::string digest) const {
    const auto& config = image.config;
    TRY(const auto user, image::find_user(process_.host().disk, image.tree, config.user));
    control::ImageFacts facts;
    facts.digest = std::move(digest);
    facts.entrypoint = config.entrypoint;
    facts.arguments = config.command;
    facts.base.runtime = "image";
    if (!user.home.empty()) {
        facts.base.environment.emplace_back("HOME", user.home);
    }
    for (const auto& [name, value] : config.environment) {
        std::erase_if(facts.base.environment, [&](const auto& had) { return had.first == name; });
        facts.base.environment.emplace_back(name, value);
    }
    facts.base.working_directory =
        config.working_directory.empty()
            ? "/"
            : std::filesystem::path(config.working_directory).lexically_normal().string();
    facts.base.mounts.push_back({image.tree, "/", link::FileMount::Access::read_write});
    facts.base.run_as_user = user.uid;
    facts.base.run_as_group = user.gid;
    return facts;
}

// From source, or sent as an archive.
async::Task<base::Result<control::ImageFacts>> MachineImages::describe_local(std::string image) {
    auto facts = co_await source_.describe(image);
    if (facts || facts.error().code != Code::not_found) {
        co_return facts;
    }
    CO_TRY(const auto reference, image::parse_reference(image));
    auto found = store_->find(reference.digest);
    if (!found && found.error().code != Code::not_found) {
        co_return std::unexpected(std::move(found).error());
    }
    if (!found || !found->names.contains(reference.name.text())) {
        co_return facts;
    }
    co_return facts_of(*found, std::move(image));
}

async::Task<base::Result<control::ImageFacts>> MachineImages::describe(
    control::ImageQuestion question) {
    if (image::is_local_image(question.image)) {
        co_return co_await describe_local(std::move(question.image));
    }
    CO_TRY(const auto reference, image::parse_registry_reference(question.image));
    image::Puller::Wanted wanted{.reference = reference,
                                 .credentials = {},
                                 .name_space = std::move(question.namespace_name)};
    for (const auto& secret : question.pull_secrets) {
        if (auto added = wanted.credentials.add(secret); !added) {
            // As the kubelet: one that is broken must not hide the others.
            process_.log().warn("a pull secret is not understood",
                                {{"image", reference.text()}, {"why", added.error().message}});
        }
    }
    const auto began = process_.host().loop.now();
    CO_TRY(const auto found, co_await puller_->pull(std::move(wanted)));
    process_.log().info("image is here",
                        {{"image", reference.text()},
                         {"digest", found.digest},
                         {"ms", std::chrono::duration_cast<std::chrono::milliseconds>(
                                    process_.host().loop.now() - began)
                                    .count()}});
    co_return facts_of(found, reference.pinned(found.digest));
}

async::Task<base::Result<model::JsonObject>> MachineImages::upload(api::UploadRequest request,
                                                                   api::UploadExchange& exchange) {
    if (request.content_type != image_archive_type) {
        co_return co_await source_.upload(std::move(request), exchange);
    }
    const image::ImageName name{request.namespace_name, request.name};
    CO_CHECK_OK(image::check_name(name));
    CO_TRY(auto archive, co_await puller_->begin_archive());
    for (;;) {
        CO_TRY(auto piece, co_await exchange.next());
        if (!piece) {
            break;
        }
        CO_CHECK_OK(co_await archive->append(*std::move(piece)));
    }
    CO_TRY(const auto found, co_await puller_->take_archive(std::move(archive), name));
    const auto text = image::ImageReference{.name = name, .digest = found.digest}.text();
    process_.log().info("image taken from an archive", {{"image", text}});
    model::JsonObject result;
    result["image"] = text;
    result["plan"] = model::JsonObject{{"kind", "an image"}};
    co_return result;
}

async::Task<void> MachineImages::keep_collecting(const store::Store& store) {
    for (;;) {
        co_await async::sleep_for(process_.host().loop, collect_every);
        if (auto collected = co_await collect(store); !collected) {
            process_.log().warn("unused images were not removed",
                                {{"why", collected.error().message}});
        }
    }
}

async::Task<Status> MachineImages::collect(const store::Store& store) {
    auto& host = process_.host();
    std::set<std::string> in_use;
    CO_TRY(const auto revisions, store.list({.kind = model::KindId::revision}, {}));
    for (const auto& revision : revisions.items) {
        add_digests(*revision, in_use);
    }
    const auto now = host.loop.now();
    for (const auto& digest : in_use) {
        last_used_[digest] = now;
    }
    CO_TRY(const auto images, store_->list());
    for (const auto& image : images) {
        // What was there before this process: who knows since when nobody uses it.
        const auto [used, first_seen] = last_used_.try_emplace(image.digest, now);
        if (now - used->second < unused_max) {
            in_use.insert(image.digest);
        }
    }
    CO_TRY(const auto removed, co_await puller_->collect(std::move(in_use), unused_max));
    for (const auto& digest : removed) {
        last_used_.erase(digest);
    }
    if (!removed.empty()) {
        process_.log().info("pulled images removed that no revision names",
                            {{"count", removed.size()}});
    }
    co_return base::ok;
}

}  // namespace tidemill::app
