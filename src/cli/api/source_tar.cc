#include "cli/api/source_tar.h"

#include <archive.h>
#include <archive_entry.h>
#include <fmt/format.h>

#include <algorithm>

#include "base/text.h"

namespace tidemill::cli {
namespace {

using base::Code;
using base::fail;
using base::Result;
using base::Status;

constexpr std::size_t piece_bytes = 64U << 10;
constexpr std::uint64_t ignore_file_bytes_max = 1U << 20;

// What is never source: kept by version control, or made again from lock files.
constexpr std::string_view always_ignored[] = {
    ".git/", ".hg/",  ".svn/",     "node_modules/", "__pycache__/",   ".venv/",
    "venv/", "*.pyc", ".DS_Store", ".tidemill/",    ".pytest_cache/", ".mypy_cache/",
};

// Linear in the product of both lengths: only the last star of each kind is tried again.
bool glob(std::string_view pattern, std::string_view text) {
    std::size_t p = 0;
    std::size_t t = 0;
    std::optional<std::pair<std::size_t, std::size_t>> star;
    struct Deep {
        std::size_t p;
        std::size_t t;
        bool whole_parts;  // "**/" ends only where a part does
    };
    std::optional<Deep> deep;
    while (t < text.size()) {
        if (p < pattern.size() && pattern.substr(p).starts_with("**")) {
            p += 2;
            const bool whole_parts = p < pattern.size() && pattern[p] == '/';
            p += whole_parts ? 1 : 0;
            deep = Deep{p, t, whole_parts};
            star.reset();
        } else if (p < pattern.size() && pattern[p] == '*') {
            star = {++p, t};
        } else if (p < pattern.size() &&
                   (pattern[p] == text[t] || (pattern[p] == '?' && text[t] != '/'))) {
            ++p;
            ++t;
        } else if (star && text[star->second] != '/') {
            p = star->first;
            t = ++star->second;
        } else if (deep) {
            const auto slash = text.find('/', deep->t);
            if (deep->whole_parts && slash == std::string_view::npos) {
                return false;
            }
            p = deep->p;
            t = deep->t = deep->whole_parts ? slash + 1 : deep->t + 1;
            star.reset();
        } else {
            return false;
        }
    }
    while (p < pattern.size() && pattern[p] == '*') {
        ++p;
    }
    return p == pattern.size();
}

struct Walk {
    host::Disk& disk;
    const SourceLimits& limits;
    std::vector<std::string> patterns;
    SourceFolder folder;
};

std::string below(const std::string& directory, const std::string& name) {
    return directory.empty() ? name : directory + "/" + name;
}

Status add(Walk& walk, SourceFile file) {
    auto& folder = walk.folder;
    folder.bytes += file.size;
    if (folder.files.size() >= walk.limits.files_max || folder.bytes > walk.limits.bytes_max) {
        const auto largest = std::ranges::max_element(folder.files, {}, &SourceFile::size);
        return fail(
            Code::exhausted,
            "{} is too large to send: more than {} files or {} bytes{}. Name what is no "
            "source in .tidemillignore",
            folder.root, walk.limits.files_max, walk.limits.bytes_max,
            largest == folder.files.end()
                ? ""
                : fmt::format(" (the largest so far: {}, {} bytes)", largest->path, largest->size));
    }
    folder.files.push_back(std::move(file));
    return base::ok;
}

Status visit(Walk& walk, const std::string& directory, std::size_t depth) {
    if (depth > walk.limits.depth_max) {
        return fail(Code::exhausted, "{}: folders are nested deeper than {}", directory,
                    walk.limits.depth_max);
    }
    const auto& root = walk.folder.root;
    TRY(const auto names, walk.disk.list(directory.empty() ? root : root + "/" + directory));
    for (const auto& name : names) {
        const auto path = below(directory, name);
        TRY(const auto info, walk.disk.info(root + "/" + path));
        const bool is_folder = info.type == host::FileInfo::Type::directory;
        if (is_ignored(walk.patterns, is_folder ? path + "/" : path)) {
            continue;
        }
        if (is_folder) {
            CHECK_OK(visit(walk, path, depth + 1));
        } else if (info.type == host::FileInfo::Type::file) {
            const auto mode =
                (info.mode & 0111U) != 0 ? SourceFile::Mode::executable : SourceFile::Mode::plain;
            CHECK_OK(add(walk, {path, info.size, mode}));
        } else if (info.type == host::FileInfo::Type::link) {
            TRY(auto target, walk.disk.read_link(root + "/" + path));
            if (stays_within(path, target)) {
                CHECK_OK(add(walk, {path, 0, SourceFile::Mode::link, std::move(target)}));
            } else {
                walk.folder.left_out.push_back(path);
            }
        } else {
            walk.folder.left_out.push_back(path);
        }
    }
    return base::ok;
}

// Docker's patterns are of the whole path.
std::string bound_to_root(std::string_view line) {
    const bool takes_back = line.starts_with('!');
    line.remove_prefix(takes_back ? 1 : 0);
    return fmt::format("{}{}{}", takes_back ? "!" : "", line.starts_with('/') ? "" : "/", line);
}

Result<std::vector<std::string>> read_patterns(host::Disk& disk, const std::string& root) {
    std::vector<std::string> out(std::begin(always_ignored), std::end(always_ignored));
    for (const std::string_view name : {".tidemillignore", ".dockerignore"}) {
        const auto path = fmt::format("{}/{}", root, name);
        if (!disk.info(path)) {
            continue;
        }
        TRY(const auto text, host::read_file(disk, path, ignore_file_bytes_max));
        for (auto line : base::split(text, '\n')) {
            if (line.ends_with('\r')) {
                line.remove_suffix(1);
            }
            line = base::trim(line);
            if (!line.empty() && line.front() != '#') {
                out.push_back(name == ".dockerignore" ? bound_to_root(line) : std::string(line));
            }
        }
        break;
    }
    return out;
}

}  // namespace

bool stays_within(std::string_view path, std::string_view target) {
    if (target.empty() || target.front() == '/') {
        return false;
    }
    auto depth = std::ranges::count(path, '/');
    for (const auto part : base::split(target, '/')) {
        if (part == "..") {
            --depth;
        } else if (!part.empty() && part != ".") {
            ++depth;
        }
        if (depth < 0) {
            return false;
        }
    }
    return true;
}

bool is_ignored(const std::vector<std::string>& patterns, std::string_view path) {
    const bool is_folder = path.ends_with('/');
    if (is_folder) {
        path.remove_suffix(1);
    }
    bool ignored = false;
    for (std::string_view pattern : patterns) {
        const bool takes_back = pattern.starts_with('!');
        if (takes_back) {
            pattern.remove_prefix(1);
        }
        if (pattern.ends_with('/')) {
            if (!is_folder) {
                continue;
            }
            pattern.remove_suffix(1);
        }
        if (pattern.starts_with("./")) {
            pattern.remove_prefix(1);
        }
        const bool rooted = pattern.find('/') != std::string_view::npos;
        if (pattern.starts_with('/')) {
            pattern.remove_prefix(1);
        }
        const auto slash = path.rfind('/');
        const auto name = slash == std::string_view::npos ? path : path.substr(slash + 1);
        if (glob(pattern, rooted ? path : name)) {
            ignored = !takes_back;
        }
    }
    return ignored;
}

Result<SourceFolder> read_source_folder(host::Disk& disk, const std::string& root,
                                        const SourceLimits& limits) {
    if (const auto names = disk.list(root); !names) {
        return fail(names.error().code, "the folder {} cannot be read: {}", root,
                    names.error().message);
    }
    TRY(auto patterns, read_patterns(disk, root));
    Walk walk{.disk = disk, .limits = limits, .patterns = std::move(patterns), .folder = {}};
    walk.folder.root = root;
    CHECK_OK(visit(walk, "", 0));
    if (walk.folder.files.empty()) {
        return fail(Code::invalid,
                    "there is nothing to send in {}: it is empty, or all of it is ignored (TM-401)",
                    root);
    }
    std::ranges::sort(walk.folder.files, {}, &SourceFile::path);
    return std::move(walk.folder);
}

struct SourceTar::Archive {
    Archive(host::Disk& d, const SourceFolder& f) : disk(d), folder(f) {}

