// Instances whose root is an image: what they see, what they may write, where overlayfs is not.
#include "launcher/program_fixture_test.h"

namespace tidemill::launcher {
namespace {

class ProgramOfImage : public Program {};

// An image of nothing but a few files, on which the host's programs are put.
TEST_F(ProgramOfImage, AnImageIsTheRootAndWhatIsWrittenIsGoneWithTheInstance) {
    using Kind = host::MountPlan::Kind;
    using Access = host::MountPlan::Access;
    const auto tree = directory_ + "/tree";
    fs::create_directories(tree + "/etc");
    fs::create_directories(tree + "/owned");
    std::ofstream(tree + "/etc/hosts") << "of the image\n";
    std::ofstream(tree + "/owned/file") << "image\n";
    fs::create_symlink("/owned/dangling", tree + "/etc/resolv.conf");
    fs::permissions(tree + "/owned/file", fs::perms(0666));
    ASSERT_EQ(::chown((tree + "/owned").c_str(), 0x7000'0001, 0x7000'0001), 0);
    const auto image_plan = [&](const std::string& name, const std::string& shell) {
        auto made = plan(name, shell);
        auto& mounts = made.root.mounts;
        mounts.insert(mounts.begin(), {.kind = Kind::root,
                                       .source = tree,
                                       .target = "/",
                                       .access = Access::read_write,
                                       .bytes_max = 1U << 20,
                                       .content = {}});
        for (const auto* target : {"/etc/hosts", "/etc/resolv.conf"}) {
            mounts.push_back({.kind = Kind::file,
                              .source = {},
                              .target = target,
                              .mode = 0444,
                              .content = "given\n"});
        }
        made.argv = {"sh", "-c", shell};
        made.directory = "/made/for/it";
        return made;
    };
    Running program(run());
    ASSERT_TRUE(program.capabilities.overlay);
    const auto launched = program.launch(
        image_plan("one",
                   "pwd; ls / | tr '\\n' ' '; cat /etc/hosts /etc/resolv.conf /owned/file; "
                   "echo mine > /owned/file && cat /owned/file; echo x > /owned/new && echo new; "
                   "echo x > /etc/no; head -c 4000000 /dev/zero > /owned/big || echo bounded; "
                   "echo out > /dev/stdout; cat /proc/mounts | grep -c /lower"));
    ASSERT_TRUE(launched && launched->type == FrameType::launched) << text_of(launched);
    ASSERT_TRUE(program.await_ended("one"));
    const auto text = log("one");
    EXPECT_NE(text.find("F /made/for/it\n"), std::string::npos) << text;
    EXPECT_NE(text.find("F given\n"), std::string::npos) << text;
    EXPECT_EQ(text.find("of the image"), std::string::npos) << text;
    EXPECT_NE(text.find("F image\n"), std::string::npos) << text;
    EXPECT_NE(text.find("F mine\n"), std::string::npos) << text;
    EXPECT_NE(text.find("F new\n"), std::string::npos) << text;
    EXPECT_NE(text.find("/etc/no: Permission denied"), std::string::npos) << text;
    EXPECT_NE(text.find("F bounded\n"), std::string::npos) << text;
    EXPECT_NE(text.find("F out\n"), std::string::npos) << text;
    std::ifstream kept(tree + "/owned/file");
    EXPECT_EQ(std::string(std::istreambuf_iterator<char>(kept), {}), "image\n");
    EXPECT_FALSE(fs::exists(tree + "/owned/new"));
    EXPECT_FALSE(fs::exists(tree + "/usr")) << "not even a place to mount on";

    // One that asks for a root that cannot be written to.
    auto fixed = image_plan("two", "echo x > /owned/file; cat /etc/hosts");
    fixed.root.mounts.front().access = Access::read_only;
    const auto second = program.launch(fixed);
    ASSERT_TRUE(second && second->type == FrameType::launched) << text_of(second);
    ASSERT_TRUE(program.await_ended("two"));
    EXPECT_NE(log("two").find("/owned/file: Read-only file system"), std::string::npos)
        << log("two");
    EXPECT_NE(log("two").find("F given\n"), std::string::npos) << log("two");
}

TEST_F(ProgramOfImage, WithoutOverlayTheImagesTreeItselfIsTheRoot) {
    using Kind = host::MountPlan::Kind;
    const auto tree = directory_ + "/tree";
    for (const auto* inside : {"dev", "proc", "sys", "tmp", "usr", "etc"}) {
        fs::create_directories(tree + "/" + inside);
    }
    for (const auto* link : {"bin", "sbin", "lib", "lib64"}) {
        fs::create_symlink(std::string("usr/") + link, tree + "/" + link);
    }
    std::ofstream(tree + "/etc/hosts") << "of the image\n";
    auto wanted = plan("one", "cat /etc/hosts; echo x > /file; echo x > /tmp/file && echo private");
    auto& mounts = wanted.root.mounts;
    std::erase_if(mounts, [](const auto& mount) { return mount.kind == Kind::link; });
    mounts.insert(mounts.begin(),
                  {.kind = Kind::root, .source = tree, .target = "/", .content = {}});
    mounts.push_back({.kind = Kind::file,
                      .source = {},
                      .target = "/etc/hosts",
                      .mode = 0444,
                      .content = "given\n"});
    Running program(run());
    const auto launched = program.launch(wanted);
    ASSERT_TRUE(launched && launched->type == FrameType::launched) << text_of(launched);
    ASSERT_TRUE(program.await_ended("one"));
    EXPECT_NE(log("one").find("F given\n"), std::string::npos) << log("one");
    EXPECT_NE(log("one").find("/file: Read-only file system"), std::string::npos) << log("one");
    EXPECT_NE(log("one").find("F private\n"), std::string::npos) << log("one");
    EXPECT_FALSE(fs::exists(tree + "/tmp/file"));

    wanted.instance = "two";
    wanted.root.mounts.back().target = "/no/place/for/it";
    EXPECT_EQ(text_of(program.launch(wanted)), "file /no/place/for/it: Read-only file system");
    wanted.instance = "three";
    std::swap(wanted.root.mounts.front(), wanted.root.mounts.back());
    EXPECT_FALSE(encode_plan(wanted)) << "everything else is put into the root";
}

}  // namespace
}  // namespace tidemill::launcher
