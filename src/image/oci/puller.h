// From a name to an image that can start.
#pragma once

#include <functional>
#include <map>
#include <memory>
#include <string>

#include "async/event.h"
#include "async/semaphore.h"
#include "async/task.h"
#include "base/result.h"
#include "host/host.h"
#include "host/offload.h"
#include "image/oci/pulled_store.h"
#include "image/reference.h"
#include "image/registry/credentials.h"
#include "image/registry/registry_client.h"
#include "image/tree.h"

namespace tidemill::image {

// One loop's thread; what blocks runs on `offload`, which is the puller's and the store's own. To
// end: drop every pull, then the offload, then this and the store.
class Puller {
public:
    struct Options {
        RegistryLimits registry;
        ManifestLimits manifest;
        std::uint64_t layer_bytes_max = 4ULL << 30;  // one layer, as it comes
        base::Duration pull_time_max = std::chrono::minutes(30);
        // Most of a pull is waiting for others: a few that hang must not stand in everybody's way.
        std::size_t pulls_max = 16;
        std::size_t pulls_waiting_max = 256;
        // Of an archive that somebody sends.
        TreeLimits archive{.bytes_max = 8ULL << 30, .entries_max = 10'000};
        // With less room on the disk nothing is pulled: the platform's own state comes first.
        std::uint64_t disk_free_bytes_min = 256U << 20;
    };
    // `tls` is null where registries out there cannot be asked. All outlive it.
    Puller(host::Host& host, host::Offload& offload, PulledStore& store, http::StreamAdapter* tls,
           Options options);
    Puller(const Puller&) = delete;
    Puller& operator=(const Puller&) = delete;

    struct Wanted {
        RegistryReference reference;
        Credentials credentials;
        std::string name_space;
    };
    // The image of the tag or digest, from this machine if it is here and this namespace was let
    // have it once; a tag is asked for each time, and says by digest what runs from now on. Errors:
    // those of RegistryClient, read_manifest and PulledStore::put(); deadline (TM-422).
    async::Task<base::Result<PulledStore::Image>> pull(Wanted wanted);

    // An archive on its way in. Dropped, it leaves nothing.
    class Archive {
    public:
        // Errors: exhausted (TM-426: too large; TM-428: the disk), unavailable.
        virtual async::Task<base::Status> append(std::string piece) = 0;
        virtual ~Archive() = default;
    };
    async::Task<base::Result<std::unique_ptr<Archive>>> begin_archive();
    // The image in a tar (plain or gzip) of an OCI layout or of `docker save`, as that name.
    // Errors: those of find_image() and PulledStore::put(), TM-423.
    async::Task<base::Result<PulledStore::Image>> take_archive(std::unique_ptr<Archive> archive,
                                                               ImageName name);

    // PulledStore::collect(), in turn with pulls. What was handed out since `keep_for` ago is kept
    // too: its Revision may not say yet what its tag was resolved to.
    async::Task<base::Result<std::vector<std::string>>> collect(std::set<std::string> in_use,
                                                                base::Duration keep_for);

private:
    class Work;
    class BlobFile;
    class IncomingArchive;
    struct Found;

    async::Task<base::Result<PulledStore::Image>> pull_in_time(Wanted& wanted);
    async::Task<base::Result<Found>> find_documents(Wanted& wanted, RegistryClient& registry);
    async::Task<base::Result<PulledStore::Image>> fetch(Wanted& wanted, RegistryClient& registry,
                                                        Found found);
    async::Task<base::Result<std::string>> fetch_blob(Wanted& wanted, RegistryClient& registry,
                                                      std::shared_ptr<Work> work,
                                                      Descriptor descriptor);
    async::Task<base::Result<std::shared_ptr<Work>>> begin();
    template <typename T>
    async::Task<base::Result<T>> off_loop(std::move_only_function<base::Result<T>()> work);

    host::Host& host_;
    host::Offload& offload_;
    PulledStore& store_;
    http::StreamAdapter* tls_;
    Options options_;
    async::Semaphore slots_;
    // By manifest: the others wait for the first and find what it made.
    std::map<std::string, std::shared_ptr<async::Event>> pulling_;
    std::map<std::string, base::Instant> handed_out_;  // by digest; no more than are kept
};

}  // namespace tidemill::image
