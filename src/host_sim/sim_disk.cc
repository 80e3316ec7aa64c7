#include "host_sim/sim_disk.h"

#include <algorithm>
#include <cstring>
#include <utility>

#include "base/check.h"

namespace tidemill::host_sim {
namespace {

using base::Code;
using base::fail;
using base::Result;
using base::Status;

constexpr std::size_t sector_bytes = 512;

std::string parent_of(const std::string& path) {
    const auto slash = path.rfind('/');
    if (slash == std::string::npos) {
        return ".";
    }
    return slash == 0 ? "/" : path.substr(0, slash);
}

// True when `path` lies below `directory`, at any depth.
bool is_below(const std::string& path, const std::string& directory) {
    return path.size() > directory.size() + 1 && path.starts_with(directory) &&
           path[directory.size()] == '/';
}

void put(std::string& into, std::uint64_t offset, std::string_view bytes) {
    if (into.size() < offset + bytes.size()) {
        into.resize(offset + bytes.size());
    }
    std::memcpy(into.data() + offset, bytes.data(), bytes.size());
}

}  // namespace

// An unsynced write or truncation.
struct SimDisk::Change {
    enum class Type : std::uint8_t { write, truncate } type = Type::write;
    std::uint64_t at = 0;  // offset, or the new size
    std::string bytes;

    void apply(std::string& to) const {
        if (type == Type::truncate) {
            to.resize(at);
        } else {
            put(to, at, bytes);
        }
    }
};

struct SimDisk::Inode {
    std::string seen;
    std::string durable;
    std::vector<Change> changes;
    unsigned mode = 0600;
    bool is_link = false;  // `seen` is what it says
    base::WallTime modified;
    unsigned names = 0;
    unsigned handles = 0;
    bool locked = false;
    bool released = false;
};

// An unsynced creation, removal or rename.
struct SimDisk::NameChange {
    std::string removed;  // empty: none
    std::string added;    // empty: none
    InodePtr inode;       // of `added`
    std::set<std::string> unsynced_directories;

    void apply(std::map<std::string, InodePtr>& to) const {
        if (!removed.empty()) {
            to.erase(removed);
        }
        if (!added.empty()) {
            to[added] = inode;
        }
    }
};

class SimDisk::SimFile final : public host::File {
public:
    SimFile(SimDisk& disk, std::string path, InodePtr inode, bool locks)
        : disk_(disk),
          path_(std::move(path)),
          inode_(std::move(inode)),
          generation_(disk.generation_),
          locks_(locks) {
        ++inode_->handles;
    }
    ~SimFile() override {
        if (generation_ != disk_.generation_) {
            return;  // the machine it belonged to is gone, and its handles and locks with it
        }
        if (locks_) {
            inode_->locked = false;
        }
        --inode_->handles;
        disk_.release(*inode_);
    }

    Result<std::size_t> read_at(std::uint64_t offset, std::span<char> into) override {
        CHECK_OK(begin("read", disk_.options_.read_fails_ppm));
        const auto& bytes = inode_->seen;
        if (offset >= bytes.size()) {
            return std::size_t{0};
        }
        const auto size = std::min<std::size_t>(into.size(), bytes.size() - offset);
        std::memcpy(into.data(), bytes.data() + offset, size);
        return size;
    }
    Status write_at(std::uint64_t offset, std::string_view bytes) override {
        CHECK_OK(begin("write", disk_.options_.write_fails_ppm));
        disk_.trace_.add("disk write", offset, bytes.size());
        const std::uint64_t had = inode_->seen.size();
        const std::uint64_t end = offset + bytes.size();
        std::string_view fits = bytes;
        if (end > had) {
            const std::uint64_t capacity = disk_.options_.capacity_bytes;
            const std::uint64_t free = capacity > disk_.used_ ? capacity - disk_.used_ : 0;
            if (end - had > free) {
                // A device takes what fits before it says no.
                const std::uint64_t most = had + free;
                fits = bytes.substr(0, most > offset ? most - offset : 0);
            }
        }
        if (!fits.empty()) {
            disk_.resize(*inode_, std::max(had, offset + fits.size()));
            put(inode_->seen, offset, fits);
            inode_->changes.push_back({Change::Type::write, offset, std::string(fits)});
        }
        inode_->modified = disk_.clock_.wall_now();
        if (fits.size() < bytes.size()) {
            return fail(Code::exhausted, "{}: disk full, {} of {} bytes written", path_,
                        fits.size(), bytes.size());
        }
        return base::ok;
    }
    Status truncate(std::uint64_t size) override {
        CHECK_OK(begin("truncate", disk_.options_.write_fails_ppm));
        const std::uint64_t had = inode_->seen.size();
        if (size > had && size - had > disk_.options_.capacity_bytes -
                                           std::min(disk_.options_.capacity_bytes, disk_.used_)) {
            return fail(Code::exhausted, "{}: disk full", path_);
        }
        disk_.resize(*inode_, size);
        inode_->changes.push_back({Change::Type::truncate, size, {}});
        inode_->modified = disk_.clock_.wall_now();
        return base::ok;
    }
    Result<std::uint64_t> size() override {
        CHECK_OK(begin("size", 0));
        return inode_->seen.size();
    }
    Status sync() override {
        if (auto status = begin("sync", disk_.options_.sync_fails_ppm); !status) {
            if (!disk_.off_ && generation_ == disk_.generation_) {
                for (const auto& change : inode_->changes) {
                    if (disk_.dice_.one_in(2)) {
                        change.apply(inode_->durable);
                    }
                }
                inode_->changes.clear();
            }
            return status;
        }
        for (const auto& change : inode_->changes) {
            change.apply(inode_->durable);
        }
        inode_->changes.clear();
        return base::ok;
    }

private:
    Status begin(std::string_view what, std::uint32_t fails_ppm) {
        if (generation_ != disk_.generation_) {
            return fail(Code::unavailable, "{}: the file belongs to a machine that crashed", path_);
        }
        return disk_.operate(what, path_, fails_ppm);
    }

