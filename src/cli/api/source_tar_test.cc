#include "cli/api/source_tar.h"

#include <gtest/gtest.h>

#include "host_sim/sim_host.h"

namespace tidemill::cli {
namespace {

TEST(IgnorePatterns, Table) {
    struct Row {
        const char* name;
        std::vector<std::string> patterns;
        std::string_view path;
        bool ignored;
    };
    const Row rows[] = {
        {"a name at any depth", {"*.log"}, "a/b/x.log", true},
        {"a star stays within a name", {"/a*c"}, "ab/c", false},
        {"a pattern with a slash is of the whole path", {"a/x.log"}, "b/a/x.log", false},
        {"a leading slash binds to the root", {"/build"}, "sub/build/", false},
        {"a trailing slash means folders", {"build/"}, "build", false},
        {"a folder", {"build/"}, "sub/build/", true},
        {"the last one decides", {"*.log", "!keep.log"}, "keep.log", false},
        {"an exception before its rule has no effect", {"!keep.log", "*.log"}, "keep.log", true},
        {"two stars cross folders", {"a/**/z"}, "a/b/c/z", true},
        {"two stars match nothing too", {"a/**/z"}, "a/z", true},
        {"two stars match whole parts", {"a/**/z"}, "a/bz", false},
        {"two stars at the end", {"a/**"}, "a/b/c", true},
        {"a question mark", {"?.pyc"}, "a.pyc", true},
        {"many stars end soon",
         {"*a*a*a*a*a*a*a*a*a*b"},
         "aaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaa",
         false},
    };
    for (const auto& row : rows) {
        EXPECT_EQ(is_ignored(row.patterns, row.path), row.ignored) << row.name;
    }
}

class Folder : public testing::Test {
protected:
    Folder() : sim(3), disk(sim.disk) {}

    void write(host::Disk& to, const std::string& path, std::string_view text,
               unsigned mode = 0600) {
        const auto slash = path.rfind('/');
        ASSERT_TRUE(to.make_directories(path.substr(0, slash)));
        auto file = to.open(path, host::Disk::Open::create, mode);
        ASSERT_TRUE(file);
        ASSERT_TRUE((*file)->write_at(0, text));
    }
    std::string names(const SourceLimits& limits = {}) {
        const auto folder = read_source_folder(disk, "/src", limits);
        if (!folder) {
            return std::string(base::code_name(folder.error().code));
        }
        std::string out;
        for (const auto& file : folder->files) {
            out += file.path + " ";
        }
        return out;
    }
    static base::Result<std::string> archive(host::Disk& from) {
        TRY(const auto folder, read_source_folder(from, "/src", {}));
        SourceTar tar(from, folder);
        std::string out;
        for (;;) {
            TRY(const auto piece, tar.next());
            if (!piece) {
                return out;
            }
            out += *piece;
        }
    }

    host_sim::SimHost sim;
    host::Disk& disk;
};

TEST_F(Folder, LeavesOutWhatIsNoSource) {
    write(disk, "/src/b.py", "b");
    write(disk, "/src/a/c.py", "c");
    write(disk, "/src/.git/config", "x");
    write(disk, "/src/a/__pycache__/c.pyc", "x");
    write(disk, "/src/secret.env", "x");
    EXPECT_EQ(names(), "a/c.py b.py secret.env ");
    write(disk, "/src/.dockerignore", "secret.env\nc.py\n");
    EXPECT_EQ(names(), ".dockerignore a/c.py b.py ");
    write(disk, "/src/.tidemillignore", "# all of it\nc.py\n");
    EXPECT_EQ(names(), ".dockerignore .tidemillignore b.py secret.env ");
}

TEST_F(Folder, SendsLinksThatStayWithinIt) {
    write(disk, "/src/a/real", "r");
    ASSERT_TRUE(disk.make_link("real", "/src/a/near"));
    ASSERT_TRUE(disk.make_link("../b", "/src/a/beside"));
    ASSERT_TRUE(disk.make_link("../../etc", "/src/a/out"));
    ASSERT_TRUE(disk.make_link("/etc/passwd", "/src/absolute"));
    const auto folder = read_source_folder(disk, "/src", {});
    ASSERT_TRUE(folder);
    EXPECT_EQ(names(), "a/beside a/near a/real ");
    EXPECT_EQ(folder->left_out, (std::vector<std::string>{"a/out", "absolute"}));
    const auto tar = archive(disk);
    ASSERT_TRUE(tar);
    // Type and target of the first entry, by POSIX.1-1988 offsets.
    EXPECT_EQ(tar->at(156), '2');
    EXPECT_STREQ(tar->substr(157, 100).c_str(), "../b");
}

TEST_F(Folder, KeepsWithinItsLimits) {
    EXPECT_EQ(names(), "not_found");
    write(disk, "/src/a/b/c", "12345");
    EXPECT_EQ(names({.files_max = 0}), "exhausted");
    EXPECT_EQ(names({.bytes_max = 4}), "exhausted");
    EXPECT_EQ(names({.depth_max = 1}), "exhausted");
    EXPECT_EQ(names({.files_max = 1, .bytes_max = 5, .depth_max = 2}), "a/b/c ");
}

TEST_F(Folder, GivesTheSameBytesForTheSameContent) {
    const std::string large(200'000, 'x');
    write(disk, "/src/large", large);
    write(disk, "/src/run.sh", "#!", 0755);
    host_sim::SimHost other(99);
    other.loop.run_for(std::chrono::hours(1));
    write(other.disk, "/src/run.sh", "#!", 0755);
    write(other.disk, "/src/large", large);
    const auto one = archive(disk);
    const auto two = archive(other.disk);
    ASSERT_TRUE(one && two);
    EXPECT_TRUE(*one == *two);
    EXPECT_EQ(one->size() % 512, 0U);
    EXPECT_EQ(one->substr(0, 6), std::string("large\0", 6));
    EXPECT_NE(one->find(large), std::string::npos);
}

}  // namespace
}  // namespace tidemill::cli
