#include "image/oci/layers.h"

#include <archive.h>
#include <archive_entry.h>

#include <algorithm>
#include <memory>
#include <optional>
#include <unordered_set>
#include <utility>

#include "base/bytes.h"
#include "base/text.h"
#include "image/digest.h"
#include "image/oci/tree_path.h"

namespace tidemill::image {
namespace {

using base::Code;
using base::fail;
using Type = host::FileInfo::Type;

constexpr std::size_t chunk_bytes = 256 << 10;
constexpr std::string_view whiteout_prefix = ".wh.";
constexpr std::string_view opaque_marker = ".wh..wh..opq";

struct FreeArchive {
    void operator()(archive* each) const { archive_read_free(each); }
};
using ArchivePtr = std::unique_ptr<archive, FreeArchive>;

std::string_view view(const char* text) {
    return text == nullptr ? std::string_view() : text;
}
// Names in pax headers are UTF-8; those in plain ones are bytes, which libarchive calls its
// locale's.
std::string_view either(const char* utf8, const char* bytes) {
    return utf8 != nullptr ? utf8 : view(bytes);
}
std::string why(archive* from, std::string_view otherwise) {
    const auto text = view(from == nullptr ? nullptr : archive_error_string(from));
    return std::string(text.empty() ? otherwise : text);
}
// For messages: a name may hold any bytes.
std::string shown(std::string_view name) {
    const auto part = name.substr(0, 256);
    const bool plain = base::is_utf8(part) && std::ranges::none_of(part, [](char c) {
                           return static_cast<unsigned char>(c) < 0x20 || c == 0x7f;
                       });
    return plain ? std::string(part) : base::to_hex(base::as_bytes(part));
}

// The decompressed bytes of a layer, hashed as they pass.
class Stream {
public:
    Stream(host::File& file, LayerStack::Totals& totals, const LayerLimits& limits)
        : file_(file), totals_(totals), limits_(limits), archive_(archive_read_new()) {}

    base::Status open() {
        archive* const from = archive_.get();
        // The "raw" format is whatever comes out of the filter.
        if (from == nullptr || archive_read_support_format_raw(from) != ARCHIVE_OK ||
            archive_read_support_filter_gzip(from) != ARCHIVE_OK ||
            archive_read_support_filter_zstd(from) != ARCHIVE_OK ||
            archive_read_open(from, this, nullptr, &Stream::read_file, nullptr) != ARCHIVE_OK) {
            return failed();
        }
        archive_entry* entry = nullptr;
        if (archive_read_next_header(from, &entry) != ARCHIVE_OK) {
            return failed();
        }
        return base::ok;
    }

    // The next piece; empty at the end, or after a failure, which error() then has.
    std::string_view next() {
        if (error_ || ended_) {
            return {};
        }
        const void* data = nullptr;
        std::size_t size = 0;
        la_int64_t offset = 0;
        do {
            const int result = archive_read_data_block(archive_.get(), &data, &size, &offset);
            if (result == ARCHIVE_EOF) {
                ended_ = true;
                return {};
            }
            if (result != ARCHIVE_OK) {
                error_ = failed().error();
                return {};
            }
        } while (size == 0);
        totals_.stream += size;
        // Headers and what is left out count too: nothing may go on for ever.
        if (totals_.stream > limits_.bytes_max + limits_.bytes_max / 4) {
            error_ = base::Error{Code::exhausted,
                                 fmt::format("TM-426: the layers hold more than {} MiB unpacked",
                                             limits_.bytes_max >> 20U)};
            return {};
        }
        const std::string_view piece(static_cast<const char*>(data), size);
        digester_.add(piece);
        return piece;
    }
    const std::optional<base::Error>& error() const { return error_; }
    std::string digest() { return digester_.finish(); }

