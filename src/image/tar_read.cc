#include <archive.h>
#include <archive_entry.h>

#include <algorithm>
#include <map>
#include <memory>
#include <optional>

#include "image/tar.h"

namespace tidemill::image {
namespace {

using base::Code;
using base::fail;
using Type = TreeEntry::Type;

constexpr std::size_t chunk_bytes = 256 << 10;

struct FreeArchive {
    void operator()(archive* each) const { archive_read_free(each); }
};

struct Input {
    host::File& file;
    std::unique_ptr<char[]> chunk = std::make_unique<char[]>(chunk_bytes);
    std::uint64_t offset = 0;
    std::optional<base::Error> error;

    static la_ssize_t read(archive* into, void* self, const void** data) {
        auto& input = *static_cast<Input*>(self);
        auto got = input.file.read_at(input.offset, {input.chunk.get(), chunk_bytes});
        if (!got) {
            input.error = got.error();
            archive_set_error(into, -1, "read");
            return -1;
        }
        input.offset += *got;
        *data = input.chunk.get();
        return static_cast<la_ssize_t>(*got);
    }
};

std::string_view view(const char* text) {
    return text == nullptr ? std::string_view() : text;
}
// Names in pax headers are UTF-8; those in plain ones are bytes, which libarchive calls its
// locale's.
std::string_view either(const char* utf8, const char* bytes) {
    return utf8 != nullptr ? utf8 : view(bytes);
}

class Unpacker {
public:
    Unpacker(host::Disk& disk, host::File& tar, const std::string& to, const UnpackOptions& options)
        : disk_(disk),
          to_(to),
          options_(options),
          input_{.file = tar},
          archive_(archive_read_new()) {}

    base::Result<std::vector<TreeEntry>> run() {
        archive* const from = archive_.get();
        // What is not named here is not understood: no other format's reader sees a stranger's
        // bytes.
        if (from == nullptr || archive_read_support_format_tar(from) != ARCHIVE_OK ||
            archive_read_support_filter_gzip(from) != ARCHIVE_OK ||
            archive_read_open(from, &input_, nullptr, Input::read, nullptr) != ARCHIVE_OK) {
            return std::unexpected(failed().error());
        }
        for (;;) {
            archive_entry* entry = nullptr;
            const int result = archive_read_next_header(from, &entry);
            if (result == ARCHIVE_EOF) {
                break;
            }
            // Warns of every name beyond ASCII, because a service has no locale to turn it into;
            // names are taken as they are and checked by us.
            if (result != ARCHIVE_OK && result != ARCHIVE_WARN) {
                return std::unexpected(failed().error());
            }
            CHECK_OK(take(entry));
        }
        std::vector<TreeEntry> entries;
        entries.reserve(found_.size());
        for (auto& [path, entry] : found_) {
            entries.push_back(std::move(entry));
        }
        return entries;
    }

private:
    base::Status failed() const {
        if (input_.error) {
            return std::unexpected(*input_.error);
        }
        const auto why = view(archive_ ? archive_error_string(archive_.get()) : nullptr);
        return fail(Code::invalid, "the upload is not a tar archive that can be read: {}",
                    why.empty() ? "no memory" : why);
    }

    base::Status take(archive_entry* from) {
        auto name = either(archive_entry_pathname_utf8(from), archive_entry_pathname(from));
        if (name.starts_with("./")) {  // as `tar -C folder .` names things
            name.remove_prefix(2);
        }
        const auto kind = archive_entry_filetype(from);
        while (kind == AE_IFDIR && name.ends_with('/')) {
            name.remove_suffix(1);
        }
        if (kind == AE_IFDIR && (name.empty() || name == ".")) {
            return base::ok;
        }
        TreeEntry entry{.path = std::string(name)};
        CHECK_OK(check_tree_path(entry.path, options_.limits));
        if (is_skipped(entry.path)) {
            return base::ok;
        }
        if (archive_entry_hardlink(from) != nullptr) {
            return fail(Code::invalid, "\"{}\": is a hard link, which is not taken; send the file",
                        entry.path);
        }
        if (kind == AE_IFREG) {
            entry.type = (archive_entry_perm(from) & 0111U) != 0 ? Type::program : Type::file;
        } else if (kind == AE_IFDIR) {
            entry.type = Type::directory;
        } else if (kind == AE_IFLNK) {
            entry.type = Type::link;
            entry.target =
                std::string(either(archive_entry_symlink_utf8(from), archive_entry_symlink(from)));
            CHECK_OK(check_tree_link(entry.path, entry.target));
        } else {
            return fail(Code::invalid, "\"{}\": is a device, socket or pipe", entry.path);
        }
        CHECK_OK(make_parents(entry.path));
        if (const auto had = found_.find(entry.path); had != found_.end()) {
            if (had->second.type == Type::directory && entry.type == Type::directory) {
                return base::ok;
            }
            return fail(Code::invalid, "\"{}\": stands twice in the upload", entry.path);
        }
        if (entry.type == Type::file || entry.type == Type::program) {
            CHECK_OK(write_file(entry));
        } else {
            CHECK_OK(make_entry(disk_, to_, entry));
        }
        return add(std::move(entry));
    }

