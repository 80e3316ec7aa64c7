// The file system.
#pragma once

#include "host/disk.h"

namespace tidemill::host_linux {

// Stateless: any thread. Modes are subject to the process's umask.
class LinuxDisk final : public host::Disk {
public:
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
};

}  // namespace tidemill::host_linux
