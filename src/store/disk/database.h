// The database file: what is true after a restart.
#pragma once

#include <cstdint>
#include <functional>
#include <memory>
#include <string>
#include <vector>

#include "base/result.h"
#include "host/disk.h"
#include "store/disk/row.h"
#include "store/disk/sqlite_files.h"

struct sqlite3;
struct sqlite3_stmt;

namespace tidemill::store {

// Changes that become durable together or not at all. Each key at most once.
struct Batch {
    std::vector<Row> puts;
    struct Removal {
        std::string kind;
        std::string namespace_name;
        std::string name;
    };
    std::vector<Removal> removals;
    // After the batch: the revision, the number of objects, and the XOR of their digests, by which
    // a lost or doubled row is noticed.
    std::uint64_t revision = 0;
    std::uint64_t objects = 0;
    std::uint64_t digest = 0;
};

struct DatabaseOptions {
    std::string directory;
    std::string build;
    int checkpoint_pages = 1000;
};

// SQLite in WAL mode with synchronous=FULL, for one connection. Blocks; used by one thread at a
// time. Destroying it without close() leaves the files as a crash does.
//
// After a failed commit the connection is kept: SQLite writes the next transaction over the frames
// of the failed one. Opening again instead would read frames from the page cache that a failed
// sync has not written and never will. For the same reason open() moves what it finds in the WAL
// to the database and syncs that.
class Database {
public:
    // Newest format that this build reads and writes, in PRAGMA user_version.
    static constexpr int format = 1;

    // Makes or opens the database. Errors: conflict (locked by another process), invalid (newer
    // format, damaged, or not ours), exhausted, unavailable.
    static base::Result<std::unique_ptr<Database>> open(host::Disk& disk, DatabaseOptions options);
    Database(const Database&) = delete;
    Database& operator=(const Database&) = delete;
    ~Database();

    struct Loaded {
        std::uint64_t revision = 0;
        std::uint64_t objects = 0;
        std::uint64_t digest = 0;
    };
    // Hands every row to `take`, ordered by key. Errors: take's; invalid (damaged).
    base::Result<Loaded> load(const std::function<base::Status(Row)>& take);
    // Ok: durable. Errors: exhausted (disk full: not done), unavailable (may or may not be there
    // after a crash; not there until then).
    base::Status commit(const Batch& batch);
    // True when the log has grown enough for checkpoint() to be worth its syncs.
    bool wants_checkpoint() const { return wal_pages_ >= options_.checkpoint_pages; }
    // Moves the log into the database. Failing loses nothing.
    base::Status checkpoint();
    // Moves the log, then lets go of files and lock. Idempotent; nothing else may be called after.
    base::Status close();

private:
    struct Closer {
        void operator()(sqlite3* connection) const;
        void operator()(sqlite3_stmt* statement) const;
    };
    using Statement = std::unique_ptr<sqlite3_stmt, Closer>;

    Database(host::Disk& disk, DatabaseOptions options);
    base::Status start();
    base::Status set_up();
    base::Status check_format();
    base::Status execute(const char* sql);
    base::Result<Statement> prepare(const char* sql);
    base::Result<std::int64_t> number(const char* sql);
    base::Status step(sqlite3_stmt* statement);
    base::Status commit_rows(const Batch& batch);
    // An Error for the result code of a call that failed.
    base::Error explain(int code);

    DatabaseOptions options_;
    std::string path_;
    std::unique_ptr<host::File> lock_;
    SqliteFiles files_;
    std::unique_ptr<sqlite3, Closer> connection_;
    Statement put_;
    Statement remove_;
    Statement meta_;
    int wal_pages_ = 0;
    bool was_empty_ = false;
};

}  // namespace tidemill::store
