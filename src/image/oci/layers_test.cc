#include "image/oci/layers.h"

#include <archive.h>
#include <archive_entry.h>
#include <gtest/gtest.h>
#include <sys/stat.h>
#include <unistd.h>

#include <vector>

#include "host_linux/disk/linux_disk.h"
#include "host_linux/disk/scratch_directory.h"
#include "image/digest.h"
#include "image/oci/tree_path.h"
#include "image/ustar_fixture.h"

namespace tidemill::image {
namespace {

using base::Code;

enum class Filter : std::uint8_t { none, gzip, zstd };

std::string compress(const std::string& bytes, Filter filter) {
    if (filter == Filter::none) {
        return bytes;
    }
    archive* const to = archive_write_new();
    archive_write_set_format_raw(to);
    if (filter == Filter::gzip) {
        archive_write_add_filter_gzip(to);
    } else {
        archive_write_add_filter_zstd(to);
    }
    std::string out(bytes.size() + 4096, '\0');
    std::size_t used = 0;
    archive_write_open_memory(to, out.data(), out.size(), &used);
    archive_entry* const entry = archive_entry_new();
    archive_entry_set_filetype(entry, AE_IFREG);
    archive_write_header(to, entry);
    archive_write_data(to, bytes.data(), bytes.size());
    archive_entry_free(entry);
    archive_write_close(to);
    archive_write_free(to);
    out.resize(used);
    return out;
}

std::string tar(const std::vector<UstarEntry>& entries) {
    std::string bytes;
    for (const auto& entry : entries) {
        bytes += ustar(entry);
    }
    return bytes + ustar_end();
}

class LayersTest : public testing::Test {
protected:
    LayersTest() { start_over(); }

    std::string path(const std::string& name) const { return scratch_.path() + "/" + name; }
    std::string root() const { return path("root"); }
    void start_over(const LayerLimits& limits = {}) {
        EXPECT_TRUE(disk_.remove_tree(root()));
        EXPECT_TRUE(disk_.make_directories(root(), 0755));
        stack_.emplace(disk_, root(),
                       ::geteuid() == 0 ? LayerStack::Owners::kept : LayerStack::Owners::dropped,
                       limits);
    }
    base::Status apply_bytes(const std::string& bytes, const std::string& diff_id = "") {
        auto file = *disk_.open(path("layer"), host::Disk::Open::create, 0600);
        EXPECT_TRUE(file->truncate(0));
        EXPECT_TRUE(file->write_at(0, bytes));
        return stack_->apply(*file, diff_id);
    }
    base::Status apply(const std::vector<UstarEntry>& entries) { return apply_bytes(tar(entries)); }
    std::string text(const std::string& name) {
        return host::read_file(disk_, root() + "/" + name, 1000).value_or("(not there)");
    }
    bool there(const std::string& name) { return disk_.info(root() + "/" + name).has_value(); }

