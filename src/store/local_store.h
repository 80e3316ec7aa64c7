// The store on this machine: state in memory, truth in SQLite, both behind one writer.
#pragma once

#include <cstddef>
#include <cstdint>
#include <memory>
#include <string>

#include "async/loop.h"
#include "async/task.h"
#include "base/result.h"
#include "base/time.h"
#include "host/clock.h"
#include "host/disk.h"
#include "host/offload.h"
#include "store/sealer.h"
#include "store/store.h"

namespace tidemill::telemetry {
class Logger;
}

namespace tidemill::store {

// What the store stands on; all outlive it. `disk` is used by the thread of `offload` and, while
// opening, by the loop's; the offload serves nobody else, so that no other work delays a commit.
struct Environment {
    async::Loop& loop;
    host::Clock& clock;
    host::Random& random;
    host::Disk& disk;
    host::Offload& offload;
    Sealer& sealer;
    // Told when the disk is full or fails, and when it has recovered; may be null.
    telemetry::Logger* logger = nullptr;
};

struct LocalStoreOptions {
    std::string directory;  // made if it is not there; DATA/store
    std::string build;      // this build's version, for messages to people

    // History: the first limit that is reached. Memory, so that a change is written to disk once;
    // after a restart a watch begins with a list. Counts of etcd's and Kubernetes' own order.
    std::size_t history_changes_max = 50'000;
    std::size_t history_bytes_max = 64U << 20;
    base::Duration history_age_max = std::chrono::hours(1);

    // Objects are packed in memory; so many bytes of them, as documents, stay open after use.
    std::size_t open_bytes_max = 2U << 20;

    std::size_t writes_waiting_max = 10'000;
    std::size_t batch_changes_max = 1'000;
    std::size_t watches_max = 10'000;
    // As a JSON document; etcd's request limit, which tools of the ecosystem stay below.
    std::size_t object_bytes_max = 1'572'864;
    // Given up when the disk is full, so that deletes still commit.
    std::size_t ballast_bytes = 16U << 20;
    // The log is moved into the database when it has so many pages of 4 KiB; SQLite's own default.
    int checkpoint_pages = 1000;
    // How often a full disk, or one that failed, is looked at again.
    base::Duration retry_every = std::chrono::seconds(1);
};

class LocalStore : public Store {
public:
    // Reads the whole state into memory. Blocks. Errors: conflict (another process has the
    // directory; names it), invalid (written by a newer version, or damaged; says what to do),
    // exhausted (disk full), unavailable (I/O).
    static base::Result<std::unique_ptr<LocalStore>> open(const Environment& environment,
                                                          LocalStoreOptions options);
    // Refuses new writes, finishes those that wait, and ends every watch. Destroying without it is
    // what a crash does: what was acknowledged is kept.
    virtual async::Task<void> close() = 0;
};

}  // namespace tidemill::store