    static la_ssize_t take(struct archive*, void* self, const void* bytes, std::size_t size) {
        static_cast<Archive*>(self)->ready.append(static_cast<const char*>(bytes), size);
        return static_cast<la_ssize_t>(size);
    }

    Status wrong() const {
        const char* const text = archive_error_string(writer);
        return fail(Code::invalid, "{}: {}", folder.root, text == nullptr ? "?" : text);
    }

    Status open() {
        writer = archive_write_new();
        if (writer == nullptr || archive_write_set_format_pax_restricted(writer) != ARCHIVE_OK ||
            archive_write_open2(writer, this, nullptr, &take, nullptr, nullptr) != ARCHIVE_OK) {
            return fail(Code::exhausted, "no memory for an archive");
        }
        return base::ok;
    }

    Status begin_file(const SourceFile& source) {
        const bool is_link = source.mode == SourceFile::Mode::link;
        if (!is_link) {
            TRY(file, disk.open(folder.root + "/" + source.path, host::Disk::Open::read));
        }
        auto* const entry = archive_entry_new();
        if (entry == nullptr) {
            return fail(Code::exhausted, "no memory for an archive");
        }
        archive_entry_set_pathname(entry, source.path.c_str());
        archive_entry_set_filetype(entry, is_link ? AE_IFLNK : AE_IFREG);
        if (is_link) {
            archive_entry_set_symlink(entry, source.target.c_str());
        }
        archive_entry_set_perm(entry, source.mode == SourceFile::Mode::executable ? 0755U : 0644U);
        archive_entry_set_size(entry, static_cast<la_int64_t>(source.size));
        archive_entry_set_mtime(entry, 0, 0);
        const int status = archive_write_header(writer, entry);
        archive_entry_free(entry);
        offset = 0;
        return status < ARCHIVE_WARN ? wrong() : Status(base::ok);
    }

