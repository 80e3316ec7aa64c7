// SQLite's files on host::Disk, so that the same database runs on Linux and on a simulated disk
// that loses what was not synced.
#pragma once

#include <optional>
#include <string>

#include "base/result.h"
#include "host/disk.h"

struct sqlite3_vfs;
struct sqlite3_file;

namespace tidemill::store {

// An SQLite VFS of its own for one database. The database is opened with locking_mode=EXCLUSIVE
// (another process is kept away by a lock file), so that WAL needs no shared memory. A new file's
// directory is synced with the file's first sync. Lives longer than the connection.
class SqliteFiles {
public:
    explicit SqliteFiles(host::Disk& disk);
    SqliteFiles(const SqliteFiles&) = delete;
    SqliteFiles& operator=(const SqliteFiles&) = delete;
    ~SqliteFiles();

    // For sqlite3_open_v2.
    const char* name() const { return name_.c_str(); }
    // From now on nothing reaches the disk and every call fails: closing a connection then leaves
    // the files as a crash would.
    void cut_off() { cut_off_ = true; }
    // What the disk said last when it refused; SQLite itself keeps only a number.
    const std::optional<base::Error>& last_error() const { return last_error_; }
    void forget_error() { last_error_.reset(); }

private:
    struct Methods;
    struct OpenFile;

    // The SQLite result code for a failure, which is kept for last_error().
    int failed(const base::Error& error, int code);

    host::Disk& disk_;
    std::string name_;
    sqlite3_vfs* vfs_;
    bool cut_off_ = false;
    std::optional<base::Error> last_error_;
};

}  // namespace tidemill::store
