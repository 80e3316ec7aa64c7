#include <fcntl.h>
#include <gtest/gtest.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <unistd.h>

#include <string>

#include "host_linux/disk/append_file.h"
#include "host_linux/disk/linux_disk.h"
#include "host_linux/disk/scratch_directory.h"
#include "host_linux/linux_clock.h"
#include "host_linux/unique_fd.h"

namespace tidemill::host_linux {
namespace {

using base::Code;
using host::Disk;
using host::FileInfo;

class LinuxDiskTest : public testing::Test {
protected:
    std::string path(const std::string& name) const { return scratch_.path() + "/" + name; }
    void put(const std::string& name, std::string_view text) {
        auto file = *disk_.open(path(name), Disk::Open::create, 0600);
        ASSERT_TRUE(file->write_at(0, text));
    }

    ScratchDirectory scratch_;
    LinuxDisk disk_;
};

TEST_F(LinuxDiskTest, OpensAsAsked) {
    EXPECT_EQ(disk_.open(path("f"), Disk::Open::read, 0600).error().code, Code::not_found);
    EXPECT_EQ(disk_.open(path("f"), Disk::Open::read_write, 0600).error().code, Code::not_found);
    EXPECT_TRUE(disk_.open(path("f"), Disk::Open::create_new, 0640));
    EXPECT_EQ(disk_.info(path("f"))->mode, 0640U);
    EXPECT_EQ(disk_.open(path("f"), Disk::Open::create_new, 0600).error().code, Code::conflict);
    EXPECT_TRUE(disk_.open(path("f"), Disk::Open::create, 0600));
    EXPECT_TRUE(disk_.open(path("f"), Disk::Open::read_write, 0600));
    EXPECT_EQ(disk_.open("", Disk::Open::read, 0600).error().code, Code::invalid);
    EXPECT_EQ(disk_.open(std::string("a\0b", 3), Disk::Open::read, 0600).error().code,
              Code::invalid);
}

TEST_F(LinuxDiskTest, LinksSayWhatTheyWereToldAndAreNotFollowed) {
    put("f", "text");
    EXPECT_TRUE(disk_.make_link("f", path("link")));
    EXPECT_EQ(disk_.make_link("g", path("link")).error().code, Code::conflict);
    EXPECT_EQ(*disk_.read_link(path("link")), "f");
    EXPECT_EQ(disk_.read_link(path("f")).error().code, Code::invalid);
    EXPECT_EQ(disk_.read_link(path("none")).error().code, Code::not_found);
    EXPECT_EQ(disk_.info(path("link"))->type, FileInfo::Type::link);
    EXPECT_EQ(disk_.set_mode(path("link"), 0600).error().code, Code::invalid);
    EXPECT_EQ(disk_.info(path("f"))->mode, 0600U);
}

TEST_F(LinuxDiskTest, AHardLinkIsTheSameFile) {
    put("f", "text");
    EXPECT_TRUE(disk_.make_hard_link(path("f"), path("g")));
    put("f", "TEXT");
    EXPECT_EQ(*host::read_file(disk_, path("g"), 100), "TEXT");
    EXPECT_EQ(disk_.make_hard_link(path("f"), path("g")).error().code, Code::conflict);
    EXPECT_EQ(disk_.make_hard_link(path("none"), path("h")).error().code, Code::not_found);
    // The link itself, not what it leads to.
    EXPECT_TRUE(disk_.make_link("f", path("link")));
    EXPECT_TRUE(disk_.make_hard_link(path("link"), path("second")));
    EXPECT_EQ(*disk_.read_link(path("second")), "f");
}

TEST_F(LinuxDiskTest, TimesAndOwnersAreOfLinksThemselves) {
    put("f", "text");
    EXPECT_TRUE(disk_.make_link("f", path("link")));
    const base::WallTime at{1'234'567'890'123'456'789};
    EXPECT_TRUE(disk_.set_modified(path("link"), at));
    EXPECT_EQ(disk_.info(path("link"))->modified, at);
    EXPECT_NE(disk_.info(path("f"))->modified, at);
    const base::WallTime before_1970{-1};
    EXPECT_TRUE(disk_.set_modified(path("f"), before_1970));
    EXPECT_EQ(disk_.info(path("f"))->modified, before_1970);
    EXPECT_TRUE(disk_.set_owner(path("link"), ::geteuid(), ::getegid()));
    if (::geteuid() == 0) {
        EXPECT_TRUE(disk_.set_owner(path("link"), 1234, 1235));
        struct stat link{};
        struct stat file{};
        ASSERT_EQ(::lstat(path("link").c_str(), &link), 0);
        ASSERT_EQ(::lstat(path("f").c_str(), &file), 0);
        EXPECT_EQ(link.st_uid, 1234U);
        EXPECT_EQ(link.st_gid, 1235U);
        EXPECT_EQ(file.st_uid, 0U);
    }
}

TEST_F(LinuxDiskTest, ModesAreSetWhateverTheUmask) {
    put("f", "text");
    EXPECT_TRUE(disk_.set_mode(path("f"), 0777));
    EXPECT_EQ(disk_.info(path("f"))->mode, 0777U);
    EXPECT_EQ(disk_.set_mode(path("none"), 0777).error().code, Code::not_found);
    EXPECT_TRUE(disk_.sync_tree(path("f")));
    EXPECT_TRUE(disk_.sync_tree(scratch_.path()));
    EXPECT_EQ(disk_.sync_tree(path("none")).error().code, Code::not_found);
}

TEST_F(LinuxDiskTest, AFifoWhereAFileIsExpectedDoesNotStopUs) {
    ASSERT_EQ(::mkfifo(path("fifo").c_str(), 0600), 0);
    auto file = disk_.open(path("fifo"), Disk::Open::read, 0600);
    if (file) {
        char byte = 0;
        EXPECT_FALSE((*file)->read_at(0, std::span(&byte, 1)));
    }
}

TEST_F(LinuxDiskTest, ReadsWritesAndTruncates) {
    auto file = *disk_.open(path("f"), Disk::Open::create, 0600);
    EXPECT_TRUE(file->write_at(0, "hello"));
    EXPECT_TRUE(file->write_at(10, "world"));
    EXPECT_EQ(*file->size(), 15U);
    std::string all(100, 'x');
    EXPECT_EQ(*file->read_at(0, all), 15U);
    EXPECT_EQ(all.substr(0, 15), std::string("hello\0\0\0\0\0world", 15));
    EXPECT_EQ(*file->read_at(15, all), 0U);
    EXPECT_TRUE(file->truncate(5));
    EXPECT_TRUE(file->sync());
    EXPECT_EQ(*host::read_file(disk_, path("f"), 5), "hello");
    EXPECT_EQ(host::read_file(disk_, path("f"), 4).error().code, Code::exhausted);
}

TEST_F(LinuxDiskTest, AFullDiskSaysHowMuchIsFree) {
    auto full = disk_.open("/dev/full", Disk::Open::read_write, 0600);
    if (!full) {
        GTEST_SKIP() << "no /dev/full here";
    }
    const auto written = (*full)->write_at(0, "x");
    ASSERT_FALSE(written);
    EXPECT_EQ(written.error().code, Code::exhausted);
    EXPECT_NE(written.error().message.find("bytes are free"), std::string::npos);
}

TEST_F(LinuxDiskTest, WritesDurably) {
    EXPECT_TRUE(host::write_file_durably(disk_, path("f"), "one"));
    EXPECT_TRUE(host::write_file_durably(disk_, path("f"), "two"));
    EXPECT_EQ(*host::read_file(disk_, path("f"), 10), "two");
    EXPECT_EQ(*disk_.list(scratch_.path()), std::vector<std::string>{"f"});
    EXPECT_EQ(disk_.info(path("f"))->mode, 0600U);
}

TEST_F(LinuxDiskTest, ADurableWriteDoesNotReuseWhatAnEarlierOneLeft) {
    auto left = *disk_.open(path("f.new"), Disk::Open::create_new, 0644);
    EXPECT_TRUE(host::write_file_durably(disk_, path("f"), "secret", 0600));
    EXPECT_EQ(disk_.info(path("f"))->mode, 0600U);
    EXPECT_EQ(*left->size(), 0U);
}

TEST_F(LinuxDiskTest, LinesOfSeveralWritersDoNotMix) {
    auto one = *AppendFile::open(path("log"));
    auto two = *AppendFile::open(path("log"));
    one.write("one\n");
    two.write("two\n");
    one.write("three\n");
    EXPECT_EQ(*host::read_file(disk_, path("log"), 100), "one\ntwo\nthree\n");
    EXPECT_EQ(AppendFile::open(path("none/log")).error().code, Code::not_found);
    auto full = AppendFile::open("/dev/full");
    if (full) {
        full->write("lost\n");
        EXPECT_EQ(full->dropped_bytes(), 5U);
    }
}

TEST_F(LinuxDiskTest, MakesListsAndRemovesDirectories) {
    EXPECT_TRUE(disk_.make_directories(path("a/b/c"), 0700));
    EXPECT_TRUE(disk_.make_directories(path("a/b/c"), 0700)) << "it is there already";
    put("a/b/file", "x");
    EXPECT_EQ(disk_.make_directories(path("a/b/file/d"), 0700).error().code, Code::conflict);
    EXPECT_EQ(*disk_.list(path("a/b")), (std::vector<std::string>{"c", "file"}));
    EXPECT_EQ(disk_.list(path("none")).error().code, Code::not_found);
    EXPECT_EQ(disk_.remove(path("a/b")).error().code, Code::conflict) << "not empty";
    EXPECT_TRUE(disk_.sync_directory(path("a/b")));
    EXPECT_EQ(disk_.info(path("a"))->type, FileInfo::Type::directory);
    EXPECT_TRUE(disk_.rename(path("a/b/file"), path("a/moved")));
    EXPECT_TRUE(disk_.remove(path("a/moved")));
    EXPECT_EQ(disk_.remove(path("a/moved")).error().code, Code::not_found);
    EXPECT_TRUE(disk_.remove_tree(path("a")));
    EXPECT_TRUE(disk_.remove_tree(path("a"))) << "ok if it is not there";
    EXPECT_EQ(disk_.info(path("a")).error().code, Code::not_found);
}

TEST_F(LinuxDiskTest, RemovingATreeFollowsNoLink) {
    put("kept", "x");
    ASSERT_TRUE(disk_.make_directories(path("tree/sub"), 0700));
    ASSERT_EQ(::symlink("../../kept", path("tree/sub/file").c_str()), 0);
    ASSERT_EQ(::symlink("../..", path("tree/sub/up").c_str()), 0);
    ASSERT_EQ(::symlink("tree", path("link").c_str()), 0);
    EXPECT_EQ(disk_.info(path("link"))->type, FileInfo::Type::link);
    EXPECT_TRUE(disk_.remove_tree(path("link")));
    EXPECT_TRUE(disk_.info(path("tree/sub")));
    EXPECT_TRUE(disk_.remove_tree(path("tree")));
    EXPECT_EQ(*disk_.list(scratch_.path()), std::vector<std::string>{"kept"});
}

TEST_F(LinuxDiskTest, RemovesATreeDeeperThanAnyPathMayBeLong) {
    ASSERT_TRUE(disk_.make_directories(path("deep"), 0700));
    UniqueFd at(::open(path("deep").c_str(), O_RDONLY | O_DIRECTORY | O_CLOEXEC));
    const std::string name(100, 'd');
    for (int i = 0; i < 100; ++i) {
        ASSERT_EQ(::mkdirat(at.get(), name.c_str(), 0700), 0);
        at = UniqueFd(::openat(at.get(), name.c_str(), O_RDONLY | O_DIRECTORY | O_CLOEXEC));
        ASSERT_TRUE(at);
    }
    const auto removed = disk_.remove_tree(path("deep"));
    EXPECT_TRUE(removed) << removed.error().message;
    EXPECT_FALSE(disk_.info(path("deep")));
}

TEST_F(LinuxDiskTest, RemovesDirectoriesWhosePermissionsWereTakenAway) {
    ASSERT_TRUE(disk_.make_directories(path("tree/closed/inner"), 0700));
    put("tree/closed/file", "x");
    ASSERT_EQ(::chmod(path("tree/closed/inner").c_str(), 0), 0);
    ASSERT_EQ(::chmod(path("tree/closed").c_str(), 0), 0);
    EXPECT_TRUE(disk_.remove_tree(path("tree")));
}

TEST_F(LinuxDiskTest, ALockIsHeldByOneAndTheOtherIsToldByWhom) {
    auto held = disk_.lock(path("lock"));
    ASSERT_TRUE(held);
    const auto refused = disk_.lock(path("lock"));
    ASSERT_FALSE(refused);
    EXPECT_EQ(refused.error().code, Code::conflict);
    EXPECT_NE(refused.error().message.find(fmt::format("process {}", ::getpid())),
              std::string::npos)
        << refused.error().message;
    held->reset();
    EXPECT_TRUE(disk_.lock(path("lock")));
}

TEST_F(LinuxDiskTest, ALockEndsWithItsProcess) {
    int ready[2];
    ASSERT_EQ(::pipe2(ready, O_CLOEXEC), 0);
    const pid_t child = ::fork();
    if (child == 0) {
        auto held = disk_.lock(path("lock"));
        [[maybe_unused]] const auto put = ::write(ready[1], held ? "1" : "0", 1);
        ::pause();
        ::_exit(0);
    }
    char byte = 0;
    ASSERT_EQ(::read(ready[0], &byte, 1), 1);
    EXPECT_EQ(byte, '1');
    const auto refused = disk_.lock(path("lock"));
    ASSERT_FALSE(refused);
    EXPECT_NE(refused.error().message.find(fmt::format("process {}", child)), std::string::npos)
        << refused.error().message;
    ::kill(child, SIGKILL);
    ::waitpid(child, nullptr, 0);
    EXPECT_TRUE(disk_.lock(path("lock")));
    ::close(ready[0]);
    ::close(ready[1]);
}

TEST_F(LinuxDiskTest, KnowsHowMuchSpaceThereIs) {
    const auto space = disk_.space(scratch_.path());
    ASSERT_TRUE(space);
    EXPECT_GT(space->total_bytes, 0U);
    EXPECT_LE(space->free_bytes, space->total_bytes);
}

TEST(LinuxClock, WallTimeIsOfThisCenturyAndMonotonicTimeNeverGoesBack) {
    const LinuxClock clock;
    EXPECT_GT(clock.wall_now(), *base::parse_rfc3339("2024-01-01T00:00:00Z"));
    const auto before = clock.monotonic_now();
    EXPECT_GE(clock.monotonic_now(), before);
}

TEST(LinuxRandom, FillsAllAndRepeatsNothing) {
    LinuxRandom random;
    std::uint64_t all_bits = 0;
    std::uint64_t previous = 0;
    for (int i = 0; i < 1000; ++i) {
        const auto value = random.next_u64();
        EXPECT_NE(value, previous);
        previous = value;
        all_bits |= value;
    }
    EXPECT_EQ(all_bits, UINT64_MAX);
    std::array<std::byte, 1000> large{};
    random.fill(large);
    EXPECT_NE(large[998] | large[999] | large[0] | large[500], std::byte{0});
}

}  // namespace
}  // namespace tidemill::host_linux
