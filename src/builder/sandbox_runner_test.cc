// Builds as they are: the launcher's sandbox, pip, npm, CMake. Says loudly what it could not try.
#include "builder/sandbox_runner.h"

#include <gtest/gtest.h>

#include <algorithm>
#include <iostream>

#include "builder/builder.h"
#include "builder/tools.h"
#include "host_linux/disk/scratch_directory.h"
#include "host_linux/linux_host.h"
#include "host_linux/loop/thread_offload.h"
#include "image/ustar_fixture.h"
#include "launcher/launcher.h"

namespace tidemill::builder {
namespace {

using image::ustar;
using image::ustar_end;
using namespace std::chrono_literals;

const image::ImageName shop{.name_space = "default", .name = "shop"};

struct Heard final : BuildProgress, StepLog {
    void plan(const Plan& plan) override { title = plan.title; }
    void log(std::string_view line) override { lines.emplace_back(line); }
    void line(std::string_view text) override { lines.emplace_back(text); }
    bool has(std::string_view words) const {
        return std::ranges::any_of(
            lines, [&](const auto& line) { return line.find(words) != std::string::npos; });
    }
    std::string title;
    std::vector<std::string> lines;
};

// What package clients of a Debian machine are told by its own configuration.
PackageClients clients_of_this_machine() {
    const std::string authorities = "/etc/ssl/certs/ca-certificates.crt";
    const image::NamedTexts environment{{"PIP_CERT", authorities},
                                        {"NODE_EXTRA_CA_CERTS", authorities}};
    return choose_package_clients(environment, {"/etc/pip.conf"});
}

struct SandboxRunnerTest : testing::Test {
    void SetUp() override {
        auto started = linux_->loop().run(launcher::ProgramLauncher::start(
            host_, {.run_directory = path("run"), .cgroup_name = "tidemill-test/" + unique()},
            host_.loop.now() + 10s));
        ASSERT_TRUE(started) << started.error().message;
        launcher_ = *std::move(started);
        if (!launcher_->capabilities().namespaces && !launcher_->capabilities().user_namespaces) {
            skip("this machine gives no namespaces, neither as this user nor without root");
            return;
        }
        runner_ = std::make_unique<SandboxRunner>(
            host_, *launcher_, SandboxRunner::Options{.log_directory = path("logs")});
        const auto begun = linux_->loop().run(runner_->start());
        ASSERT_TRUE(begun) << begun.error().message;
        make_builder("data");
    }
    void make_builder(const std::string& name) {
        builder_ = std::make_unique<Builder>(host_, *offload_, *runner_, store_,
                                             Builder::Options{.data_directory = path(name),
                                                              .clients = clients_of_this_machine(),
                                                              .tools = survey_tools(host_.disk)});
        ASSERT_TRUE(builder_->start());
    }
    static void skip(const std::string& why) {
        std::cerr << "SKIP: " << why << "\n";
        GTEST_SKIP() << why;
    }
    std::string unique() { return std::to_string(host_.processes.self()); }
    std::string path(const std::string& name) const { return scratch_.path() + "/" + name; }

    base::Result<StepEnd> run(const std::string& script, base::Duration time_max = 20s) {
        return linux_->loop().run(runner_->run({.name = "script",
                                                .command = {"/bin/sh", "-c", script},
                                                .environment = {{"GREETING", "hello"}},
                                                .time_max = time_max},
                                               heard_, nullptr));
    }
    async::Task<base::Result<Built>> build_task(std::string tar) {
        CO_TRY(auto upload, builder_->begin_upload(shop));
        CO_CHECK_OK(upload->append(tar));
        co_return co_await builder_->build(std::move(upload), shop, heard_);
    }
    base::Result<Built> build(std::string tar) {
        return linux_->loop().run(build_task(std::move(tar)));
    }
    // A registry is not ours to have: without one there is nothing to test.
    bool skipped_for_want_of_a_registry(const base::Result<Built>& built) {
        if (!built && built.error().message.find("cannot be reached") != std::string::npos) {
            skip("no package registry can be reached: " + built.error().message);
            return true;
        }
        return false;
    }

