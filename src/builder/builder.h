// Source in, content-addressed image out.
#pragma once

#include <cstdint>
#include <memory>
#include <string>
#include <string_view>
#include <vector>

#include "async/semaphore.h"
#include "async/task.h"
#include "builder/build_cache.h"
#include "builder/build_runner.h"
#include "builder/detect.h"
#include "builder/packages.h"
#include "builder/scratch.h"
#include "host/host.h"
#include "host/offload.h"
#include "image/store.h"

namespace tidemill::builder {

// Who watches a build. Called on the loop; must not block and must not call back.
class BuildProgress {
public:
    virtual ~BuildProgress() = default;
    // What the folder is; before anything is built.
    virtual void plan(const Plan& plan) = 0;
    // One line of what the build says, without its end.
    virtual void log(std::string_view line) = 0;
};

struct Built {
    image::ImageReference image;
    Plan plan;
};

// One loop's thread; what blocks runs on `offload`, which is the builder's own. To end: drop every
// build and the runner (both give directories back to the offload), then the offload, which waits
// for the piece that runs, then this and the store.
class Builder {
public:
    struct Options {
        std::string data_directory;  // works in DATA/builds, keeps DATA/cache/builds
        std::uint64_t upload_bytes_max = 512ULL << 20;
        image::TreeLimits source;  // unpacked
        std::size_t uploads_max = 32;
        std::size_t builds_max = 2;
        std::size_t builds_waiting_max = 16;
        base::Duration step_time_max = std::chrono::minutes(15);
        std::uint64_t log_bytes_max = 8U << 20;  // of one build, passed on
        // With less room on the disk nothing is taken: the platform's own state comes first.
        std::uint64_t disk_free_bytes_min = 256U << 20;
        std::uint64_t cache_bytes_max = 4096ULL << 20;
        PackageClients clients;
        Tools tools;
    };
    // All outlive it; the store is used by nobody else for writing while it lives, but through
    // collect_images().
    Builder(host::Host& host, host::Offload& offload, BuildRunner& runner, image::ImageStore& store,
            Options options);
    Builder(const Builder&) = delete;
    Builder& operator=(const Builder&) = delete;

    // Sweeps what a crash left. Before anything else; after the runner's start().
    base::Status start();

    // A folder on its way in, as the bytes of a tar (plain or gzip). Dropped, it leaves nothing.
    class Upload {
    public:
        Upload(Builder& builder, std::shared_ptr<Scratch> scratch,
               std::unique_ptr<host::File> file);
        ~Upload();
        Upload(const Upload&) = delete;
        Upload& operator=(const Upload&) = delete;

        // Errors: exhausted (TM-408, 418), unavailable. After one the upload is good for
        // nothing.
        base::Status append(std::string_view bytes);

    private:
        friend class Builder;
        Builder& builder_;
        std::shared_ptr<Scratch> scratch_;
        std::unique_ptr<host::File> file_;
        std::uint64_t bytes_ = 0;
    };
    // Errors: exhausted (TM-415: too many at once; TM-418: the disk), unavailable, invalid (the
    // name).
    base::Result<std::unique_ptr<Upload>> begin_upload(const image::ImageName& name);

    // Finds out what the folder is, builds it, stores it. `progress` outlives the task. Dropping
    // the task ends the build and leaves nothing. Errors: invalid (the source: TM-401 to 407, 409,
    // 416, 417, each with what to do), exhausted (TM-408, 415, 418), deadline (TM-406),
    // unavailable.
    async::Task<base::Result<Built>> build(std::unique_ptr<Upload> upload, image::ImageName name,
                                           BuildProgress& progress);

    // ImageStore::collect(), in turn with builds. Builds that are not deployed yet are young.
    async::Task<base::Result<std::vector<image::ImageReference>>> collect_images(
        std::set<image::ImageReference> in_use, base::WallTime keep_since);

private:
    class Log;
    struct Work;

    async::Task<base::Result<Built>> build_in_slot(std::shared_ptr<Scratch> scratch,
                                                   image::ImageName name, BuildProgress& progress);
    // Whatever ran out of room says so in one way.
    base::Error with_disk(base::Error error);
    base::Status check_disk();
    async::Task<base::Status> install(Work& work, Plan::Packages packages);
    async::Task<base::Status> build_native(Work& work);
    async::Task<base::Status> run(Work& work, std::vector<BuildStep> steps, std::string project);
    base::Result<std::string> cache_key(const Installation& installation, const std::string& tree);

    host::Host& host_;
    host::Offload& offload_;
    BuildRunner& runner_;
    image::ImageStore& store_;
    Options options_;
    BuildCache cache_;
    async::Semaphore slots_;
    std::size_t uploads_ = 0;
    std::uint32_t scratch_next_ = 0;
};

}  // namespace tidemill::builder