    host_linux::ScratchDirectory scratch_;
    host_linux::LinuxDisk linux_disk_;
    host::Disk& disk_ = linux_disk_;
    std::optional<LayerStack> stack_;
};

TEST_F(LayersTest, FilesLinksAndDirectoriesAreAsTheLayerSays) {
    ASSERT_TRUE(apply({{.path = "bin/", .type = '5', .mode = 0750},
                       {.path = "bin/app", .content = "program", .mode = 04755},
                       {.path = "bin/second", .type = '1', .target = "bin/app"},
                       {.path = "lib", .type = '2', .target = "/usr/lib"},
                       {.path = "up", .type = '2', .target = "../../../../etc/passwd"},
                       {.path = "/absolute/name", .content = "inside"},
                       {.path = "./dot//name", .content = "plain"}}));
    EXPECT_EQ(text("bin/app"), "program");
    EXPECT_EQ(text("bin/second"), "program");
    EXPECT_EQ(disk_.info(root() + "/bin")->mode, 0750U);
    EXPECT_EQ(disk_.info(root() + "/bin/app")->mode, 0755U) << "set-user-ID is left out";
    EXPECT_EQ(disk_.info(root() + "/bin/app")->modified.ns, 1'700'000'000'000'000'000);
    EXPECT_EQ(*disk_.read_link(root() + "/up"), "../../../../etc/passwd") << "kept as it is";
    EXPECT_EQ(text("absolute/name"), "inside");
    EXPECT_EQ(text("dot/name"), "plain");
    struct stat first{};
    struct stat second{};
    ASSERT_EQ(::stat((root() + "/bin/app").c_str(), &first), 0);
    ASSERT_EQ(::stat((root() + "/bin/second").c_str(), &second), 0);
    EXPECT_EQ(first.st_ino, second.st_ino);
    if (::geteuid() == 0) {
        EXPECT_EQ(first.st_uid, 1000U);
    }
    EXPECT_EQ(stack_->bytes(), 18U);
}

TEST_F(LayersTest, CompressedLayersAreUnpackedAndTheirPlainDigestIsChecked) {
    const auto plain = tar({{.path = "f", .content = "text"}});
    for (const auto filter : {Filter::none, Filter::gzip, Filter::zstd}) {
        start_over();
        ASSERT_TRUE(apply_bytes(compress(plain, filter), digest_of(plain)));
        EXPECT_EQ(text("f"), "text");
        const auto wrong = apply_bytes(compress(plain, filter), digest_of("else"));
        ASSERT_FALSE(wrong);
        EXPECT_TRUE(wrong.error().message.starts_with("TM-423: ")) << wrong.error().message;
    }
}

TEST_F(LayersTest, ALinkOnTheWayLeadsInsideTheRoot) {
    ASSERT_TRUE(apply({{.path = "usr/lib/", .type = '5'},
                       {.path = "lib", .type = '2', .target = "usr/lib"},
                       {.path = "out", .type = '2', .target = "/"},
                       {.path = "up", .type = '2', .target = "../../.."},
                       {.path = "nowhere", .type = '2', .target = "/made/late"}}));
    ASSERT_TRUE(apply({{.path = "lib/libc.so", .content = "c"},
                       {.path = "out/etc/file", .content = "e"},
                       {.path = "up/top", .content = "t"},
                       {.path = "nowhere/file", .content = "n"}}));
    EXPECT_EQ(text("usr/lib/libc.so"), "c");
    EXPECT_EQ(text("etc/file"), "e");
    EXPECT_EQ(text("top"), "t");
    EXPECT_EQ(text("made/late/file"), "n");
    EXPECT_EQ(*disk_.read_link(root() + "/lib"), "usr/lib");
}

TEST_F(LayersTest, UpperLayersReplaceAndRemove) {
    ASSERT_TRUE(apply({{.path = "keep/a", .content = "a"},
                       {.path = "keep/b", .content = "b"},
                       {.path = "whole/x", .content = "x"},
                       {.path = "gone", .content = "gone"},
                       {.path = "first", .content = "shared"},
                       {.path = "second", .type = '1', .target = "first"},
                       {.path = "was-file", .content = "f"},
                       {.path = "was-directory/inside", .content = "i"}}));
    ASSERT_TRUE(apply({{.path = "keep/.wh.a"},
                       {.path = "whole/new", .content = "n"},
                       {.path = "whole/.wh..wh..opq"},
                       {.path = ".wh.gone"},
                       {.path = ".wh.never-was"},
                       {.path = ".wh..wh.plnk/", .type = '5'},
                       {.path = "first", .content = "changed"},
                       {.path = "was-file/", .type = '5'},
                       {.path = "was-directory", .content = "d"}}));
    EXPECT_FALSE(there("keep/a"));
    EXPECT_EQ(text("keep/b"), "b");
    EXPECT_FALSE(there("whole/x"));
    EXPECT_EQ(text("whole/new"), "n") << "an opaque directory hides lower layers only";
    EXPECT_FALSE(there("gone"));
    EXPECT_FALSE(there(".wh..wh.plnk"));
    EXPECT_EQ(text("first"), "changed");
    EXPECT_EQ(text("second"), "shared") << "the other name of a replaced file stays";
    EXPECT_EQ(disk_.info(root() + "/was-file")->type, host::FileInfo::Type::directory);
    EXPECT_EQ(text("was-directory"), "d");
}

TEST_F(LayersTest, AWhiteoutLeavesWhatItsOwnLayerMade) {
    ASSERT_TRUE(apply({{.path = "d/old", .content = "o"}, {.path = "d/sub/old", .content = "o"}}));
    ASSERT_TRUE(apply({{.path = "d/sub/new", .content = "n"}, {.path = ".wh.d"}}));
    EXPECT_EQ(text("d/sub/new"), "n");
    EXPECT_FALSE(there("d/old"));
    EXPECT_FALSE(there("d/sub/old"));
}

TEST_F(LayersTest, AWhiteoutThroughALinkStaysInside) {
    const auto victim = path("victim");
    ASSERT_TRUE(disk_.make_directories(victim));
    ASSERT_TRUE(disk_.open(victim + "/file", host::Disk::Open::create, 0600));
    ASSERT_TRUE(apply({{.path = "escape", .type = '2', .target = victim}}));
    ASSERT_TRUE(apply({{.path = "escape/.wh.file"}, {.path = "escape/planted", .content = "p"}}));
    EXPECT_TRUE(disk_.info(victim + "/file"));
    EXPECT_FALSE(disk_.info(victim + "/planted"));
    EXPECT_EQ(text(victim.substr(1) + "/planted"), "p");
}

TEST_F(LayersTest, DevicesAndPipesAreLeftOut) {
    ASSERT_TRUE(apply({{.path = "dev/sda", .type = '3'},
                       {.path = "dev/tty", .type = '4'},
                       {.path = "pipe", .type = '6'},
                       {.path = "f", .content = "f"}}));
    EXPECT_FALSE(there("dev/sda"));
    EXPECT_FALSE(there("dev/tty"));
    EXPECT_FALSE(there("pipe"));
    EXPECT_TRUE(there("f"));
}

TEST_F(LayersTest, WhatEscapesOrIsBrokenIsRefusedWithItsName) {
    struct Case {
        const char* name;
        std::string bytes;
        const char* says;
    };
    const auto good = tar({{.path = "f", .content = std::string(3000, 'x')}});
    const auto gzipped = compress(good, Filter::gzip);
    const auto zstd = compress(good, Filter::zstd);
    const Case cases[] = {
        {"a name that climbs", tar({{.path = "a/../../escape", .content = "x"}}),
         "\"a/../../escape\": climbs"},
        {"only dots", tar({{.path = "..", .content = "x"}}), "climbs"},
        {"a hard link that climbs", tar({{.path = "l", .type = '1', .target = "../../etc/passwd"}}),
         "climbs"},
        {"a hard link to nothing", tar({{.path = "l", .type = '1', .target = "none"}}),
         "\"l\": is a second name for a file that is not there"},
        {"a hard link to a directory",
         tar({{.path = "d/", .type = '5'}, {.path = "l", .type = '1', .target = "d"}}),
         "second name"},
        {"a hard link through a link that leads out",
         tar({{.path = "out", .type = '2', .target = "/etc"},
              {.path = "l", .type = '1', .target = "out/passwd"}}),
         "second name"},
        {"a loop of links",
         tar({{.path = "a", .type = '2', .target = "b"},
              {.path = "b", .type = '2', .target = "a"},
              {.path = "a/f", .content = "x"}}),
         "more than 40 links"},
        {"a file as a directory", tar({{.path = "f", .content = "x"}, {.path = "f/g"}}),
         "no directory"},
        {"a whiteout of the parent", tar({{.path = "d/.wh..."}, {.path = "d/.wh.."}}),
         "removes no file"},
        {"no tar", std::string(4096, 'x'), "cannot be unpacked"},
        {"nothing", "", "cannot be unpacked"},
        {"cut in a file", good.substr(0, 1024), "cannot be unpacked"},
        {"cut gzip", gzipped.substr(0, gzipped.size() / 2), "cannot be unpacked"},
        {"cut zstd", zstd.substr(0, zstd.size() - 8), "cannot be unpacked"},
    };
    for (const auto& c : cases) {
        start_over();
        const auto applied = apply_bytes(c.bytes, "");
        ASSERT_FALSE(applied) << c.name;
        EXPECT_EQ(applied.error().code, Code::invalid) << c.name;
        EXPECT_TRUE(applied.error().message.starts_with("TM-424: ")) << applied.error().message;
        EXPECT_NE(applied.error().message.find(c.says), std::string::npos)
            << c.name << ": " << applied.error().message;
    }
    EXPECT_FALSE(disk_.info(path("escape")));
}

TEST_F(LayersTest, ALayerCutAtAnEntryIsFoundByItsDigest) {
    const auto whole = tar({{.path = "a", .content = "a"}, {.path = "b", .content = "b"}});
    const auto applied = apply_bytes(whole.substr(0, 1024), digest_of(whole));
    ASSERT_FALSE(applied);
    EXPECT_TRUE(applied.error().message.starts_with("TM-42")) << applied.error().message;
}

TEST_F(LayersTest, BombsEndAtTheLimits) {
    start_over({.bytes_max = 64 << 10});
    const std::string zeros(1 << 20, '\0');
    const auto large = compress(tar({{.path = "zeros", .content = zeros}}), Filter::gzip);
    ASSERT_LT(large.size(), 8192U);
    auto applied = apply_bytes(large);
    ASSERT_FALSE(applied);
    EXPECT_TRUE(applied.error().message.starts_with("TM-426: ")) << applied.error().message;

    start_over({.entries_max = 3});
    applied = apply({{.path = "a"}, {.path = "b"}, {.path = "c"}, {.path = "d"}});
    ASSERT_FALSE(applied);
    EXPECT_TRUE(applied.error().message.starts_with("TM-426: ")) << applied.error().message;
    start_over({.entries_max = 3});
    EXPECT_TRUE(apply({{.path = "a"}, {.path = "b"}}));
    EXPECT_FALSE(apply({{.path = "a"}, {.path = "b"}})) << "all layers count together";

    start_over({.bytes_max = 16 << 10});
    // Behind the end of the archive.
    applied = apply_bytes(compress(tar({{.path = "a"}}) + zeros, Filter::gzip));
    ASSERT_FALSE(applied);
    EXPECT_TRUE(applied.error().message.starts_with("TM-426: ")) << applied.error().message;
}

TEST_F(LayersTest, PathsOfATreeAreResolvedAsItsOwnProcessesWould) {
    ASSERT_TRUE(apply({{.path = "a/b/f", .content = "f"},
                       {.path = "abs", .type = '2', .target = "/a/b"},
                       {.path = "a/rel", .type = '2', .target = "b/../b/f"},
                       {.path = "a/high", .type = '2', .target = "../../../../a/b/f"}}));
    struct Case {
        const char* path;
        LastLink last;
        const char* want;
    };
    const Case cases[] = {
        {"/a/b/f", LastLink::followed, "/a/b/f"},
        {"abs/f", LastLink::kept, "/a/b/f"},
        {"abs", LastLink::kept, "/abs"},
        {"abs", LastLink::followed, "/a/b"},
        {"a/rel", LastLink::followed, "/a/b/f"},
        {"a/high", LastLink::followed, "/a/b/f"},
        {"../../../a", LastLink::followed, "/a"},
        {"none/at/all", LastLink::kept, "/none/at/all"},
        {"abs/../b/f", LastLink::followed, "/a/b/f"},
    };
    for (const auto& c : cases) {
        const auto found = resolve_in_tree(disk_, root(), c.path, c.last);
        ASSERT_TRUE(found) << c.path << ": " << found.error().message;
        EXPECT_EQ(found->substr(root().size()), c.want) << c.path;
    }
    EXPECT_EQ(*read_in_tree(disk_, root(), "/a/high", 10), "f");
    EXPECT_FALSE(read_in_tree(disk_, root(), "/a/b", 10));
    EXPECT_FALSE(resolve_in_tree(disk_, root(), "/a/b/f/g", LastLink::kept));
}

}  // namespace
}  // namespace tidemill::image