    SimDisk& disk_;
    std::string path_;
    InodePtr inode_;
    std::uint64_t generation_;
    bool locks_;
};

SimDisk::SimDisk(std::uint64_t seed, const host::Clock& clock, Trace& trace, DiskOptions options)
    : dice_(seed, "disk"), clock_(clock), trace_(trace), options_(options) {}

SimDisk::~SimDisk() = default;

Status SimDisk::operate(std::string_view what, const std::string& path, std::uint32_t fails_ppm) {
    if (off_ || operations_ >= power_off_at_) {
        off_ = true;
        return fail(Code::unavailable, "{}: the power is off", path);
    }
    const auto operation = operations_++;
    trace_.add(what, operation, base::fnv1a(path));
    if (fail_at_ == operation) {
        fail_at_.reset();
        return fail(Code::unavailable, "{}: {} failed (injected)", path, what);
    }
    if (dice_.chance(fails_ppm)) {
        return fail(Code::unavailable, "{}: {} failed (input/output error)", path, what);
    }
    return base::ok;
}

Result<SimDisk::InodePtr> SimDisk::find(const std::string& path, Open how, unsigned mode) {
    const auto found = names_.find(path);
    if (found != names_.end()) {
        if (how == Open::create_new) {
            return fail(Code::conflict, "{}: exists already", path);
        }
        if (found->second->is_link) {
            return fail(Code::invalid, "{}: is a link, which this disk does not follow", path);
        }
        return found->second;
    }
    if (directories_.contains(path)) {
        return fail(Code::invalid, "{}: is a directory", path);
    }
    if (how == Open::read || how == Open::read_write || !directories_.contains(parent_of(path))) {
        return fail(Code::not_found, "{}: no such file or directory", path);
    }
    auto inode = std::make_shared<Inode>();
    inode->mode = mode;
    inode->modified = clock_.wall_now();
    inode->names = 1;
    names_[path] = inode;
    name_changes_.push_back({{}, path, inode, {parent_of(path)}});
    return inode;
}

Result<std::unique_ptr<host::File>> SimDisk::open(const std::string& path, Open how,
                                                  unsigned mode) {
    CHECK_OK(operate("open", path, 0));
    TRY(auto inode, find(path, how, mode));
    return std::make_unique<SimFile>(*this, path, std::move(inode), false);
}

Result<std::unique_ptr<host::File>> SimDisk::lock(const std::string& path) {
    CHECK_OK(operate("lock", path, 0));
    TRY(auto inode, find(path, Open::create, 0600));
    if (inode->locked) {
        return fail(Code::conflict, "{}: locked by process 1", path);
    }
    inode->locked = true;
    return std::make_unique<SimFile>(*this, path, std::move(inode), true);
}

void SimDisk::resize(Inode& inode, std::uint64_t size) {
    used_ = used_ + size - inode.seen.size();
    inode.seen.resize(size);
}

void SimDisk::release(Inode& inode) {
    if (inode.names == 0 && inode.handles == 0 && !inode.released) {
        inode.released = true;
        used_ -= inode.seen.size();
    }
}

void SimDisk::unlink(const InodePtr& inode) {
    --inode->names;
    release(*inode);
}

Status SimDisk::remove(const std::string& path) {
    CHECK_OK(operate("remove", path, 0));
    const auto found = names_.find(path);
    if (found == names_.end()) {
        return fail(Code::not_found, "{}: no such file or directory", path);
    }
    unlink(found->second);
    names_.erase(found);
    name_changes_.push_back({path, {}, nullptr, {parent_of(path)}});
    return base::ok;
}

Status SimDisk::remove_tree(const std::string& path) {
    CHECK_OK(operate("remove_tree", path, 0));
    for (auto at = names_.begin(); at != names_.end();) {
        if (at->first == path || is_below(at->first, path)) {
            unlink(at->second);
            name_changes_.push_back({at->first, {}, nullptr, {parent_of(at->first)}});
            at = names_.erase(at);
        } else {
            ++at;
        }
    }
    std::erase_if(directories_, [&](const auto& directory) {
        return directory == path || is_below(directory, path);
    });
    return base::ok;
}

Status SimDisk::rename(const std::string& from, const std::string& to) {
    CHECK_OK(operate("rename", from, 0));
    const auto found = names_.find(from);
    if (found == names_.end() || !directories_.contains(parent_of(to))) {
        return fail(Code::not_found, "{}: no such file or directory",
                    found == names_.end() ? from : to);
    }
    if (from == to) {
        return base::ok;
    }
    const auto inode = found->second;
    names_.erase(found);
    if (const auto replaced = names_.find(to); replaced != names_.end()) {
        unlink(replaced->second);
    }
    names_[to] = inode;
    name_changes_.push_back({from, to, inode, {parent_of(from), parent_of(to)}});
    return base::ok;
}

Status SimDisk::make_directories(const std::string& path, unsigned /*mode*/) {
    CHECK_OK(operate("make_directories", path, 0));
    for (std::size_t at = 1; at <= path.size(); ++at) {
        if (at == path.size() || path[at] == '/') {
            const auto part = path.substr(0, at);
            if (names_.contains(part)) {
                return fail(Code::conflict, "{}: is a file", part);
            }
            directories_.insert(part);
        }
    }
    return base::ok;
}

Status SimDisk::sync_directory(const std::string& path) {
    CHECK_OK(operate("sync_directory", path, options_.sync_fails_ppm));
    std::erase_if(name_changes_, [&](NameChange& change) {
        change.unsynced_directories.erase(path);
        if (!change.unsynced_directories.empty()) {
            return false;
        }
        change.apply(durable_names_);
        return true;
    });
    return base::ok;
}

Status SimDisk::sync_tree(const std::string& path) {
    CHECK_OK(operate("sync_tree", path, options_.sync_fails_ppm));
    const auto within = [&](const std::string& each) {
        return each == path || is_below(each, path);
    };
    for (const auto& [name, inode] : names_) {
        if (within(name)) {
            for (const auto& change : inode->changes) {
                change.apply(inode->durable);
            }
            inode->changes.clear();
        }
    }
    std::erase_if(name_changes_, [&](NameChange& change) {
        std::erase_if(change.unsynced_directories, within);
        if (!change.unsynced_directories.empty()) {
            return false;
        }
        change.apply(durable_names_);
        return true;
    });
    return base::ok;
}

Status SimDisk::make_link(const std::string& target, const std::string& path) {
    CHECK_OK(operate("make_link", path, 0));
    if (directories_.contains(path)) {
        return fail(Code::conflict, "{}: exists already", path);
    }
    TRY(const auto inode, find(path, Open::create_new, 0777));
    inode->is_link = true;
    // A link's words are part of its creation, not a write of their own.
    inode->durable = target;
    resize(*inode, target.size());
    inode->seen = target;
    return base::ok;
}

Result<std::string> SimDisk::read_link(const std::string& path) {
    CHECK_OK(operate("read_link", path, options_.read_fails_ppm));
    const auto found = names_.find(path);
    if (found == names_.end()) {
        return fail(directories_.contains(path) ? Code::invalid : Code::not_found,
                    "{}: no such link", path);
    }
    if (!found->second->is_link) {
        return fail(Code::invalid, "{}: is no link", path);
    }
    return found->second->seen;
}

Status SimDisk::make_hard_link(const std::string& existing, const std::string& path) {
    CHECK_OK(operate("make_hard_link", path, 0));
    const auto found = names_.find(existing);
    if (found == names_.end()) {
        return fail(directories_.contains(existing) ? Code::invalid : Code::not_found,
                    "{}: no such file", existing);
    }
    if (names_.contains(path) || directories_.contains(path)) {
        return fail(Code::conflict, "{}: exists already", path);
    }
    if (!directories_.contains(parent_of(path))) {
        return fail(Code::not_found, "{}: no such directory", parent_of(path));
    }
    const auto inode = found->second;
    ++inode->names;
    names_[path] = inode;
    name_changes_.push_back({{}, path, inode, {parent_of(path)}});
    return base::ok;
}

// Owners are not kept: nobody asks for them.
Status SimDisk::set_owner(const std::string& path, std::uint32_t, std::uint32_t) {
    CHECK_OK(operate("set_owner", path, 0));
    return names_.contains(path) || directories_.contains(path)
               ? Status(base::ok)
               : fail(Code::not_found, "{}: no such file or directory", path);
}

Status SimDisk::set_modified(const std::string& path, base::WallTime at) {
    CHECK_OK(operate("set_modified", path, 0));
    if (const auto found = names_.find(path); found != names_.end()) {
        found->second->modified = at;
        return base::ok;
    }
    return directories_.contains(path)
               ? Status(base::ok)
               : fail(Code::not_found, "{}: no such file or directory", path);
}

Status SimDisk::set_mode(const std::string& path, unsigned mode) {
    CHECK_OK(operate("set_mode", path, 0));
    if (const auto found = names_.find(path); found != names_.end()) {
        if (found->second->is_link) {
            return fail(Code::invalid, "{}: is a link, which has no mode", path);
        }
        found->second->mode = mode;
        return base::ok;
    }
    return directories_.contains(path)
               ? Status(base::ok)
               : fail(Code::not_found, "{}: no such file or directory", path);
}

Result<std::vector<std::string>> SimDisk::list(const std::string& path) {
    CHECK_OK(operate("list", path, options_.read_fails_ppm));
    if (!directories_.contains(path)) {
        return fail(Code::not_found, "{}: no such directory", path);
    }
    std::vector<std::string> names;
    const auto add = [&](const std::string& full) {
        if (full != path && parent_of(full) == path) {
            names.push_back(full.substr(full.rfind('/') + 1));
        }
    };
    for (const auto& entry : names_) {
        add(entry.first);
    }
    std::ranges::for_each(directories_, add);
    std::ranges::sort(names);
    return names;
}

Result<host::FileInfo> SimDisk::info(const std::string& path) {
    CHECK_OK(operate("info", path, 0));
    host::FileInfo info;
    if (const auto found = names_.find(path); found != names_.end()) {
        info.type =
            found->second->is_link ? host::FileInfo::Type::link : host::FileInfo::Type::file;
        info.size = found->second->seen.size();
        info.mode = found->second->mode;
        info.modified = found->second->modified;
        return info;
    }
    if (directories_.contains(path)) {
        info.type = host::FileInfo::Type::directory;
        info.mode = 0700;
        return info;
    }
    return fail(Code::not_found, "{}: no such file or directory", path);
}

Result<host::DiskSpace> SimDisk::space(const std::string& path) {
    CHECK_OK(operate("space", path, 0));
    const auto total = options_.capacity_bytes;
    return host::DiskSpace{total, total > used_ ? total - used_ : 0};
}

void SimDisk::crash_file(Inode& inode) {
    const auto fate = dice_.below(3);  // of this file's changes: none, all, or any have arrived
    for (const auto& change : inode.changes) {
        if (fate == 0) {
            break;
        }
        if (fate == 1) {
            change.apply(inode.durable);
            continue;
        }
        if (dice_.one_in(2)) {
            continue;
        }
        if (change.type == Change::Type::truncate || dice_.one_in(2)) {
            change.apply(inode.durable);
            continue;
        }
        for (std::size_t at = 0; at < change.bytes.size();) {
            // Sectors are those of the file, so the first and the last piece may be shorter.
            const auto size = std::min<std::size_t>(sector_bytes - (change.at + at) % sector_bytes,
                                                    change.bytes.size() - at);
            if (dice_.one_in(2)) {
                put(inode.durable, change.at + at, std::string_view(change.bytes).substr(at, size));
            }
            at += size;
        }
    }
    inode.changes.clear();
    inode.seen = inode.durable;
    inode.names = inode.handles = 0;
    inode.locked = false;
}

void SimDisk::crash() {
    trace_.add("disk crash", operations_);
    const auto fate = dice_.below(3);
    for (const auto& change : name_changes_) {
        if (fate == 1 || (fate == 2 && dice_.one_in(2))) {
            change.apply(durable_names_);
        }
    }
    name_changes_.clear();
    names_ = durable_names_;
    std::set<Inode*> crashed;
    used_ = 0;
    for (const auto& entry : names_) {
        Inode& inode = *entry.second;
        if (crashed.insert(&inode).second) {
            crash_file(inode);
            inode.released = false;
            used_ += inode.seen.size();
        }
        // A rename that only half arrived leaves the file under both names.
        ++inode.names;
    }
    ++generation_;
    off_ = false;
    power_off_at_ = UINT64_MAX;
    fail_at_.reset();
}

void SimDisk::corrupt(const std::string& path, std::uint64_t offset) {
    const auto found = names_.find(path);
    CHECK(found != names_.end() && offset < found->second->seen.size());
    auto& inode = *found->second;
    inode.seen[offset] = static_cast<char>(~inode.seen[offset]);
    if (offset < inode.durable.size()) {
        inode.durable[offset] = inode.seen[offset];
    }
}

}  // namespace tidemill::host_sim
