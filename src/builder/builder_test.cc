// Whole builds with real programs: what the launcher confines is run here as plain children,
// because the way through the builder is what is tested; sandbox_runner_test.cc tests the
// confinement.
#include "builder/builder.h"

#include <gtest/gtest.h>

#include <algorithm>

#include "async/scope.h"
#include "builder/tools.h"
#include "host_linux/disk/scratch_directory.h"
#include "host_linux/linux_host.h"
#include "host_linux/loop/thread_offload.h"
#include "image/ustar_fixture.h"

namespace tidemill::builder {
namespace {

using base::Code;
using image::ustar;
using image::ustar_end;
using namespace std::chrono_literals;

const image::ImageName shop{.name_space = "default", .name = "shop"};
const std::string handler = "def handle(request, context):\n    return 'hi'\n";

// Says what a step was asked to do, and does what it is told instead.
class ScriptedRunner final : public BuildRunner {
public:
    explicit ScriptedRunner(host::Disk& disk) : disk_(disk) {}

    async::Task<base::Result<StepEnd>> run(BuildStep step, StepLog& log,
                                           std::shared_ptr<void> holds) override {
        steps.push_back(step);
        held = holds;
        if (gate != nullptr) {
            co_await gate->wait();
        }
        for (const auto& line : says) {
            log.line(line);
        }
        for (const auto& [path, text] : makes) {
            const auto inside = source_of(step, path);
            EXPECT_TRUE(disk_.make_directories(inside.substr(0, inside.rfind('/'))));
            EXPECT_TRUE(disk_.remove_tree(inside));
            auto file = *disk_.open(inside, host::Disk::Open::create_new, 0755);
            EXPECT_TRUE(file->write_at(0, text));
        }
        co_return end;
    }

    std::vector<BuildStep> steps;
    std::vector<std::string> says;
    std::vector<std::pair<std::string, std::string>> makes;  // path inside, content
    StepEnd end{.code = 0};
    async::Event* gate = nullptr;
    std::weak_ptr<void> held;

private:
    static std::string source_of(const BuildStep& step, const std::string& path) {
        for (const auto& mount : step.mounts) {
            if (path.starts_with(mount.target + "/")) {
                return mount.source + path.substr(mount.target.size());
            }
        }
        ADD_FAILURE() << path << " is not mounted";
        return path;
    }
    host::Disk& disk_;
};

struct Heard final : BuildProgress {
    void plan(const Plan& plan) override { title = plan.title; }
    void log(std::string_view line) override { lines.emplace_back(line); }
    std::string title;
    std::vector<std::string> lines;
};

struct BuilderTest : testing::Test {
    BuilderTest() { make({}); }

    void make(Builder::Options options) {
        builder_.reset();
        options.data_directory = path("data");
        options.tools = {.python = "/usr/bin/python3",
                         .node = "/usr/bin/node",
                         .npm = "/usr/bin/npm",
                         .cmake = "/usr/bin/cmake",
                         .c_compiler = "/usr/bin/cc",
                         .cxx_compiler = "/usr/bin/c++",
                         .python_version = "3.11",
                         .node_version = "20"};
        builder_ = std::make_unique<Builder>(host_, *offload_, runner_, store_, std::move(options));
        EXPECT_TRUE(builder_->start());
    }
    std::string path(const std::string& name) const { return scratch_.path() + "/" + name; }

