#include "image/oci/puller.h"

#include <fmt/format.h>

#include <optional>
#include <utility>

#include "async/scope.h"
#include "host/off_loop.h"
#include "image/digest.h"
#include "image/oci/archive.h"
#include "image/tar.h"

namespace tidemill::image {
namespace {

using base::Code;
using base::fail;

constexpr std::size_t piece_bytes = 1U << 20;  // handed to the disk at once

// Only from a thread that may block.
base::Status check_room(host::Disk& disk, const std::string& directory, std::uint64_t bytes) {
    TRY(const auto space, disk.space(directory));
    if (space.free_bytes < bytes) {
        return fail(Code::exhausted,
                    "TM-428: no room for the image: {} MiB are free, and it needs {} MiB",
                    space.free_bytes >> 20U, bytes >> 20U);
    }
    return base::ok;
}

}  // namespace

// A directory in which one image is made, removed when the last who holds it lets go. Held on the
// loop only.
class Puller::Work {
public:
    Work(host::Disk& disk, host::Offload& offload, std::string path)
        : disk_(disk), offload_(offload), path_(std::move(path)) {}
    Work(const Work&) = delete;
    Work& operator=(const Work&) = delete;
    ~Work() {
        const auto remove = [&disk = disk_, path = path_] {
            static_cast<void>(disk.remove_tree(path));
        };
        // Behind whatever still works in it there.
        if (!offload_.submit(remove, [] {})) {
            remove();
        }
    }
    const std::string& path() const { return path_; }

private:
    host::Disk& disk_;
    host::Offload& offload_;
    std::string path_;
};

struct Puller::Found {
    std::string digest;  // as it was asked for
    std::string index;   // the text, or empty
    std::string manifest;
    Manifest content;
    std::optional<PulledStore::Image> image;  // where it is here already
};

// A blob on its way to the disk: collected into large pieces, hashed and written beside the loop.
class Puller::BlobFile final : public BlobSink {
public:
    // What is written lives on while the offload works on it, whoever drops the pull.
    struct Output {
        std::unique_ptr<host::File> file;
        Digester digester;
        std::uint64_t bytes = 0;

        base::Status write(std::string_view piece) {
            digester.add(piece);
            CHECK_OK(file->write_at(bytes, piece));
            bytes += piece.size();
            return base::ok;
        }
    };
    BlobFile(Puller& puller, std::shared_ptr<Output> output)
        : puller_(puller), output_(std::move(output)) {}

    async::Task<base::Status> add(std::string piece) override {
        pending_ += piece;
        if (pending_.size() < piece_bytes) {
            co_return base::ok;
        }
        co_return co_await flush();
    }
    async::Task<base::Status> restart() override {
        pending_.clear();
        co_return co_await puller_.off_loop<base::Unit>([output = output_]() -> base::Status {
            output->digester = Digester();
            output->bytes = 0;
            return output->file->truncate(0);
        });
    }
    async::Task<base::Result<std::string>> finish() {
        CO_CHECK_OK(co_await flush());
        co_return co_await puller_.off_loop<std::string>(
            [output = output_]() -> base::Result<std::string> {
                return output->digester.finish();
            });
    }

private:
    async::Task<base::Status> flush() {
        auto piece = std::exchange(pending_, {});
        pending_.reserve(piece_bytes + (64U << 10));
        co_return co_await puller_.off_loop<base::Unit>(
            [output = output_, text = std::move(piece)]() -> base::Status {
                auto written = output->write(text);
                if (!written && written.error().code == Code::exhausted) {
                    written.error().message =
                        "TM-428: no room for the image: " + written.error().message;
                }
                return written;
            });
    }