    static la_ssize_t read_piece(archive* into, void* self, const void** data) {
        auto& stream = *static_cast<Stream*>(self);
        const auto piece = stream.next();
        if (stream.error_) {
            archive_set_error(into, -1, "read");
            return -1;
        }
        *data = piece.data();
        return static_cast<la_ssize_t>(piece.size());
    }

private:
    static la_ssize_t read_file(archive* into, void* self, const void** data) {
        auto& stream = *static_cast<Stream*>(self);
        auto got = stream.file_.read_at(stream.offset_, {stream.chunk_.get(), chunk_bytes});
        if (!got) {
            stream.error_ = got.error();
            archive_set_error(into, -1, "read");
            return -1;
        }
        stream.offset_ += *got;
        *data = stream.chunk_.get();
        return static_cast<la_ssize_t>(*got);
    }
    base::Status failed() const {
        if (error_) {
            return std::unexpected(*error_);
        }
        return fail(Code::invalid, "TM-424: the layer cannot be unpacked: {}",
                    why(archive_.get(), "neither a tar nor one compressed by gzip or zstd"));
    }

    host::File& file_;
    LayerStack::Totals& totals_;
    const LayerLimits& limits_;
    ArchivePtr archive_;
    std::unique_ptr<char[]> chunk_ = std::make_unique<char[]>(chunk_bytes);
    std::uint64_t offset_ = 0;
    bool ended_ = false;
    std::optional<base::Error> error_;
    Digester digester_;
};

class Layer {
public:
    Layer(host::Disk& disk, const std::string& root, LayerStack::Owners owners,
          const LayerLimits& limits, LayerStack::Totals& totals, host::File& file)
        : disk_(disk),
          root_(root),
          owners_(owners),
          limits_(limits),
          totals_(totals),
          stream_(file, totals, limits),
          archive_(archive_read_new()) {}

    base::Status run(std::string_view diff_id) {
        CHECK_OK(stream_.open());
        archive* const from = archive_.get();
        if (from == nullptr || archive_read_support_format_tar(from) != ARCHIVE_OK ||
            archive_read_open(from, &stream_, nullptr, &Stream::read_piece, nullptr) !=
                ARCHIVE_OK) {
            return failed();
        }
        for (;;) {
            archive_entry* entry = nullptr;
            const int result = archive_read_next_header(from, &entry);
            if (result == ARCHIVE_EOF) {
                break;
            }
            // Warns of every name beyond ASCII, because a service has no locale to turn it into.
            if (result != ARCHIVE_OK && result != ARCHIVE_WARN) {
                return failed();
            }
            CHECK_OK(take(entry));
        }
        while (!stream_.next().empty()) {  // what stands behind the end counts for the digest
        }
        if (stream_.error()) {
            return failed();
        }
        if (const auto digest = stream_.digest(); !diff_id.empty() && digest != diff_id) {
            return fail(Code::invalid,
                        "TM-423: a layer unpacks to {}, but the image's configuration says {}",
                        digest, diff_id);
        }
        return base::ok;
    }

private:
    base::Status failed() const {
        if (stream_.error()) {
            return std::unexpected(*stream_.error());
        }
        return fail(Code::invalid, "TM-424: the layer cannot be unpacked: {}",
                    why(archive_.get(), "no memory"));
    }
    std::unexpected<base::Error> refuse(std::string_view name, std::string_view what) const {
        return fail(Code::invalid, "TM-424: the layer cannot be unpacked: \"{}\": {}", shown(name),
                    what);
    }

    // "/a//./b/" -> "a/b"; empty for the root itself.
    base::Result<std::string> clean(std::string_view name) const {
        if (name.size() > limits_.path_bytes_max || name.find('\0') != std::string_view::npos) {
            return refuse(name, "is too long or holds a zero byte");
        }
        std::string path;
        for (const auto part : base::split(name, '/')) {
            if (part == "..") {
                return refuse(name, "climbs out of its directory");
            }
            if (part.size() > 255) {  // NAME_MAX
                return refuse(name, "holds a name of more than 255 bytes");
            }
            if (!part.empty() && part != ".") {
                path += path.empty() ? "" : "/";
                path += part;
            }
        }
        return path;
    }