    base::Result<Built> build(const std::string& tar) {
        return linux_->loop().run(build_task(tar, heard_));
    }
    async::Task<base::Result<Built>> build_task(std::string tar, Heard& heard) {
        CO_TRY(auto upload, builder_->begin_upload(shop));
        for (std::size_t at = 0; at < tar.size(); at += 1000) {
            CO_CHECK_OK(upload->append(std::string_view(tar).substr(at, 1000)));
        }
        co_return co_await builder_->build(std::move(upload), shop, heard);
    }
    std::string in_image(const Built& built, const std::string& file) {
        const auto resolved = store_.resolve(built.image);
        return resolved ? host::read_file(host_.disk, resolved->tree + "/" + file, 1 << 20)
                              .value_or("(none)")
                        : resolved.error().message;
    }
    // Lets the offload's queue run dry.
    std::size_t leftovers() { return linux_->loop().run(count_leftovers()); }
    async::Task<std::size_t> count_leftovers() {
        async::Event done(host_.loop);
        EXPECT_TRUE(offload_->submit([] {}, [&] { done.set(); }));
        co_await done.wait();
        co_return host_.disk.list(path("data/builds"))->size();
    }

    host_linux::ScratchDirectory scratch_;
    host_linux::InheritedListeners inherited_;
    std::unique_ptr<host_linux::LinuxHost> linux_ = *host_linux::LinuxHost::create(inherited_);
    host::Host host_ = linux_->host();
    std::unique_ptr<host_linux::ThreadOffload> offload_ =
        std::make_unique<host_linux::ThreadOffload>(linux_->loop(), "build", 64);
    ScriptedRunner runner_{host_.disk};
    image::ImageStore store_ = *image::ImageStore::open(host_.disk, path("images"), {});
    std::unique_ptr<Builder> builder_;
    Heard heard_;
};

TEST_F(BuilderTest, AFunctionBecomesAnImage) {
    const auto built =
        build(ustar({.path = "handler.py", .content = handler}) +
              ustar({.path = "node_modules/x.js", .content = "x"}) +
              ustar({.path = ".tidemillignore", .content = "*.log\nsecret/\nsecret-2/\n"}) +
              ustar({.path = "secret-2/x.js", .content = "x"}) +
              ustar({.path = "secret/deep/x.js", .content = "x"}) +
              ustar({.path = "secret/key", .content = "x"}) +
              ustar({.path = "a.log", .content = "x"}) + ustar_end());
    ASSERT_TRUE(built) << built.error().message;
    EXPECT_EQ(heard_.title, "a Python function");
    EXPECT_EQ(in_image(*built, "handler.py"), handler);
    EXPECT_EQ(in_image(*built, "secret/key"), "(none)");
    EXPECT_EQ(in_image(*built, "a.log"), "(none)");
    EXPECT_EQ(in_image(*built, "node_modules/x.js"), "(none)");
    EXPECT_EQ(store_.resolve(built->image)->config.handler, "handler.py:handle");
    ASSERT_EQ(runner_.steps.size(), 1U);
    EXPECT_EQ(runner_.steps[0].name, "compile");
    EXPECT_EQ(leftovers(), 0U);
}

TEST_F(BuilderTest, TheSameSourceGivesTheSameImageInWhateverOrderItCame) {
    const auto a = ustar({.path = "handler.py", .content = handler, .mode = 0600});
    const auto b = ustar({.path = "data/x", .content = "x"});
    const auto first = build(a + b + ustar_end());
    const auto second = build(b + a + ustar_end());
    ASSERT_TRUE(first && second);
    EXPECT_EQ(first->image, second->image);
}

TEST_F(BuilderTest, PackagesAreInstalledOncePerLockFile) {
    const auto source = [](std::string_view code, std::string_view requirements) {
        return ustar({.path = "handler.py", .content = code}) +
               ustar({.path = "requirements.txt", .content = requirements}) + ustar_end();
    };
    const auto pip_runs = [&] {
        return std::ranges::count(runner_.steps, "pip install", &BuildStep::name);
    };
    runner_.makes = {{"/app/.tidemill/python/flask.py", "flask"}};
    const auto first = build(source(handler, "flask==1\n"));
    ASSERT_TRUE(first) << first.error().message;
    EXPECT_EQ(pip_runs(), 1);
    EXPECT_EQ(in_image(*first, ".tidemill/python/flask.py"), "flask");
    runner_.makes.clear();
    const auto second = build(source(handler + "# changed\n", "flask==1\n"));
    ASSERT_TRUE(second) << second.error().message;
    EXPECT_EQ(pip_runs(), 1) << "the same lock file";
    EXPECT_EQ(in_image(*second, ".tidemill/python/flask.py"), "flask");
    ASSERT_TRUE(build(source(handler, "flask==2\n")));
    EXPECT_EQ(pip_runs(), 2) << "another lock file";
    make({.clients = {.environment = {{"PIP_INDEX_URL", "https://other"}}}});
    ASSERT_TRUE(build(source(handler, "flask==1\n")));
    EXPECT_EQ(pip_runs(), 3) << "another index";
}

TEST_F(BuilderTest, WhatIsCachedSawOnlyWhatItsKeyCovers) {
    ASSERT_TRUE(build(ustar({.path = "handler.py", .content = handler}) +
                      ustar({.path = "requirements.txt", .content = "flask==1"}) + ustar_end()));
    const auto& pip = runner_.steps[0];
    ASSERT_EQ(pip.name, "pip install");
    EXPECT_TRUE(pip.mounts[0].source.ends_with("/project"));
    runner_.steps.clear();
    for (int i = 0; i < 2; ++i) {
        ASSERT_TRUE(build(ustar({.path = "handler.py", .content = handler}) +
                          ustar({.path = "base.txt", .content = "x"}) +
                          ustar({.path = "requirements.txt", .content = "-r base.txt"}) +
                          ustar_end()));
    }
    EXPECT_TRUE(runner_.steps[0].mounts[0].source.ends_with("/tree"));
    EXPECT_EQ(std::ranges::count(runner_.steps, "pip install", &BuildStep::name), 2)
        << "what reads the source is not cached";
}

TEST_F(BuilderTest, AFailingBuildSaysHowItEndedAndItsLastLines) {
    runner_.end = {.code = 1};
    for (int i = 0; i < 100; ++i) {
        runner_.says.push_back("line " + std::to_string(i));
    }
    runner_.says.emplace_back("ERROR: No matching distribution found for flsk==1");
    const auto built =
        build(ustar({.path = "handler.py", .content = handler}) +
              ustar({.path = "requirements.txt", .content = "flsk==1"}) + ustar_end());
    ASSERT_FALSE(built);
    EXPECT_EQ(built.error().code, Code::invalid);
    const auto& message = built.error().message;
    EXPECT_TRUE(message.starts_with("TM-405: pip install ended with exit code 1: correct the"))
        << message;
    EXPECT_NE(message.find("found for flsk==1"), std::string::npos);
    EXPECT_EQ(message.find("line 10\n"), std::string::npos) << "only the last";
    EXPECT_EQ(heard_.lines.size(), 101U);
    EXPECT_EQ(store_.list()->size(), 0U);
    EXPECT_EQ(leftovers(), 0U);
    runner_.end = {.code = 1, .is_out_of_memory = true};
    EXPECT_TRUE(build(ustar({.path = "handler.py", .content = handler}) + ustar_end())
                    .error()
                    .message.starts_with("TM-416"));
    runner_.end = {.is_out_of_time = true};
    const auto late = build(ustar({.path = "handler.py", .content = handler}) + ustar_end());
    EXPECT_EQ(late.error().code, Code::deadline);
}

TEST_F(BuilderTest, ANativeProgramIsTheOneThatCMakeBuilt) {
    const std::string elf = std::string(
                                "\x7f"
                                "ELF\2\1\1") +
                            std::string(9, '\0') + "\3" + std::string(47, '\0');
    const auto source = ustar({.path = "CMakeLists.txt", .content = "x"}) + ustar_end();
    runner_.makes = {{"/build/cmake/CMakeFiles/3/a.out", elf},
                     {"/build/cmake/libx.so.1", elf},
                     {"/build/cmake/run.sh", "#!/bin/sh"},
                     {"/build/cmake/src/server", elf}};
    const auto built = build(source);
    ASSERT_TRUE(built) << built.error().message;
    EXPECT_EQ(store_.resolve(built->image)->config.command,
              std::vector<std::string>{"/app/.tidemill/bin/server"});
    EXPECT_EQ(in_image(*built, ".tidemill/bin/server"), elf);
    runner_.makes.emplace_back("/build/cmake/client", elf);
    EXPECT_TRUE(build(source).error().message.starts_with("TM-417: CMake built 2 executables"));
    runner_.makes.resize(3);  // none of which is a program of the project
    EXPECT_TRUE(build(source).error().message.starts_with("TM-417: CMake built no executable"));
}

TEST_F(BuilderTest, RefusesBadUploadsAndLeavesNothing) {
    EXPECT_TRUE(build("no tar at all").error().message.starts_with("TM-407"));
    EXPECT_TRUE(build(ustar({.path = "../x", .content = "x"}) + ustar_end())
                    .error()
                    .message.starts_with("TM-407"));
    EXPECT_TRUE(build(ustar_end()).error().message.starts_with("TM-401"));
    make({.upload_bytes_max = 2000});
    EXPECT_TRUE(build(std::string(3000, 'x')).error().message.starts_with("TM-408"));
    make({.source = {.bytes_max = 10}});
    EXPECT_TRUE(build(ustar({.path = "a", .content = "0123456789a"}) + ustar_end())
                    .error()
                    .message.starts_with("TM-408"));
    EXPECT_FALSE(builder_->begin_upload({.name_space = "..", .name = "x"}));
    EXPECT_EQ(leftovers(), 0U);
}

TEST_F(BuilderTest, AFullDiskTakesNothingAndSaysSo) {
    make({.disk_free_bytes_min = UINT64_MAX});
    const auto refused = builder_->begin_upload(shop);
    ASSERT_FALSE(refused);
    EXPECT_EQ(refused.error().code, Code::exhausted);
    EXPECT_TRUE(refused.error().message.starts_with("TM-418")) << refused.error().message;
}

TEST_F(BuilderTest, ABuildThatNobodyWaitsForEndsAndLeavesNothing) {
    async::Event gate(host_.loop);
    runner_.gate = &gate;
    async::Scope scope(host_.loop, 4);
    const auto source = ustar({.path = "handler.py", .content = handler}) + ustar_end();
    const auto start = [](BuilderTest& test, std::string tar) -> async::Task<void> {
        static_cast<void>(co_await test.build_task(std::move(tar), test.heard_));
        ADD_FAILURE() << "it was dropped";
    };
    const auto until_it_runs = [](BuilderTest& test) -> async::Task<void> {
        while (test.runner_.steps.empty()) {
            co_await async::sleep_for(test.host_.loop, 1ms);
        }
    };
    ASSERT_TRUE(scope.spawn(start(*this, source)));
    linux_->loop().run(until_it_runs(*this));
    EXPECT_FALSE(runner_.held.expired());
    scope.cancel();
    EXPECT_TRUE(runner_.held.expired());
    EXPECT_EQ(leftovers(), 0U);
    runner_.gate = nullptr;
    EXPECT_TRUE(build(source)) << "its slot is free again";
}

TEST_F(BuilderTest, StartingSweepsWhatACrashLeft) {
    ASSERT_TRUE(host_.disk.make_directories(path("data/builds/7/tree")));
    ASSERT_TRUE(builder_->start());
    EXPECT_EQ(host_.disk.list(path("data/builds"))->size(), 0U);
}

TEST_F(BuilderTest, CollectsImagesThatNobodyUses) {
    const auto built = build(ustar({.path = "handler.py", .content = handler}) + ustar_end());
    ASSERT_TRUE(built);
    const auto later = host_.clock.wall_now() + 1h;
    EXPECT_EQ(linux_->loop().run(builder_->collect_images({built->image}, later))->size(), 0U);
    EXPECT_EQ(linux_->loop().run(builder_->collect_images({}, later))->size(), 1U);
}

TEST(BuildCache, TheLeastRecentlyUsedGoesFirst) {
    host_linux::ScratchDirectory scratch;
    host_linux::LinuxDisk linux_disk;
    host::Disk& disk = linux_disk;
    const auto tree = scratch.path() + "/tree";
    ASSERT_TRUE(disk.make_directories(tree));
    {
        auto file = *disk.open(tree + "/f", host::Disk::Open::create);
        ASSERT_TRUE(file->write_at(0, std::string(10'000, 'x')));
    }
    BuildCache cache(disk, scratch.path() + "/cache", 30'000);  // room for two
    const auto restore = [&](const std::string& key) {
        const auto to = scratch.path() + "/to";
        EXPECT_TRUE(disk.remove_tree(to));
        EXPECT_TRUE(disk.make_directories(to));
        return *cache.restore(key, to) == BuildCache::Found::hit;
    };
    ASSERT_TRUE(cache.save("a", tree));
    ASSERT_TRUE(cache.save("b", tree));
    EXPECT_TRUE(restore("a"));
    ASSERT_TRUE(cache.save("c", tree));
    EXPECT_TRUE(restore("a"));
    EXPECT_FALSE(restore("b"));
    EXPECT_TRUE(restore("c"));
    {
        auto file = *disk.open(scratch.path() + "/cache/a.tar", host::Disk::Open::read_write);
        ASSERT_TRUE(file->write_at(0, "damaged"));
    }
    EXPECT_FALSE(restore("a")) << "what cannot be read is as good as not there";
    BuildCache small(disk, scratch.path() + "/small", 100);
    ASSERT_TRUE(small.save("a", tree));
    EXPECT_EQ(disk.list(scratch.path() + "/small")->size(), 0U);
}

TEST(PackageClients, OnlyWhatPackageClientsUnderstandIsPassedOn) {
    const auto chosen = choose_package_clients({{"PIP_INDEX_URL", "https://index"},
                                                {"https_proxy", "http://proxy"},
                                                {"PIP_CERT", "/etc/ssl/certs/ca.crt"},
                                                {"NODE_EXTRA_CA_CERTS", "/opt/site/ca.pem"},
                                                {"SECRET_TOKEN", "x"},
                                                {"PATH", "/bin"}},
                                               {"/etc/pip.conf"});
    EXPECT_EQ(chosen.environment.size(), 4U);
    ASSERT_EQ(chosen.files.size(), 2U);
    EXPECT_EQ(chosen.files[0].target, "/opt/site/ca.pem");
    EXPECT_EQ(chosen.files[1].target, "/etc/pip.conf");
}

TEST(Advice, NamesWhatToDo) {
    struct Case {
        const char* name;
        const char* step;
        const char* line;
        const char* says;
    };
    const Case cases[] = {
        {"no network", "npm ci", "npm error code EAI_AGAIN", "cannot be reached"},
        {"a private authority", "pip install", "[SSL: CERTIFICATE_VERIFY_FAILED]", "PIP_CERT"},
        {"a wrong name", "pip install", "ERROR: No matching distribution found for x", "correct"},
        {"a stale lock", "npm ci", "npm ci can only install packages when ... are in sync",
         "run npm install"},
        {"a syntax error", "compile", "SyntaxError: invalid syntax", "Python file"},
        {"anything else", "cmake", "boom", "the lines above"},
    };
    for (const auto& each : cases) {
        const auto advice = advise(each.step, {.code = 1}, {"first", each.line});
        EXPECT_NE(advice.find(each.says), std::string::npos) << each.name << ": " << advice;
    }
}

}  // namespace
}  // namespace tidemill::builder
