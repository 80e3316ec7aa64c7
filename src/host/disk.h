// Files. Synchronous: the rooms that use it run where waiting for a disk is allowed.
#pragma once

#include <cstdint>
#include <memory>
#include <span>
#include <string>
#include <string_view>
#include <vector>

#include "base/result.h"
#include "base/time.h"

namespace tidemill::host {

// An open file. Bytes are durable after sync() returned ok, and not before.
class File {
public:
    File() = default;
    File(const File&) = delete;
    File& operator=(const File&) = delete;
    virtual ~File() = default;

    // Reads up to `into.size()` bytes; fewer only at the end of the file.
    virtual base::Result<std::size_t> read_at(std::uint64_t offset, std::span<char> into) = 0;
    // Writes all of `bytes`. Errors: exhausted (disk full, with how much is left), unavailable
    // (I/O).
    virtual base::Status write_at(std::uint64_t offset, std::string_view bytes) = 0;
    virtual base::Status truncate(std::uint64_t size) = 0;
    virtual base::Result<std::uint64_t> size() = 0;
    // fdatasync. After a failure the file's unsynced bytes may be gone: do not just try again.
    virtual base::Status sync() = 0;
};

struct FileInfo {
    enum class Type : std::uint8_t { file, directory, link, other } type = Type::file;
    std::uint64_t size = 0;
    unsigned mode = 0;  // permission bits
    base::WallTime modified;
};

struct DiskSpace {
    std::uint64_t total_bytes = 0;
    std::uint64_t free_bytes = 0;  // for this process
};

class Disk {
public:
    enum class Open : std::uint8_t {
        read,        // must exist
        read_write,  // must exist
        create,      // made if it is not there
        create_new,  // must not exist
    };
    virtual ~Disk() = default;
    virtual base::Result<std::unique_ptr<File>> open(const std::string& path, Open how,
                                                     unsigned mode = 0600) = 0;
    virtual base::Status remove(const std::string& path) = 0;
    // A directory with all that is in it; does not follow links; ok if it is not there.
    virtual base::Status remove_tree(const std::string& path) = 0;
    // Replaces `to`. Durable only after sync_directory() of the directory of both.
    virtual base::Status rename(const std::string& from, const std::string& to) = 0;
    virtual base::Status make_directories(const std::string& path, unsigned mode = 0700) = 0;
    virtual base::Status sync_directory(const std::string& path) = 0;
    // All files and directories at and below `path` are durable: one wait for the device however
    // many they are, which may wait for other writers of the same file system too.
    virtual base::Status sync_tree(const std::string& path) = 0;
    // A symbolic link at `path` that says `target`; nothing may be there. Errors: conflict.
    virtual base::Status make_link(const std::string& target, const std::string& path) = 0;
    // What the link at `path` says. Errors: not_found, invalid (no link).
    virtual base::Result<std::string> read_link(const std::string& path) = 0;
    // A second name for the file or link (no directory) at `existing`; follows no link at the end
    // of either path. Errors: not_found, conflict (something is at `path`), invalid.
    virtual base::Status make_hard_link(const std::string& existing, const std::string& path) = 0;
    // Gives what is at `path`, a link itself too, to a user and a group. Errors: denied (only root
    // gives away).
    virtual base::Status set_owner(const std::string& path, std::uint32_t uid,
                                   std::uint32_t gid) = 0;
    // When what is at `path`, a link itself too, was changed last.
    virtual base::Status set_modified(const std::string& path, base::WallTime at) = 0;
    // Permission bits, whatever the umask. Not of links. Follows none at the end of the path.
    virtual base::Status set_mode(const std::string& path, unsigned mode) = 0;
    // Names, sorted, without "." and "..".
    virtual base::Result<std::vector<std::string>> list(const std::string& path) = 0;
    // Does not follow a link at the end of the path. Errors: not_found.
    virtual base::Result<FileInfo> info(const std::string& path) = 0;
    virtual base::Result<DiskSpace> space(const std::string& path) = 0;
    // Holds an exclusive lock until the File is destroyed or the process dies. Errors: conflict
    // (the message names the holder's process id if it can be known).
    virtual base::Result<std::unique_ptr<File>> lock(const std::string& path) = 0;
};

// The whole file, refused if it is larger than `bytes_max`. Errors: not_found, exhausted,
// unavailable.
base::Result<std::string> read_file(Disk& disk, const std::string& path, std::uint64_t bytes_max);
// Replaces the file so that after a crash either the old or the new content is there, whole: a new
// file beside it, synced, renamed, directory synced.
base::Status write_file_durably(Disk& disk, const std::string& path, std::string_view bytes,
                                unsigned mode = 0600);

}  // namespace tidemill::host