    base::Status take(archive_entry* from) {
        const auto name = either(archive_entry_pathname_utf8(from), archive_entry_pathname(from));
        TRY(const auto path, clean(name));
        if (++totals_.entries > limits_.entries_max) {
            return fail(Code::exhausted, "TM-426: the layers hold more than {} files",
                        limits_.entries_max);
        }
        if (path.empty()) {
            return attributes(from, root_);
        }
        const auto slash = path.rfind('/');
        const auto directory = slash == std::string::npos ? "" : path.substr(0, slash);
        const auto last = path.substr(slash == std::string::npos ? 0 : slash + 1);
        TRY(const auto parent, parent_of(directory, name));
        if (last == opaque_marker) {
            return remove_lower_inside(parent);
        }
        if (last.starts_with(whiteout_prefix)) {
            const auto hidden = last.substr(whiteout_prefix.size());
            if (hidden.empty() || hidden == "." || hidden == "..") {
                return refuse(name, "is a mark that removes no file");
            }
            // Marks of storage drivers, which hide nothing (".wh..wh.plnk").
            return hidden.starts_with(whiteout_prefix) ? base::Status(base::ok)
                                                       : remove_lower(parent + "/" + hidden);
        }
        return place(from, name, parent + "/" + last);
    }

    // Where the directory really is; the last one again is the usual case.
    base::Result<std::string> parent_of(const std::string& directory, std::string_view name) {
        if (last_directory_ && last_directory_->first == directory) {
            return last_directory_->second;
        }
        auto found = make_directories_in_tree(disk_, root_, directory);
        if (!found) {
            if (found.error().code == Code::invalid) {
                return refuse(name, found.error().message);
            }
            return found;
        }
        note_made(*found);
        last_directory_.emplace(directory, *found);
        return found;
    }

    // Of this layer: whiteouts leave it alone, with all directories above it.
    void note_made(std::string_view full) {
        while (full.size() > root_.size() && made_.emplace(full).second) {
            full = full.substr(0, full.rfind('/'));
        }
    }

    base::Status remove_lower(const std::string& full) {
        const auto info = disk_.info(full);
        if (!info) {
            return info.error().code == Code::not_found ? base::Status(base::ok)
                                                        : std::unexpected(info.error());
        }
        last_directory_.reset();
        if (!made_.contains(full)) {
            return disk_.remove_tree(full);
        }
        return info->type == Type::directory ? remove_lower_inside(full) : base::Status(base::ok);
    }
    base::Status remove_lower_inside(const std::string& full) {
        TRY(const auto names, disk_.list(full));
        for (const auto& name : names) {
            CHECK_OK(remove_lower(full + "/" + name));
        }
        return base::ok;
    }

    base::Status place(archive_entry* from, std::string_view name, const std::string& full) {
        const auto kind = archive_entry_filetype(from);
        const auto* const hard_link =
            archive_entry_hardlink(from) == nullptr && archive_entry_hardlink_utf8(from) == nullptr
                ? nullptr
                : from;
        const bool is_known =
            hard_link != nullptr || kind == AE_IFREG || kind == AE_IFDIR || kind == AE_IFLNK;
        if (!is_known) {
            return base::ok;  // an instance has devices of its own
        }
        if (const auto there = disk_.info(full)) {
            if (there->type == Type::directory && kind == AE_IFDIR && hard_link == nullptr) {
                note_made(full);
                return attributes(from, full);
            }
            last_directory_.reset();
            // A file that is put in the place of its own target would lose it.
            if (hard_link != nullptr) {
                TRY(const auto target, target_of(hard_link, name));
                if (target == full) {
                    return base::ok;
                }
            }
            CHECK_OK(there->type == Type::directory ? disk_.remove_tree(full) : disk_.remove(full));
        }
        note_made(full);
        if (hard_link != nullptr) {
            return make_hard_link(hard_link, name, full);
        }
        if (kind == AE_IFDIR) {
            CHECK_OK(disk_.make_directories(full, 0755));
            return attributes(from, full);
        }
        if (kind == AE_IFLNK) {
            return make_link(from, name, full);
        }
        CHECK_OK(write_file(full));
        CHECK_OK(attributes(from, full));
        // What 64 bits of nanoseconds cannot say is cut: the years 1684 to 2255 are enough.
        const auto seconds =
            std::clamp<std::int64_t>(archive_entry_mtime(from), -9'000'000'000, 9'000'000'000);
        return disk_.set_modified(
            full, {seconds * 1'000'000'000 + archive_entry_mtime_nsec(from) % 1'000'000'000});
    }

    base::Result<std::string> target_of(const archive_entry* link, std::string_view name) {
        // libarchive does not change what it is asked about.
        auto* const from = const_cast<archive_entry*>(link);
        TRY(const auto path,
            clean(either(archive_entry_hardlink_utf8(from), archive_entry_hardlink(from))));
        auto target = resolve_in_tree(disk_, root_, path, LastLink::kept);
        if (!target && target.error().code == Code::invalid) {
            return refuse(name, target.error().message);
        }
        return target;
    }

