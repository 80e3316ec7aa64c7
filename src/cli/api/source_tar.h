// A folder as a tar archive, the same bytes for the same content.
#pragma once

#include <cstdint>
#include <memory>
#include <optional>
#include <string>
#include <vector>

#include "base/result.h"
#include "host/disk.h"

namespace tidemill::cli {

struct SourceLimits {
    std::size_t files_max = 100'000;
    std::uint64_t bytes_max = std::uint64_t{1} << 30;  // as the server takes
    std::size_t depth_max = 64;
};

struct SourceFile {
    std::string path;  // below the folder
    std::uint64_t size = 0;
    enum class Mode : std::uint8_t { plain, executable, link } mode = Mode::plain;
    std::string target = {};  // of a link
};

struct SourceFolder {
    std::string root;
    std::vector<SourceFile> files;  // by path
    std::uint64_t bytes = 0;
    std::vector<std::string> left_out;  // devices, and links that lead out of the folder
};

// What of `root` is source: not what version control and package managers keep beside it, and not
// what its .tidemillignore (else its .dockerignore) names; the server looks once more. Errors:
// not_found, invalid (no folder, nothing in it), exhausted (a limit, with what is largest), denied.
base::Result<SourceFolder> read_source_folder(host::Disk& disk, const std::string& root,
                                              const SourceLimits& limits);

// Writes the archive piece by piece: files by path, no owners, no times, modes 0644 or 0755.
class SourceTar {
public:
    // Both outlive it.
    SourceTar(host::Disk& disk, const SourceFolder& folder);
    ~SourceTar();
    SourceTar(const SourceTar&) = delete;
    SourceTar& operator=(const SourceTar&) = delete;

    // The next piece, about 64 KiB; nothing at the end. Errors: conflict (a file changed while it
    // was read), and those of reading.
    base::Result<std::optional<std::string>> next();

private:
    struct Archive;
    std::unique_ptr<Archive> archive_;
};

// True for a path (with a slash at the end for a folder) that a list of ignore patterns leaves out:
// the last pattern that matches decides, `!` takes back, `*` and `?` stay within a name, `**` does
// not, a leading or inner slash binds to the folder's root, a trailing one means folders only.
bool is_ignored(const std::vector<std::string>& patterns, std::string_view path);

// True when a link at `path` that says `target` stays within the folder, whatever is there.
bool stays_within(std::string_view path, std::string_view target);

}  // namespace tidemill::cli