    bool is_skipped(std::string_view path) const {
        if (!options_.skip) {
            return false;
        }
        for (auto slash = path.find('/'); slash != std::string_view::npos;
             slash = path.find('/', slash + 1)) {
            if (options_.skip(path.substr(0, slash))) {
                return true;
            }
        }
        return options_.skip(path);
    }

    base::Status add(TreeEntry entry) {
        if (found_.size() >= options_.limits.entries_max) {
            return fail(Code::exhausted, "the upload holds more than {} files",
                        options_.limits.entries_max);
        }
        auto path = entry.path;
        found_.emplace(std::move(path), std::move(entry));
        return base::ok;
    }

    // What lies between is a directory or made one: nothing is ever written through a link.
    base::Status make_parents(std::string_view path) {
        for (auto slash = path.find('/'); slash != std::string_view::npos;
             slash = path.find('/', slash + 1)) {
            TreeEntry parent{.type = Type::directory, .path = std::string(path.substr(0, slash))};
            const auto had = found_.find(parent.path);
            if (had == found_.end()) {
                CHECK_OK(make_entry(disk_, to_, parent));
                CHECK_OK(add(std::move(parent)));
            } else if (had->second.type != Type::directory) {
                return fail(Code::invalid, "\"{}\": lies below \"{}\", which is no directory", path,
                            parent.path);
            }
        }
        return base::ok;
    }

    base::Status write_file(TreeEntry& entry) {
        const auto path = to_ + "/" + entry.path;
        TRY(const auto file, disk_.open(path, host::Disk::Open::create_new, entry.mode()));
        CHECK_OK(disk_.set_mode(path, entry.mode()));
        std::uint64_t written = 0;
        for (;;) {
            const void* data = nullptr;
            std::size_t size = 0;
            la_int64_t offset = 0;
            const int result = archive_read_data_block(archive_.get(), &data, &size, &offset);
            if (result == ARCHIVE_EOF) {
                break;
            }
            if (result != ARCHIVE_OK) {
                return failed();
            }
            const auto end = static_cast<std::uint64_t>(offset) + size;
            // A hole counts as what it reads as.
            if (offset < 0 || bytes_ + end > options_.limits.bytes_max) {
                return too_large();
            }
            CHECK_OK(file->write_at(static_cast<std::uint64_t>(offset),
                                    {static_cast<const char*>(data), size}));
            entry.size = std::max(entry.size, end);
            written = size > 0 ? end : written;
        }
        if (written < entry.size) {  // ends with a hole
            CHECK_OK(file->truncate(entry.size));
        }
        bytes_ += entry.size;
        return base::ok;
    }
    base::Status too_large() const {
        return fail(Code::exhausted, "the upload holds more than {} MiB unpacked",
                    options_.limits.bytes_max >> 20U);
    }

    host::Disk& disk_;
    const std::string& to_;
    const UnpackOptions& options_;
    Input input_;
    std::unique_ptr<archive, FreeArchive> archive_;
    std::map<std::string, TreeEntry> found_;
    std::uint64_t bytes_ = 0;
};

}  // namespace

base::Result<std::vector<TreeEntry>> unpack_tar(host::Disk& disk, host::File& tar,
                                                const std::string& to,
                                                const UnpackOptions& options) {
    return Unpacker(disk, tar, to, options).run();
}

}  // namespace tidemill::image