    base::Status make_hard_link(const archive_entry* link, std::string_view name,
                                const std::string& full) {
        TRY(const auto target, target_of(link, name));
        const auto info = disk_.info(target);
        if (!info || info->type == Type::directory) {
            return refuse(name, "is a second name for a file that is not there");
        }
        return disk_.make_hard_link(target, full);
    }

    base::Status make_link(archive_entry* from, std::string_view name, const std::string& full) {
        const std::string target(
            either(archive_entry_symlink_utf8(from), archive_entry_symlink(from)));
        if (target.empty() || target.size() > limits_.path_bytes_max) {
            return refuse(name, "is a link to nowhere");
        }
        CHECK_OK(disk_.make_link(target, full));
        return owner(from, full);
    }

    base::Status owner(archive_entry* from, const std::string& full) {
        if (owners_ == LayerStack::Owners::dropped) {
            return base::ok;
        }
        // What does not fit 32 bits is nobody (user 65534), as the kernel shows such users.
        const auto id = [](la_int64_t number) {
            return number >= 0 && number < INT32_MAX ? static_cast<std::uint32_t>(number) : 65'534U;
        };
        return disk_.set_owner(full, id(archive_entry_uid(from)), id(archive_entry_gid(from)));
    }

    base::Status attributes(archive_entry* from, const std::string& full) {
        CHECK_OK(owner(from, full));
        const bool is_directory = archive_entry_filetype(from) == AE_IFDIR;
        unsigned mode = archive_entry_perm(from) & (is_directory ? 03777U : 01777U);
        if (owners_ == LayerStack::Owners::dropped) {
            // All are ours: a mode for somebody else must not lock us out.
            mode |= is_directory ? 0700U : 0400U;
        }
        return disk_.set_mode(full, mode);
    }

    base::Status write_file(const std::string& full) {
        TRY(const auto file, disk_.open(full, host::Disk::Open::create_new, 0600));
        std::uint64_t size = 0;
        std::uint64_t written = 0;
        for (;;) {
            const void* data = nullptr;
            std::size_t got = 0;
            la_int64_t offset = 0;
            const int result = archive_read_data_block(archive_.get(), &data, &got, &offset);
            if (result == ARCHIVE_EOF) {
                break;
            }
            if (result != ARCHIVE_OK) {
                return failed();
            }
            const auto end = static_cast<std::uint64_t>(offset) + got;
            // A hole counts as what it reads as.
            if (offset < 0 || end > limits_.bytes_max || totals_.bytes + end > limits_.bytes_max) {
                return fail(Code::exhausted, "TM-426: the layers hold more than {} MiB unpacked",
                            limits_.bytes_max >> 20U);
            }
            CHECK_OK(file->write_at(static_cast<std::uint64_t>(offset),
                                    {static_cast<const char*>(data), got}));
            size = std::max(size, end);
            written = got > 0 ? end : written;
        }
        if (written < size) {  // ends with a hole
            CHECK_OK(file->truncate(size));
        }
        totals_.bytes += size;
        return base::ok;
    }

    host::Disk& disk_;
    const std::string& root_;
    LayerStack::Owners owners_;
    const LayerLimits& limits_;
    LayerStack::Totals& totals_;
    Stream stream_;
    ArchivePtr archive_;
    // What this layer made, as it lies on the host.
    std::unordered_set<std::string> made_;
    // The directory of the entry before, as named and as found.
    std::optional<std::pair<std::string, std::string>> last_directory_;
};

}  // namespace

LayerStack::LayerStack(host::Disk& disk, std::string root, Owners owners, const LayerLimits& limits)
    : disk_(disk), root_(std::move(root)), owners_(owners), limits_(limits) {}

base::Status LayerStack::apply(host::File& layer, std::string_view diff_id) {
    auto applied = Layer(disk_, root_, owners_, limits_, totals_, layer).run(diff_id);
    if (!applied && applied.error().code == Code::exhausted &&
        !applied.error().message.starts_with("TM-")) {
        return fail(Code::exhausted, "TM-428: no room to unpack the image: {}",
                    applied.error().message);
    }
    return applied;
}

}  // namespace tidemill::image