    Status write_piece(const SourceFile& source) {
        std::string piece(std::min<std::uint64_t>(piece_bytes, source.size - offset), '\0');
        TRY(const auto got, file->read_at(offset, piece));
        if (got != piece.size()) {
            return fail(Code::conflict, "{} became shorter while it was read", source.path);
        }
        offset += got;
        if (archive_write_data(writer, piece.data(), piece.size()) < 0) {
            return wrong();
        }
        return base::ok;
    }

    // One step: opens, a file's head, a piece of it, or the end.
    Status step() {
        if (writer == nullptr) {
            return open();
        }
        if (at == folder.files.size()) {
            ended = true;
            return archive_write_close(writer) == ARCHIVE_OK ? Status(base::ok) : wrong();
        }
        const auto& source = folder.files[at];
        if (!begun) {
            CHECK_OK(begin_file(source));
            begun = true;
        }
        if (offset < source.size) {
            CHECK_OK(write_piece(source));
        }
        if (offset == source.size) {
            file.reset();
            begun = false;
            ++at;
        }
        return base::ok;
    }

    host::Disk& disk;
    const SourceFolder& folder;
    struct archive* writer = nullptr;
    std::string ready;
    std::size_t at = 0;
    std::unique_ptr<host::File> file;
    bool begun = false;  // the file at `at`
    std::uint64_t offset = 0;
    bool ended = false;
};

SourceTar::SourceTar(host::Disk& disk, const SourceFolder& folder)
    : archive_(std::make_unique<Archive>(disk, folder)) {}

SourceTar::~SourceTar() {
    if (archive_->writer != nullptr) {
        // Freeing closes, which writes once more into `ready`.
        archive_write_free(archive_->writer);
    }
}

Result<std::optional<std::string>> SourceTar::next() {
    while (archive_->ready.size() < piece_bytes && !archive_->ended) {
        CHECK_OK(archive_->step());
    }
    if (archive_->ready.empty()) {
        return std::nullopt;
    }
    return std::exchange(archive_->ready, {});
}

}  // namespace tidemill::cli
