#include "image/tar.h"

#include <gtest/gtest.h>

#include "host_linux/disk/linux_disk.h"
#include "host_linux/disk/scratch_directory.h"
#include "image/ustar_fixture.h"

namespace tidemill::image {
namespace {

using base::Code;
using Type = TreeEntry::Type;

class TarTest : public testing::Test {
protected:
    base::Result<std::vector<TreeEntry>> unpack(const std::string& bytes,
                                                const UnpackOptions& options = {}) {
        const auto path = scratch_.path() + "/upload";
        EXPECT_TRUE(disk_.remove_tree(path));
        EXPECT_TRUE(disk_.remove_tree(to()));
        EXPECT_TRUE(disk_.make_directories(to()));
        auto file = *disk_.open(path, host::Disk::Open::create, 0600);
        EXPECT_TRUE(file->write_at(0, bytes));
        return unpack_tar(disk_, *file, to(), options);
    }
    std::string to() const { return scratch_.path() + "/to"; }
    std::string content(const std::string& path) {
        return host::read_file(disk_, to() + "/" + path, 1 << 20).value_or("(none)");
    }
    base::Result<PackedLayer> pack(const std::string& name, const std::string& copy_to = "") {
        const auto path = scratch_.path() + "/" + name;
        auto file = *disk_.open(path, host::Disk::Open::create_new, 0600);
        return pack_tree(disk_, to(), *list_tree(disk_, to(), {}), "app/", *file, copy_to);
    }