    Puller& puller_;
    std::shared_ptr<Output> output_;
    std::string pending_;
};

Puller::Puller(host::Host& host, host::Offload& offload, PulledStore& store,
               http::StreamAdapter* tls, Options options)
    : host_(host),
      offload_(offload),
      store_(store),
      tls_(tls),
      options_(std::move(options)),
      slots_(host.loop, options_.pulls_max, options_.pulls_waiting_max) {}

template <typename T>
async::Task<base::Result<T>> Puller::off_loop(std::move_only_function<base::Result<T>()> work) {
    return host::off_loop<T>(host_.loop, offload_, std::move(work));
}

async::Task<base::Result<std::shared_ptr<Puller::Work>>> Puller::begin() {
    // Held before it is made: who drops the task meanwhile leaves nothing.
    auto work = std::make_shared<Work>(host_.disk, offload_, store_.name_work());
    CO_CHECK_OK(co_await off_loop<base::Unit>([this, path = work->path()]() -> base::Status {
        CHECK_OK(host_.disk.make_directories(path, 0700));
        return check_room(host_.disk, path, options_.disk_free_bytes_min);
    }));
    co_return work;
}

async::Task<base::Result<PulledStore::Image>> Puller::pull(Wanted wanted) {
    // What is here and was allowed needs nobody.
    if (const auto& digest = wanted.reference.digest; !digest.empty()) {
        auto known = store_.find(digest);
        if (known && known->namespaces.contains(wanted.name_space)) {
            handed_out_[digest] = host_.loop.now();
            co_return known;
        }
    }
    CO_TRY(const auto slot, co_await slots_.acquire());
    std::optional<base::Result<PulledStore::Image>> result;
    async::Event done(host_.loop);
    {
        async::Scope scope(host_.loop, 2);
        const auto run = [](Puller& self, Wanted& what, auto& into,
                            async::Event& over) -> async::Task<void> {
            into = co_await self.pull_in_time(what);
            over.set();
        };
        const auto wait = [](async::Loop& loop, base::Duration limit,
                             async::Event& over) -> async::Task<void> {
            co_await async::sleep_for(loop, limit);
            over.set();
        };
        CO_CHECK_OK(scope.spawn(run(*this, wanted, result, done)));
        CO_CHECK_OK(scope.spawn(wait(host_.loop, options_.pull_time_max, done)));
        co_await done.wait();
        scope.cancel();
    }
    if (!result) {
        co_return fail(Code::deadline, "TM-422: image {}: is not here after {}",
                       wanted.reference.text(), base::format_duration(options_.pull_time_max));
    }
    co_return *std::move(result);
}

// `wanted` outlives the task, here and below.
async::Task<base::Result<PulledStore::Image>> Puller::pull_in_time(Wanted& wanted) {
    RegistryClient registry(
        host_, tls_, wanted.reference,
        wanted.credentials.find(wanted.reference.registry, wanted.reference.repository),
        options_.registry);
    CO_TRY(auto found, co_await find_documents(wanted, registry));
    const auto manifest = digest_of(found.manifest);
    while (const auto other = pulling_.contains(manifest) ? pulling_.at(manifest) : nullptr) {
        co_await other->wait();
    }
    if (!found.image) {
        if (auto known = store_.find(found.digest)) {
            found.image = *std::move(known);
        }
    }
    handed_out_[found.digest] = host_.loop.now();
    if (found.image) {
        // Behind a collection that goes on: if that took the image, this fails, and so do we.
        const auto name = wanted.reference.registry + "/" + wanted.reference.repository;
        CO_CHECK_OK(co_await off_loop<base::Unit>(
            [this, digest = found.digest, name, space = wanted.name_space]() -> base::Status {
                return store_.add_name(digest, name, space);
            }));
        co_return *std::move(found.image);
    }
    struct Mark {
        Puller& puller;
        std::string manifest;
        ~Mark() { puller.pulling_.extract(manifest).mapped()->set(); }
    };
    pulling_.emplace(manifest, std::make_shared<async::Event>(host_.loop));
    const Mark mark{*this, manifest};
    co_return co_await fetch(wanted, registry, std::move(found));
}

// What the name means right now. Asking the registry is also how it says that we may have it.
async::Task<base::Result<Puller::Found>> Puller::find_documents(Wanted& wanted,
                                                                RegistryClient& registry) {
    const auto about = [&](const base::Error& error) -> std::unexpected<base::Error> {
        // "TM-425: …" -> "TM-425: image NAME: …"
        const auto colon = error.message.find(": ");
        return fail(error.code, "{}: image {}{}", error.message.substr(0, colon),
                    wanted.reference.text(),
                    colon == std::string::npos ? "" : error.message.substr(colon));
    };
    CO_TRY(auto document, co_await registry.document(wanted.reference.wanted()));
    Found found{.digest = document.digest, .index = {}, .manifest = {}, .content = {}, .image = {}};
    if (auto known = store_.find(found.digest)) {
        found.image = *std::move(known);
    }
    auto read = read_manifest(document.text, options_.manifest);
    if (!read) {
        co_return about(read.error());
    }
    if (const auto* const index = std::get_if<Index>(&*read)) {
        const auto chosen = choose_platform(*index);
        if (!chosen) {
            co_return about(chosen.error());
        }
        found.index = std::move(document.text);
        CO_TRY(document, co_await registry.document(chosen->descriptor.digest));
        read = read_manifest(document.text, options_.manifest);
        if (!read) {
            co_return about(read.error());
        }
    }
    auto* const manifest = std::get_if<Manifest>(&*read);
    if (manifest == nullptr) {
        co_return fail(Code::invalid, "TM-425: image {}: an index names another index",
                       wanted.reference.text());
    }
    found.manifest = std::move(document.text);
    found.content = std::move(*manifest);
    co_return found;
}

async::Task<base::Result<PulledStore::Image>> Puller::fetch(Wanted& wanted,
                                                            RegistryClient& registry, Found found) {
    std::uint64_t bytes = options_.disk_free_bytes_min;
    for (const auto& layer : found.content.layers) {
        if (layer.size > options_.layer_bytes_max) {
            co_return fail(Code::exhausted,
                           "TM-426: image {}: layer {} is of {} MiB; at most {} MiB are taken",
                           wanted.reference.text(), layer.digest, layer.size >> 20U,
                           options_.layer_bytes_max >> 20U);
        }
        bytes += layer.size;
    }
    CO_TRY(const auto work, co_await begin());
    CO_CHECK_OK(co_await off_loop<base::Unit>([this, path = work->path(), bytes]() -> base::Status {
        return check_room(host_.disk, path, bytes);
    }));
    if (found.content.config.size > options_.registry.document_bytes_max) {
        co_return fail(Code::exhausted, "TM-426: image {}: its configuration is of {} bytes",
                       wanted.reference.text(), found.content.config.size);
    }
    CO_TRY(const auto config_path,
           co_await fetch_blob(wanted, registry, work, found.content.config));
    CO_TRY(auto config,
           co_await off_loop<std::string>([this, config_path]() -> base::Result<std::string> {
               return host::read_file(host_.disk, config_path,
                                      options_.registry.document_bytes_max);
           }));
    // What cannot run here is not fetched.
    if (auto readable = read_oci_config(config); !readable) {
        co_return std::unexpected(std::move(readable).error());
    }
    PulledStore::NewImage image{
        .digest = found.digest,
        .index = std::move(found.index),
        .manifest = std::move(found.manifest),
        .config = std::move(config),
        .layers = {},
        .name = wanted.reference.registry + "/" + wanted.reference.repository,
        .name_space = wanted.name_space};
    for (const auto& layer : found.content.layers) {
        CO_TRY(auto path, co_await fetch_blob(wanted, registry, work, layer));
        image.layers.push_back(std::move(path));
    }
    co_return co_await off_loop<PulledStore::Image>(
        [this, path = work->path(), image = std::move(image),
         now = host_.clock.wall_now()]() -> base::Result<PulledStore::Image> {
            return store_.put(path, image, now);
        });
}

// The path of the blob, whole and checked, in the directory of the work.
async::Task<base::Result<std::string>> Puller::fetch_blob(Wanted& wanted, RegistryClient& registry,
                                                          std::shared_ptr<Work> work,
                                                          Descriptor descriptor) {
    const auto path = fmt::format("{}/{}", work->path(), digest_hex(descriptor.digest));
    CO_TRY(const auto here, co_await off_loop<bool>(
                                [this, path, digest = descriptor.digest]() -> base::Result<bool> {
                                    // The same layer may stand twice in one image.
                                    if (host_.disk.info(path)) {
                                        return true;
                                    }
                                    return store_.reuse_blob(digest, path);
                                }));
    if (here) {
        co_return path;
    }
    auto output = std::make_shared<BlobFile::Output>();
    CO_CHECK_OK(co_await off_loop<base::Unit>([this, path, output]() -> base::Status {
        TRY(output->file, host_.disk.open(path, host::Disk::Open::create_new, 0600));
        return base::ok;
    }));
    BlobFile sink(*this, output);
    CO_CHECK_OK(co_await registry.blob(descriptor.digest, descriptor.size, sink));
    CO_TRY(const auto digest, co_await sink.finish());
    if (digest != descriptor.digest) {
        co_return fail(
            Code::invalid, "TM-423: image {}: the bytes that {} gives for {} have the digest {}",
            wanted.reference.text(), wanted.reference.registry, descriptor.digest, digest);
    }
    CO_CHECK_OK(co_await off_loop<base::Unit>(
        [this, path, digest]() -> base::Status { return store_.keep_blob(digest, path); }));
    co_return path;
}

class Puller::IncomingArchive final : public Puller::Archive {
public:
    IncomingArchive(Puller& puller, std::shared_ptr<Work> work,
                    std::shared_ptr<BlobFile::Output> output)
        : work_(std::move(work)),
          sink_(puller, std::move(output)),
          bytes_left_(puller.options_.archive.bytes_max) {}

