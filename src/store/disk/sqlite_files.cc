#include "store/disk/sqlite_files.h"

#include <fmt/format.h>
#include <sqlite3.h>

#include <cstring>
#include <memory>
#include <new>

#include "base/check.h"
#include "base/mutant.h"

namespace tidemill::store {

using base::Code;

struct SqliteFiles::OpenFile {
    sqlite3_file base;  // first: SQLite casts
    SqliteFiles* owner;
    host::File* file;
    std::string* unsynced_directory;  // of a file that may be new; null once synced

    static OpenFile& of(sqlite3_file* file) { return *reinterpret_cast<OpenFile*>(file); }
};

// SQLite's C callbacks. Allocation failure aborts the process as everywhere, so nothing throws.
struct SqliteFiles::Methods {
    static SqliteFiles& of(sqlite3_vfs* vfs) { return *static_cast<SqliteFiles*>(vfs->pAppData); }

    static std::string directory_of(const std::string& path) {
        const auto slash = path.rfind('/');
        return slash == std::string::npos ? "." : path.substr(0, slash);
    }

    static int close(sqlite3_file* raw) {
        auto& open = OpenFile::of(raw);
        delete open.file;
        delete open.unsynced_directory;
        return SQLITE_OK;
    }

    static int read(sqlite3_file* raw, void* into, int size, sqlite3_int64 offset) {
        auto& open = OpenFile::of(raw);
        const auto want = static_cast<std::size_t>(size);
        if (open.owner->cut_off_) {
            return SQLITE_IOERR_READ;
        }
        const auto got = open.file->read_at(static_cast<std::uint64_t>(offset),
                                            std::span(static_cast<char*>(into), want));
        if (!got) {
            return open.owner->failed(got.error(), SQLITE_IOERR_READ);
        }
        if (*got < want) {
            // SQLite relies on the rest being zero.
            std::memset(static_cast<char*>(into) + *got, 0, want - *got);
            return SQLITE_IOERR_SHORT_READ;
        }
        return SQLITE_OK;
    }

    static int write(sqlite3_file* raw, const void* from, int size, sqlite3_int64 offset) {
        auto& open = OpenFile::of(raw);
        if (open.owner->cut_off_) {
            return SQLITE_IOERR_WRITE;
        }
        const auto done =
            open.file->write_at(static_cast<std::uint64_t>(offset),
                                {static_cast<const char*>(from), static_cast<std::size_t>(size)});
        return done ? SQLITE_OK : open.owner->failed(done.error(), SQLITE_IOERR_WRITE);
    }

    static int truncate(sqlite3_file* raw, sqlite3_int64 size) {
        auto& open = OpenFile::of(raw);
        if (open.owner->cut_off_) {
            return SQLITE_IOERR_TRUNCATE;
        }
        const auto done = open.file->truncate(static_cast<std::uint64_t>(size));
        return done ? SQLITE_OK : open.owner->failed(done.error(), SQLITE_IOERR_TRUNCATE);
    }

    static int sync(sqlite3_file* raw, int /*flags*/) {
        auto& open = OpenFile::of(raw);
        if (open.owner->cut_off_) {
            return SQLITE_IOERR_FSYNC;
        }
        if (TIDEMILL_MUTANT("store.no_sync")) {
            return SQLITE_OK;
        }
        if (const auto done = open.file->sync(); !done) {
            return open.owner->failed(done.error(), SQLITE_IOERR_FSYNC);
        }
        if (open.unsynced_directory != nullptr && !TIDEMILL_MUTANT("store.no_directory_sync")) {
            const auto done = open.owner->disk_.sync_directory(*open.unsynced_directory);
            if (!done) {
                return open.owner->failed(done.error(), SQLITE_IOERR_DIR_FSYNC);
            }
            delete std::exchange(open.unsynced_directory, nullptr);
        }
        return SQLITE_OK;
    }

    static int size(sqlite3_file* raw, sqlite3_int64* into) {
        auto& open = OpenFile::of(raw);
        if (open.owner->cut_off_) {
            return SQLITE_IOERR_FSTAT;
        }
        const auto size = open.file->size();
        if (!size) {
            return open.owner->failed(size.error(), SQLITE_IOERR_FSTAT);
        }
        *into = static_cast<sqlite3_int64>(*size);
        return SQLITE_OK;
    }

    // One process, one connection: the lock file of the data directory stands for all of these.
    static int lock(sqlite3_file*, int) { return SQLITE_OK; }
    static int check_reserved_lock(sqlite3_file*, int* held) {
        *held = 0;
        return SQLITE_OK;
    }
    static int file_control(sqlite3_file*, int, void*) { return SQLITE_NOTFOUND; }
    static int sector_size(sqlite3_file*) { return 4096; }
    static int device_characteristics(sqlite3_file*) {
        // As SQLite's own Unix files: a write cut by a power failure changes no byte outside it.
        return SQLITE_IOCAP_POWERSAFE_OVERWRITE;
    }

