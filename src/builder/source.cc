#include "builder/source.h"

#include <fmt/ranges.h>

#include <algorithm>
#include <array>
#include <set>

#include "builder/ignore.h"
#include "image/tar.h"

namespace tidemill::builder {
namespace {

using base::Code;
using base::fail;
using Type = image::TreeEntry::Type;

constexpr std::uint64_t ignore_bytes_max = 256 << 10;

base::Result<IgnoreRules> read_ignore_rules(host::Disk& disk, const std::string& tree) {
    constexpr std::array files{std::pair{".tidemillignore", IgnoreRules::Dialect::git},
                               std::pair{".dockerignore", IgnoreRules::Dialect::docker}};
    for (const auto& [name, dialect] : files) {
        const auto path = tree + "/" + name;
        const auto info = disk.info(path);
        if (info && info->type == host::FileInfo::Type::file) {
            TRY(const auto text, host::read_file(disk, path, ignore_bytes_max));
            return IgnoreRules(text, dialect);
        }
    }
    return IgnoreRules();
}

base::Result<std::string> read_beginning(host::Disk& disk, const std::string& path) {
    TRY(const auto file, disk.open(path, host::Disk::Open::read));
    std::string text(content_bytes_max, '\0');
    TRY(const auto got, file->read_at(0, text));
    text.resize(got);
    return text;
}

base::Error refused(const base::Error& why) {
    switch (why.code) {
        case Code::invalid:
            return base::wrap("TM-407: the upload is refused", why).error();
        case Code::exhausted:
            return base::wrap("TM-408: the folder is too large", why).error();
        default:
            return why;
    }
}

}  // namespace

base::Result<std::vector<SourceFile>> take_source(host::Disk& disk, const std::string& upload,
                                                  const std::string& tree,
                                                  const image::TreeLimits& limits) {
    CHECK_OK(disk.make_directories(tree));
    TRY(const auto tar, disk.open(upload, host::Disk::Open::read));
    const auto entries =
        image::unpack_tar(disk, *tar, tree, {.limits = limits, .skip = is_never_source});
    if (!entries) {
        return std::unexpected(refused(entries.error()));
    }
    const auto rules = read_ignore_rules(disk, tree);
    if (!rules) {
        return std::unexpected(refused(rules.error()));
    }
    std::vector<SourceFile> files;
    std::set<std::string, std::less<>> ignored;  // directories
    for (const auto& entry : *entries) {
        const auto parent = entry.path.rfind('/');
        if (parent != std::string::npos &&
            ignored.contains(std::string_view(entry.path).substr(0, parent))) {
            if (entry.type == Type::directory) {
                ignored.insert(entry.path);
            }
            continue;
        }
        const bool is_directory = entry.type == Type::directory;
        if (rules->ignores(entry.path,
                           is_directory ? IgnoreRules::Type::directory : IgnoreRules::Type::file)) {
            CHECK_OK(disk.remove_tree(tree + "/" + entry.path));
            if (is_directory) {
                ignored.insert(entry.path);
            }
            continue;
        }
        if (is_directory || entry.type == Type::link) {
            continue;
        }
        SourceFile file{.mode = entry.type == Type::program ? SourceFile::Mode::executable
                                                            : SourceFile::Mode::plain,
                        .path = entry.path};
        if (wants_content(file.path, file.mode)) {
            TRY(file.content, read_beginning(disk, tree + "/" + file.path));
        }
        files.push_back(std::move(file));
    }
    return files;
}

base::Result<std::string> find_built_program(host::Disk& disk, const std::string& directory) {
    TRY(const auto entries, image::list_tree(disk, directory, {.bytes_max = 8ULL << 30}));
    std::vector<std::string> programs;
    for (const auto& entry : entries) {
        if (entry.type != Type::program || entry.path.find("CMakeFiles/") != std::string::npos ||
            entry.path.find(".so") != std::string::npos) {
            continue;
        }
        TRY(const auto file, disk.open(directory + "/" + entry.path, host::Disk::Open::read));
        // e_ident and e_type of ELF: 2 is a program, 3 one that may lie anywhere (elf(5)).
        std::array<char, 18> head{};
        TRY(const auto got, file->read_at(0, head));
        if (got == head.size() &&
            std::string_view(head.data(), 4) ==
                "\x7f"
                "ELF" &&
            (head[16] == 2 || head[16] == 3)) {
            programs.push_back(entry.path);
        }
    }
    if (programs.empty()) {
        return fail(Code::invalid,
                    "TM-417: CMake built no executable; CMakeLists.txt needs an add_executable(…)");
    }
    if (programs.size() > 1) {
        return fail(Code::invalid,
                    "TM-417: CMake built {} executables ({}); which is the server cannot be told: "
                    "build one only, or add a Procfile",
                    programs.size(), fmt::join(programs, ", "));
    }
    return programs.front();
}

base::Status copy_file(host::Disk& disk, const std::string& from, const std::string& to,
                       unsigned mode) {
    TRY(const auto source, disk.open(from, host::Disk::Open::read));
    TRY(const auto copy, disk.open(to, host::Disk::Open::create_new, mode));
    CHECK_OK(disk.set_mode(to, mode));
    std::string chunk(256 << 10, '\0');
    for (std::uint64_t offset = 0;;) {
        TRY(const auto got, source->read_at(offset, chunk));
        if (got == 0) {
            return base::ok;
        }
        CHECK_OK(copy->write_at(offset, std::string_view(chunk).substr(0, got)));
        offset += got;
    }
}

}  // namespace tidemill::builder