    async::Task<base::Status> append(std::string piece) override {
        if (piece.size() > bytes_left_) {
            co_return fail(Code::exhausted, "TM-426: the archive is larger than allowed");
        }
        bytes_left_ -= piece.size();
        co_return co_await sink_.add(std::move(piece));
    }
    const std::shared_ptr<Work>& work() const { return work_; }
    BlobFile& sink() { return sink_; }

private:
    std::shared_ptr<Work> work_;
    BlobFile sink_;
    std::uint64_t bytes_left_;
};

async::Task<base::Result<std::unique_ptr<Puller::Archive>>> Puller::begin_archive() {
    CO_TRY(auto work, co_await begin());
    auto output = std::make_shared<BlobFile::Output>();
    CO_CHECK_OK(co_await off_loop<base::Unit>(
        [this, path = work->path() + "/sent", output]() -> base::Status {
            TRY(output->file, host_.disk.open(path, host::Disk::Open::create_new, 0600));
            return base::ok;
        }));
    co_return std::make_unique<IncomingArchive>(*this, std::move(work), std::move(output));
}

async::Task<base::Result<PulledStore::Image>> Puller::take_archive(std::unique_ptr<Archive> archive,
                                                                   ImageName name) {
    CO_CHECK_OK(check_name(name));
    auto& incoming = static_cast<IncomingArchive&>(*archive);
    // Whole on the disk before it is read.
    CO_TRY(const auto digest, co_await incoming.sink().finish());
    CO_TRY(const auto slot, co_await slots_.acquire());
    co_return co_await off_loop<PulledStore::Image>(
        [this, path = incoming.work()->path(), name,
         now = host_.clock.wall_now()]() -> base::Result<PulledStore::Image> {
            const auto archive_path = path + "/sent";
            const auto root = path + "/archive";
            CHECK_OK(host_.disk.make_directories(root, 0700));
            TRY(const auto tar, host_.disk.open(archive_path, host::Disk::Open::read, 0));
            auto unpacked =
                unpack_tar(host_.disk, *tar, root, {.limits = options_.archive, .skip = {}});
            if (!unpacked && unpacked.error().code == Code::exhausted) {
                return fail(Code::exhausted, "TM-428: no room for the image's archive: {}",
                            unpacked.error().message);
            }
            if (!unpacked) {
                return fail(unpacked.error().code, "TM-429: the archive cannot be read: {}",
                            unpacked.error().message);
            }
            TRY(auto found, find_image(host_.disk, root));
            for (std::size_t i = 0; i < found.layers.size(); ++i) {
                const auto& wanted = found.content.layers[i];
                TRY(const auto file, host_.disk.open(found.layers[i], host::Disk::Open::read, 0));
                Digester digester;
                std::string chunk(256 << 10, '\0');
                for (std::uint64_t offset = 0;;) {
                    TRY(const auto got, file->read_at(offset, chunk));
                    if (got == 0) {
                        break;
                    }
                    digester.add(std::string_view(chunk).substr(0, got));
                    offset += got;
                }
                if (const auto digest = digester.finish(); digest != wanted.digest) {
                    return fail(Code::invalid, "TM-423: blob {} has the digest {}", wanted.digest,
                                digest);
                }
                CHECK_OK(store_.keep_blob(wanted.digest, found.layers[i]));
            }
            return store_.put(path,
                              {.digest = digest_of(found.manifest),
                               .index = {},
                               .manifest = std::move(found.manifest),
                               .config = std::move(found.config),
                               .layers = std::move(found.layers),
                               .name = name.text(),
                               .name_space = name.name_space},
                              now);
        });
}

async::Task<base::Result<std::vector<std::string>>> Puller::collect(std::set<std::string> in_use,
                                                                    base::Duration keep_for) {
    const auto now = host_.loop.now();
    std::erase_if(handed_out_, [&](const auto& each) { return now - each.second >= keep_for; });
    for (const auto& [digest, at] : handed_out_) {
        in_use.insert(digest);
    }
    co_return co_await off_loop<std::vector<std::string>>(
        [this, in_use = std::move(in_use), since = host_.clock.wall_now() + -keep_for] {
            return store_.collect(in_use, since);
        });
}

}  // namespace tidemill::image
