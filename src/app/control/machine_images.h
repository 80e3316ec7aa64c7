// All images of this machine, as the API and control know them: those made from source, and those
// that others built and registries or people gave us.
#pragma once

#include <map>
#include <memory>
#include <optional>
#include <string>

#include "api/uploads.h"
#include "app/control/source_images.h"
#include "app/options.h"
#include "app/process.h"
#include "async/task.h"
#include "control/images.h"
#include "host_linux/loop/thread_offload.h"
#include "http/tls.h"
#include "image/oci/puller.h"
#include "store/store.h"

namespace tidemill::app {

// What a client says that it sends when it sends an image and not a source folder: a tar of an OCI
// layout, or of `docker save`.
inline constexpr std::string_view image_archive_type = "application/vnd.tidemill.image+tar";

class MachineImages final : public control::Images, public api::Uploads {
public:
    // `source` outlives it.
    MachineImages(Process& process, const Options& options, SourceImages& source);
    MachineImages(const MachineImages&) = delete;
    MachineImages& operator=(const MachineImages&) = delete;
    // Ends pulls, then waits for the piece of work that runs beside the loop.
    ~MachineImages() override;

    // Opens the images, sweeps what a crash left. Before anything else.
    base::Status start();

    // Removes, from time to time, pulled images that no Revision has named for a while. Ends by
    // being dropped.
    async::Task<void> keep_collecting(const store::Store& store);

    async::Task<base::Result<control::ImageFacts>> describe(
        control::ImageQuestion question) override;
    async::Task<base::Result<model::JsonObject>> upload(api::UploadRequest request,
                                                        api::UploadExchange& exchange) override;

private:
    base::Result<control::ImageFacts> facts_of(const image::PulledStore::Image& image,
                                               std::string digest) const;
    async::Task<base::Result<control::ImageFacts>> describe_local(std::string image);
    async::Task<base::Status> collect(const store::Store& store);

    Process& process_;
    Options options_;
    SourceImages& source_;
    std::unique_ptr<http::TlsClient> tls_;
    std::optional<image::PulledStore> store_;
    std::unique_ptr<host_linux::ThreadOffload> thread_;
    std::unique_ptr<image::Puller> puller_;
    std::map<std::string, base::Instant> last_used_;  // by digest, as far as this process saw
};

}  // namespace tidemill::app
