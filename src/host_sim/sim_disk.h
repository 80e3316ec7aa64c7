// A disk that forgets what was not synced.
#pragma once

#include <cstdint>
#include <map>
#include <memory>
#include <optional>
#include <set>
#include <string>
#include <vector>

#include "host/clock.h"
#include "host/disk.h"
#include "host_sim/dice.h"
#include "host_sim/trace.h"

namespace tidemill::host_sim {

struct DiskOptions {
    std::uint64_t capacity_bytes = 64U << 20;
    // Chances per million operations.
    std::uint32_t read_fails_ppm = 0;
    std::uint32_t write_fails_ppm = 0;
    std::uint32_t sync_fails_ppm = 0;
};

// Files in memory, each with what the process sees and what would be there after a power cut.
//
// crash(): of the writes, truncations, creations, removals and renames since the last sync of the
// file or directory, none, all or any subset has reached the disk, and a write any subset of its
// 512-byte sectors. This is harsher than ext4, as POSIX allows. Sync that fails behaves like
// Linux's: the unsynced bytes may be lost, the process goes on seeing them, and the next sync
// succeeds without them (P. Rebello et al., "Can Applications Recover from fsync Failures?", 2020).
// Simplified: directories are durable when made and not renamed; links are not followed; there are
// no holes, and permissions are only kept.
class SimDisk final : public host::Disk {
public:
    SimDisk(std::uint64_t seed, const host::Clock& clock, Trace& trace, DiskOptions options = {});
    ~SimDisk() override;

    base::Result<std::unique_ptr<host::File>> open(const std::string& path, Open how,
                                                   unsigned mode) override;
    base::Status remove(const std::string& path) override;
    base::Status remove_tree(const std::string& path) override;
    base::Status rename(const std::string& from, const std::string& to) override;
    base::Status make_directories(const std::string& path, unsigned mode) override;
    base::Status sync_directory(const std::string& path) override;
    base::Status sync_tree(const std::string& path) override;
    base::Status make_link(const std::string& target, const std::string& path) override;
    base::Result<std::string> read_link(const std::string& path) override;
    base::Status make_hard_link(const std::string& existing, const std::string& path) override;
    base::Status set_owner(const std::string& path, std::uint32_t uid, std::uint32_t gid) override;
    base::Status set_modified(const std::string& path, base::WallTime at) override;
    base::Status set_mode(const std::string& path, unsigned mode) override;
    base::Result<std::vector<std::string>> list(const std::string& path) override;
    base::Result<host::FileInfo> info(const std::string& path) override;
    base::Result<host::DiskSpace> space(const std::string& path) override;
    base::Result<std::unique_ptr<host::File>> lock(const std::string& path) override;

    // What a power cut leaves. Open files fail from now on, locks are free, the power is back.
    void crash();
    // After so many more operations the power is gone: everything fails, and nothing reaches the
    // disk, until crash().
    void power_off_after(std::uint64_t operations) { power_off_at_ = operations_ + operations; }
    bool powered() const { return !off_; }
    // The operation that comes so many later (0: the next) fails, once, with unavailable: for
    // trying every place where a scenario can fail.
    void fail_operation(std::uint64_t later) { fail_at_ = operations_ + later; }
    bool failure_pending() const { return fail_at_.has_value(); }
    void set_options(DiskOptions options) { options_ = options; }
    const DiskOptions& options() const { return options_; }
    std::uint64_t operations() const { return operations_; }
    std::uint64_t used_bytes() const { return used_; }
    // Inverts one byte on the platter, durably. Precondition: it is there.
    void corrupt(const std::string& path, std::uint64_t offset);

private:
    struct Change;
    struct Inode;
    struct NameChange;
    class SimFile;
    using InodePtr = std::shared_ptr<Inode>;

    // What every operation passes: counts, cuts the power, injects failures.
    base::Status operate(std::string_view what, const std::string& path, std::uint32_t fails_ppm);
    base::Result<InodePtr> find(const std::string& path, Open how, unsigned mode);
    void unlink(const InodePtr& inode);
    void release(Inode& inode);
    void resize(Inode& inode, std::uint64_t size);
    void crash_file(Inode& inode);

    Dice dice_;
    const host::Clock& clock_;
    Trace& trace_;
    DiskOptions options_;
    std::map<std::string, InodePtr> names_;
    std::map<std::string, InodePtr> durable_names_;
    std::vector<NameChange> name_changes_;  // unsynced, oldest first
    std::set<std::string> directories_{"/", "."};
    std::uint64_t used_ = 0;
    std::uint64_t operations_ = 0;
    std::uint64_t generation_ = 0;  // of the machine's boots
    std::uint64_t power_off_at_ = UINT64_MAX;
    std::optional<std::uint64_t> fail_at_;
    bool off_ = false;
};

}  // namespace tidemill::host_sim