    host_linux::ScratchDirectory scratch_;
    host_linux::LinuxDisk linux_disk_;
    host::Disk& disk_ = linux_disk_;
};

TEST_F(TarTest, UnpacksFilesProgramsDirectoriesAndLinks) {
    const auto entries =
        unpack(ustar({.path = "./", .type = '5', .mode = 0700}) +
               ustar({.path = "./run", .content = "#!/bin/sh", .mode = 0500}) +
               ustar({.path = "data/deep/a.txt", .content = "a", .mode = 0600}) +
               ustar({.path = "data/", .type = '5', .mode = 0}) +
               ustar({.path = "data/link", .type = '2', .target = "../run"}) + ustar_end());
    ASSERT_TRUE(entries) << entries.error().message;
    const std::vector<TreeEntry> want{{.type = Type::directory, .path = "data"},
                                      {.type = Type::directory, .path = "data/deep"},
                                      {.type = Type::file, .path = "data/deep/a.txt", .size = 1},
                                      {.type = Type::link, .path = "data/link", .target = "../run"},
                                      {.type = Type::program, .path = "run", .size = 9}};
    EXPECT_EQ(*entries, want);
    EXPECT_EQ(*list_tree(disk_, to(), {}), want);
    EXPECT_EQ(content("data/deep/a.txt"), "a");
    EXPECT_EQ(disk_.info(to() + "/run")->mode, 0755U);
    EXPECT_EQ(disk_.info(to() + "/data/deep/a.txt")->mode, 0644U);
}

TEST_F(TarTest, RefusesWhatLeavesTheFolder) {
    struct Case {
        const char* name;
        std::string bytes;
        const char* says;
    };
    const Case cases[] = {
        {"an absolute path", ustar({.path = "/etc/passwd", .content = "x"}), "must be relative"},
        {"a path that climbs", ustar({.path = "a/../../x", .content = "x"}), "leaves its folder"},
        {"a path that climbs at once", ustar({.path = "../x", .content = "x"}),
         "leaves its folder"},
        {"a path in two forms", ustar({.path = "a//b", .content = "x"}), "not in plain form"},
        {"a name with a line break", ustar({.path = "a\nb", .content = "x"}), "control characters"},
        {"an absolute link", ustar({.path = "l", .type = '2', .target = "/etc/shadow"}),
         "leads out"},
        {"a link that climbs", ustar({.path = "a/l", .type = '2', .target = "../../x"}),
         "leads out"},
        {"a link that climbs and comes back",
         ustar({.path = "l", .type = '2', .target = "../to/x"}), "leads out"},
        {"a file below a link",
         ustar({.path = "d", .type = '5'}) + ustar({.path = "l", .type = '2', .target = "d"}) +
             ustar({.path = "l/x", .content = "x"}),
         "which is no directory"},
        {"a file below a file",
         ustar({.path = "f", .content = "x"}) + ustar({.path = "f/x", .content = "x"}),
         "which is no directory"},
        {"a name that stands twice",
         ustar({.path = "f", .content = "x"}) + ustar({.path = "f", .content = "y"}),
         "stands twice"},
        {"a link in a file's place",
         ustar({.path = "f", .content = "x"}) + ustar({.path = "f", .type = '2', .target = "g"}),
         "stands twice"},
        {"a hard link",
         ustar({.path = "f", .content = "x"}) + ustar({.path = "h", .type = '1', .target = "f"}),
         "hard link"},
        {"a device", ustar({.path = "null", .type = '3'}), "device"},
        {"a pipe", ustar({.path = "pipe", .type = '6'}), "device"},
    };
    for (const auto& each : cases) {
        const auto entries = unpack(each.bytes + ustar_end());
        ASSERT_FALSE(entries) << each.name;
        EXPECT_EQ(entries.error().code, Code::invalid) << each.name;
        EXPECT_NE(entries.error().message.find(each.says), std::string::npos)
            << each.name << ": " << entries.error().message;
        EXPECT_FALSE(disk_.info(scratch_.path() + "/x")) << each.name;
    }
}

TEST_F(TarTest, RefusesWhatIsNoTarOrEndsEarly) {
    EXPECT_EQ(unpack("hello, this is no archive").error().code, Code::invalid);
    const auto whole = ustar({.path = "f", .content = std::string(5000, 'x')});
    EXPECT_EQ(unpack(whole.substr(0, 3000)).error().code, Code::invalid);
}

TEST_F(TarTest, KeepsItsLimits) {
    const std::string big(1000, 'x');
    const auto two = ustar({.path = "a/one", .content = big}) +
                     ustar({.path = "a/two", .content = big}) + ustar_end();
    EXPECT_TRUE(unpack(two, {.limits = {.bytes_max = 2000, .entries_max = 3}}));
    EXPECT_EQ(list_tree(disk_, to(), {.depth_max = 1}).error().code, Code::invalid);
    EXPECT_EQ(list_tree(disk_, to(), {.bytes_max = 1999}).error().code, Code::exhausted);
    EXPECT_EQ(unpack(two, {.limits = {.bytes_max = 1999}}).error().code, Code::exhausted);
    EXPECT_EQ(unpack(two, {.limits = {.entries_max = 2}}).error().code, Code::exhausted);
    EXPECT_EQ(unpack(two, {.limits = {.path_bytes_max = 4}}).error().code, Code::invalid);
    EXPECT_EQ(unpack(two, {.limits = {.depth_max = 1}}).error().code, Code::invalid);
}

TEST_F(TarTest, LeavesOutWhatIsSkipped) {
    const auto entries =
        unpack(ustar({.path = "node_modules/x/y", .content = "y"}) +
                   ustar({.path = "src/node_modules/z", .content = "z"}) +
                   ustar({.path = "src/a", .content = "a"}) + ustar_end(),
               {.skip = [](std::string_view path) { return path.ends_with("node_modules"); }});
    ASSERT_TRUE(entries);
    ASSERT_EQ(entries->size(), 2U);
    EXPECT_EQ((*entries)[1].path, "src/a");
}

TEST_F(TarTest, EqualTreesGiveEqualBytesWhateverTheirHistory) {
    const std::string long_name = std::string(90, 'l') + "/" + std::string(90, 'm');
    const auto a = ustar({.path = "b", .content = "1", .mode = 0600});
    const auto b = ustar({.path = "a/x", .content = "2", .mode = 0700});
    const auto c = ustar({.path = "\xc3\xa4", .content = "3"});
    const auto entries = unpack(a + b + c + ustar_end());
    ASSERT_TRUE(entries) << entries.error().message;
    EXPECT_EQ(entries->back().path, "\xc3\xa4");
    ASSERT_TRUE(disk_.make_directories(to() + "/" + long_name));
    const auto first = pack("one");
    ASSERT_TRUE(first) << first.error().message;
    ASSERT_TRUE(unpack(c + b + a + ustar_end()));
    ASSERT_TRUE(disk_.make_directories(to() + "/" + long_name));
    const auto second = pack("two");
    ASSERT_TRUE(second) << second.error().message;
    EXPECT_EQ(first->digest, second->digest);
    ASSERT_TRUE(disk_.set_mode(to() + "/b", 0755));
    EXPECT_NE(pack("three")->digest, first->digest);
}

TEST_F(TarTest, WhatIsPackedIsWhatIsCopiedAndWhatIsUnpacked) {
    ASSERT_TRUE(unpack(ustar({.path = "a/x", .content = std::string(700'000, 'q'), .mode = 0700}) +
                       ustar({.path = "a/l", .type = '2', .target = "x"}) +
                       ustar({.path = "empty", .type = '5'}) + ustar_end()));
    ASSERT_TRUE(disk_.make_directories(to() + "/\xc3\xa4"));
    {
        auto file = *disk_.open(to() + "/\xc3\xa4/" + std::string(120, 'n'),
                                host::Disk::Open::create_new, 0600);
        ASSERT_TRUE(file->write_at(0, "long"));
    }
    const auto want = *list_tree(disk_, to(), {});
    const auto copy = scratch_.path() + "/copy";
    ASSERT_TRUE(disk_.make_directories(copy));
    ASSERT_TRUE(pack("layer", copy));
    EXPECT_EQ(*list_tree(disk_, copy, {}), want);
    const auto back = unpack(*host::read_file(disk_, scratch_.path() + "/layer", 1 << 20));
    ASSERT_TRUE(back) << back.error().message;
    EXPECT_EQ(back->size(), want.size() + 1);  // "app" itself
    EXPECT_EQ(content("app/a/x"), std::string(700'000, 'q'));
    EXPECT_EQ(content("app/\xc3\xa4/" + std::string(120, 'n')), "long");
}

}  // namespace
}  // namespace tidemill::image