    host_linux::ScratchDirectory scratch_{"/tmp"};  // sockets' paths are short
    host_linux::InheritedListeners inherited_;
    std::unique_ptr<host_linux::LinuxHost> linux_ = *host_linux::LinuxHost::create(inherited_);
    host::Host host_ = linux_->host();
    std::unique_ptr<host_linux::ThreadOffload> offload_ =
        std::make_unique<host_linux::ThreadOffload>(linux_->loop(), "build", 64);
    image::ImageStore store_ = *image::ImageStore::open(host_.disk, path("images"), {});
    std::unique_ptr<launcher::ProgramLauncher> launcher_;
    std::unique_ptr<SandboxRunner> runner_;
    std::unique_ptr<Builder> builder_;
    Heard heard_;
};

TEST_F(SandboxRunnerTest, AStepIsHeardAndItsEndIsKnown) {
    const auto end = run("echo $GREETING; echo there >&2; exit 3");
    ASSERT_TRUE(end) << end.error().message;
    EXPECT_EQ(end->code, 3);
    EXPECT_TRUE(heard_.has("hello"));
    EXPECT_TRUE(heard_.has("there"));
    EXPECT_EQ(run("kill -9 $$")->signal, 9);
    EXPECT_TRUE(run("seq 1 20000")->ok());
    EXPECT_EQ(heard_.lines.back(), "20000") << "all that it wrote is heard before its end is told";
}

TEST_F(SandboxRunnerTest, AStepSeesNeitherOurEnvironmentNorOurFiles) {
    ASSERT_TRUE(run("id -u; env; ls " + scratch_.path() + "; touch /usr/x").has_value());
    EXPECT_FALSE(heard_.has("images"));
    EXPECT_FALSE(heard_.has("HOSTTYPE"));
    EXPECT_NE(heard_.lines.front(), "0");
    EXPECT_TRUE(heard_.has("No such file") || heard_.has("cannot access"));
    EXPECT_FALSE(host_.disk.info("/usr/x"));
}

TEST_F(SandboxRunnerTest, AStepThatTakesTooLongIsEnded) {
    const auto end = run("echo begun; sleep 1000", 300ms);
    ASSERT_TRUE(end) << end.error().message;
    EXPECT_TRUE(end->is_out_of_time);
    EXPECT_TRUE(heard_.has("begun"));
    const auto gone = [](SandboxRunnerTest& test) -> async::Task<bool> {
        for (int i = 0; i < 500; ++i) {
            const auto known = co_await test.launcher_->scan();
            if (known && known->empty()) {
                co_return true;
            }
            co_await async::sleep_for(test.host_.loop, 10ms);
        }
        co_return false;
    };
    EXPECT_TRUE(linux_->loop().run(gone(*this)));
}

TEST_F(SandboxRunnerTest, APythonFunctionIsCompiledTheSameWayTwice) {
    const auto source =
        ustar({.path = "handler.py", .content = "def handle(request, context):\n    return 1\n"}) +
        ustar({.path = "lib/a.py", .content = "A = {'x': 1, 'y': (1, 2)}\n"}) + ustar_end();
    const auto began = host_.clock.monotonic_now();
    const auto first = build(source);
    const auto took = host_.clock.monotonic_now() - began;
    ASSERT_TRUE(first) << first.error().message;
    std::cerr << "a Python folder without dependencies took "
              << std::chrono::duration_cast<std::chrono::milliseconds>(took).count() << " ms\n";
    make_builder("other");
    const auto second = build(source);
    ASSERT_TRUE(second) << second.error().message;
    EXPECT_EQ(first->image, second->image);
    const auto tree = store_.resolve(first->image)->tree;
    EXPECT_EQ(host_.disk.list(tree + "/__pycache__")->size(), 1U);
    EXPECT_EQ(host_.disk.list(tree + "/lib/__pycache__")->size(), 1U);
}

TEST_F(SandboxRunnerTest, AHandlerThatDoesNotCompileFailsTheBuild) {
    const auto built = build(
        ustar({.path = "handler.py", .content = "def handle(request, context):\n    return (\n"}) +
        ustar_end());
    ASSERT_FALSE(built);
    EXPECT_TRUE(built.error().message.starts_with("TM-405: compile ended with exit code 1"));
    EXPECT_NE(built.error().message.find("/app/handler.py"), std::string::npos)
        << built.error().message;
}

TEST_F(SandboxRunnerTest, PipInstallsIntoTheImageTheSameWayTwice) {
    const auto source =
        ustar({.path = "app.py", .content = "import flask\n"}) +
        ustar({.path = "requirements.txt", .content = "itsdangerous==2.2.0\nclick==8.1.7\n"}) +
        ustar_end();
    const auto first = build(source);
    if (skipped_for_want_of_a_registry(first)) {
        return;
    }
    ASSERT_TRUE(first) << first.error().message;
    make_builder("other");  // and so another cache
    const auto second = build(source);
    ASSERT_TRUE(second) << second.error().message;
    EXPECT_EQ(first->image, second->image);
    heard_.lines.clear();
    const auto third = build(source);
    ASSERT_TRUE(third);
    EXPECT_EQ(third->image, first->image);
    EXPECT_TRUE(heard_.has("from the cache"));
    const auto tree = store_.resolve(first->image)->tree;
    EXPECT_TRUE(host_.disk.info(tree + "/.tidemill/python/click/__init__.py"));
    EXPECT_TRUE(host_.disk.info(tree + "/.tidemill/python/click/__pycache__"));
}

TEST_F(SandboxRunnerTest, APackageThatIsNotThereIsNamed) {
    const auto built = build(
        ustar({.path = "app.py", .content = ""}) +
        ustar({.path = "requirements.txt", .content = "itsdangerous==0.0.999\n"}) + ustar_end());
    ASSERT_FALSE(built);
    if (skipped_for_want_of_a_registry(built)) {
        return;
    }
    EXPECT_TRUE(built.error().message.starts_with("TM-405: pip install ended with exit code 1"));
    EXPECT_NE(built.error().message.find("correct the package's name"), std::string::npos)
        << built.error().message;
}

TEST_F(SandboxRunnerTest, AProjectFileOfPythonNamesItsPackages) {
    const auto built = build(
        ustar({.path = "app.py", .content = "print(1)\n"}) +
        ustar({.path = "pyproject.toml",
               .content =
                   "[project]\nname='x'\nversion='1'\ndependencies=['itsdangerous==2.2.0']\n"}) +
        ustar_end());
    if (skipped_for_want_of_a_registry(built)) {
        return;
    }
    ASSERT_TRUE(built) << built.error().message;
    EXPECT_TRUE(host_.disk.info(store_.resolve(built->image)->tree +
                                "/.tidemill/python/itsdangerous/__init__.py"));
}

TEST_F(SandboxRunnerTest, NpmInstallsWhatTheLockSays) {
    const auto source =
        ustar({.path = "package.json",
               .content = R"({"name":"x","version":"1.0.0","scripts":{"start":"node server.js"},
                            "dependencies":{"ms":"2.1.3"}})"}) +
        ustar({.path = "package-lock.json",
               .content = R"({"name":"x","version":"1.0.0","lockfileVersion":3,"packages":{
                 "":{"name":"x","version":"1.0.0","dependencies":{"ms":"2.1.3"}},
                 "node_modules/ms":{"version":"2.1.3","integrity":
                 "sha512-6FlzubTLZG3J2a/NVCAleEhjzq5oxgHyaCU9yYXvcLsvoVaHJq/s)"
                          R"(5xXI6/XXP6tz7R9xAOtHnSO/tXtF3WRTlA=="}}})"}) +
        ustar({.path = "server.js", .content = "require('ms')\n"}) + ustar_end();
    if (survey_tools(host_.disk).npm.empty()) {
        skip("npm is not on this machine");
        return;
    }
    const auto first = build(source);
    if (skipped_for_want_of_a_registry(first)) {
        return;
    }
    ASSERT_TRUE(first) << first.error().message;
    make_builder("other");
    const auto second = build(source);
    ASSERT_TRUE(second) << second.error().message;
    EXPECT_EQ(first->image, second->image);
    EXPECT_TRUE(
        host_.disk.info(store_.resolve(first->image)->tree + "/node_modules/ms/package.json"));
}

TEST_F(SandboxRunnerTest, CMakeBuildsTheSameProgramTwice) {
    const auto source =
        ustar({.path = "CMakeLists.txt",
               .content = "cmake_minimum_required(VERSION 3.16)\nproject(x LANGUAGES C)\n"
                          "add_executable(server main.c)\n"}) +
        ustar({.path = "main.c", .content = "int main(void) { return __FILE__[0] == 'x'; }\n"}) +
        ustar_end();
    const auto first = build(source);
    ASSERT_TRUE(first) << first.error().message;
    make_builder("other");
    const auto second = build(source);
    ASSERT_TRUE(second) << second.error().message;
    EXPECT_EQ(first->image, second->image);
    EXPECT_EQ(store_.resolve(first->image)->config.command,
              std::vector<std::string>{"/app/.tidemill/bin/server"});
}

}  // namespace
}  // namespace tidemill::builder
