// From a folder that somebody sends to an instance that starts: the builder and the images of this
// machine, as the API and control know them.
#pragma once

#include <memory>
#include <optional>
#include <string>

#include "api/uploads.h"
#include "app/options.h"
#include "app/process.h"
#include "async/task.h"
#include "builder/builder.h"
#include "builder/sandbox_runner.h"
#include "control/images.h"
#include "host_linux/loop/thread_offload.h"
#include "image/store.h"
#include "launcher/launcher.h"
#include "store/store.h"

namespace tidemill::app {

// Where the runtimes lie: what --runtimes says, else beside the binary as installed or as built.
// Errors: not_found, naming where it looked.
base::Result<image::Toolbox> find_toolbox(host::Disk& disk, const Options& options,
                                          const std::string& program_directory);

class SourceImages {
public:
    SourceImages(Process& process, const Options& options);
    SourceImages(const SourceImages&) = delete;
    SourceImages& operator=(const SourceImages&) = delete;
    // Ends builds, then waits for the piece of work that runs beside the loop.
    ~SourceImages();

    // Opens the images, sweeps what a crash left, starts the launcher of builds. Before anything
    // else.
    async::Task<base::Status> start();

    // Removes, from time to time, images that no Revision names. Ends by being dropped.
    async::Task<void> keep_collecting(const store::Store& store);

    // Errors: not_found (TM-412), invalid (TM-411, TM-413).
    async::Task<base::Result<control::ImageFacts>> describe(std::string image);
    // As api::Uploads says.
    async::Task<base::Result<model::JsonObject>> upload(api::UploadRequest request,
                                                        api::UploadExchange& exchange);

private:
    class Progress;

    Process& process_;
    Options options_;
    std::unique_ptr<host_linux::ThreadOffload> build_thread_;
    image::Toolbox toolbox_;
    std::optional<image::ImageStore> images_;
    std::unique_ptr<launcher::ProgramLauncher> launcher_;
    std::unique_ptr<builder::SandboxRunner> runner_;
    std::unique_ptr<builder::Builder> builder_;
};

}  // namespace tidemill::app