    static int open(sqlite3_vfs* vfs, const char* path, sqlite3_file* raw, int flags,
                    int* flags_out) {
        static const sqlite3_io_methods methods{.iVersion = 1,
                                                .xClose = close,
                                                .xRead = read,
                                                .xWrite = write,
                                                .xTruncate = truncate,
                                                .xSync = sync,
                                                .xFileSize = size,
                                                .xLock = lock,
                                                .xUnlock = lock,
                                                .xCheckReservedLock = check_reserved_lock,
                                                .xFileControl = file_control,
                                                .xSectorSize = sector_size,
                                                .xDeviceCharacteristics = device_characteristics,
                                                .xShmMap = nullptr,
                                                .xShmLock = nullptr,
                                                .xShmBarrier = nullptr,
                                                .xShmUnmap = nullptr,
                                                .xFetch = nullptr,
                                                .xUnfetch = nullptr};
        auto& self = of(vfs);
        raw->pMethods = nullptr;
        if (self.cut_off_ || path == nullptr) {
            return SQLITE_CANTOPEN;  // unnamed temporary files are kept in memory by a pragma
        }
        const bool creates = (flags & SQLITE_OPEN_CREATE) != 0;
        auto file = self.disk_.open(
            path, creates ? host::Disk::Open::create : host::Disk::Open::read_write, 0600);
        if (!file) {
            return self.failed(file.error(), SQLITE_CANTOPEN);
        }
        auto& open = *new (raw) OpenFile{};
        open.base.pMethods = &methods;
        open.owner = &self;
        open.file = file->release();
        open.unsynced_directory = creates ? new std::string(directory_of(path)) : nullptr;
        if (flags_out != nullptr) {
            *flags_out = flags;
        }
        return SQLITE_OK;
    }

    static int remove(sqlite3_vfs* vfs, const char* path, int sync_directory) {
        auto& self = of(vfs);
        if (self.cut_off_) {
            return SQLITE_IOERR_DELETE;
        }
        if (const auto done = self.disk_.remove(path); !done) {
            if (done.error().code == Code::not_found) {
                return SQLITE_IOERR_DELETE_NOENT;
            }
            return self.failed(done.error(), SQLITE_IOERR_DELETE);
        }
        if (sync_directory != 0) {
            if (const auto done = self.disk_.sync_directory(directory_of(path)); !done) {
                return self.failed(done.error(), SQLITE_IOERR_DIR_FSYNC);
            }
        }
        return SQLITE_OK;
    }

    static int access(sqlite3_vfs* vfs, const char* path, int flags, int* result) {
        auto& self = of(vfs);
        if (self.cut_off_) {
            return SQLITE_IOERR_ACCESS;
        }
        const auto info = self.disk_.info(path);
        if (!info && info.error().code != Code::not_found) {
            return self.failed(info.error(), SQLITE_IOERR_ACCESS);
        }
        // SQLite asks whether a journal exists; an empty one counts as none (sqlite3 os_unix.c).
        *result = info && (flags != SQLITE_ACCESS_EXISTS || info->size > 0) ? 1 : 0;
        return SQLITE_OK;
    }

    static int full_path(sqlite3_vfs*, const char* path, int size, char* into) {
        const auto length = std::strlen(path);
        if (length >= static_cast<std::size_t>(size)) {
            return SQLITE_CANTOPEN;
        }
        std::memcpy(into, path, length + 1);
        return SQLITE_OK;
    }

    // Neither time nor chance reaches the database: SQLite asks for them for temporary names,
    // waiting for locks and CURRENT_TIME, none of which is used.
    static int randomness(sqlite3_vfs*, int size, char* into) {
        std::memset(into, 0, static_cast<std::size_t>(size));
        return size;
    }
    static int sleep(sqlite3_vfs*, int) { return 0; }
    static int current_time(sqlite3_vfs*, double* now) {
        *now = 0;
        return SQLITE_OK;
    }
    static int last_error(sqlite3_vfs*, int, char*) { return 0; }
};

SqliteFiles::SqliteFiles(host::Disk& disk)
    : disk_(disk),
      name_(fmt::format("tidemill-{}", fmt::ptr(this))),
      vfs_(new sqlite3_vfs{.iVersion = 1,
                           .szOsFile = sizeof(OpenFile),
                           .mxPathname = 4096,
                           .pNext = nullptr,
                           .zName = name_.c_str(),
                           .pAppData = this,
                           .xOpen = Methods::open,
                           .xDelete = Methods::remove,
                           .xAccess = Methods::access,
                           .xFullPathname = Methods::full_path,
                           .xDlOpen = nullptr,
                           .xDlError = nullptr,
                           .xDlSym = nullptr,
                           .xDlClose = nullptr,
                           .xRandomness = Methods::randomness,
                           .xSleep = Methods::sleep,
                           .xCurrentTime = Methods::current_time,
                           .xGetLastError = Methods::last_error,
                           .xCurrentTimeInt64 = nullptr,
                           .xSetSystemCall = nullptr,
                           .xGetSystemCall = nullptr,
                           .xNextSystemCall = nullptr}) {
    CHECK(sqlite3_vfs_register(vfs_, 0) == SQLITE_OK);
}

SqliteFiles::~SqliteFiles() {
    sqlite3_vfs_unregister(vfs_);
    delete vfs_;
}

int SqliteFiles::failed(const base::Error& error, int code) {
    last_error_ = error;
    return error.code == Code::exhausted ? SQLITE_FULL : code;
}

}  // namespace tidemill::store
