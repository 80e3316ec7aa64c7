// Written here rather than by libarchive: its bytes depend on its version and on the process's
// locale, and in the C locale it reads a null pointer for names beyond ASCII (3.6.2). Ours are part
// of every image's name.
#include <fmt/format.h>

#include <algorithm>
#include <memory>

#include "image/digest.h"
#include "image/tar.h"

namespace tidemill::image {
namespace {

using base::Code;
using base::fail;

constexpr std::size_t chunk_bytes = 256 << 10;
constexpr std::size_t block_bytes = 512;
constexpr std::size_t name_bytes_max = 100;  // of both names in a ustar header

// One header of 512 bytes (POSIX.1-2017, pax, "ustar Interchange Format").
std::string ustar_header(char type, std::string_view name, std::string_view target, unsigned mode,
                         std::uint64_t size) {
    std::string header(block_bytes, '\0');
    const auto put = [&](std::size_t at, std::string_view text) {
        std::ranges::copy(text, header.begin() + static_cast<std::ptrdiff_t>(at));
    };
    put(0, name.substr(0, name_bytes_max));
    put(100, fmt::format("{:07o}", mode));
    put(108, "0000000");  // user
    put(116, "0000000");  // group
    put(124, fmt::format("{:011o}", size));
    put(136, fmt::format("{:011o}", source_date_epoch));
    put(148, "        ");  // of the checksum itself
    header[156] = type;
    put(157, target.substr(0, name_bytes_max));
    put(257, std::string_view("ustar\00000", 8));
    std::uint32_t sum = 0;
    for (const char c : header) {
        sum += static_cast<unsigned char>(c);
    }
    put(148, fmt::format("{:06o}", sum));
    header[154] = '\0';
    return header;
}

// "LENGTH key=value\n", where LENGTH counts its own digits ("pax Extended Header").
std::string pax_record(std::string_view key, std::string_view value) {
    const std::size_t rest = key.size() + value.size() + 3;  // ' ', '=', '\n'
    std::size_t length = rest + 1;
    while (length != rest + fmt::formatted_size("{}", length)) {
        length = rest + fmt::formatted_size("{}", length);
    }
    return fmt::format("{} {}={}\n", length, key, value);
}

bool fits_ustar(std::string_view name) {
    return name.size() <= name_bytes_max &&
           std::ranges::all_of(name, [](char c) { return static_cast<unsigned char>(c) < 0x80; });
}

class TarWriter {
public:
    explicit TarWriter(host::File& file) : file_(file) {}

    base::Status header(const TreeEntry& entry, const std::string& path) {
        const bool is_directory = entry.type == TreeEntry::Type::directory;
        const auto name = is_directory && !path.ends_with('/') ? path + "/" : path;
        std::string extended;
        if (!fits_ustar(name)) {
            extended += pax_record("path", name);
        }
        if (!fits_ustar(entry.target)) {
            extended += pax_record("linkpath", entry.target);
        }
        if (!extended.empty()) {
            CHECK_OK(write(ustar_header('x', "pax", "", 0644, extended.size())));
            CHECK_OK(write(extended));
            CHECK_OK(pad());
        }
        const char type = is_directory ? '5' : entry.type == TreeEntry::Type::link ? '2' : '0';
        return write(
            ustar_header(type, name, entry.target, entry.mode(), type == '0' ? entry.size : 0));
    }
    base::Status write(std::string_view bytes) {
        // Gathered: a tree is mostly small files.
        pending_ += bytes;
        return pending_.size() < chunk_bytes ? base::Status(base::ok) : flush();
    }
    // To the end of a block.
    base::Status pad() {
        const auto over = (bytes_ + pending_.size()) % block_bytes;
        return over == 0 ? base::Status(base::ok) : write(std::string(block_bytes - over, '\0'));
    }
    base::Result<PackedLayer> close() {
        CHECK_OK(write(std::string(2 * block_bytes, '\0')));
        CHECK_OK(flush());
        return PackedLayer{.digest = digester_.finish(), .bytes = bytes_};
    }

private:
    base::Status flush() {
        CHECK_OK(file_.write_at(bytes_, pending_));
        digester_.add(pending_);
        bytes_ += pending_.size();
        pending_.clear();
        return base::ok;
    }

    host::File& file_;
    Digester digester_;
    std::uint64_t bytes_ = 0;  // written
    std::string pending_;
};

}  // namespace

base::Result<PackedLayer> pack_tree(host::Disk& disk, const std::string& root,
                                    const std::vector<TreeEntry>& entries, std::string_view prefix,
                                    host::File& tar, const std::string& copy_to) {
    TarWriter writer(tar);
    if (!prefix.empty()) {
        const TreeEntry top{.type = TreeEntry::Type::directory};
        CHECK_OK(writer.header(top, std::string(prefix)));
    }
    const auto chunk = std::make_unique<char[]>(chunk_bytes);
    for (const auto& entry : entries) {
        CHECK_OK(writer.header(entry, std::string(prefix) + entry.path));
        if (entry.type != TreeEntry::Type::file && entry.type != TreeEntry::Type::program) {
            if (!copy_to.empty()) {
                CHECK_OK(make_entry(disk, copy_to, entry));
            }
            continue;
        }
        TRY(const auto from, disk.open(root + "/" + entry.path, host::Disk::Open::read));
        std::unique_ptr<host::File> copy;
        if (!copy_to.empty()) {
            const auto path = copy_to + "/" + entry.path;
            TRY(copy, disk.open(path, host::Disk::Open::create_new, entry.mode()));
            CHECK_OK(disk.set_mode(path, entry.mode()));
        }
        for (std::uint64_t offset = 0; offset < entry.size;) {
            TRY(const auto got, from->read_at(offset, {chunk.get(), chunk_bytes}));
            const std::string_view bytes(chunk.get(), got);
            if (got == 0 || offset + got > entry.size) {
                return fail(Code::conflict, "{}: changed while it was read", entry.path);
            }
            CHECK_OK(writer.write(bytes));
            if (copy) {
                CHECK_OK(copy->write_at(offset, bytes));
            }
            offset += got;
        }
        CHECK_OK(writer.pad());
    }
    return writer.close();
}

}  // namespace tidemill::image
